//! Another leader takes over.

use crate::world::*;
use proffer_master::{Epoch, Event, MasterConfig, TaskSnapshot};
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
fn an_agent_that_obeys_a_later_leader_is_not_called_unreachable_at_once() {
    let mut world = taking_over().recovered();
    // It comes a second before it would be too late, and obeys another.
    world.pass(secs(599));
    let mut registration = world.registration("node1", vec![snapshot("running", TaskState::Running)]);
    registration.epoch = Epoch(3);
    world.event(Event::AgentRegistered(registration));
    world.pass(secs(74));
    assert_eq!(world.state("running").0, Some(TaskState::Running));
    world.pass(secs(2));
    assert_eq!(world.state("running").0, Some(TaskState::Unreachable));
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

/// Four agents with a task each, of which those in `back` have come to a leader with these settings.
fn four_agents(config: MasterConfig, back: &[&str]) -> World {
    let mut world = World::new().built_in("fw");
    for agent in ["node1", "node2", "node3", "node4"] {
        world.add_agent(agent, "1", "1Gi");
    }
    for task in ["task1", "task2", "task3", "task4"] {
        world.add_task(task, "fw", "1", "64Mi");
    }
    for agent in ["node1", "node2", "node3", "node4"] {
        let task = world.tasks_on(agent).remove(0);
        world.says(agent, &task, TaskState::Running);
    }
    world.pass(secs(2));
    let mut world = world.failover_to(config).recovered().clear();
    for agent in back {
        let task = world.tasks_on(agent).remove(0);
        world.connect(agent, vec![snapshot(&task, TaskState::Running)]);
    }
    world
}

fn readinesses(world: &World) -> Vec<&str> {
    ["node1", "node2", "node3", "node4"].map(|agent| world.agent_records[agent].ready.reason).to_vec()
}

/// Mesos: `--recovery_agent_removal_limit`; there the master stops.
#[test]
fn when_more_agents_stay_away_after_a_failover_than_the_limit_none_is_given_up() {
    let config = MasterConfig { recovery_agent_removal_limit: 50, ..MasterConfig::new(Epoch(2)) };
    let mut world = four_agents(config, &["node1"]);
    world.pass_with_pongs(secs(3600));
    assert_eq!(readinesses(&world), ["Registered", "RemovalHeldBack", "RemovalHeldBack", "RemovalHeldBack"]);
    let (_, message) = world.readiness("node2");
    assert!(message.contains("since more than 50 % of the agents have not"), "{message}");
    assert!(["task1", "task2", "task3", "task4"].iter().all(|task| world.state(task).0 == Some(TaskState::Running)));
    let told: Vec<String> = world.log().into_iter().filter(|line| line.contains("RemovalHeldBack")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    // Another comes: those that are still away are no more than half.
    let task = world.tasks_on("node2").remove(0);
    world.connect("node2", vec![snapshot(&task, TaskState::Running)]);
    world.pass_with_pongs(secs(1));
    assert_eq!(readinesses(&world), ["Registered", "Registered", "Unreachable", "Unreachable"]);
    // Whoever was given up before does not count for the next leader.
    let config = MasterConfig { recovery_agent_removal_limit: 50, ..MasterConfig::new(Epoch(3)) };
    let mut world = world.failover_to(config).recovered();
    let task = world.tasks_on("node1").remove(0);
    world.connect("node1", vec![snapshot(&task, TaskState::Running)]);
    world.pass_with_pongs(secs(601));
    assert_eq!(readinesses(&world), ["Registered", "Unreachable", "Unreachable", "Unreachable"]);
}

#[test]
fn a_node_that_is_removed_ends_its_tasks_even_when_others_are_held_back() {
    let config = MasterConfig { recovery_agent_removal_limit: 50, ..MasterConfig::new(Epoch(2)) };
    let mut world = four_agents(config, &["node1"]);
    world.pass_with_pongs(secs(601));
    let task = world.tasks_on("node4").remove(0);
    world.event(Event::AgentDeleted(agent_name("node4")));
    assert_eq!(world.state(&task), (Some(TaskState::Gone), Some(Reason::AgentRemoved)));
    // Two of four are away: no more than half.
    world.pass_with_pongs(secs(1));
    assert_eq!(readinesses(&world)[..3], ["Registered", "Unreachable", "Unreachable"]);
}

/// Mesos: `--agent_removal_rate_limit`.
#[test]
fn agents_are_given_up_one_after_the_other_where_a_rate_is_set() {
    let config = MasterConfig { agent_removal_interval: Some(secs(60)), ..MasterConfig::new(Epoch(2)) };
    let mut world = four_agents(config, &["node1"]);
    let unreachable = |world: &World| readinesses(world).iter().filter(|reason| **reason == "Unreachable").count();
    world.pass_with_pongs(secs(600));
    assert_eq!(unreachable(&world), 1);
    world.pass_with_pongs(secs(59));
    assert_eq!(unreachable(&world), 1);
    world.pass_with_pongs(secs(1));
    assert_eq!(unreachable(&world), 2);
    // One that comes while it waits for its turn is spared.
    let task = world.tasks_on("node4").remove(0);
    world.connect("node4", vec![snapshot(&task, TaskState::Running)]);
    world.disconnect("node1");
    world.pass_with_pongs(secs(75));
    assert_eq!(readinesses(&world), ["Unreachable", "Unreachable", "Unreachable", "Registered"]);
}
