//! Agents are drained, used again, and marked gone.

use crate::world::*;
use proffer_master::{AgentOrders, AgentUse, DrainOrder, TaskSnapshot};
use proffer_mesos_api::{Reason, TaskState};

fn drain(max_grace: Option<u64>, mark_gone: bool) -> AgentOrders {
    AgentOrders { drain: Some(DrainOrder { max_grace: max_grace.map(secs), mark_gone }), ..AgentOrders::default() }
}

fn gone() -> AgentOrders {
    AgentOrders { gone: true, ..AgentOrders::default() }
}

/// Two agents, a task that runs on the first, and a framework that was offered the rest.
fn running() -> World {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").task("hello", "fw", "1", "64Mi");
    world.says("node1", "hello", TaskState::Running);
    world.pass(secs(2));
    world.external("ext").clear()
}

fn usage(world: &World) -> AgentUse {
    world.agent_records["node1"].usage
}

#[test]
fn a_drain_ends_tasks_within_its_grace_and_takes_offers_back() {
    let mut world = running();
    world.order("node1", drain(Some(2), false));
    let log = world.log();
    assert!(log.iter().any(|line| line.ends_with("Rescinded: agent node1 cannot be used now")), "{log:?}");
    assert!(log.contains(&"node1: kill hello within 2 s".to_owned()), "{log:?}");
    assert_eq!(world.state("hello"), (Some(TaskState::Killing), Some(Reason::AgentDraining)));
    assert_eq!((usage(&world), world.readiness("node1").0), (AgentUse::Draining, "Draining"));
    world.says("node1", "hello", TaskState::Killed);
    assert_eq!(world.state("hello"), (Some(TaskState::Killed), Some(Reason::AgentDraining)));
    assert_eq!(world.shown("hello").1, "agent node1 is being drained");
    assert_eq!((usage(&world), world.readiness("node1").0), (AgentUse::Drained, "Drained"));
    assert!(world.log().contains(&"tell Drained: is empty".to_owned()));
    // Nothing new goes there, until the drain is taken off.
    world.add_task("next", "fw", "1", "64Mi");
    assert_eq!(world.state_if_any("next"), None);
    world.order("node1", AgentOrders::default());
    assert!(world.state_if_any("next").is_some());
    assert_eq!(usage(&world), AgentUse::Active);
}

#[test]
fn a_longer_grace_than_the_tasks_own_changes_nothing() {
    let mut world = running();
    world.order("node1", drain(Some(60), false));
    assert!(world.log().contains(&"node1: kill hello".to_owned()));
}

#[test]
fn a_new_leader_goes_on_draining() {
    let mut world = running();
    world.order("node1", drain(None, false));
    let mut world = world.failover(2).recovered().built_in("fw");
    assert_eq!(world.state("hello").0, Some(TaskState::Killing));
    world.connect(
        "node1",
        vec![TaskSnapshot { resources: bag("1", "64Mi"), update: update("hello", "fw", TaskState::Running) }],
    );
    assert!(world.log().contains(&"node1: kill hello".to_owned()), "the kill is sent again");
    world.says("node1", "hello", TaskState::Killed);
    assert_eq!(world.state("hello"), (Some(TaskState::Killed), Some(Reason::AgentDraining)));
    assert_eq!(usage(&world), AgentUse::Drained);
    let mut world = world.failover(3).recovered();
    world.pass(secs(30));
    assert_eq!(usage(&world), AgentUse::Drained, "what is drained stays drained");
}

#[test]
fn a_drain_may_end_with_the_agent_gone() {
    let mut world = running();
    world.order("node1", drain(None, true));
    world.says("node1", "hello", TaskState::Killed);
    assert_eq!(world.state("hello"), (Some(TaskState::GoneByOperator), Some(Reason::AgentDraining)));
    let log = world.log();
    assert!(log.contains(&"mark node1 gone".to_owned()), "{log:?}");
    assert_eq!((usage(&world), world.readiness("node1").0), (AgentUse::Gone, "Gone"));
}

#[test]
fn what_ran_on_an_agent_marked_gone_is_gone_and_it_may_not_come_back() {
    let mut world = running();
    world.order("node1", gone());
    assert_eq!(world.state("hello"), (Some(TaskState::GoneByOperator), Some(Reason::AgentRemovedByOperator)));
    let why = "agent node1 was marked gone by an operator: delete its Agent object to take it in again";
    assert!(world.log().contains(&format!("disconnect node1: {why}")));
    world.register("node1", Vec::new());
    assert_eq!(world.log(), [format!("disconnect node1: {why}")]);
    let mut world = world.failover(2).recovered().clear();
    world.register("node1", Vec::new());
    assert_eq!(world.log(), [format!("disconnect node1: {why}")], "the next leader knows it, too");
}

#[test]
fn a_task_that_was_deleted_before_the_drain_is_ended_within_its_grace() {
    let mut world = running();
    world.delete_task("hello");
    assert!(world.log().contains(&"node1: kill hello".to_owned()));
    world.order("node1", drain(Some(1), false));
    assert!(world.log().contains(&"node1: kill hello within 1 s".to_owned()));
}
