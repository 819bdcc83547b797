//! Tasks that are made ready ahead of their launch: they run only if they are launched, and leave nothing if not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test that fails")]

mod world;

use world::World;
use world::master::shell;

/// A line that a command writes for each time it runs.
fn once(uid: &str) -> proffer_agent_link::v1::Launch {
    shell(uid, "echo ran; exit 3")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_made_ready_runs_when_it_is_launched_and_not_before() {
    if world::skipped().is_some() {
        return;
    }
    let world = World::start("prepared", &[]).await;
    world.master.prepare(once("one"));
    world.master.prepare(once("one"));
    world::wait_until("its init waits", || world.processes("one").len() == 1);
    let init = world.processes("one");
    assert!(world.master.statuses("one").is_empty());
    world.master.launch(once("one"));
    let running = world.master.status("one", "TASK_RUNNING").await;
    assert_eq!(running.pid, Some(init[0]), "the init that was ready runs it");
    let end = world.master.end("one").await;
    assert_eq!((end.state.as_str(), end.exit_code), ("TASK_FAILED", Some(3)), "{end:?}");
    assert_eq!(world.output("one", "stdout"), "ran\n");
    world.wait_cleaned("one");
    // What is known already is not made ready again.
    world.master.prepare(once("one"));
    world.master.settle().await;
    assert!(!world.slot.has_task("one"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_launched_counts_and_not_what_was_made_ready() {
    if world::skipped().is_some() {
        return;
    }
    let world = World::start("changed", &[]).await;
    world.master.prepare(shell("two", "echo wrong"));
    world::wait_until("its init waits", || world.processes("two").len() == 1);
    world.master.launch(shell("two", "echo right"));
    assert_eq!(world.master.end("two").await.state, "TASK_FINISHED");
    assert_eq!(world.output("two", "stdout"), "right\n");

    // One that cannot be made ready says why when it is launched.
    let mut nobody = shell("three", "true");
    "no-such-user".clone_into(&mut nobody.command.as_mut().unwrap().user);
    world.master.prepare(nobody.clone());
    world.master.launch(nobody);
    let end = world.master.end("three").await;
    assert!(end.state == "TASK_FAILED" && end.message.contains("no-such-user"), "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_launched_is_taken_back() {
    if world::skipped().is_some() {
        return;
    }
    let mut world = World::start("dismissed", &[]).await;
    world.master.prepare(once("four"));
    world::wait_until("its init waits", || world.processes("four").len() == 1);
    world.wait_cleaned("four");
    world::wait_until("its sandbox is gone", || !world.sandbox("four").exists());
    assert!(world.master.statuses("four").is_empty());
    // It may come all the same.
    world.master.launch(once("four"));
    assert_eq!(world.master.end("four").await.exit_code, Some(3));
    assert_eq!(world.output("four", "stdout"), "ran\n");

    // An agent that goes takes along what it has made ready, and its successor cleans up.
    world.master.prepare(once("five"));
    world::wait_until("its init waits", || world.processes("five").len() == 1);
    world.kill_agent();
    world::wait_until("its init goes", || world.processes("five").is_empty());
    world.start_agent().await;
    world.wait_cleaned("five");
    world.master.launch(once("five"));
    assert_eq!(world.master.end("five").await.exit_code, Some(3));
    assert_eq!(world.output("five", "stdout"), "ran\n");
}
