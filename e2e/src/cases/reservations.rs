//! Reservations keep resources for a role, and volumes keep what tasks wrote.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::lab::{Lab, SOON, contains, state_of};

/// A reservation made with kubectl keeps another framework out; its own role's gets it; deleted, it is everybody's again.
pub(super) fn a_reservation_keeps_others_out(lab: &Lab) -> Result<()> {
    let mut names = Vec::new();
    let outcome = (|| {
        for agent in lab.kubectl.list("agents", "")? {
            let name = agent["metadata"]["name"].as_str().context("an agent has a name")?.to_owned();
            let cpu = agent["status"]["slot"]["cpu"].clone();
            let spec = json!({"agent": name, "role": "kept", "resources": {"cpu": cpu}});
            reserve(lab, &format!("kept-{name}"), &spec)?;
            names.push(format!("kept-{name}"));
        }
        for name in &names {
            wait_phase(lab, name, "Reserved")?;
        }
        framework(lab, "insider", "kept")?;
        framework(lab, "outsider", "others")?;
        lab.tasks(&[lab.task("outsider", "out", "true"), lab.task("insider", "in", "true")])?;
        lab.wait_task("in", &["Finished"], SOON)?;
        // Once it is told why it waits, it was tried on every agent.
        let out = lab.kubectl.wait_object("task", "out", "told why it waits", SOON, |task| {
            task["status"]["message"].as_str().is_some_and(|message| !message.is_empty())
        })?;
        ensure!(state_of(&out) == "Pending", "the other framework's task should wait: {}", out["status"]);
        contains(&lab.kubectl.run(["get", "reservations", "-o", "wide"])?, "kept")
    })();
    for name in &names {
        lab.kubectl.delete("reservation", name)?;
    }
    outcome?;
    lab.wait_task("out", &["Finished"], SOON)?;
    Ok(())
}

/// A task writes into its volume and ends; the next one reads it, also after the agent's pod was deleted; what a person
/// deletes goes when the last task has, with its data.
pub(super) fn a_volume_outlives_its_task_and_its_agent(lab: &Lab) -> Result<()> {
    let node = lab.cluster.provider().nodes()?.pop().context("no nodes")?;
    let spec = json!({"agent": node, "role": "keeper", "volumes": [{"id": "ledger", "size": "64Mi"}]});
    reserve(lab, "ledger", &spec)?;
    wait_phase(lab, "ledger", "Reserved")?;
    framework(lab, "keeper", "keeper")?;
    let with_volume = |name: &str, command: &str, path: &str| {
        let mut task = lab.task("keeper", name, command);
        task["spec"]["volumes"] = json!([{"id": "ledger", "path": path}]);
        task
    };
    lab.apply(&with_volume("writer", "echo kept >data/file", "data"))?;
    let writer = lab.wait_task("writer", &["Finished"], SOON)?;
    ensure!(writer["status"]["agent"]["name"] == json!(node), "not where the volume is: {}", writer["status"]["agent"]);
    lab.apply(&with_volume("reader", "cat in/here/file", "in/here"))?;
    lab.wait_task("reader", &["Finished"], SOON)?;
    ensure!(lab.sandbox_file("reader", "stdout")? == "kept\n", "the next task should read what the first wrote");

    let pods = lab.system().list("pods", "app.kubernetes.io/component=agent")?;
    let agent = pods.iter().find(|pod| pod["spec"]["nodeName"] == json!(node)).context("the node has no agent")?;
    let agent = agent["metadata"]["name"].as_str().unwrap_or_default();
    lab.system().run(["delete", "pod", agent, "--timeout=120s"])?;
    lab.apply(&with_volume("again", "cat data/file", "data"))?;
    lab.wait_task("again", &["Finished"], SOON * 2)?;
    ensure!(lab.sandbox_file("again", "stdout")? == "kept\n", "and the one after the agent's pod was deleted");

    // A role that has nothing to do with it is told where the volume is.
    lab.framework("stranger")?;
    let mut stranger = lab.task("stranger", "stranger", "true");
    stranger["spec"]["volumes"] = json!([{"id": "ledger"}]);
    lab.apply(&stranger)?;
    lab.kubectl.wait_object("task", "stranger", "told about the volume", SOON, |task| {
        task["status"]["message"].as_str().is_some_and(|message| message.contains("volume \"ledger\""))
    })?;
    lab.kubectl.delete("task", "stranger")?;

    let data = volume_on_node(lab, &node, &writer, "keeper/ledger")?;
    ensure!(data.join("file").exists(), "the volume should be {}", data.display());
    lab.apply(&with_volume("holder", "exec sleep 100000", "data"))?;
    lab.wait_task("holder", &["Running"], SOON)?;
    lab.kubectl.run(["delete", "reservation", "ledger", "--wait=false"])?;
    lab.kubectl.wait_object("reservation", "ledger", "told who uses it", SOON, |reservation| {
        reservation["status"]["message"].as_str().is_some_and(|message| message.contains("holder"))
    })?;
    ensure!(data.join("file").exists(), "a volume in use was removed");
    lab.kubectl.delete("task", "holder")?;
    crate::deadline::wait_until("the reservation and its data to be gone", SOON, || {
        Ok(lab.kubectl.get("reservation", "ledger")?.is_none() && !data.exists())
    })
}

/// A Reservation that cannot be says why: at once where the schema knows, in its status where only the agent does.
pub(super) fn a_reservation_that_cannot_be_says_why(lab: &Lab) -> Result<()> {
    let node = lab.cluster.provider().nodes()?.pop().context("no nodes")?;
    let outcome = (|| {
        reserve(lab, "too-large", &json!({"agent": node, "role": "greedy", "resources": {"cpu": 5000}}))?;
        lab.kubectl.wait_object("reservation", "too-large", "told why it waits", SOON, |reservation| {
            reservation["status"]["phase"] == "Pending"
                && reservation["status"]["message"].as_str().is_some_and(|message| message.contains("has too little"))
        })?;
        contains(&lab.describe("reservation", "too-large")?, "has too little")?;
        for (spec, part) in [
            (json!({"agent": node, "role": "*", "resources": {"cpu": 1}}), "reserves nothing"),
            (json!({"agent": node, "role": "a//b", "resources": {"cpu": 1}}), "write eng or eng/analytics"),
            (json!({"agent": node, "role": "eng"}), "nothing is reserved"),
            (json!({"agent": node, "role": "eng", "resources": {"ports": "31000"}}), "ranges in brackets"),
            (json!({"agent": node, "role": "eng", "volumes": [{"id": "../up", "size": "1Gi"}]}), "name of a directory"),
            (
                json!({"agent": node, "role": "eng", "volumes": [{"id": "v", "size": "1Gi", "containerPath": "/etc"}]}),
                "path below the sandbox",
            ),
        ] {
            contains(&lab.refusal(reserve(lab, "refused", &spec))?, part)?;
        }
        let moved = json!({"agent": "another", "role": "greedy", "resources": {"cpu": 5000}});
        contains(&lab.refusal(reserve(lab, "too-large", &moved))?, "apply another Reservation")
    })();
    lab.kubectl.run(["delete", "reservation", "too-large", "--ignore-not-found", "--timeout=60s"])?;
    outcome
}

fn reserve(lab: &Lab, name: &str, spec: &Value) -> Result<String> {
    lab.apply(&json!({"kind": "Reservation", "metadata": {"name": name}, "spec": spec}))
}

fn framework(lab: &Lab, name: &str, role: &str) -> Result<()> {
    lab.apply(&json!({"kind": "Framework", "metadata": {"name": name}, "spec": {"roles": [role]}})).map(drop)
}

fn wait_phase(lab: &Lab, name: &str, phase: &str) -> Result<()> {
    lab.kubectl
        .wait_object("reservation", name, phase, SOON, |reservation| reservation["status"]["phase"] == phase)
        .map(drop)
}

/// Where a volume is on the machine, by the sandbox of a task of the same node.
fn volume_on_node(lab: &Lab, node: &str, task: &Value, volume: &str) -> Result<std::path::PathBuf> {
    let sandbox = task["status"]["sandbox"].as_str().context("a task that ran has a sandbox")?;
    let (state, _) = sandbox.split_once("/slaves/").context("a sandbox is below the agent's directory")?;
    lab.cluster.provider().host_path(node, &Path::new(state).join("volumes/roles").join(volume))
}
