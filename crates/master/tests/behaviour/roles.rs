//! Roles get weights and quota, as far as they can be.

use crate::world::*;
use proffer_master::{Delivery, FrameworkObject, Quota, RoleObject, RoleTerms, SchedulerKind, Strategy, Time, Weight};
use proffer_resources::{Amount, Quantities, ResourceName, Role};

fn role(path: &str) -> Role {
    Role::new(path).expect("a role")
}

fn quota(guaranteed: u64, limit: Option<u64>) -> Quota {
    let cpus = |units| (ResourceName::Cpus, Amount::from_units(units));
    Quota {
        guarantees: [cpus(guaranteed)].into_iter().filter(|(_, amount)| !amount.is_zero()).collect::<Quantities>(),
        limits: limit.map(cpus).into_iter().collect(),
    }
}

/// An object for the role `path`, made at `created`.
fn object(name: &str, path: &str, created: i64, quota: Quota) -> RoleObject {
    RoleObject {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        generation: 1,
        created: Time(created),
        terms: Ok(RoleTerms { role: role(path), weight: Weight::ONE, quota, force: false }),
        quota_in_force: None,
    }
}

/// Who gets a framework of the role `path`.
fn framework(world: &mut World, name: &str, path: &str, scheduler: SchedulerKind) {
    let object = FrameworkObject::new(key(name), format!("uid-{name}"), Ok(scheduler));
    world.apply_framework(FrameworkObject { roles: vec![role(path)], ..object });
}

fn accepted(world: &World, name: &str) -> (bool, &'static str) {
    let accepted = &world.role_records[name].accepted;
    (accepted.ready, accepted.reason)
}

#[test]
fn weights_share_a_full_cluster_one_to_three() {
    let mut world = World::new();
    for (name, path, weight) in [("one", "a", 1000), ("three", "b", 3000)] {
        let terms = RoleTerms {
            role: role(path),
            weight: Weight::from_thousandths(weight),
            quota: Quota::default(),
            force: false,
        };
        world.apply_role(RoleObject { terms: Ok(terms), ..object(path, path, 1, Quota::default()) });
        framework(&mut world, name, path, SchedulerKind::BuiltIn(Strategy::BinPack));
    }
    for number in 0..20 {
        world.add_task(&format!("one-{number}"), "one", "1", "64Mi");
        world.add_task(&format!("three-{number}"), "three", "1", "64Mi");
    }
    world.add_agent("node1", "16", "8Gi");
    world.pass(secs(2));
    let held = |name: &str| world.role_records[name].allocated.cpus;
    assert_eq!((held("a"), held("b")), (Amount::from_units(4), Amount::from_units(12)));
    assert_eq!(world.role_records["b"].dominant_share, 750);
    assert!(world.role_records["b"].frameworks.contains(&key("three")));
}

#[test]
fn a_limit_holds_and_a_task_is_told_of_it() {
    let mut world = World::new().agent("node1", "8", "8Gi");
    world.apply_role(object("eng", "eng", 1, quota(0, Some(2))));
    framework(&mut world, "fw", "eng/web", SchedulerKind::BuiltIn(Strategy::BinPack));
    for name in ["one", "two", "three"] {
        world.add_task(name, "fw", "1", "64Mi");
    }
    world.pass(secs(2));
    assert_eq!(world.role_records["eng"].consumed.cpus, Amount::from_units(2));
    assert_eq!(world.state_if_any("three"), None);
    let told = world.shown("three").1;
    assert!(told.contains("role eng is at its quota limit"), "{told}");
    world.apply_role(RoleObject { generation: 2, ..object("eng", "eng", 1, quota(0, Some(3))) });
    assert!(world.state_if_any("three").is_some(), "with a higher limit it runs");
}

#[test]
fn a_lower_limit_takes_back_what_is_offered() {
    let mut world = World::new().agent("node1", "8", "8Gi");
    framework(&mut world, "ext", "eng", SchedulerKind::External(Delivery::Objects));
    let offer = world.newest_offer();
    world.log();
    world.apply_role(object("eng", "eng", 1, quota(0, Some(2))));
    let log = world.log();
    assert_eq!(log[0], format!("close {offer}: Rescinded: the role's quota limit is lower now"));
    assert!(log[1].contains("cpus:2;"), "{log:?}");
}

#[test]
fn what_mesos_refuses_is_refused_and_told() {
    for (path, quota, expected) in [
        ("eng", quota(2, Some(4)), (true, "Accepted")),
        ("eng", quota(4, Some(2)), (false, "GuaranteeAboveLimit")),
        ("eng/web", quota(1, None), (false, "GuaranteeBelowTop")),
        ("eng/web", quota(0, Some(1)), (true, "Accepted")),
        ("*", quota(0, Some(1)), (false, "DefaultRole")),
        ("eng", quota(9, None), (false, "Overcommitted")),
    ] {
        let mut world = World::new().agent("node1", "8", "8Gi");
        world.apply_role(object("it", path, 1, quota));
        world.pass(secs(1));
        assert_eq!(accepted(&world, "it"), expected, "{path}");
    }
}

#[test]
fn a_guarantee_waits_for_nodes_or_force() {
    let mut world = World::new().agent("node1", "8", "8Gi");
    world.apply_role(object("eng", "eng", 1, quota(9, None)));
    world.pass(secs(1));
    assert_eq!(
        world.role_records["eng"].accepted.message,
        "its weight is in force, its quota is not, and stays as it was: all roles together would be guaranteed 9 cpu, and \
         the cluster has 8 cpu, 8192Mi memory and 10240Mi disk: guarantee less, add nodes, or set quota.force"
    );
    world.add_agent("node2", "4", "8Gi");
    world.pass(secs(1));
    assert_eq!(accepted(&world, "eng"), (true, "Accepted"));
    // A new leader that has no agents yet does not take it back.
    let mut world = world.failover(2).recovered();
    world.pass(secs(1));
    assert_eq!(accepted(&world, "eng"), (true, "Accepted"));
    assert_eq!(world.role_records["eng"].quota, Some(quota(9, None)));
}

#[test]
fn a_refused_change_leaves_the_quota_as_it_was_also_for_the_next_leader() {
    let mut world = World::new().agent("node1", "8", "8Gi");
    world.apply_role(object("eng", "eng", 1, quota(2, Some(4))));
    world.pass(secs(1));
    world.apply_role(RoleObject { generation: 2, ..object("eng", "eng", 1, quota(5, Some(4))) });
    world.pass(secs(1));
    assert_eq!(accepted(&world, "eng"), (false, "GuaranteeAboveLimit"));
    let mut world = world.failover(2).recovered();
    world.pass(secs(1));
    assert_eq!(world.role_records["eng"].quota, Some(quota(2, Some(4))));
    assert_eq!(accepted(&world, "eng"), (false, "GuaranteeAboveLimit"));
}

#[test]
fn of_two_objects_for_one_role_the_older_counts_until_it_goes() {
    let mut world = World::new().agent("node1", "8", "8Gi");
    world.apply_role(object("newer", "eng", 2, quota(0, Some(1))));
    world.apply_role(object("older", "eng", 1, quota(0, Some(3))));
    world.pass(secs(1));
    assert_eq!((accepted(&world, "older"), accepted(&world, "newer")), ((true, "Accepted"), (false, "RoleTaken")));
    assert_eq!(
        world.role_records["newer"].accepted.message,
        "AllocationRole \"older\" is older and counts for role eng: delete one of the two"
    );
    world.event(proffer_master::Event::RoleDeleted { name: "older".to_owned(), uid: "uid-older".to_owned() });
    world.pass(secs(1));
    assert_eq!(accepted(&world, "newer"), (true, "Accepted"));
    assert_eq!(world.role_records["newer"].quota, Some(quota(0, Some(1))));
}
