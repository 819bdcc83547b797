//! What a person sees of tasks: results, failures, limits, deletion.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::lab::{Lab, SOON, contains};

/// A task runs to its end; kubectl shows it, waits for it, and its output is there to read.
pub(super) fn a_task_runs_to_its_end(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    lab.apply(&lab.task("first", "hello", "echo hello from $MESOS_TASK_ID; echo trouble >&2; id -u"))?;
    lab.kubectl.wait("condition=Finished", "task/hello", SOON)?;
    let output = lab.sandbox_file("hello", "stdout")?;
    contains(&output, "hello from")?;
    ensure!(!output.lines().any(|line| line == "0"), "a task runs as root by default: {output}");
    contains(&lab.sandbox_file("hello", "stderr")?, "trouble")?;

    let table = lab.kubectl.run(["get", "frameworks,tasks,offers,agents", "-o", "wide"])?;
    for part in ["first", "hello", "Finished", "node1", "READY", "REASON"] {
        contains(&table, part)?;
    }
    let description = lab.describe("task", "hello")?;
    for part in ["State:", "Finished", "Exit Code:", "Sandbox:"] {
        contains(&description, part)?;
    }
    Ok(())
}

/// A failing command shows its exit code and reason; one that is ended by a signal, the signal.
pub(super) fn a_failure_shows_exit_code_and_reason(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    lab.apply(&lab.task("first", "three", "echo about to fail; exit 3"))?;
    lab.apply(&lab.task("first", "signalled", "kill -ABRT $$"))?;
    let failed = lab.wait_task("three", &["Failed"], SOON)?;
    ensure!(failed["status"]["exitCode"] == json!(3), "exit code 3 should stand in {}", failed["status"]);
    ensure!(failed["status"]["reason"] == json!("CommandExecutorFailed"), "no reason in {}", failed["status"]);
    contains(&lab.describe("task", "three")?, "exited with status 3")?;
    lab.kubectl.wait("condition=Failed", "task/three", SOON)?;
    let signalled = lab.wait_task("signalled", &["Failed"], SOON)?;
    ensure!(signalled["status"]["signal"] == json!(6), "signal 6 should stand in {}", signalled["status"]);
    contains(&lab.describe("task", "signalled")?, "SIGABRT")
}

/// A command that takes more memory than it asked for is ended, and the limit that it hit is told.
pub(super) fn a_memory_limit_is_told(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    lab.apply(&lab.task("first", "hog", "tail /dev/zero"))?;
    let hog = lab.wait_task("hog", &["Failed"], SOON)?;
    ensure!(hog["status"]["reason"] == json!("ContainerLimitationMemory"), "the wrong reason: {}", hog["status"]);
    contains(hog["status"]["message"].as_str().unwrap_or_default(), "16Mi")?;
    lab.others_go_on("first")
}

/// Deleting a running task ends it and its children within the grace period, also when they do not want to.
pub(super) fn deleting_a_task_ends_it(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    let polite = lab.task("first", "polite", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 1; done");
    let mut stubborn = lab.task(
        "first",
        "stubborn",
        "trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & setsid sleep 1234 & echo up; while :; do sleep 1; done",
    );
    stubborn["spec"]["killPolicy"] = json!({"gracePeriodSeconds": 2});
    lab.apply(&polite)?;
    lab.apply(&stubborn)?;
    for name in ["polite", "stubborn"] {
        lab.wait_task(name, &["Running"], SOON)?;
    }
    let before = lab.task_processes()?;
    ensure!(before.len() >= 5, "both tasks and their children should be there: {before:?}");
    let started = Instant::now();
    lab.kubectl.run(["delete", "task", "polite", "stubborn", "--timeout=60s"])?;
    let took = started.elapsed();
    ensure!(took < Duration::from_secs(30), "ending them took {took:?}, far over the grace of 2 s and 5 s");
    lab.wait_no_processes()
}
