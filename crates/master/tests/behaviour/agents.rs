//! Agents register, confirm, come, go and are missed.

use crate::world::*;
use proffer_master::{AgentOrders, Epoch, Event, Session, TaskSnapshot};
use proffer_mesos_api::{Reason, TaskState};
use std::collections::BTreeMap;

fn running() -> World {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").task("hello", "fw", "1", "64Mi");
    world.says("node1", "hello", TaskState::Running);
    world.pass(secs(2));
    world.clear()
}

fn snapshot(task: &str, state: TaskState) -> TaskSnapshot {
    TaskSnapshot { resources: bag("1", "64Mi"), update: update(task, "fw", state) }
}

fn log_without_pings(world: &mut World) -> Vec<String> {
    world.log().into_iter().filter(|line| !line.contains(": ping ")).collect()
}

#[test]
fn an_agent_is_used_once_all_of_it_is_there() {
    let mut world = World::new().built_in("fw").task("hello", "fw", "1", "64Mi");
    let mut registration = world.registration("node1", Vec::new());
    registration.attached_slot = None;
    let session = registration.session;
    world.event(Event::AgentRegistered(registration));
    let agent = agent_name("node1");
    assert_eq!(world.readiness("node1").0, "WaitingForEpoch");
    world.event(Event::EpochConfirmed { agent: agent.clone(), session, epoch: Epoch(1) });
    assert_eq!(world.readiness("node1").0, "NoSlot");
    world.give_slot("node1", "4", "8Gi");
    assert_eq!(world.readiness("node1").0, "NotAttached");
    let attached = |problem: Option<&str>| Event::SlotAttached {
        agent: agent.clone(),
        session,
        pod_uid: "slot-node1".to_owned(),
        problem: problem.map(ToOwned::to_owned),
    };
    world.event(attached(Some("its cgroup is not there")));
    assert_eq!(
        world.readiness("node1").1,
        "cannot launch in its slot pod proffer-slot-node1 yet: its cgroup is not there"
    );
    assert_eq!(world.state_if_any("hello"), None);
    world.event(attached(None));
    assert_eq!(world.readiness("node1"), ("Registered", "runs tasks".to_owned()));
    assert_eq!(world.state_if_any("hello"), Some(TaskState::Staging));
}

#[test]
fn a_slot_that_does_not_run_or_goes_is_not_used() {
    let mut world = World::new().external("fw").agent("node1", "4", "8Gi").clear();
    world.set_slot("node1", None);
    assert_eq!(world.readiness("node1").0, "NoSlot");
    assert_eq!(world.log(), ["node1: slot none", "close fw-1-1: Rescinded: agent node1 cannot be used now"]);
    world.give_slot("node1", "4", "8Gi");
    assert_eq!(world.log()[0], "node1: slot slot-node1");
}

#[test]
fn a_deactivated_agent_runs_on_and_gets_nothing_new() {
    let mut world = running().external("ext");
    let applied = |deactivated| Event::AgentApplied {
        agent: agent_name("node1"),
        attributes: BTreeMap::from([("rack".to_owned(), "r1".to_owned())]),
        orders: AgentOrders { deactivated, ..AgentOrders::default() },
        was_drained: false,
        was_unreachable: false,
        agent_id: None,
        epoch: None,
    };
    world.event(applied(true));
    assert_eq!(world.readiness("node1").0, "Deactivated");
    assert_eq!(world.framework_records["ext"].offers, 0);
    assert_eq!(world.state("hello").0, Some(TaskState::Running));
    world.event(applied(false));
    assert_eq!(world.framework_records["ext"].offers, 1);
}

#[test]
fn an_agent_of_a_later_leader_is_left_alone() {
    let mut world = World::new().clear();
    let mut registration = world.registration("node1", Vec::new());
    registration.epoch = Epoch(2);
    world.event(Event::AgentRegistered(registration));
    assert_eq!(
        world.log(),
        [
            "disconnect node1: agent node1 obeys the leader of epoch 2; this one's epoch is 1",
            "node1 has obeyed epoch 2"
        ]
    );
}

#[test]
fn a_second_connection_replaces_the_first_and_never_the_other_way_round() {
    let mut world = running();
    let first = world.session("node1");
    world.connect("node1", vec![snapshot("hello", TaskState::Running)]);
    assert_eq!(
        world.log(),
        [
            "disconnect node1: agent node1 opened a newer connection",
            "node1: registered in epoch 1",
            "node1: slot slot-node1",
            "node1: acknowledge hello/Running",
        ]
    );
    let second = world.session("node1");
    world.event(Event::AgentDisconnected { agent: agent_name("node1"), session: first });
    assert_eq!(world.readiness("node1").0, "Registered");
    let mut late = world.registration("node1", Vec::new());
    late.session = Session(0);
    world.event(Event::AgentRegistered(late));
    assert_eq!(world.log(), ["disconnect node1: agent node1 has had a newer connection"]);
    world.event(Event::AgentDisconnected { agent: agent_name("node1"), session: second });
    assert_eq!(world.readiness("node1").0, "Disconnected");
}

#[test]
fn an_agent_that_answers_no_ping_is_unreachable_after_its_time_and_not_before() {
    let mut world = running();
    // The first ping goes out 15 s after the registration; it was 2 s ago.
    world.pass(std::time::Duration::from_millis((13 + 75) * 1000 - 1));
    assert_eq!(log_without_pings(&mut world), [""; 0]);
    world.pass(secs(1));
    assert_eq!(
        log_without_pings(&mut world),
        [
            "disconnect node1: agent node1 left 5 pings without an answer",
            "tell AgentUnreachable: cannot be reached; 1 task there is unreachable",
            "write hello: Unreachable",
        ]
    );
    assert_eq!(world.readiness("node1").0, "Unreachable");
    assert_eq!(world.agent_records["node1"].allocated, bag("1", "64Mi"));
}

#[test]
fn an_agent_that_answers_now_and_then_stays() {
    let mut world = running();
    for _ in 0..10 {
        world.pass(secs(70));
        world.event(Event::Pong { agent: agent_name("node1"), session: world.session("node1") });
    }
    assert_eq!(log_without_pings(&mut world), [""; 0]);
}

#[test]
fn a_disconnected_agent_keeps_its_tasks_until_its_time_is_over() {
    let mut world = running().external("ext").clear();
    world.disconnect("node1");
    assert_eq!(world.readiness("node1").0, "Disconnected");
    assert_eq!(world.log(), ["close ext-1-1: Rescinded: agent node1 cannot be used now"]);
    world.pass(secs(74));
    assert_eq!(world.state("hello").0, Some(TaskState::Running));
    world.pass(secs(1));
    assert_eq!(world.state("hello"), (Some(TaskState::Unreachable), Some(Reason::AgentDisconnected)));
}

#[test]
fn what_still_runs_on_an_agent_that_comes_back_is_running_again() {
    let mut world = running();
    world.disconnect("node1");
    world.pass(secs(80));
    world.connect("node1", vec![snapshot("hello", TaskState::Running)]);
    assert_eq!(world.state("hello"), (Some(TaskState::Running), Some(Reason::AgentReregistered)));
    world.says("node1", "hello", TaskState::Finished);
    assert_eq!(world.state("hello").0, Some(TaskState::Finished));
}

#[test]
fn what_does_not_run_any_more_has_its_own_end_or_is_gone() {
    for (tasks, state, reason) in [
        (vec![snapshot("hello", TaskState::Failed)], TaskState::Failed, None),
        (vec![], TaskState::Gone, Some(Reason::AgentRestarted)),
    ] {
        let mut world = running();
        world.disconnect("node1");
        world.pass(secs(80));
        world.connect("node1", tasks);
        assert_eq!(world.state("hello"), (Some(state), reason));
    }
}

#[test]
fn a_launch_that_got_lost_is_sent_again() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").task("hello", "fw", "1", "64Mi");
    world.disconnect("node1");
    world = world.clear();
    world.connect("node1", vec![]);
    assert_eq!(
        world.log(),
        ["node1: registered in epoch 1", "node1: slot slot-node1", "node1: launch hello with cpus:1;mem:64"]
    );
}

#[test]
fn a_launch_that_got_lost_is_not_sent_again_to_a_task_that_is_to_end() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").task("hello", "fw", "1", "64Mi");
    world.pass(secs(2));
    world.disconnect("node1");
    world.delete_task("hello");
    world = world.clear();
    world.connect("node1", vec![]);
    let log = world.log();
    assert!(log.contains(&"release hello".to_owned()) && !log.iter().any(|line| line.contains("launch")), "{log:?}");
}

#[test]
fn an_agent_that_lost_its_records_ran_other_tasks() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").task("hello", "fw", "1", "64Mi");
    world.disconnect("node1");
    let mut registration = world.registration("node1", vec![]);
    registration.agent_id = None;
    world.event(Event::AgentRegistered(registration));
    assert_eq!(world.state("hello"), (Some(TaskState::Gone), Some(Reason::AgentRestarted)));
    assert_eq!(world.agent_records["node1"].agent_id, "fresh");
}

#[test]
fn a_task_that_nobody_knows_is_killed_once_its_object_would_have_been_told() {
    let mut world = World::new().built_in("fw");
    world.give_slot("node1", "1", "8Gi");
    world.connect("node1", vec![snapshot("orphan", TaskState::Running), snapshot("over", TaskState::Finished)]);
    world.add_task("hello", "fw", "1", "64Mi");
    world = world.clear();
    world.pass_with_pongs(secs(74));
    assert!(!world.log().iter().any(|line| line.contains("kill orphan") || line.contains("acknowledge over")));
    world.pass_with_pongs(secs(2));
    let log = world.log();
    assert!(
        log.contains(&"node1: kill orphan".to_owned()) && log.contains(&"node1: acknowledge over/Finished".to_owned())
    );
    // It holds its place until it is gone.
    assert_eq!(world.state_if_any("hello"), None);
    world.says("node1", "orphan", TaskState::Killed);
    assert!(world.log().contains(&"node1: acknowledge orphan/Killed".to_owned()));
    assert_eq!(world.state_if_any("hello"), Some(TaskState::Staging));
}

/// When this process goes on, its timers are due before it has been told what the watches had for it meanwhile.
#[test]
fn a_leader_that_stood_still_does_not_take_an_object_that_it_was_not_told_for_absent() {
    let mut world = World::new().built_in("fw");
    world.give_slot("node1", "1", "8Gi");
    world.connect("node1", vec![snapshot("hello", TaskState::Finished)]);
    world = world.clear();
    world.now = world.now.after(secs(300));
    world.event(Event::Tick);
    assert!(!world.log().iter().any(|line| line.contains("acknowledge hello")));
    world.add_task("hello", "fw", "1", "64Mi");
    assert_eq!(world.shown("hello").0, "Finished");
    assert!(world.log().contains(&"node1: acknowledge hello/Finished".to_owned()));
}

#[test]
fn a_task_whose_object_comes_late_goes_on() {
    for (state, shown) in [(TaskState::Running, "Running"), (TaskState::Finished, "Finished")] {
        let mut world = World::new().built_in("fw").agent("node2", "4", "8Gi");
        world.give_slot("node1", "4", "8Gi");
        world.connect("node1", vec![snapshot("hello", state)]);
        world = world.clear();
        world.add_task("hello", "fw", "1", "64Mi");
        let log = world.log();
        assert!(!log.iter().any(|line| line.contains("launch") || line.contains("kill")), "{log:?}");
        assert!(log.contains(&format!("node1: acknowledge hello/{state}")), "{log:?}");
        assert_eq!(world.shown("hello").0, shown);
        world.pass_with_pongs(secs(80));
        assert_eq!(world.shown("hello").0, shown);
    }
}

#[test]
fn a_task_that_comes_back_from_the_gone_is_killed() {
    let mut world = running();
    world.disconnect("node1");
    world.event(Event::AgentDeleted(agent_name("node1")));
    assert_eq!(world.state("hello"), (Some(TaskState::Gone), Some(Reason::AgentRemoved)));
    world = world.clear();
    world.connect("node1", vec![snapshot("hello", TaskState::Running)]);
    assert_eq!(world.readiness("node1").0, "Registered");
    assert!(world.log().contains(&"node1: kill hello".to_owned()));
    assert_eq!(world.state("hello").0, Some(TaskState::Gone));
    world.says("node1", "hello", TaskState::Killed);
    assert!(world.agent_records["node1"].allocated.is_empty());
}

#[test]
fn a_deleted_task_waits_for_its_agent_or_for_the_end_of_its_node() {
    let mut world = running();
    world.disconnect("node1");
    world.pass(secs(80));
    world.delete_task("hello");
    assert_eq!(
        world.shown("hello"),
        (
            "Unreachable".to_owned(),
            "was asked to end, but agent node1 is not connected: it ends when the agent is back or its Node is deleted"
                .to_owned()
        )
    );
    world = world.clear();
    world.event(Event::AgentDeleted(agent_name("node1")));
    assert_eq!(world.log(), ["write hello: Gone", "release hello"]);
}

#[test]
fn an_agent_whose_object_went_first_is_gone_when_it_is_missed() {
    let mut world = running();
    world.event(Event::AgentDeleted(agent_name("node1")));
    // It is still connected, so its object is written again, which fails when the node is gone.
    assert_eq!(world.state("hello").0, Some(TaskState::Running));
    world.event(Event::AgentDeleted(agent_name("node1")));
    world.disconnect("node1");
    world.pass(secs(80));
    assert_eq!(world.state("hello"), (Some(TaskState::Gone), Some(Reason::AgentRemoved)));
}
