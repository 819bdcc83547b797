//! Another leader takes over.

use crate::world::*;
use proffer_master::{Event, TaskSnapshot};
use proffer_mesos_api::{Reason, TaskState};

fn snapshot(task: &str, state: TaskState) -> TaskSnapshot {
    TaskSnapshot { resources: bag("1", "64Mi"), update: update(task, "fw", state) }
}

/// The leader of epoch 2 has been told everything: `staged` was placed, `running` runs, `waiting` waits, `over` is over.
fn taking_over() -> World {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi");
    for (task, cpu) in [("staged", "1"), ("running", "1"), ("over", "1"), ("waiting", "9")] {
        world.add_task(task, "fw", cpu, "64Mi");
    }
    world.says("node1", "running", TaskState::Running);
    world.says("node1", "over", TaskState::Finished);
    world.pass(secs(2));
    world.failover(2).clear()
}

#[test]
fn nothing_is_decided_before_everything_is_told() {
    let mut world =
        World::before_recovery(2).built_in("fw").task("hello", "fw", "1", "64Mi").agent("node1", "4", "8Gi");
    world.connect("node1", vec![snapshot("orphan", TaskState::Running)]);
    world.pass(secs(3600));
    assert_eq!(world.log(), [""; 0]);
    world = world.recovered();
    let log = world.log();
    assert!(log.contains(&"node1: launch hello with cpus:1;mem:64".to_owned()), "{log:?}");
    assert!(log.contains(&"node1: acknowledge orphan/Running".to_owned()), "{log:?}");
}

#[test]
fn a_new_leader_goes_on_where_the_old_one_stopped() {
    let mut world = taking_over().recovered();
    assert_eq!(world.log(), [""; 0]);
    world.connect("node1", vec![snapshot("running", TaskState::Running)]);
    assert_eq!(
        world.log(),
        [
            "node1: registered in epoch 2",
            "node1: slot slot-node1",
            "node1: acknowledge running/Running",
            // It was recorded and never reached the agent: once, now that the epoch is confirmed.
            "node1: launch staged with cpus:1;mem:64",
        ]
    );
    assert_eq!(world.agent_records["node1"].allocated, bag("2", "128Mi"));
    let counts = &world.framework_records["fw"];
    assert_eq!((counts.pending, counts.active, counts.completed), (1, 2, 1));
}

#[test]
fn what_ended_meanwhile_is_recorded_and_acknowledged() {
    let mut world = taking_over().recovered();
    world.connect("node1", vec![snapshot("running", TaskState::Failed), snapshot("staged", TaskState::Running)]);
    assert_eq!(world.state("running").0, Some(TaskState::Failed));
    assert_eq!(world.state("staged").0, Some(TaskState::Running));
    assert!(world.log().contains(&"node1: acknowledge running/Failed".to_owned()));
}

#[test]
fn what_ran_and_left_no_trace_is_gone() {
    let mut world = taking_over().recovered();
    world.connect("node1", vec![]);
    assert_eq!(world.state("running"), (Some(TaskState::Gone), Some(Reason::AgentRestarted)));
    assert_eq!(world.state("staged").0, Some(TaskState::Staging));
}

#[test]
fn agents_have_ten_minutes_to_come_to_a_new_leader() {
    let mut world = taking_over().recovered();
    world.pass(secs(599));
    assert_eq!(world.state("running").0, Some(TaskState::Running));
    assert_eq!(world.readiness("node1").0, "NotRegistered");
    world.pass(secs(1));
    assert_eq!(world.state("running").0, Some(TaskState::Unreachable));
    assert_eq!(world.readiness("node1").0, "Unreachable");
}

#[test]
fn a_task_that_was_unreachable_and_never_launched_is_launched_when_its_agent_comes() {
    let mut world = taking_over().recovered();
    world.pass(secs(600));
    let mut world = world.failover(3).recovered();
    world.connect("node1", vec![snapshot("running", TaskState::Running)]);
    assert_eq!(world.state("staged").0, Some(TaskState::Staging));
    assert!(world.log().contains(&"node1: launch staged with cpus:1;mem:64".to_owned()));
    assert_eq!(world.state("running"), (Some(TaskState::Running), Some(Reason::AgentReregistered)));
}

#[test]
fn tasks_of_a_node_that_was_removed_meanwhile_are_gone_in_time() {
    let mut world = taking_over();
    world.event(Event::AgentDeleted(agent_name("node1")));
    world = world.recovered();
    world.pass(secs(600));
    assert_eq!(world.state("running"), (Some(TaskState::Gone), Some(Reason::AgentRemoved)));
}

#[test]
fn a_task_deleted_meanwhile_is_killed() {
    let mut world = taking_over();
    world.delete_task("running");
    world.delete_task("staged");
    world = world.recovered();
    world.connect("node1", vec![snapshot("running", TaskState::Running)]);
    let log = world.log();
    assert!(log.contains(&"node1: kill running".to_owned()), "{log:?}");
    assert!(log.contains(&"release staged".to_owned()), "{log:?}");
    assert!(!log.iter().any(|line| line.contains("launch staged")), "{log:?}");
}

#[test]
fn offers_have_names_that_no_earlier_epoch_had() {
    let mut world = World::new().external("fw").agent("node1", "4", "8Gi").failover(17).recovered();
    world.connect("node1", vec![]);
    assert_eq!(world.newest_offer(), "fw-11-1");
}

#[test]
fn a_task_that_ended_just_before_the_crash_is_owned_after_it() {
    let mut world = taking_over();
    let over = world.objects.get_mut("over").expect("over");
    over.owner = None;
    let over = over.clone();
    world.event(Event::TaskApplied(Box::new(over)));
    world = world.recovered();
    assert_eq!(world.log(), ["adopt over"]);
}

#[test]
fn a_task_killed_before_its_agent_confirmed_the_epoch_is_not_launched_after_the_kill() {
    let mut world = taking_over().recovered();
    world.register("node1", vec![snapshot("running", TaskState::Running)]);
    world.delete_task("staged");
    world = world.clear();
    let (agent, session, epoch) = (agent_name("node1"), world.session("node1"), world.master.config().epoch);
    world.event(Event::EpochConfirmed { agent, session, epoch });
    assert!(!world.log().iter().any(|line| line.contains("launch staged")));
}
