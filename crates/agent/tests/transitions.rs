//! Every transition, as a table of what happens and what is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test that fails")]

mod bench_node;

use bench_node::{Life, Node, exited, order, task_id};
use proffer_agent::{Event, Exit, FIRST_RETRY, LaunchFailure, MasterCall, OutOfMemory, Outcome, TaskSignal, ToMaster};
use proffer_mesos_api::{Reason, TaskState};
use std::time::Duration;

#[test]
fn nothing_is_spawned_before_its_launch_is_durable() {
    let mut node = Node::ready();
    node.launch("a");
    assert!(node.spawning.is_empty());
    node.sync();
    assert_eq!(node.spawning, ["a"]);
    node.spawned();
    assert_eq!(node.story("a"), ["Running"]);
    node.acknowledge("a");
    node.exits("a", 0);
    assert_eq!(node.story("a"), ["Running"], "the end is told when it is durable");
    node.sync();
    assert_eq!(node.story("a"), ["Running", "Finished"]);
    node.acknowledge("a");
    assert!(node.agent.knows("a"), "its sandbox is kept");
    assert_eq!(node.agent.unacknowledged(), 0);
}

#[test]
fn the_epoch_is_durable_before_it_is_confirmed_and_lower_ones_are_refused() {
    let mut node = Node::ready();
    node.happens(Event::Disconnected);
    node.happens(Event::Connected);
    node.master(9, MasterCall::Registered { agent_id: "agent-1".into() });
    assert!(!node.sent.contains(&ToMaster::EpochConfirmed(9)));
    node.sync();
    assert!(node.sent.contains(&ToMaster::EpochConfirmed(9)));
    node.master(8, MasterCall::Launch(Box::new(order("a"))));
    node.sync();
    assert_eq!(node.sent.last(), Some(&ToMaster::StaleEpoch { refused: 8, confirmed: 9 }));
    assert!(node.spawning.is_empty() && !node.agent.knows("a"));
    node.crash(false);
    node.happens(Event::Connected);
    node.master(8, MasterCall::Registered { agent_id: "agent-1".into() });
    assert_eq!(node.sent.last(), Some(&ToMaster::StaleEpoch { refused: 8, confirmed: 9 }));
}

#[test]
fn a_launch_said_twice_is_answered_and_not_done_twice() {
    let mut node = Node::ready();
    node.launch("a");
    node.launch("a");
    node.sync();
    node.spawned();
    assert!(node.spawning.is_empty());
    node.acknowledge("a");
    node.launch("a");
    assert_eq!(node.story("a"), ["Running", "Running (no ack)"]);
    node.exits("a", 1);
    node.sync();
    node.launch("a");
    node.sync();
    node.acknowledge("a");
    node.launch("a");
    assert_eq!(node.story("a"), ["Running", "Running (no ack)", "Failed", "Failed", "Failed (no ack)"]);
    assert_eq!(node.starts["a"], 1);
}

#[test]
fn updates_come_one_at_a_time_and_again() {
    let mut node = Node::ready();
    node.launch("a");
    node.sync();
    node.spawned();
    node.exits("a", 3);
    node.sync();
    assert_eq!(node.story("a"), ["Running"]);
    node.pass(FIRST_RETRY.saturating_sub(Duration::from_millis(1)));
    assert_eq!(node.story("a").len(), 1);
    node.pass(Duration::from_millis(1));
    assert_eq!(node.story("a").len(), 2);
    node.pass(FIRST_RETRY);
    assert_eq!(node.story("a").len(), 2, "the second wait is twice as long");
    node.pass(FIRST_RETRY);
    assert_eq!(node.story("a"), ["Running", "Running", "Running"]);
    let uuids: Vec<_> = node.updates("a").iter().map(|update| update.uuid).collect();
    assert!(uuids.iter().all(|uuid| *uuid == uuids[0]));
    node.happens(Event::Disconnected);
    node.pass(Duration::from_hours(1));
    assert_eq!(node.story("a").len(), 3, "nobody listens");
    node.connect(2);
    assert_eq!(node.story("a").len(), 4, "and at once when somebody does");
    node.acknowledge("a");
    node.sync();
    assert_eq!(node.story("a").last().unwrap(), "Failed");
}

#[test]
fn only_what_could_be_launched_is_made_ready_and_nothing_is_told_of_it() {
    let prepare = |uid: &str| MasterCall::Prepare(Box::new(order(uid)));
    let mut node = Node::ready();
    let (sent, written) = (node.sent.len(), node.journal.len());
    node.master(1, prepare("a"));
    assert_eq!((node.prepared.as_slice(), node.sent.len(), node.journal.len()), (&["a".to_owned()][..], sent, written));
    // Known by now.
    node.launch("a");
    node.master(1, prepare("a"));
    // Makes no sense.
    let mut nameless = order("b");
    nameless.task.name.clear();
    node.master(1, MasterCall::Prepare(Box::new(nameless)));
    // Of a leader whose time is over.
    node.connect(2);
    node.master(1, prepare("c"));
    assert!(matches!(node.sent.last(), Some(ToMaster::StaleEpoch { refused: 1, confirmed: 2 })));
    // Without a slot.
    node.happens(Event::SlotDetached { pod_uid: "slot-1".into(), message: "gone".into() });
    node.master(2, prepare("d"));
    assert_eq!(node.prepared, ["a"]);
}

/// How a command ended, and the state, reason and part of the message that this gives.
type Row = (Exit, TaskState, Option<Reason>, &'static str);

#[test]
fn every_end_has_its_state_reason_and_message() {
    let signal = |number| Exit { outcome: Outcome::Signaled(number), out_of_memory: None, at_micros: Some(5) };
    let memory =
        |outcome, limit_bytes| Exit { outcome, out_of_memory: Some(OutOfMemory { limit_bytes }), at_micros: None };
    let failed = Exit { outcome: Outcome::Failed(LaunchFailure::CommandNotFound("x".into())), ..exited(0) };
    let untold = Exit::without_record("the slot pod was deleted");
    let table: Vec<Row> = vec![
        (exited(0), TaskState::Finished, None, "Command exited with status 0"),
        (exited(3), TaskState::Failed, Some(Reason::CommandExecutorFailed), "Command exited with status 3"),
        (exited(127), TaskState::Failed, Some(Reason::CommandExecutorFailed), "did not find the program"),
        (signal(11), TaskState::Failed, Some(Reason::CommandExecutorFailed), "signal SIGSEGV (11)"),
        (signal(40), TaskState::Failed, Some(Reason::CommandExecutorFailed), "signal 40"),
        (
            memory(Outcome::Signaled(9), 32 << 20),
            TaskState::Failed,
            Some(Reason::ContainerLimitationMemory),
            "limit 32Mi reached",
        ),
        (
            memory(Outcome::Exited(137), 0),
            TaskState::Failed,
            Some(Reason::ContainerLimitationMemory),
            "within its own limit",
        ),
        (memory(Outcome::Exited(0), 32 << 20), TaskState::Finished, None, "status 0, though"),
        (failed, TaskState::Failed, Some(Reason::ContainerLaunchFailed), "\"x\" does not exist"),
        (untold, TaskState::Failed, Some(Reason::ExecutorTerminated), "the slot pod was deleted"),
    ];
    for (exit, state, reason, message) in table {
        let mut node = Node::ready();
        node.launch("a");
        node.sync();
        node.spawned();
        node.acknowledge("a");
        node.happens(Event::Exited { uid: "a".into(), exit: exit.clone() });
        node.sync();
        let status = node.updates("a").pop().unwrap().status;
        assert_eq!((status.state, status.reason), (state, reason), "{exit:?}");
        assert!(status.message.contains(message), "{:?} lacks {message:?}", status.message);
        // The same when it was asked to end: then it was killed.
        let mut node = Node::ready();
        node.launch("a");
        node.sync();
        node.spawned();
        node.acknowledge("a");
        node.kill("a");
        node.happens(Event::Exited { uid: "a".into(), exit });
        node.sync();
        assert_eq!(node.updates("a").pop().unwrap().status.state, TaskState::Killed);
    }
}

#[test]
fn launches_that_cannot_be_are_answered_with_what_to_do() {
    let mut invalid = order("a");
    invalid.command.value = "  ".into();
    let mut large = order("a");
    large.command.environment = vec![("A".into(), "x".repeat(1 << 20))];
    let mut nul = order("a");
    nul.command.value = "echo \0".into();
    let mut arguments = order("a");
    arguments.command.arguments = vec!["x".into()];
    let mut path = order("..");
    path.task.name = "ok".into();
    for (order, message) in [
        (invalid, "the command is empty"),
        (large, "too large"),
        (nul, "NUL"),
        (arguments, "takes no arguments"),
        (path, "cannot be part of a path"),
    ] {
        let mut node = Node::ready();
        let uid = order.task.uid.clone();
        node.master(1, MasterCall::Launch(Box::new(order)));
        node.sync();
        let status = node.updates(&uid).pop().unwrap().status;
        assert_eq!((status.state, status.reason), (TaskState::Error, Some(Reason::TaskInvalid)), "{message}");
        assert!(status.message.contains(message), "{:?} lacks {message:?}", status.message);
        assert!(node.spawning.is_empty());
    }
    let mut node = Node::new();
    node.connect(1);
    node.launch("a");
    node.sync();
    let status = node.updates("a").pop().unwrap().status;
    assert_eq!((status.state, status.reason), (TaskState::Dropped, Some(Reason::ContainerLaunchFailed)));
    assert!(status.message.contains("not attached to a slot"));
}

#[test]
fn a_kill_goes_from_gentle_to_certain() {
    let mut node = Node::ready();
    node.launch("a");
    node.kill("a");
    node.sync();
    assert!(node.signals.is_empty(), "there is nothing to signal yet");
    node.spawned();
    let a = |signal| ("a".to_owned(), signal);
    assert_eq!(node.signals, [a(TaskSignal::Terminate)]);
    node.kill("a");
    node.pass(Duration::from_millis(2999));
    assert_eq!(node.signals.len(), 1, "a second kill does not begin anew");
    node.pass(Duration::from_millis(1));
    assert_eq!(node.signals.last(), Some(&a(TaskSignal::KillAll)));
    node.pass(Duration::from_secs(5));
    node.pass(Duration::from_secs(5));
    assert_eq!(node.signals[2..], [a(TaskSignal::KillInit), a(TaskSignal::KillInit)]);
    node.exits("a", 137);
    node.sync();
    node.acknowledge("a");
    assert_eq!(node.story("a").last().unwrap(), "Running", "the first update first");
    node.acknowledge("a");
    node.sync();
    assert_eq!(node.story("a").last().unwrap(), "Killed");
    node.acknowledge("a");
    node.kill("a");
    assert_eq!(node.story("a").last().unwrap(), "Killed (no ack)");
    node.kill("nobody");
    assert_eq!(node.story("nobody"), ["Dropped (no ack)"]);
}

#[test]
fn an_impatient_kill_shortens_the_grace() {
    let mut node = Node::ready();
    node.launch("a");
    node.sync();
    node.spawned();
    node.kill("a");
    node.master(1, MasterCall::Kill { task: task_id("a"), grace_millis: Some(10) });
    node.pass(Duration::from_millis(10));
    assert_eq!(
        node.signals.iter().map(|(_, signal)| *signal).collect::<Vec<_>>(),
        [TaskSignal::Terminate, TaskSignal::KillAll]
    );
}

#[test]
fn a_kill_survives_the_agent() {
    let mut node = Node::ready();
    node.launch("a");
    node.sync();
    node.spawned();
    node.kill("a");
    node.sync();
    node.signals.clear();
    node.crash(false);
    assert_eq!(node.signals, [("a".to_owned(), TaskSignal::Terminate)]);
    node.pass(Duration::from_secs(3));
    assert_eq!(node.signals.last().unwrap().1, TaskSignal::KillAll);
}

#[test]
fn what_ended_meanwhile_is_told_and_what_runs_is_adopted() {
    let mut node = Node::ready();
    for uid in ["runs", "ends", "unborn"] {
        node.launch(uid);
        node.sync();
        if uid != "unborn" {
            node.spawned();
            node.acknowledge(uid);
        }
    }
    // The spawn never got anywhere.
    node.spawning.clear();
    node.lives.insert("ends".into(), Life::Ended(4));
    node.sent.clear();
    node.crash(false);
    assert_eq!(node.spawning, ["unborn"]);
    node.connect(2);
    assert_eq!((node.story("ends"), node.story("runs")), (vec!["Failed".to_owned()], vec![]));
    node.spawned();
    assert_eq!(node.story("unborn"), ["Running"]);
    assert_eq!(node.starts.values().max(), Some(&1));
}

#[test]
fn a_reboot_is_told_as_what_it_is() {
    let mut node = Node::ready();
    node.launch("a");
    node.sync();
    node.spawned();
    node.sync();
    node.crash(true);
    node.connect(2);
    let status = node.updates("a").pop().unwrap().status;
    assert_eq!(node.story("a").last().unwrap(), "Running", "the first update first");
    assert_eq!(status.state, TaskState::Running);
    node.acknowledge("a");
    node.sync();
    let status = node.updates("a").pop().unwrap().status;
    assert_eq!((status.state, status.reason), (TaskState::Gone, Some(Reason::AgentRestarted)));
}

#[test]
fn sandboxes_go_after_their_time() {
    let mut node = Node::ready();
    node.launch("a");
    node.sync();
    node.spawned();
    node.acknowledge("a");
    node.exits("a", 0);
    node.sync();
    node.pass(Duration::from_hours(2));
    assert!(node.removed.is_empty(), "not before its end is acknowledged");
    node.acknowledge("a");
    node.pass(Duration::from_secs(1));
    assert_eq!(node.removed, ["a"]);
    node.happens(Event::SandboxRemoved { uid: "a".into() });
    assert!(!node.agent.knows("a"));
    node.crash(false);
    assert!(!node.agent.knows("a"));
}

#[test]
fn only_sandboxes_are_looked_into() {
    use proffer_agent::{FileOperation, FileRequest};
    let mut node = Node::ready();
    node.launch("a");
    node.sync();
    node.spawned();
    let sandbox = node.updates("a")[0].sandbox.clone();
    let mut id = 0;
    let mut allowed = |node: &mut Node, path: &str| {
        id += 1;
        let request = FileRequest { id, path: path.to_owned(), operation: FileOperation::Browse };
        node.master(1, MasterCall::Files(request));
        !node.sent.iter().any(|message| matches!(message, ToMaster::FileRefused { id: refused, .. } if *refused == id))
    };
    assert!(allowed(&mut node, &sandbox));
    assert!(allowed(&mut node, &format!("{sandbox}/stdout")));
    for path in [&format!("{sandbox}0/stdout"), "/etc/passwd", "", "/", "/var/lib/proffer/meta/journal"] {
        assert!(!allowed(&mut node, path), "{path}");
    }
}
