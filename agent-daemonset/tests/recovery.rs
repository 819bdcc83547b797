//! The agent's process is killed and started again, with tasks running: nobody notices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test that fails")]

mod world;

use proffer_agent_link::v1::{self, from_agent, from_master};
use std::time::Duration;
use world::World;
use world::master::shell;

macro_rules! skip_where_impossible {
    () => {
        if world::skipped().is_some() {
            return;
        }
    };
}

fn start_ticks(pid: u32) -> Option<u64> {
    proffer_agent_daemonset::process::start_ticks(pid)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_outlive_the_agent_and_their_ends_are_told() {
    skip_where_impossible!();
    let mut world = World::start("outlive", &[]).await;
    for uid in ["stays", "ends", "fails"] {
        let text = match uid {
            "stays" => "while :; do sleep 0.2; done",
            "ends" => "while [ ! -e go ]; do sleep 0.02; done; echo done",
            _ => "while [ ! -e go ]; do sleep 0.02; done; exit 5",
        };
        world.master.launch(shell(uid, text));
        world.master.status(uid, "TASK_RUNNING").await;
    }
    world.master.settle().await;
    let running = world.master.status("stays", "TASK_RUNNING").await;
    let pid = running.pid.unwrap();
    let before = (world.processes("stays").first().copied(), start_ticks(pid));

    world.kill_agent();
    for uid in ["ends", "fails"] {
        std::fs::write(world.sandbox(uid).join("go"), "").unwrap();
        world::wait_until("the task's processes are gone", || world.processes(uid).is_empty());
    }
    world.start_agent().await;

    let register = world.master.registered().await;
    assert_eq!((register.agent_id.as_str(), register.epoch, register.tasks.len()), ("agent-1", 1, 3), "{register:?}");
    let end = world.master.end("ends").await;
    assert_eq!((end.state.as_str(), end.exit_code), ("TASK_FINISHED", Some(0)));
    let end = world.master.end("fails").await;
    assert_eq!((end.state.as_str(), end.exit_code), ("TASK_FAILED", Some(5)));
    assert_eq!(world.output("ends", "stdout"), "done\n");
    assert_eq!((world.processes("stays").first().copied(), start_ticks(pid)), before);
    // It is watched as before: it can be killed, and its end is told.
    world.master.kill("stays", Some(Duration::from_secs(5)));
    let end = world.master.end("stays").await;
    assert_eq!((end.state.as_str(), end.signal), ("TASK_KILLED", Some(15)), "{end:?}");
    for uid in ["stays", "ends", "fails"] {
        world.wait_cleaned(uid);
        assert_eq!(
            world.master.statuses(uid).iter().filter(|status| status.state == "TASK_RUNNING").count(),
            1,
            "{uid}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_agent_had_no_time_to_remove_is_removed_by_the_next() {
    skip_where_impossible!();
    let mut world = World::start("left", &[]).await;
    world.master.launch(shell("ended", "true"));
    assert_eq!(world.master.end("ended").await.state, "TASK_FINISHED");
    world.master.settle().await;
    world.wait_cleaned("ended");
    world.kill_agent();
    // As if the kill had come between the record of its end and the clean-up.
    std::fs::write(world.directory.join("work/meta/tasks/ended"), "").unwrap();
    world.slot.make_task("ended");
    world.start_agent().await;
    world.wait_cleaned("ended");
    assert_eq!(world.output("ended", "stdout"), "", "its sandbox is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_task_starts_twice_however_often_the_agent_dies() {
    skip_where_impossible!();
    let mut world = World::start("once", &[]).await;
    let uids: Vec<String> = (0..40).map(|index| format!("once-{index}")).collect();
    let launch = |uid: &str| shell(uid, "echo started >> ledger; sleep 0.3; echo ended >> ledger");
    for (index, uid) in uids.iter().enumerate() {
        world.master.launch(launch(uid));
        if index % 8 == 5 {
            // In the midst of launching.
            world.restart_agent().await;
            // The master does not know what reached the agent, and says all of it again.
            world.master.attached().await;
            for uid in &uids[..=index] {
                world.master.launch(launch(uid));
            }
        }
    }
    for uid in &uids {
        let end = world.master.end(uid).await;
        assert_eq!(end.state, "TASK_FINISHED", "{end:?}");
        let ledger = std::fs::read_to_string(world.sandbox(uid).join("ledger")).unwrap();
        assert_eq!(ledger, "started\nended\n", "{uid}");
        world.wait_cleaned(uid);
    }
    assert_eq!(world.slot.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_are_sent_again_until_they_are_acknowledged() {
    skip_where_impossible!();
    let mut world = World::start("again", &[]).await;
    world.master.set_acknowledges(false);
    world.master.launch(shell("again", "exit 4"));
    let running = world.master.status("again", "TASK_RUNNING").await;
    world.wait_cleaned("again");
    // The end waits behind TASK_RUNNING; a new agent process sends the same update under the same UUID.
    assert_eq!(world.master.statuses("again").len(), 1);
    world.restart_agent().await;
    let register = world.master.registered().await;
    assert_eq!(register.tasks[0].status.as_ref().unwrap().state, "TASK_FAILED");
    let again = world
        .master
        .wait_for("the update again", |received, _| world::master::statuses(received, "again").nth(1).cloned())
        .await;
    assert_eq!((again.state.as_str(), again.uuid == running.uuid), ("TASK_RUNNING", true));
    world.master.set_acknowledges(true);
    world.restart_agent().await;
    let end = world.master.end("again").await;
    assert_eq!((end.state.as_str(), end.exit_code), ("TASK_FAILED", Some(4)));
    world.master.settle().await;
    // Known no more.
    world.restart_agent().await;
    assert_eq!(world.master.registered().await.tasks.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lower_epoch_is_refused_also_by_the_next_agent_process() {
    skip_where_impossible!();
    let mut world = World::start("epoch", &[]).await;
    world.master.set_epoch(7);
    let confirmed = |epoch: u64| {
        move |received: &[(std::time::Instant, from_agent::Message)], _: &[v1::Register]| {
            let found = |message: &from_agent::Message| matches!(message, from_agent::Message::EpochConfirmed(c) if c.epoch == epoch);
            received.iter().any(|(_, message)| found(message)).then_some(())
        }
    };
    world.master.wait_for("epoch 7", confirmed(7)).await;
    world.master.attached().await;
    world.master.send(from_master::Message::Launch(v1::Launch { epoch: 6, ..shell("old", "echo old") }));
    let stale = |received: &[(std::time::Instant, from_agent::Message)], _: &[v1::Register]| {
        received.iter().find_map(|(_, message)| match message {
            from_agent::Message::StaleEpoch(stale) => Some((stale.refused, stale.confirmed)),
            _ => None,
        })
    };
    assert_eq!(world.master.wait_for("a refusal", stale).await, (6, 7));
    assert!(world.master.statuses("old").is_empty());
    world.master.set_epoch(3);
    world.kill_agent();
    world.start_agent().await;
    assert_eq!(world.master.registered().await.epoch, 7);
    let refusals = |received: &[(std::time::Instant, from_agent::Message)], _: &[v1::Register]| {
        let stale =
            |message: &from_agent::Message| matches!(message, from_agent::Message::StaleEpoch(s) if s.refused == 3);
        received.iter().any(|(_, message)| stale(message)).then_some(())
    };
    world.master.wait_for("a refusal of epoch 3", refusals).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_goes_on_over_a_restart() {
    skip_where_impossible!();
    let mut world = World::start("kill-restart", &[]).await;
    world.master.launch(shell("stubborn", "trap '' TERM; while :; do sleep 0.1; done"));
    world.master.status("stubborn", "TASK_RUNNING").await;
    world.master.kill("stubborn", Some(Duration::from_millis(500)));
    world.master.settle().await;
    world.restart_agent().await;
    assert_eq!(world.master.end("stubborn").await.state, "TASK_KILLED");
    world.wait_cleaned("stubborn");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_slot_ends_its_tasks_with_a_reason() {
    skip_where_impossible!();
    let mut world = World::start("slot-end", &[]).await;
    world.master.launch(shell("victim", "sleep 1000"));
    world.master.status("victim", "TASK_RUNNING").await;
    world.slot.delete();
    let end = world.master.end("victim").await;
    assert_eq!((end.state.as_str(), end.reason.as_str()), ("TASK_FAILED", "REASON_EXECUTOR_TERMINATED"), "{end:?}");
    assert!(end.message.contains("slot pod"), "{end:?}");
    let detached = |received: &[(std::time::Instant, from_agent::Message)], _: &[v1::Register]| {
        received.iter().find_map(|(_, message)| match message {
            from_agent::Message::SlotState(slot) if !slot.attached => Some(slot.message.clone()),
            _ => None,
        })
    };
    world.master.wait_for("the slot's end", detached).await;
    world.master.launch(shell("late", "true"));
    let end = world.master.end("late").await;
    assert_eq!(end.state, "TASK_DROPPED");
    assert!(end.message.contains("not attached to a slot"), "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sandboxes_are_read_through_the_link_and_removed_after_their_time() {
    skip_where_impossible!();
    let world = World::start("files", &["--sandbox-retention", "2s"]).await;
    world.master.launch(shell("files", "echo hello; ln -s /etc/passwd link"));
    let end = world.master.end("files").await;
    let ask = |id: u64, path: String| {
        let read = v1::Read { offset: 0, length: -1 };
        let operation = Some(v1::file_request::Operation::Read(read));
        world.master.send(from_master::Message::FileRequest(v1::FileRequest { epoch: 1, id, path, operation }));
    };
    let reply = |id: u64| {
        move |received: &[(std::time::Instant, from_agent::Message)], _: &[v1::Register]| {
            received.iter().find_map(|(_, message)| match message {
                from_agent::Message::FileReply(reply) if reply.id == id => reply.result.clone(),
                _ => None,
            })
        }
    };
    let paths = [
        format!("{}/stdout", end.sandbox),
        format!("{}/link", end.sandbox),
        format!("{}/../../../../../../../../../../../etc/passwd", end.sandbox),
        format!("{}0/stdout", end.sandbox),
        "/etc/passwd".to_owned(),
        format!("{}/work/meta/journal", world.directory.display()),
    ];
    for (id, path) in paths.iter().enumerate() {
        ask(id as u64, path.clone());
    }
    match world.master.wait_for("a reply", reply(0)).await {
        v1::file_reply::Result::Data(data) => assert_eq!((data.data, data.size), (b"hello\n".to_vec(), 6)),
        other => panic!("{other:?}"),
    }
    for (id, path) in paths.iter().enumerate().skip(1) {
        let result = world.master.wait_for("a reply", reply(id as u64)).await;
        assert!(matches!(result, v1::file_reply::Result::Error(_)), "{path}: {result:?}");
    }
    world::wait_until("the sandbox is removed", || !world.sandbox("files").exists());
    world::wait_until("its empty parents are", || {
        !world.directory.join("work/slaves/agent-1/frameworks/default.test").exists()
    });
    ask(99, format!("{}/stdout", end.sandbox));
    assert!(matches!(world.master.wait_for("a reply", reply(99)).await, v1::file_reply::Result::Error(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_shows_the_way_to_the_leader() {
    skip_where_impossible!();
    let mut world = World::start("standby", &[]).await;
    world.kill_agent();
    world.controller_port = world.master.start_standby().await;
    world.start_agent().await;
    world.master.attached().await;
    world.master.launch(shell("standby", "echo hello"));
    assert_eq!(world.master.end("standby").await.state, "TASK_FINISHED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_told_to_end_leaves_its_tasks_alone() {
    skip_where_impossible!();
    let mut world = World::start("sigterm", &[]).await;
    world.master.launch(shell("stays", "while [ ! -e go ]; do sleep 0.02; done"));
    let pid = world.master.status("stays", "TASK_RUNNING").await.pid.unwrap();
    let before = start_ticks(pid);
    let agent = rustix::process::Pid::from_child(&world.agent);
    rustix::process::kill_process(agent, rustix::process::Signal::TERM).unwrap();
    assert!(world.agent.wait().unwrap().success());
    world.master.forget_agent();
    assert!(before.is_some() && start_ticks(pid) == before);
    world.start_agent().await;
    std::fs::write(world.sandbox("stays").join("go"), "").unwrap();
    assert_eq!(world.master.end("stays").await.state, "TASK_FINISHED");
    world.wait_cleaned("stays");
}
