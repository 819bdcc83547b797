//! What becomes of tasks is told, acknowledged, reconciled.

use crate::world::{World, back, info, read};
use proffer_master::{Connection, Event, TaskSnapshot, WriteOutcome};
use proffer_mesos_api::TaskState;
use proffer_resources::ResourceBag;
use std::time::Duration;

/// A framework with a task that was launched.
fn launched() -> World {
    let mut world = World::new();
    world.agent("a1", vec![]);
    world.subscribe(1, info());
    world.launch(1, &["t"]);
    world.told();
    world.heard();
    world
}

fn acknowledge(world: &mut World, connection: u64, uuid: &str) {
    world.call(
        connection,
        &format!(
            r#"{{"type":"ACKNOWLEDGE","acknowledge":{{"agent_id":{{"value":"id-of-a1"}},"task_id":{{"value":"t"}},"uuid":"{uuid}"}}}}"#
        ),
    );
}

const ONE: &str = "AQEBAQEBAQEBAQEBAQEBAQ==";
const TWO: &str = "AgICAgICAgICAgICAgICAg==";

#[test]
fn an_agent_is_acknowledged_when_the_framework_has_and_of_an_end_when_it_is_durable() {
    let mut world = launched();
    world.status("a1", TaskState::Running, 1);
    assert_eq!(world.told(), ["1: t TASK_RUNNING #1"]);
    assert!(world.heard().is_empty());
    acknowledge(&mut world, 1, TWO);
    assert!(world.heard().is_empty(), "another's");
    acknowledge(&mut world, 1, ONE);
    acknowledge(&mut world, 1, ONE);
    assert_eq!(world.heard(), ["acknowledge 1"]);

    world.hold_writes = true;
    world.status("a1", TaskState::Finished, 2);
    assert_eq!(world.told()[0], "1: t TASK_FINISHED #2", "told before it is written");
    acknowledge(&mut world, 1, TWO);
    assert!(world.heard().is_empty());
    world.answer(WriteOutcome::Done);
    assert_eq!(world.heard(), ["acknowledge 2"]);
}

#[test]
fn what_is_said_again_is_told_again_until_it_is_acknowledged() {
    let mut world = launched();
    for _ in 0..2 {
        world.status("a1", TaskState::Running, 1);
        assert_eq!(world.told(), ["1: t TASK_RUNNING #1"]);
    }
    acknowledge(&mut world, 1, ONE);
    world.heard();
    world.status("a1", TaskState::Running, 1);
    assert_eq!((world.told(), world.heard()), (vec![], vec!["acknowledge 1".to_owned()]));
    world.status("a1", TaskState::Finished, 2);
    world.told();
    world.status("a1", TaskState::Finished, 2);
    assert_eq!(world.told(), ["1: t TASK_FINISHED #2"]);
}

#[test]
fn who_comes_back_is_told_what_nobody_acknowledged() {
    let mut world = launched();
    world.event(Event::Unsubscribed(Connection(1)));
    world.status("a1", TaskState::Finished, 1);
    assert!(world.told().is_empty() && world.heard().is_empty());
    world.subscribe(2, back(info()));
    assert!(world.told().contains(&"2: t TASK_FINISHED #1".to_owned()));
    acknowledge(&mut world, 2, ONE);
    assert_eq!(world.heard(), ["acknowledge 1"]);
}

#[test]
fn the_next_leader_tells_what_its_agents_tell_it() {
    let mut world = launched();
    world.status("a1", TaskState::Finished, 1);
    let update = world.update(TaskState::Finished, Some(1));
    let mut world = world.next_leader();
    world.agent("a1", vec![TaskSnapshot { resources: ResourceBag::new(), update }]);
    world.subscribe(5, back(info()));
    assert!(world.told().contains(&"5: t TASK_FINISHED #1".to_owned()));
    assert!(world.heard().is_empty());
    acknowledge(&mut world, 5, ONE);
    assert_eq!(world.heard(), ["acknowledge 1"]);
}

#[test]
fn the_next_leader_launches_what_was_accepted_and_never_arrived() {
    let world = launched();
    assert_eq!(world.recorded(), None, "its object has a place and no status");
    let mut world = world.next_leader();
    world.agent("a1", vec![]);
    assert_eq!(world.launches.len(), 1);
    world.subscribe(5, back(info()));
    world.told();
    world.call(5, r#"{"type":"RECONCILE","reconcile":{}}"#);
    assert_eq!(world.told(), ["5: t TASK_STAGING: Reconciliation: Latest task state"]);
}

#[test]
fn a_task_is_killed_with_the_grace_that_is_asked_for() {
    let mut world = launched();
    world.status("a1", TaskState::Running, 1);
    world.told();
    world.call(1, r#"{"type":"KILL","kill":{"task_id":{"value":"t"},"agent_id":{"value":"other"}}}"#);
    assert!(world.heard().is_empty(), "it is on another agent");
    world.call(
        1,
        r#"{"type":"KILL","kill":{"task_id":{"value":"t"},"kill_policy":{"grace_period":{"nanoseconds":2000000000}}}}"#,
    );
    assert!(world.heard().contains(&"kill Some(2s)".to_owned()));
    world.status("a1", TaskState::Killed, 2);
    assert_eq!(world.told()[0], "1: t TASK_KILLED #2");
    acknowledge(&mut world, 1, TWO);
    world.call(1, r#"{"type":"KILL","kill":{"task_id":{"value":"never"}}}"#);
    assert_eq!(world.told().last().unwrap(), "1: never TASK_UNKNOWN: Reconciliation: Task is unknown");
}

#[test]
fn who_knows_of_killing_is_told_of_it() {
    let mut world = World::new();
    world.agent("a1", vec![]);
    let mut knows = info();
    knows.capabilities.push(proffer_mesos_api::v1::framework_info::Capability { r#type: Some(2) });
    world.subscribe(1, knows);
    world.launch(1, &["t"]);
    world.status("a1", TaskState::Running, 1);
    world.told();
    for _ in 0..2 {
        world.call(1, r#"{"type":"KILL","kill":{"task_id":{"value":"t"}}}"#);
    }
    assert_eq!(world.told(), ["1: t TASK_KILLING: The framework asked for it"]);
}

#[test]
fn an_agent_that_cannot_be_reached_is_told_by_those_who_know_the_word() {
    let mut world = launched();
    world.status("a1", TaskState::Running, 1);
    acknowledge(&mut world, 1, ONE);
    let update = world.update(TaskState::Running, None);
    world.agent_goes("a1");
    world.told();
    world.pass(Duration::from_secs(76));
    assert_eq!(world.told(), ["1: t TASK_UNREACHABLE: agent a1 cannot be reached; the task may still run"]);
    world.agent("a1", vec![TaskSnapshot { resources: ResourceBag::new(), update }]);
    assert!(world.told().iter().any(|told| told.starts_with("1: t TASK_RUNNING")));
}

#[test]
fn who_was_told_that_a_task_is_lost_never_sees_it_again() {
    let mut world = World::new();
    world.agent("a1", vec![]);
    world.subscribe(1, read(r#"{"user":"u","name":"test","failover_timeout":9}"#));
    world.launch(1, &["t"]);
    world.status("a1", TaskState::Running, 1);
    acknowledge(&mut world, 1, ONE);
    let update = world.update(TaskState::Running, None);
    world.agent_goes("a1");
    world.told();
    world.pass(Duration::from_secs(76));
    assert_eq!(world.told(), ["1: t TASK_LOST: agent a1 cannot be reached; the task may still run"]);
    world.heard();
    world.agent("a1", vec![TaskSnapshot { resources: ResourceBag::new(), update }]);
    assert!(world.heard().contains(&"kill None".to_owned()));
    world.status("a1", TaskState::Killed, 2);
    assert!(!world.told().iter().any(|told| told.contains("TASK_")));
    assert!(world.heard().contains(&"acknowledge 2".to_owned()));
}

#[test]
fn reconciliation_waits_for_agents_that_may_still_come() {
    let world = launched();
    let mut world = world.next_leader();
    world.subscribe(5, back(info()));
    world.told();
    world.call(5, r#"{"type":"RECONCILE","reconcile":{"tasks":[{"task_id":{"value":"x"}}]}}"#);
    assert!(world.told().is_empty());
    world.agent("a1", vec![]);
    world.told();
    world.call(5, r#"{"type":"RECONCILE","reconcile":{"tasks":[{"task_id":{"value":"x"}}]}}"#);
    assert_eq!(world.told(), ["5: x TASK_UNKNOWN: Reconciliation: Task is unknown"]);
}
