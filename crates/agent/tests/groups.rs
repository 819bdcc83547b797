//! Task groups: launched as one, and ended as Mesos' default executor ends them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test that fails")]

mod bench_node;

use bench_node::{Node, order};
use proffer_agent::{Command, Event, LaunchFailure, MasterCall, Order, TaskSignal};
use proffer_mesos_api::Reason;

/// Three tasks that run, whose `TASK_RUNNING` are acknowledged.
fn running() -> Node {
    let mut node = Node::ready();
    node.launch_group(&["a", "b", "c"]);
    node.sync();
    for uid in ["a", "b", "c"] {
        node.spawned();
        node.acknowledge(uid);
    }
    node
}

fn terminated(node: &Node) -> Vec<&str> {
    node.signals.iter().filter(|(_, signal)| *signal == TaskSignal::Terminate).map(|(uid, _)| uid.as_str()).collect()
}

/// What was told last of a task: state, reason, message.
fn last(node: &Node, uid: &str) -> (String, Option<Reason>, String) {
    let status = node.updates(uid).pop().unwrap().status;
    (status.state.to_string(), status.reason, status.message)
}

#[test]
fn a_group_is_spawned_when_all_of_it_is_durable() {
    let mut node = Node::ready();
    node.launch_group(&["a", "b"]);
    assert!(node.spawning.is_empty());
    assert_eq!(node.journal.last().map(|(write, _)| *write > node.durable), Some(true));
    node.crash(true);
    assert!(!node.agent.knows("a") && !node.agent.knows("b"), "none of it was on disk");
    node.connect(1);
    node.happens(Event::SlotAttached { pod_uid: "slot-1".into(), pod_ip: "10.0.0.1".into() });
    node.launch_group(&["a", "b"]);
    node.sync();
    assert_eq!(node.spawning, ["a", "b"]);
    node.launch_group(&["a", "b"]);
    assert_eq!(node.spawning, ["a", "b"], "once");
}

#[test]
fn when_one_fails_the_others_are_killed() {
    let mut node = running();
    node.exits("b", 1);
    assert_eq!(terminated(&node), ["a", "c"]);
    node.exits("a", 0);
    node.exits("c", 3);
    node.sync();
    assert_eq!(last(&node, "b").0, "Failed");
    let message = "task task-b of its group ended in Failed (Command exited with status 0)".to_owned();
    assert_eq!(last(&node, "a"), ("Killed".to_owned(), None, message));
    assert_eq!(last(&node, "c").0, "Killed");
}

#[test]
fn when_one_is_killed_the_others_follow_once_it_has_ended() {
    let mut node = running();
    node.kill("a");
    assert_eq!(terminated(&node), ["a"]);
    node.exits("a", 0);
    assert_eq!(terminated(&node), ["a", "b", "c"]);
}

#[test]
fn one_that_finishes_leaves_the_others_running() {
    let mut node = running();
    node.exits("a", 0);
    node.sync();
    assert_eq!(last(&node, "a").0, "Finished");
    assert_eq!(terminated(&node), [""; 0]);
    // Killing goes on among those that are left.
    node.exits("b", 1);
    assert_eq!(terminated(&node), ["c"]);
}

#[test]
fn one_that_cannot_be_started_ends_the_others() {
    let mut node = Node::ready();
    node.launch_group(&["a", "b"]);
    node.sync();
    node.spawned();
    node.spawn_failed(LaunchFailure::CommandNotFound("x".to_owned()));
    assert_eq!(terminated(&node), ["a"]);
    node.sync();
    assert_eq!(last(&node, "b").0, "Failed");
}

#[test]
fn a_kill_before_the_commands_run_takes_them_all() {
    let mut node = Node::ready();
    node.launch_group(&["a", "b"]);
    node.sync();
    node.kill("b");
    node.spawn_failed(LaunchFailure::Setup("x".to_owned(), "y".to_owned()));
    node.spawned();
    assert_eq!(terminated(&node), ["b"]);
    node.acknowledge("b");
    node.exits("b", 0);
    node.sync();
    assert_eq!((last(&node, "a").0, last(&node, "b").0), ("Failed".to_owned(), "Killed".to_owned()));
}

#[test]
fn one_that_is_not_acceptable_has_the_whole_group_refused() {
    let mut node = Node::ready();
    let with = |uid: &str, value: &str| Order {
        group: Some("g".to_owned()),
        command: Command { value: value.to_owned(), shell: true, ..Command::default() },
        ..order(uid)
    };
    node.master(1, MasterCall::LaunchGroup(vec![with("a", "true"), with("b", " ")]));
    node.sync();
    assert!(node.spawning.is_empty());
    let (state, reason, message) = last(&node, "a");
    assert_eq!((state.as_str(), reason), ("Error", Some(Reason::TaskGroupInvalid)));
    assert!(message.starts_with("task \"task-b\" of its group: the command is empty"), "{message}");
    assert_eq!((last(&node, "b").0, last(&node, "b").1), ("Error".to_owned(), Some(Reason::TaskInvalid)));
}

#[test]
fn an_agent_that_restarts_after_one_failed_ends_the_others() {
    let mut node = running();
    node.exits("a", 1);
    node.signals.clear();
    node.crash(false);
    assert_eq!(terminated(&node), ["b", "c"]);
    let mut node = running();
    if let Some(life) = node.lives.get_mut("a") {
        *life = bench_node::Life::Ended(1);
    }
    node.crash(false);
    assert_eq!(terminated(&node), ["b", "c"], "nobody saw it end");
}
