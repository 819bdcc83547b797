//! Reservation objects: made and deleted by people, and what is reserved by them.

use crate::world::*;
use proffer_master::OperationBody::{Create, Destroy, Reserve, Unreserve};
use proffer_master::{
    Delivery, Event, FrameworkObject, ReservationPhase, SchedulerKind, TaskRequest, VolumeRequest, WriteOutcome,
};
use proffer_mesos_api::TaskState;
use proffer_resources::{Amount, DiskInfo, Persistence, Reservation, Resource, ResourceBag, Role, Volume, VolumeMode};

pub(crate) fn role(name: &str) -> Role {
    Role::new(name).expect("a role")
}

/// `amount` units of a scalar, reserved for one role below the other.
pub(crate) fn reserved(name: &str, amount: u64, roles: &[&str]) -> Resource {
    roles.iter().fold(Resource::scalar(name, Amount::from_units(amount)), |resource, name| {
        resource.reserved(Reservation::dynamic(role(name), None))
    })
}

/// A volume of a role.
pub(crate) fn volume(id: &str, amount: u64, roles: &[&str]) -> Resource {
    let persistence = Some(Persistence { id: id.to_owned(), principal: None });
    let volume = Some(Volume { mode: VolumeMode::ReadWrite, container_path: "data".to_owned(), host_path: None });
    reserved("disk", amount, roles).on_disk(DiskInfo { persistence, volume, source: None })
}

/// A framework that is offered resources in these roles.
pub(crate) fn external_in(world: &mut World, name: &str, roles: &[&str]) {
    let object = FrameworkObject::new(key(name), format!("uid-{name}"), Ok(SchedulerKind::External(Delivery::Objects)));
    world.apply_framework(FrameworkObject { roles: roles.iter().map(|name| role(name)).collect(), ..object });
}

fn reserve(world: &mut World, name: &str, agent: &str, resources: impl IntoIterator<Item = Resource>) {
    world.reserve_as(name, agent, Ok(resources.into_iter().collect()), None);
    world.finish_writes();
}

fn phase(world: &World, name: &str) -> (ReservationPhase, String) {
    let record = world.reservations[name].record.clone().expect("a status");
    (record.phase, record.message)
}

fn delete(world: &mut World, name: &str) {
    let object = world.reservations.get_mut(name).expect("a reservation");
    object.deleting = true;
    let object = object.clone();
    world.event(Event::ReservationApplied(Box::new(object)));
}

fn total(world: &World) -> ResourceBag {
    world.agent_records["node1"].total.clone()
}

#[test]
fn what_is_reserved_is_offered_to_its_role_only() {
    let mut world = World::new().agent("node1", "4", "1Gi");
    reserve(&mut world, "r", "node1", [reserved("cpus", 3, &["eng"])]);
    assert_eq!(phase(&world, "r"), (ReservationPhase::Reserved, String::new()));
    let mut world = world.clear();
    external_in(&mut world, "web", &["web"]);
    assert!(world.log()[0].starts_with("offer web-1-1: cpus:1;"));
    world.decline("web-1-1", None);
    external_in(&mut world, "eng", &["eng/a"]);
    let offers: Vec<String> = world.log().into_iter().filter(|line| line.starts_with("offer eng-")).collect();
    assert!(offers[0].contains("cpus:1;cpus(reservations: [(DYNAMIC,eng)]):3;"), "{offers:?}");
}

#[test]
fn offers_in_the_way_are_rescinded() {
    let mut world = World::new().external("fw").agent("node1", "2", "1Gi").clear();
    reserve(&mut world, "r", "node1", [reserved("cpus", 1, &["eng"])]);
    let log = world.log();
    assert_eq!(log[0], "close fw-1-1: Rescinded: resources of agent node1 are being reserved or released");
    assert!(log.iter().any(|line| line.starts_with("offer fw-1-2: cpus:1;")), "{log:#?}");
}

#[test]
fn what_tasks_hold_is_waited_for() {
    let mut world = World::new().built_in("fw").agent("node1", "2", "1Gi").task("job", "fw", "1500m", "64Mi");
    reserve(&mut world, "r", "node1", [reserved("cpus", 1, &["eng"])]);
    let (waiting, why) = phase(&world, "r");
    assert_eq!(waiting, ReservationPhase::Pending);
    assert!(why.contains("of agent node1 is held by tasks"), "{why}");
    assert_eq!(total(&world).unreserved().quantities().cpus, Amount::from_units(2));
    world.says("node1", "job", TaskState::Finished);
    assert_eq!(phase(&world, "r").0, ReservationPhase::Reserved);
    // More than there is never fits, and it says so.
    reserve(&mut world, "more", "node1", [reserved("cpus", 9, &["eng"])]);
    assert!(phase(&world, "more").1.starts_with("agent node1 has too little: cpus"), "{:?}", phase(&world, "more"));
}

#[test]
fn a_reservation_that_is_deleted_waits_for_the_tasks_that_use_it() {
    let mut world = World::new().agent("node1", "2", "1Gi");
    reserve(&mut world, "r", "node1", [reserved("cpus", 2, &["eng"])]);
    let object = FrameworkObject::new(
        key("fw"),
        "uid-fw".to_owned(),
        Ok(SchedulerKind::BuiltIn(proffer_master::Strategy::BinPack)),
    );
    world.apply_framework(FrameworkObject { roles: vec![role("eng")], ..object });
    world.add_task("job", "fw", "1", "64Mi");
    assert_eq!(world.state("job").0, Some(TaskState::Staging));
    assert_eq!(world.reservations["r"].record.as_ref().unwrap().tasks, [key("job")].into());
    delete(&mut world, "r");
    assert_eq!(phase(&world, "r").1, "is not released yet: is still used by ns/job");
    assert_eq!(total(&world).unreserved().quantities().cpus, Amount::ZERO);
    world.says("node1", "job", TaskState::Finished);
    assert!(world.log().contains(&"release reservation r".to_owned()));
    assert_eq!((total(&world).unreserved().quantities().cpus, world.reservations.len()), (Amount::from_units(2), 0));
}

#[test]
fn the_data_of_a_volume_goes_before_its_disk_is_anybodys() {
    let mut world = World::new().agent("node1", "2", "1Gi");
    reserve(&mut world, "r", "node1", [volume("v", 100, &["eng"])]);
    let disk = |world: &World| total(world).unreserved().quantities().disk;
    assert_eq!(disk(&world), Amount::from_units(10_140));
    let mut world = world.clear();
    delete(&mut world, "r");
    assert!(world.log().contains(&"node1: destroy volume v of eng".to_owned()));
    assert_eq!(
        (disk(&world), total(&world).quantities().disk),
        (Amount::from_units(10_140), Amount::from_units(10_140))
    );
    // It is asked again when the agent comes anew.
    world.connect("node1", Vec::new());
    assert!(world.log().contains(&"node1: destroy volume v of eng".to_owned()));
    let (agent, session) = (agent_name("node1"), world.session("node1"));
    world.event(Event::VolumeDestroyed { agent, session, role: role("eng"), id: "v".to_owned(), problem: None });
    assert_eq!((disk(&world), world.reservations.len()), (Amount::from_units(10_240), 0));
}

#[test]
fn a_new_leader_goes_on_with_what_is_reserved() {
    let mut world = World::new().agent("node1", "2", "1Gi");
    reserve(&mut world, "r", "node1", [reserved("cpus", 2, &["eng"]), volume("v", 10, &["eng"])]);
    let object = FrameworkObject::new(
        key("fw"),
        "uid-fw".to_owned(),
        Ok(SchedulerKind::BuiltIn(proffer_master::Strategy::BinPack)),
    );
    world.apply_framework(FrameworkObject { roles: vec![role("eng")], ..object });
    world.add_task("job", "fw", "1", "64Mi");
    world.says("node1", "job", TaskState::Running);
    let held = world.record("job").held.expect("it holds what is reserved");
    let mut next = world.failover(2).recovered();
    let snapshot =
        proffer_master::TaskSnapshot { resources: bag("1", "64Mi"), update: update("job", "fw", TaskState::Running) };
    next.connect("node1", vec![snapshot]);
    assert_eq!(next.agent_records["node1"].allocated, held);
    assert_eq!(total(&next).reserved_for(&role("eng")).quantities().cpus, Amount::from_units(2));
    assert_eq!(phase(&next, "r").0, ReservationPhase::Reserved);
}

#[test]
fn a_reservation_waits_for_its_agent_and_outlives_it() {
    let mut world = World::new();
    reserve(&mut world, "r", "node1", [reserved("cpus", 1, &["eng"])]);
    assert_eq!(phase(&world, "r"), (ReservationPhase::Pending, "agent node1 is not here".to_owned()));
    world.add_agent("node1", "2", "1Gi");
    assert_eq!(phase(&world, "r").0, ReservationPhase::Reserved);
    world.disconnect("node1");
    world.event(Event::AgentDeleted(agent_name("node1")));
    world.add_agent("node1", "2", "1Gi");
    assert_eq!(total(&world).reserved_for(&role("eng")).quantities().cpus, Amount::from_units(1));
}

#[test]
fn an_object_that_makes_no_sense_is_told_so() {
    let mut world = World::new().agent("node1", "2", "1Gi");
    world.reserve_as("r", "node1", Err("resources.cpu: \"many\" is no quantity".to_owned()), None);
    assert_eq!(phase(&world, "r"), (ReservationPhase::Rejected, "resources.cpu: \"many\" is no quantity".to_owned()));
}

#[test]
fn operators_reserve_and_destroy_over_the_api() {
    let mut world = World::new().external("fw").agent("node1", "2", "1Gi").clear();
    let operate = |world: &mut World, operation| {
        world.event(Event::OperatorOperation { id: 7, agent: agent_name("node1"), principal: None, operation });
        world
            .log()
            .into_iter()
            .filter(|line| line.starts_with("answer") || line.starts_with("create"))
            .collect::<Vec<_>>()
    };
    let disk = ResourceBag::from(reserved("disk", 100, &["eng"]));
    let reserve = Reserve { source: ResourceBag::new(), resources: disk.clone() };
    let log = operate(&mut world, reserve);
    assert_eq!(log, ["create op-node1-1-1: disk(reservations: [(DYNAMIC,eng)]):100 of node1", "answer 7: Ok(())"]);
    let made = ResourceBag::from(volume("v", 100, &["eng"]));
    assert_eq!(operate(&mut world, Create(made.clone())), ["answer 7: Ok(())"]);
    assert!(total(&world).contains(&made));
    assert_eq!(
        operate(&mut world, Unreserve(disk.clone())),
        [
            r#"answer 7: Err(Conflict("cpus:2;mem:1024;disk:10140;disk(reservations: [(DYNAMIC,eng)])[v:data]:100;ports:[31000-31009] does not contain disk(reservations: [(DYNAMIC,eng)]):100"))"#
        ]
    );
    assert_eq!(operate(&mut world, Destroy(made.clone())), ["answer 7: Ok(())"]);
    let (agent, session) = (agent_name("node1"), world.session("node1"));
    world.event(Event::VolumeDestroyed { agent, session, role: role("eng"), id: "v".to_owned(), problem: None });
    assert!(total(&world).contains(&disk));
    assert_eq!(operate(&mut world, Unreserve(disk)), ["answer 7: Ok(())"]);
    assert_eq!((total(&world).unreserved(), world.reservations.len()), (total(&world), 0));
}

#[test]
fn an_operators_reservation_that_cannot_be_written_is_none() {
    let mut world = World::new().agent("node1", "2", "1Gi").clear();
    world.hold_writes = true;
    let resources = ResourceBag::from(reserved("cpus", 1, &["eng"]));
    let operation = proffer_master::OperationBody::Reserve { source: ResourceBag::new(), resources };
    world.event(Event::OperatorOperation { id: 1, agent: agent_name("node1"), principal: None, operation });
    world.finish_write(WriteOutcome::Refused("quota".to_owned()));
    assert!(world.log().contains(&r#"answer 1: Err(Conflict("quota"))"#.to_owned()));
    assert!(total(&world).reserved_for(&role("eng")).is_empty());
}

#[test]
fn the_built_in_scheduler_places_a_task_where_its_volume_is() {
    let mut world = World::new().agent("node1", "2", "1Gi").agent("node2", "2", "1Gi");
    reserve(&mut world, "r", "node2", [volume("v", 100, &["eng"])]);
    let object = FrameworkObject::new(
        key("fw"),
        "uid-fw".to_owned(),
        Ok(SchedulerKind::BuiltIn(proffer_master::Strategy::BinPack)),
    );
    world.apply_framework(FrameworkObject { roles: vec![role("eng")], ..object });
    let uses = |id: &str| VolumeRequest { id: id.to_owned(), container_path: "data".to_owned(), read_only: false };
    for (task, id) in [("one", "v"), ("two", "v"), ("three", "w")] {
        let request = TaskRequest { volumes: vec![uses(id)], ..world.request("100m", "32Mi") };
        world.add_task_asking(task, "fw", Ok(request));
    }
    assert_eq!(world.record("one").agent.unwrap().agent.0, "node2");
    world.pass(secs(2));
    let held = "volume \"v\" is on agent node2, which has given or offered it to somebody else: wait for that to end, or make the volume shared";
    assert_eq!(world.shown("two").1, held);
    let missing =
        "volume \"w\" is on no agent: apply a Reservation for role eng that has it, or name one that is there";
    assert_eq!(world.shown("three").1, missing);
    world.says("node2", "one", TaskState::Finished);
    assert_eq!(world.record("two").agent.unwrap().agent.0, "node2");
}
