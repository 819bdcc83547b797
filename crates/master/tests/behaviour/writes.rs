//! Writes that fail.

use crate::world::*;
use proffer_master::{Epoch, Event, PlacedOn, TaskRecord, TaskSnapshot, WriteOutcome};
use proffer_mesos_api::{Reason, TaskState};

/// A task whose placement is being written.
fn staging() -> World {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").agent("node2", "4", "8Gi").clear();
    world.hold_writes = true;
    world.add_task("hello", "fw", "1", "64Mi");
    world.clear()
}

/// Another leader writes the status of `hello`, and the master is told so.
fn another_leader_writes(world: &mut World, epoch: u64, state: TaskState, agent: &str) {
    let object = world.objects.get_mut("hello").expect("hello");
    object.record = Some(TaskRecord {
        generation: 1,
        state: Some(state),
        reason: None,
        message: "as another leader wrote".to_owned(),
        agent: Some(PlacedOn { agent: agent_name(agent), agent_id: format!("id-{agent}"), address: None }),
        role: None,
        held: None,
        ports: proffer_resources::Ranges::default(),
        exit_code: None,
        signal: None,
        sandbox: None,
        staging_at: None,
        running_at: None,
        completed_at: None,
        epoch: Epoch(epoch),
    });
    let object = object.clone();
    world.event(Event::TaskApplied(Box::new(object)));
}

#[test]
fn a_conflict_is_decided_anew() {
    let mut world = staging();
    world.finish_write(WriteOutcome::Conflict);
    assert_eq!(world.log(), ["write hello: Staging", "node1: prepare hello"]);
    world.finish_write(WriteOutcome::Done);
    assert_eq!(world.log(), ["node1: launch hello with cpus:1;mem:64"]);
}

#[test]
fn the_last_word_of_the_leader_before_counts() {
    let mut world = World::before_recovery(2).built_in("fw").agent("node1", "4", "8Gi").agent("node2", "4", "8Gi");
    world = world.recovered();
    world.hold_writes = true;
    world.add_task("hello", "fw", "1", "64Mi");
    world = world.clear();
    another_leader_writes(&mut world, 1, TaskState::Staging, "node2");
    world.finish_write(WriteOutcome::Conflict);
    // It never reached node2, which registered here without it.
    assert_eq!(world.log(), ["node2: launch hello with cpus:1;mem:64"]);
    assert!(world.agent_records["node1"].allocated.is_empty());
}

#[test]
fn a_task_that_a_later_leader_wrote_is_left_alone() {
    let mut world = staging();
    another_leader_writes(&mut world, 2, TaskState::Running, "node2");
    world.finish_write(WriteOutcome::Conflict);
    assert_eq!(world.log(), [""; 0]);
    world.pass(secs(10));
    assert!(world.writes.is_empty());
    assert!(world.agent_records["node1"].allocated.is_empty());
}

#[test]
fn a_status_that_is_refused_stops_that_task_only() {
    let mut world = staging();
    world.finish_write(WriteOutcome::Refused("status.agent.name is too long".to_owned()));
    let log = world.log();
    assert_eq!(
        log,
        [
            "tell StatusRefused: its status cannot be written, so `kubectl get` shows an old one: status.agent.name is too long"
        ]
    );
    assert!(world.agent_records["node1"].allocated.is_empty());
    world.hold_writes = false;
    world.add_task("other", "fw", "1", "64Mi");
    assert_eq!(world.state("other").0, Some(TaskState::Staging));
    // It can be deleted.
    world.objects.get_mut("hello").expect("hello").finalizer = true;
    world.delete_task("hello");
    assert!(world.log().contains(&"release hello".to_owned()));
}

#[test]
fn a_terminal_state_is_written_until_it_is_durable() {
    let mut world = staging();
    world.finish_write(WriteOutcome::Done);
    world = world.clear();
    world.says("node1", "hello", TaskState::Finished);
    for _ in 0..3 {
        world.finish_write(WriteOutcome::Conflict);
    }
    assert_eq!(world.log(), ["write hello: Finished"; 4]);
    world.finish_write(WriteOutcome::Done);
    assert_eq!(world.log(), ["node1: acknowledge hello/Finished", "adopt hello"]);
}

#[test]
fn an_end_that_nobody_can_record_is_acknowledged() {
    for (outcome, told) in [(WriteOutcome::Gone, 0), (WriteOutcome::Refused("no".to_owned()), 1)] {
        let mut world = staging();
        world.finish_write(WriteOutcome::Done);
        world.says("node1", "hello", TaskState::Finished);
        world = world.clear();
        world.finish_write(outcome);
        let log = world.log();
        assert_eq!(log.iter().filter(|line| line.starts_with("tell")).count(), told);
        assert!(log.contains(&"node1: acknowledge hello/Finished".to_owned()), "{log:?}");
    }
}

#[test]
fn a_later_leader_acknowledges_what_it_recorded() {
    let mut world = staging();
    world.finish_write(WriteOutcome::Done);
    world.says("node1", "hello", TaskState::Finished);
    world = world.clear();
    another_leader_writes(&mut world, 2, TaskState::Running, "node1");
    world.finish_write(WriteOutcome::Conflict);
    world.says("node1", "hello", TaskState::Finished);
    assert_eq!(world.log(), [""; 0]);
}

#[test]
fn a_note_that_conflicts_is_written_again() {
    let mut world = staging();
    world.finish_write(WriteOutcome::Done);
    world.says("node1", "hello", TaskState::Running);
    world = world.clear();
    world.finish_write(WriteOutcome::Conflict);
    assert_eq!(world.log(), ["write hello: Running"]);
}

#[test]
fn an_invalid_task_whose_object_goes_is_forgotten() {
    let mut world = World::new();
    world.hold_writes = true;
    world.add_task_asking("bad", "fw", Err("the command is empty".to_owned()));
    world.remove_task("bad");
    world.finish_write(WriteOutcome::Gone);
    assert_eq!(world.log(), ["write bad: Error"]);
    world.hold_writes = false;
    world.add_task_asking("bad", "fw", Err("the command is empty".to_owned()));
    assert_eq!(world.state("bad"), (Some(TaskState::Error), Some(Reason::TaskInvalid)));
}

#[test]
fn an_end_that_the_leader_before_recorded_late_counts() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").task("hello", "fw", "1", "64Mi");
    world.says("node1", "hello", TaskState::Running);
    let mut world = world.failover(2).recovered();
    world.connect(
        "node1",
        vec![TaskSnapshot { resources: bag("1", "64Mi"), update: update("hello", "fw", TaskState::Running) }],
    );
    world = world.clear();
    another_leader_writes(&mut world, 1, TaskState::Failed, "node1");
    assert_eq!(world.agent_records["node1"].allocated, bag("0", "0"));
    assert!(!world.log().iter().any(|line| line.contains("Running")));
    // Should it run after all, it is not wanted any more.
    world.says("node1", "hello", TaskState::Running);
    assert!(world.log().contains(&"node1: kill hello".to_owned()));
}

#[test]
fn what_the_leader_before_wrote_late_about_a_task_that_runs_here_is_put_right() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").task("hello", "fw", "1", "64Mi");
    world.says("node1", "hello", TaskState::Running);
    let mut world = world.failover(2).recovered();
    world.connect(
        "node1",
        vec![TaskSnapshot { resources: bag("1", "64Mi"), update: update("hello", "fw", TaskState::Running) }],
    );
    world = world.clear();
    another_leader_writes(&mut world, 1, TaskState::Staging, "node1");
    assert_eq!(world.log(), ["write hello: Running"]);
}

#[test]
fn a_task_that_runs_by_the_word_of_the_leader_before_is_looked_for_again() {
    let mut world = World::before_recovery(2).built_in("fw").agent("node1", "4", "8Gi").recovered();
    world.add_task("hello", "fw", "9", "64Mi");
    world = world.clear();
    another_leader_writes(&mut world, 1, TaskState::Running, "node1");
    assert_eq!(world.log(), ["disconnect node1: task ns/hello has to be looked for on agent node1"]);
    world.connect("node1", vec![]);
    assert_eq!(world.state("hello"), (Some(TaskState::Gone), Some(Reason::AgentRestarted)));
}

#[test]
fn a_status_that_makes_no_sense_counts_as_none() {
    let mut world = World::before_recovery(2).built_in("fw");
    world.add_task("hello", "fw", "1", "64Mi");
    another_leader_writes(&mut world, 1, TaskState::Running, "node1");
    let object = world.objects.get_mut("hello").expect("hello");
    object.record.as_mut().expect("a record").agent = None;
    let object = object.clone();
    world.event(Event::TaskApplied(Box::new(object)));
    world = world.recovered();
    world.add_agent("node1", "4", "8Gi");
    assert_eq!(world.state("hello").0, Some(TaskState::Staging));
}

#[test]
fn a_task_that_an_agent_has_is_there_and_not_where_it_was_about_to_go() {
    let mut world = staging();
    // The leader before this one got its placement through, and its agent comes before that is told.
    let snapshot = TaskSnapshot { resources: bag("1", "64Mi"), update: update("hello", "fw", TaskState::Running) };
    world.connect("node2", vec![snapshot]);
    assert!(!world.log().iter().any(|line| line.contains("kill")));
    another_leader_writes(&mut world, 0, TaskState::Running, "node2");
    world.finish_write(WriteOutcome::Conflict);
    world.finish_writes();
    assert!(!world.log().iter().any(|line| line.contains("launch")));
    assert_eq!(world.record("hello").agent.map(|place| place.agent), Some(agent_name("node2")));
    assert_eq!(world.state("hello").0, Some(TaskState::Running));
    assert!(world.agent_records["node1"].allocated.is_empty());
}

#[test]
fn a_watch_that_lags_does_not_bring_back_what_a_write_found_gone() {
    let mut world = staging();
    let object = world.objects["hello"].clone();
    world.finish_write(WriteOutcome::Gone);
    world.event(Event::TaskApplied(Box::new(object)));
    assert_eq!(world.log(), [""; 0]);
    world.remove_task("hello");
    assert_eq!(world.log(), [""; 0]);
}

#[test]
fn a_leader_that_a_watch_tells_of_a_later_one_lets_go_at_once() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").task("hello", "fw", "9", "64Mi");
    // The later leader launched it and put the finalizer on; then somebody deleted it.
    let object = world.objects.get_mut("hello").expect("hello");
    (object.finalizer, object.deleting) = (true, true);
    world = world.clear();
    another_leader_writes(&mut world, 2, TaskState::Running, "node1");
    assert_eq!(world.log(), [""; 0]);
}

#[test]
fn a_place_that_the_leader_before_recorded_late_is_given_up_when_there_is_no_room() {
    let mut world = World::before_recovery(2).built_in("fw").agent("node1", "4", "8Gi").recovered();
    world.add_task("hello", "fw", "9", "64Mi");
    world.objects.get_mut("hello").expect("hello").request.as_mut().expect("a request").resources =
        resources("2", "64Mi");
    world.add_task("big", "fw", "3", "64Mi");
    world.says("node1", "big", TaskState::Running);
    world = world.clear();
    another_leader_writes(&mut world, 1, TaskState::Staging, "node1");
    // node1 obeys this leader and never got it, so it cannot be running there.
    assert_eq!(world.log(), ["write hello: Pending"]);
    assert_eq!(world.agent_records["node1"].allocated, bag("3", "64Mi"));
}

#[test]
fn a_task_met_where_it_should_not_be_holds_its_resources_once_when_it_turns_out_to_belong_there() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").task("hello", "fw", "1", "64Mi");
    world.says("node1", "hello", TaskState::Running);
    let mut world = world.failover(2).recovered();
    // It is thought to be on node1, and node2 says that it has it.
    world.add_agent("node2", "4", "8Gi");
    world.says("node2", "hello", TaskState::Running);
    another_leader_writes(&mut world, 1, TaskState::Running, "node2");
    world.objects.get_mut("hello").expect("hello").finalizer = false;
    world.remove_task("hello");
    world.connect("node2", vec![]);
    assert_eq!(world.agent_records["node2"].allocated, bag("0", "0"));
}
