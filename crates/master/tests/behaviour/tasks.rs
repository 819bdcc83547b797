//! The life of a task.

use crate::world::*;
use proffer_master::{Event, TaskSnapshot, WriteOutcome};
use proffer_mesos_api::{Reason, TaskState};

/// One framework with the built-in scheduler, one agent, one task that has just been launched.
fn launched() -> World {
    World::new().built_in("fw").agent("node1", "4", "8Gi").task("hello", "fw", "1", "64Mi").clear()
}

fn running() -> World {
    let mut world = launched();
    world.says("node1", "hello", TaskState::Running);
    world.pass(secs(2));
    world.clear()
}

#[test]
fn a_task_is_recorded_launched_seen_running_and_seen_to_its_end() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").clear();
    world.add_task("hello", "fw", "1", "64Mi");
    assert_eq!(world.log(), ["write hello: Staging", "node1: prepare hello", "node1: launch hello with cpus:1;mem:64"]);

    world.says("node1", "hello", TaskState::Running);
    assert_eq!(world.log(), ["node1: acknowledge hello/Running", "write hello: Running"]);

    world.says("node1", "hello", TaskState::Finished);
    assert_eq!(world.log(), ["write hello: Finished", "node1: acknowledge hello/Finished", "adopt hello"]);

    let record = world.record("hello");
    assert_eq!((record.state, record.exit_code), (Some(TaskState::Finished), Some(0)));
    assert_eq!(record.sandbox.as_deref(), Some("/sandbox/hello"));
    assert!(record.staging_at.is_some() && record.running_at.is_some() && record.completed_at.is_some());
    let counts = &world.framework_records["fw"];
    assert_eq!((counts.pending, counts.active, counts.completed), (0, 0, 1));
}

#[test]
fn nothing_is_sent_before_it_is_recorded() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").clear();
    world.hold_writes = true;
    world.add_task("hello", "fw", "1", "64Mi");
    assert_eq!(world.log(), ["write hello: Staging", "node1: prepare hello"]);
    world.finish_writes();
    assert_eq!(world.log(), ["node1: launch hello with cpus:1;mem:64"]);
}

#[test]
fn a_terminal_update_frees_its_resources_at_once_and_is_acknowledged_when_durable() {
    let mut world = World::new().built_in("fw").agent("node1", "1", "8Gi");
    world.add_task("first", "fw", "1", "64Mi");
    world.add_task("second", "fw", "1", "64Mi");
    world = world.clear();
    world.hold_writes = true;
    world.says("node1", "first", TaskState::Finished);
    assert_eq!(world.log(), ["write first: Finished", "write second: Staging", "node1: prepare second"]);
    // The agent sends it again meanwhile: still nothing to acknowledge.
    world.says("node1", "first", TaskState::Finished);
    assert_eq!(world.log(), [""; 0]);
    world.finish_write(WriteOutcome::Done);
    assert_eq!(world.log()[0], "node1: acknowledge first/Finished");
    world.says("node1", "first", TaskState::Finished);
    assert_eq!(world.log(), ["node1: acknowledge first/Finished"]);
}

#[test]
fn updates_that_come_twice_or_late_change_nothing() {
    let mut world = running();
    world.says("node1", "hello", TaskState::Running);
    assert_eq!(world.log(), ["node1: acknowledge hello/Running"]);
    world.says("node1", "hello", TaskState::Starting);
    assert_eq!(world.log(), ["node1: acknowledge hello/Starting"]);
    world.says("node1", "hello", TaskState::Finished);
    world.log();
    for late in [TaskState::Running, TaskState::Failed] {
        world.says("node1", "hello", late);
        assert_eq!(world.log(), [format!("node1: acknowledge hello/{late}")]);
    }
    assert_eq!(world.state("hello"), (Some(TaskState::Finished), None));
}

#[test]
fn updates_of_an_old_connection_are_ignored() {
    let mut world = running();
    let stale = world.session("node1");
    let snapshot = TaskSnapshot { resources: bag("1", "64Mi"), update: update("hello", "fw", TaskState::Running) };
    world.connect("node1", vec![snapshot]);
    world.log();
    let update = update("hello", "fw", TaskState::Failed);
    world.event(Event::StatusUpdate { agent: agent_name("node1"), session: stale, update });
    assert_eq!(world.log(), [""; 0]);
}

#[test]
fn owner_and_finalizer_come_after_the_launch() {
    let mut world = launched();
    world.pass(secs(2));
    assert_eq!(world.log(), ["adopt hello with finalizer"]);
    // One that waits is owned too, so that deleting the framework deletes it.
    world.add_task("big", "fw", "16", "64Mi");
    world.pass(secs(2));
    assert!(world.log().contains(&"adopt big with finalizer".to_owned()));
}

#[test]
fn deleting_a_running_task_kills_it_and_releases_it_when_it_is_over() {
    let mut world = running();
    world.delete_task("hello");
    assert_eq!(world.log(), ["write hello: Killing", "node1: kill hello"]);
    world.says("node1", "hello", TaskState::Running);
    assert_eq!(world.log(), ["node1: acknowledge hello/Running"]);
    world.says("node1", "hello", TaskState::Killed);
    assert_eq!(world.log(), ["write hello: Killed", "node1: acknowledge hello/Killed", "release hello"]);
    assert!(world.objects.is_empty());
}

#[test]
fn a_kill_never_overtakes_the_launch() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").clear();
    world.hold_writes = true;
    world.add_task("hello", "fw", "1", "64Mi");
    world.objects.get_mut("hello").expect("hello").finalizer = true;
    world.delete_task("hello");
    assert_eq!(world.log(), ["write hello: Staging", "node1: prepare hello", "write hello: Killing"]);
    world.finish_write(WriteOutcome::Done);
    assert_eq!(world.log(), ["node1: launch hello with cpus:1;mem:64", "node1: kill hello"]);
}

#[test]
fn deleting_a_waiting_task_releases_it_at_once() {
    let mut world = World::new().built_in("fw").task("hello", "fw", "1", "64Mi");
    world.pass(secs(2));
    world = world.clear();
    world.delete_task("hello");
    assert_eq!(world.log(), ["release hello"]);
    world.add_agent("node1", "4", "8Gi");
    assert!(!world.log().iter().any(|line| line.contains("launch")));
}

#[test]
fn deleting_a_completed_task_releases_it_at_once() {
    let mut world = running();
    world.says("node1", "hello", TaskState::Finished);
    world.log();
    world.delete_task("hello");
    assert_eq!(world.log(), ["release hello"]);
    assert_eq!(world.framework_records["fw"].completed, 0);
}

#[test]
fn an_object_that_goes_without_a_word_takes_its_task_along() {
    let mut world = running();
    world.remove_task("hello");
    assert_eq!(world.log(), ["node1: kill hello"]);
    assert_eq!(world.agent_records["node1"].allocated, bag("1", "64Mi"));
    // Its updates are acknowledged, so that the agent can forget it, and nothing is written.
    world.says("node1", "hello", TaskState::Killed);
    assert_eq!(world.log(), ["node1: acknowledge hello/Killed"]);
    assert_eq!(world.agent_records["node1"].allocated, bag("0", "0"));
}

#[test]
fn an_object_that_goes_before_its_launch_is_recorded_leaves_nothing() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").clear();
    world.hold_writes = true;
    world.add_task("hello", "fw", "1", "64Mi");
    world.remove_task("hello");
    world.finish_write(WriteOutcome::Gone);
    assert_eq!(world.log(), ["write hello: Staging", "node1: prepare hello"]);
    assert_eq!(world.agent_records["node1"].allocated, bag("0", "0"));
}

#[test]
fn a_new_object_of_the_same_name_is_another_task() {
    let mut world = running();
    let mut again = world.objects["hello"].clone();
    again.id.uid = "another".to_owned();
    again.record = None;
    world.objects.insert("hello".to_owned(), again.clone());
    world.event(Event::TaskApplied(Box::new(again)));
    assert_eq!(
        world.log(),
        ["node1: kill hello", "write hello: Staging", "node1: prepare hello", "node1: launch hello with cpus:1;mem:64"]
    );
}

#[test]
fn a_request_that_makes_no_sense_is_an_error_and_others_go_on() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi").clear();
    world.add_task_asking("bad", "fw", Err("the command is empty".to_owned()));
    world.add_task("good", "fw", "1", "64Mi");
    assert_eq!(world.state("bad"), (Some(TaskState::Error), Some(Reason::TaskInvalid)));
    assert_eq!(world.shown("bad").1, "the command is empty");
    assert_eq!(world.state("good").0, Some(TaskState::Staging));
}

#[test]
fn a_waiting_task_says_why() {
    let mut world = World::new();
    world.add_task("lost", "nobody", "1", "64Mi");
    assert_eq!(
        world.shown("lost").1,
        r#"framework "nobody" does not exist in namespace "ns": create it, or correct spec.frameworkRef.name"#
    );
    world =
        world.framework("bad", Err("spec.scheduler names two schedulers".to_owned())).built_in("fw").external("ext");
    for (task, framework) in [("early", "fw"), ("unserved", "bad"), ("offered", "ext")] {
        world.add_task(task, framework, "8", "64Mi");
    }
    assert_eq!(world.shown("unserved").1, r#"framework "bad" cannot be served: spec.scheduler names two schedulers"#);
    world.pass(secs(2));
    assert_eq!(world.shown("early").1, "no agent is registered");
    assert_eq!(world.shown("offered").1, r#"waits for its framework "ext" to launch it in an offer"#);
    world.add_agent("node1", "2", "1Gi");
    world.add_agent("node2", "4", "1Gi");
    world.pass(secs(2));
    assert_eq!(
        world.shown("early").1,
        "needs 8 cpu and 64Mi memory, more than any agent has: largest is node2 with 4 cpu"
    );
}

#[test]
fn a_task_goes_on_when_its_framework_appears() {
    let mut world = World::new().agent("node1", "4", "8Gi").task("hello", "fw", "1", "64Mi");
    assert_eq!(world.shown("hello").0, "Pending");
    world = world.built_in("fw");
    assert_eq!(world.shown("hello").0, "Staging");
}

#[test]
fn a_queue_is_told_piece_by_piece() {
    let mut world = World::new().built_in("fw");
    for number in 0..250 {
        world.add_task(&format!("task-{number:03}"), "fw", "1", "64Mi");
    }
    world = world.clear();
    let mut told = Vec::new();
    for _ in 0..6 {
        world.pass(secs(1));
        told.push(world.log().iter().filter(|line| line.starts_with("write")).count());
    }
    assert_eq!((told.iter().sum::<usize>(), told.iter().max()), (250, Some(&100)));
}

#[test]
fn only_so_many_completed_tasks_are_kept() {
    let mut world = World::new().built_in("fw").agent("node1", "4", "8Gi");
    let mut framework = world.frameworks["fw"].clone();
    framework.history_limit = 2;
    world.apply_framework(framework);
    for (index, task) in ["a", "b", "c", "d"].into_iter().enumerate() {
        world.add_task(task, "fw", "1", "64Mi");
        let mut end = update(task, "fw", TaskState::Finished);
        end.at = proffer_master::Time(i64::try_from(index).expect("small"));
        world.status("node1", end);
    }
    assert_eq!(world.objects.keys().collect::<Vec<_>>(), ["c", "d"]);
    assert_eq!(world.framework_records["fw"].completed, 2);
}

#[test]
fn what_an_agent_never_got_and_was_asked_to_end_counts_as_killed() {
    let mut world = launched();
    world.pass(secs(2));
    world.delete_task("hello");
    let mut answer = update("hello", "fw", TaskState::Dropped);
    answer.uuid = None;
    world.log();
    world.hold_writes = true;
    world.status("node1", answer);
    assert_eq!(world.log(), ["write hello: Killed"]);
}
