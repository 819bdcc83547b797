//! Maintenance is planned, frameworks are asked, it begins and is over.

use crate::world::*;
use proffer_master::{
    AgentUse, FrameworkInMaintenance, InverseReply, MaintenanceObject, MaintenancePhase, MaintenanceTerms, OfferReply,
    Time, Unavailability,
};
use proffer_mesos_api::{Reason, TaskState};

/// A maintenance of agents that begins in an hour and takes one.
fn object(world: &World, name: &str, created: i64, agents: &[&str]) -> MaintenanceObject {
    let window = Unavailability { start: world.now.after(secs(3600)), duration: Some(secs(3600)) };
    let agents = agents.iter().map(|agent| agent_name(agent)).collect();
    MaintenanceObject {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        generation: 1,
        created: Time(created),
        terms: Ok(MaintenanceTerms { window, agents, started: false }),
    }
}

fn started(mut object: MaintenanceObject) -> MaintenanceObject {
    if let Ok(terms) = &mut object.terms {
        terms.started = true;
    }
    object
}

/// A framework that answers offers, and a task of it that runs on node1.
fn running() -> World {
    let mut world = World::new().external("ext").agent("node1", "4", "8Gi").task("hello", "ext", "1", "64Mi");
    let offer = world.newest_offer();
    world.accept(&offer, &["hello"]);
    world.status("node1", update("hello", "ext", TaskState::Running));
    world.pass(secs(2));
    world.clear()
}

fn said(world: &World) -> FrameworkInMaintenance {
    world.maintenance_records["rack"].agents[&agent_name("node1")].frameworks[&key("ext")]
}

#[test]
fn a_framework_is_asked_to_leave_and_its_answer_is_told() {
    let mut world = running();
    world.pass(secs(10));
    world.log();
    world.apply_maintenance(object(&world, "rack", 1, &["node1", "node9"]));
    world.pass(secs(1));
    let log = world.log();
    assert!(log.iter().any(|line| line.ends_with("the maintenance of agent node1 was planned anew")), "{log:?}");
    assert!(
        log.iter().any(|line| line.starts_with("offer ") && line.ends_with("of node1, which will be away")),
        "{log:?}"
    );
    let asked = log.iter().find_map(|line| line.strip_prefix("inverse offer ")).expect("an inverse offer");
    let asked = asked.split(':').next().expect("a name").to_owned();
    assert_eq!(said(&world), FrameworkInMaintenance::Asked);
    let record = &world.maintenance_records["rack"];
    assert_eq!((record.phase, record.drained.ready), (MaintenancePhase::Draining, false));
    assert!(!record.agents[&agent_name("node9")].known, "there is no such agent");

    world.reply(&asked, OfferReply::Accept { operations: Vec::new(), refuse: None });
    world.pass(secs(1));
    assert_eq!(said(&world), FrameworkInMaintenance::Answered(InverseReply::Accepted));
    assert!(world.log().iter().any(|line| line == &format!("close {asked}: Accepted: it will have left in time")));
    world.pass_with_pongs(secs(60));
    assert!(!world.log().iter().any(|line| line.starts_with("inverse offer ")), "it is not asked again");
}

#[test]
fn a_framework_that_left_is_not_asked_any_more() {
    let mut world = running();
    world.apply_maintenance(object(&world, "rack", 1, &["node1"]));
    world.pass(secs(1));
    world.log();
    world.status("node1", update("hello", "ext", TaskState::Finished));
    world.pass(secs(1));
    let log = world.log();
    assert!(log.iter().any(|line| line.ends_with("Rescinded: the framework has nothing there any more")), "{log:?}");
    assert!(world.maintenance_records["rack"].drained.ready);
}

#[test]
fn nothing_runs_on_an_agent_whose_maintenance_has_begun() {
    let mut world = running();
    let planned = object(&world, "rack", 1, &["node1"]);
    world.apply_maintenance(started(planned));
    assert!(world.log().contains(&"node1: kill hello".to_owned()));
    world.status("node1", update("hello", "ext", TaskState::Killed));
    assert_eq!(world.state("hello"), (Some(TaskState::Killed), Some(Reason::AgentDraining)));
    assert_eq!(world.shown("hello").1, "agent node1 is down for maintenance \"rack\"");
    world.pass(secs(1));
    let record = &world.maintenance_records["rack"];
    assert_eq!((record.phase, record.drained.ready), (MaintenancePhase::Down, true));
    assert_eq!(world.agent_records["node1"].usage, AgentUse::Down);
    assert_eq!(world.framework_records["ext"].offers, 0);

    let mut world = world.failover(2).recovered();
    world.connect("node1", Vec::new());
    assert_eq!(world.readiness("node1").0, "Maintenance", "the next leader knows it, too");
    world.delete_maintenance("rack");
    assert_eq!(world.framework_records["ext"].offers, 1);
    assert_eq!(world.agent_records["node1"].usage, AgentUse::Active);
}

#[test]
fn an_agent_is_in_one_maintenance_the_older_one() {
    let mut world = running();
    world.apply_maintenance(object(&world, "rack", 2, &["node1", "node2"]));
    world.apply_maintenance(object(&world, "row", 1, &["node2", "node3"]));
    world.pass(secs(1));
    let refused = &world.maintenance_records["rack"];
    assert_eq!((refused.phase, refused.accepted.reason), (MaintenancePhase::Up, "AgentScheduled"));
    assert_eq!(
        refused.accepted.message,
        "agent node2 is in Maintenance \"row\" already, which is older: take it out of one of the two"
    );
    assert!(world.maintenance_records["row"].accepted.ready);
}

#[test]
fn a_window_that_was_never_started_is_over_by_itself() {
    let mut world = running();
    world.apply_maintenance(object(&world, "rack", 1, &["node1"]));
    world.pass_with_pongs(secs(7201));
    let record = &world.maintenance_records["rack"];
    assert_eq!((record.phase, record.accepted.reason), (MaintenancePhase::Up, "Over"));
}
