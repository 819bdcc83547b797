//! Operations of frameworks on their offers.

use crate::reservations::{external_in, reserved, role, volume};
use crate::world::*;
use proffer_master::{
    Asked, Event, LaunchBody, OfferReply, Operation, OperationBody, TaskRequest, VolumeRequest, WriteOutcome,
};
use proffer_mesos_api::TaskState;
use proffer_resources::{Amount, Quantities, Resource, ResourceBag, ResourceName};

fn reserve(resource: Resource) -> Operation {
    Operation::new(OperationBody::Reserve { source: ResourceBag::new(), resources: resource.into() })
}

fn create(volume: Resource) -> Operation {
    Operation::new(OperationBody::Create(volume.into()))
}

fn accept(world: &mut World, offer: &str, operations: Vec<Operation>) -> Vec<String> {
    world.reply(offer, OfferReply::Accept { operations, refuse: Some(secs(0)) });
    world.log()
}

/// One agent, offered as a whole to `fw` in the role `eng`, in the offer `fw-1-1`.
fn offered() -> World {
    let mut world = World::new();
    external_in(&mut world, "fw", &["eng"]);
    world.agent("node1", "2", "1Gi").clear()
}

fn total(world: &World) -> ResourceBag {
    world.agent_records["node1"].total.clone()
}

#[test]
fn what_was_reserved_counts_once_its_object_is_written() {
    let mut world = offered();
    world.hold_writes = true;
    let log = accept(&mut world, "fw-1-1", vec![reserve(reserved("cpus", 1, &["eng"]))]);
    assert_eq!(log, ["create op-node1-1-1: cpus(reservations: [(DYNAMIC,eng)]):1 of node1"]);
    assert!(total(&world).reserved_for(&role("eng")).is_empty());
    world.finish_write(WriteOutcome::Done);
    world.finish_writes();
    let log = world.log();
    assert!(log.contains(&"close fw-1-1: Accepted: RESERVE carried out on agent node1".to_owned()), "{log:#?}");
    assert_eq!(total(&world).reserved_for(&role("eng")).quantities().cpus, Amount::from_units(1));
}

#[test]
fn a_launch_uses_what_was_reserved_just_before_it() {
    let mut world = offered().task("job", "fw", "1", "64Mi").clear();
    let launch = Operation::new(OperationBody::Launch(LaunchBody::Objects(vec!["job".to_owned()])));
    let log = accept(&mut world, "fw-1-1", vec![reserve(reserved("cpus", 1, &["eng"])), launch]);
    let order = |text: &str| log.iter().position(|line| line.starts_with(text)).unwrap_or(usize::MAX);
    assert!(order("create op-node1-1-1") < order("write job: Staging"), "{log:#?}");
    assert_eq!(world.record("job").held.unwrap().reserved_for(&role("eng")).quantities().cpus, Amount::from_units(1));
    assert_eq!(world.reservations["op-node1-1-1"].record.as_ref().unwrap().tasks, [key("job")].into());
}

#[test]
fn a_volume_is_used_by_one_task_and_there_for_the_next() {
    let mut world = offered();
    let operations = vec![reserve(reserved("disk", 100, &["eng"])), create(volume("v", 100, &["eng"]))];
    let log = accept(&mut world, "fw-1-1", operations);
    assert!(log.contains(&"close fw-1-1: Accepted: RESERVE, CREATE carried out on agent node1".to_owned()), "{log:#?}");
    for task in ["one", "two"] {
        let uses = VolumeRequest { id: "v".to_owned(), container_path: "data".to_owned(), read_only: false };
        let request = TaskRequest { volumes: vec![uses], ..world.request("100m", "32Mi") };
        world.add_task_asking(task, "fw", Ok(request));
        let offer = world.newest_offer();
        let log = accept(&mut world, &offer, vec![Operation::launch(vec![task.to_owned()])]);
        assert!(log.contains(&format!("close {offer}: Accepted: 1 task launched on agent node1")), "{log:#?}");
        world.says("node1", task, TaskState::Running);
        world.says("node1", task, TaskState::Finished);
    }
    assert!(total(&world).contains(&volume("v", 100, &["eng"]).into()));
}

#[test]
fn a_volume_is_destroyed_with_its_data_and_unreserved_in_one_go() {
    let mut world = offered();
    let (disk, made) = (reserved("disk", 100, &["eng"]), volume("v", 100, &["eng"]));
    accept(&mut world, "fw-1-1", vec![reserve(disk.clone()), create(made.clone())]);
    let offer = world.newest_offer();
    let operations = vec![
        Operation::new(OperationBody::Destroy(made.into())),
        Operation::new(OperationBody::Unreserve(disk.into())),
    ];
    let log = accept(&mut world, &offer, operations);
    assert!(log.contains(&"node1: destroy volume v of eng".to_owned()), "{log:#?}");
    let (agent, session) = (agent_name("node1"), world.session("node1"));
    world.event(Event::VolumeDestroyed { agent, session, role: role("eng"), id: "v".to_owned(), problem: None });
    assert_eq!((total(&world).unreserved(), world.reservations.len()), (total(&world), 0));
}

#[test]
fn volumes_grow_and_shrink() {
    let mut world = offered();
    let (disk, made) = (reserved("disk", 150, &["eng"]), volume("v", 100, &["eng"]));
    let grow = OperationBody::GrowVolume { volume: made.clone(), addition: reserved("disk", 50, &["eng"]) };
    let log = accept(&mut world, "fw-1-1", vec![reserve(disk), create(made), Operation::new(grow)]);
    assert!(log.iter().any(|line| line.contains("RESERVE, CREATE, GROW_VOLUME carried out")), "{log:#?}");
    assert!(total(&world).contains(&volume("v", 150, &["eng"]).into()));
    let shrink = OperationBody::ShrinkVolume { volume: volume("v", 150, &["eng"]), subtract: Amount::from_units(30) };
    let offer = world.newest_offer();
    accept(&mut world, &offer, vec![Operation::new(shrink)]);
    assert!(total(&world).contains(&volume("v", 120, &["eng"]).into()));
    assert!(total(&world).contains(&reserved("disk", 30, &["eng"]).into()));
}

#[test]
fn what_is_invalid_is_not_done_and_says_why() {
    let with_volume = |volume: &Resource| vec![reserve(reserved("disk", 100, &["eng"])), create(volume.clone())];
    let v = volume("v", 100, &["eng"]);
    let table: Vec<(Vec<Operation>, &str)> = vec![
        (
            vec![reserve(reserved("cpus", 1, &["web"]))],
            "RESERVE: A reserve operation was attempted for a resource with role 'web', but the resource was allocated to role 'eng'",
        ),
        (
            vec![reserve(Resource::scalar("cpus", Amount::from_units(1)))],
            "RESERVE: Resource cpus:1 is not dynamically reserved",
        ),
        (
            vec![reserve(reserved("cpus", 3, &["eng"]))],
            "RESERVE: cpus:2;mem:1024;disk:10240;ports:[31000-31009] does not contain cpus:3",
        ),
        (
            vec![Operation::new(OperationBody::Unreserve(reserved("cpus", 1, &["eng"]).into()))],
            "UNRESERVE: cpus:2;mem:1024;disk:10240;ports:[31000-31009] does not contain cpus(reservations: [(DYNAMIC,eng)]):1",
        ),
        (
            vec![create(reserved("disk", 1, &["eng"]))],
            "CREATE: Not a persistent volume: disk(reservations: [(DYNAMIC,eng)]):1",
        ),
        (
            vec![create(volume("v", 100, &[]))],
            "CREATE: Not a persistent volume: Persistent volumes cannot be created from unreserved resources",
        ),
        (
            [with_volume(&v), vec![reserve(reserved("disk", 100, &["eng"])), create(v.clone())]].concat(),
            "CREATE: Persistence ID 'v' is not unique",
        ),
        (
            [with_volume(&v), vec![Operation::new(OperationBody::Unreserve(v.clone().into()))]].concat(),
            "cannot be unreserved directly. Please destroy the persistent volume first then unreserve the resource",
        ),
        (
            vec![Operation::new(OperationBody::Destroy(reserved("disk", 1, &["eng"]).into()))],
            "DESTROY: Not a persistent volume: disk(reservations: [(DYNAMIC,eng)]):1",
        ),
        (
            vec![Operation::new(OperationBody::GrowVolume {
                volume: v.clone(),
                addition: reserved("disk", 0, &["eng"]),
            })],
            "GROW_VOLUME: The size of 'GrowVolume.addition' field must be greater than zero",
        ),
        (
            vec![Operation::new(OperationBody::GrowVolume {
                volume: v.clone(),
                addition: Resource::scalar("disk", Amount::from_units(1)),
            })],
            "GROW_VOLUME: Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields",
        ),
        (
            vec![Operation::new(OperationBody::ShrinkVolume { volume: v, subtract: Amount::from_units(100) })],
            "SHRINK_VOLUME: Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'",
        ),
        (vec![Operation { id: None, body: Err("Unknown offer operation".to_owned()) }], "Unknown offer operation"),
    ];
    for (operations, expected) in table {
        let mut world = offered();
        let log = accept(&mut world, "fw-1-1", operations);
        assert!(log.iter().any(|line| line.starts_with("close") && line.contains(expected)), "{expected}: {log:#?}");
    }
}

#[test]
fn a_reservation_that_cannot_be_written_is_not_made_and_the_rest_goes_on() {
    let mut world = offered().task("job", "fw", "1", "64Mi").clear();
    world.hold_writes = true;
    accept(
        &mut world,
        "fw-1-1",
        vec![reserve(reserved("cpus", 1, &["eng"])), Operation::launch(vec!["job".to_owned()])],
    );
    world.finish_write(WriteOutcome::Refused("no more objects".to_owned()));
    world.finish_writes();
    let log = world.log();
    let message = "close fw-1-1: Accepted: 1 task launched on agent node1; not launched: RESERVE: no more objects";
    assert!(log.contains(&message.to_owned()), "{log:#?}");
    assert!(world.record("job").held.is_none() && world.reservations.is_empty());
}

#[test]
fn an_agent_or_a_framework_that_goes_meanwhile_takes_the_operation_with_it() {
    for agent_goes in [true, false] {
        let mut world = offered();
        world.hold_writes = true;
        accept(&mut world, "fw-1-1", vec![reserve(reserved("cpus", 1, &["eng"])), create(volume("v", 1, &["eng"]))]);
        if agent_goes {
            world.disconnect("node1");
            world.event(Event::AgentDeleted(agent_name("node1")));
        } else {
            world.delete_framework("fw");
        }
        world.finish_writes();
        // What its object asks for is reserved all the same, as soon as it can be.
        world.add_agent("node1", "2", "1Gi");
        world.finish_writes();
        assert_eq!(total(&world).reserved_for(&role("eng")).quantities().cpus, Amount::from_units(1), "{agent_goes}");
    }
}

#[test]
fn a_refined_reservation_lies_on_the_one_below() {
    let mut world = World::new();
    external_in(&mut world, "fw", &["eng/a"]);
    let mut object = world.frameworks["fw"].clone();
    object.capabilities.refinement = true;
    world.apply_framework(object);
    let mut world = world.agent("node1", "2", "1Gi");
    world.reserve_as("base", "node1", Ok(reserved("cpus", 2, &["eng"]).into()), None);
    world.finish_writes();
    let refined = reserved("cpus", 1, &["eng", "eng/a"]);
    let offer = world.newest_offer();
    let log = accept(&mut world, &offer, vec![reserve(refined.clone())]);
    assert!(log.iter().any(|line| line.contains("RESERVE carried out")), "{log:#?}");
    assert!(total(&world).contains(&[refined.clone(), reserved("cpus", 1, &["eng"])].into_iter().collect()));
    // The one below cannot go while the other is there.
    let offer = world.newest_offer();
    accept(&mut world, &offer, vec![Operation::new(OperationBody::Unreserve(refined.into()))]);
    assert!(total(&world).contains(&reserved("cpus", 2, &["eng"]).into()));
}

#[test]
fn people_name_amounts_and_volumes_and_the_offer_says_the_rest() {
    let asked = |asked: Asked| Operation::new(OperationBody::Asked(asked));
    let disk = Quantities::default().with(&ResourceName::Disk, Amount::from_units(100));
    let size = Amount::from_units(100);
    let mut world = offered();
    let operations = vec![asked(Asked::Reserve(disk.clone())), asked(Asked::Create { id: "v".to_owned(), size })];
    let log = accept(&mut world, "fw-1-1", operations);
    assert!(log.iter().any(|line| line.contains("Accepted: RESERVE, CREATE carried out")), "{log:#?}");
    for (operation, expected) in [
        (
            Asked::Create { id: "w".to_owned(), size },
            "has not so much disk that is reserved for role eng: reserve it first",
        ),
        (Asked::Destroy { id: "w".to_owned() }, "volume \"w\" is not in the offer"),
        (Asked::Unreserve(disk), "UNRESERVE: asks for disk:100, and of the offer only "),
        (Asked::Reserve(Quantities::default()), "RESERVE: names no amount: write cpu, memory or disk"),
    ] {
        let offer = world.newest_offer();
        let log = accept(&mut world, &offer, vec![asked(operation)]);
        assert!(log.iter().any(|line| line.contains("Rejected") && line.contains(expected)), "{expected}: {log:#?}");
    }
    let offer = world.newest_offer();
    let log = accept(&mut world, &offer, vec![asked(Asked::Destroy { id: "v".to_owned() })]);
    assert!(log.contains(&"node1: destroy volume v of eng".to_owned()), "{log:#?}");
}
