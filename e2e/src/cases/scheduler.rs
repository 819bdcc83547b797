//! Schedulers that speak Mesos' v1 scheduler API: the two example frameworks, as they stand.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::lab::Lab;
use crate::command::{cargo, command, run};
use crate::forward::Tunnel;
use crate::paths;

/// What each example runs, and where it leaves its objects when it comes without a token.
const COPIES: usize = 3;
const NAMESPACE: &str = "default";

/// The framework in Python, on the standard library alone, runs its copies to the end.
pub(super) fn the_python_framework_runs_as_it_stands(lab: &Lab) -> Result<()> {
    let tunnel = Tunnel::open(&lab.system(), "service/proffer")?;
    let program = paths::workspace()?.join("examples/python-framework/framework.py");
    let program = program.display().to_string();
    let before = completed(lab)?;
    run(&mut command("python3", [program.as_str(), "--master", &master(&tunnel), "--copies", "3", "echo hello"]))?;
    ended(lab, before)
}

/// The framework in Rust, on the client library, runs its copies to the end.
pub(super) fn the_rust_framework_runs_as_it_stands(lab: &Lab) -> Result<()> {
    let tunnel = Tunnel::open(&lab.system(), "service/proffer")?;
    let master = master(&tunnel);
    let before = completed(lab)?;
    let arguments = ["run", "-q", "-p", "rust-framework", "--", "--master", &master, "--copies", "3", "echo hello"];
    run(&mut cargo(arguments))?;
    ended(lab, before)
}

/// A task group is launched as one, and when one of its tasks fails, the other is killed.
pub(super) fn a_task_group_ends_as_one(lab: &Lab) -> Result<()> {
    let tunnel = Tunnel::open(&lab.system(), "service/proffer")?;
    let folder = paths::workspace()?;
    let [program, client] = ["e2e/src/cases/task_group.py", "examples/python-framework"]
        .map(|path| folder.join(path).display().to_string());
    let printed = run(&mut command("python3", [program.as_str(), client.as_str(), &master(&tunnel)]))?;
    let expected = "failing: TASK_FAILED under group\nsteady: TASK_KILLED under group";
    ensure!(printed.trim() == expected, "it ended so: {printed}");
    let kubectl = lab.kubectl.in_namespace(NAMESPACE);
    let killed = |task: &Value| {
        task["spec"]["placement"]["group"]["size"] == 2
            && task["status"]["state"] == "Killed"
            && task["status"]["message"]
                .as_str()
                .is_some_and(|message| message.contains("of its group ended in Failed"))
    };
    crate::deadline::wait_every(
        std::time::Duration::from_millis(500),
        "an object to say that its task was killed with its group",
        super::lab::SOON,
        || Ok(kubectl.list("tasks", "")?.iter().any(killed).then_some(())),
    )
}

fn master(tunnel: &Tunnel) -> String {
    format!("http://127.0.0.1:{}", tunnel.port())
}

/// How many frameworks are over.
fn completed(lab: &Lab) -> Result<usize> {
    let frameworks = lab.kubectl.in_namespace(NAMESPACE).list("frameworks", "")?;
    Ok(frameworks.iter().filter(|framework| framework["status"]["phase"] == "Completed").count())
}

/// One more framework is over than there were, and its copies have objects that say how they ended.
fn ended(lab: &Lab, before: usize) -> Result<()> {
    let kubectl = lab.kubectl.in_namespace(NAMESPACE);
    crate::deadline::wait_every(
        std::time::Duration::from_millis(500),
        "the framework to be over",
        super::lab::SOON,
        || Ok((completed(lab)? > before).then_some(())),
    )?;
    let finished = |task: &&Value| task["status"]["state"] == "Finished" && !task["spec"]["taskInfo"].is_null();
    let tasks = kubectl.list("tasks", "")?;
    let finished = tasks.iter().filter(finished).count();
    ensure!(finished >= COPIES, "{finished} tasks have finished, of {}", tasks.len());
    Ok(())
}
