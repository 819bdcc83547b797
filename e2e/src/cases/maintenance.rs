//! Nodes are taken out of use: deactivated, drained, and for a planned maintenance.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::lab::{Lab, SOON, contains, state_of};
use super::offers::{accept, offers, outstanding};
use super::roles::{agents, external, with_agents};

/// A deactivated node keeps what runs there and gets nothing new.
pub(super) fn a_deactivated_node_keeps_its_tasks(lab: &Lab) -> Result<()> {
    let (node, names) = spread(lab)?;
    with_agents(lab, std::slice::from_ref(&node), &json!({"deactivated": true}), || {
        mode(lab, &node, "Deactivated")?;
        external(lab, "ext", "*")?;
        outstanding(lab, "ext")?;
        let of_it = |offer: &Value| offer["spec"]["terms"]["agent"]["name"] == json!(node);
        ensure!(!offers(lab, "ext")?.iter().any(of_it), "{node} is offered");
        for name in &names {
            let task = lab.kubectl.get("task", name)?.context("the task is gone")?;
            ensure!(state_of(&task) == "Running", "task {name} is {}", task["status"]);
        }
        Ok(())
    })?;
    mode(lab, &node, "Active")
}

/// A drained node ends its tasks within the drain's grace, says so, and is used again when the drain is taken off.
pub(super) fn a_drained_node_is_emptied_and_used_again(lab: &Lab) -> Result<()> {
    let (node, names) = spread(lab)?;
    with_agents(lab, std::slice::from_ref(&node), &json!({"drain": {"maxGracePeriodSeconds": 2}}), || {
        for name in &names {
            let task = lab.wait_task(name, &["Killed"], SOON)?;
            ensure!(task["status"]["reason"] == "AgentDraining", "task {name} is {}", task["status"]);
            contains(&lab.describe("task", name)?, &format!("agent {node} is being drained"))?;
        }
        lab.kubectl.wait("condition=Drained", &format!("agent/{node}"), SOON)?;
        mode(lab, &node, "Drained")?;
        // The leader is another one, the drain is the same.
        super::failover::leader(lab).and_then(|leader| {
            let name = leader["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            lab.system().run(["delete", "pod", &name, "--wait=true", "--timeout=60s"])
        })?;
        let mut huge = lab.task("spread", "nowhere", "true");
        huge["spec"]["resources"]["cpu"] = json!("1000");
        lab.apply(&huge)?;
        lab.kubectl.wait_object("task", "nowhere", "told of the drained agent", SOON * 2, |task| {
            task["status"]["message"]
                .as_str()
                .is_some_and(|message| message.contains("1 agent is drained by an operator"))
        })?;
        mode(lab, &node, "Drained")
    })?;
    mode(lab, &node, "Active")?;
    lab.kubectl.wait("condition=Ready", &format!("agent/{node}"), SOON * 2)
}

/// A framework is asked before its node goes, and answers; nothing runs there once the maintenance has begun.
pub(super) fn a_maintenance_asks_frameworks_first(lab: &Lab) -> Result<()> {
    external(lab, "asked", "*")?;
    let offer = outstanding(lab, "asked")?;
    let node = offer["spec"]["terms"]["agent"]["name"].as_str().unwrap_or_default().to_owned();
    let mut task = lab.task("asked", "stays", "exec sleep 100000");
    task["spec"]["killPolicy"] = json!({"gracePeriodSeconds": 1});
    lab.apply(&task)?;
    accept(lab, offer["metadata"]["name"].as_str().unwrap_or_default(), &json!(["stays"]))?;
    lab.wait_task("stays", &["Running"], SOON)?;
    let window = json!({"start": "2035-01-01T00:00:00Z", "duration": "2h"});
    let object = |name: &str| json!({"kind": "Maintenance", "metadata": {"name": name}, "spec": {"window": window, "agents": [node]}});
    lab.apply(&object("rack-7"))?;
    let done = asked_and_begun(lab, &node, &object("rack-8"));
    lab.kubectl.delete("maintenance", "rack-7")?;
    lab.kubectl.run(["delete", "maintenance", "rack-8", "--ignore-not-found"])?;
    done?;
    mode(lab, &node, "Active")
}

fn asked_and_begun(lab: &Lab, node: &str, second: &Value) -> Result<()> {
    let asks = |offer: &Value| offer["spec"]["terms"]["inverse"] == true;
    let asked = crate::deadline::wait_every(std::time::Duration::from_millis(250), "an inverse offer", SOON, || {
        Ok(offers(lab, "asked")?.into_iter().find(asks))
    })?;
    ensure!(asked["spec"]["terms"]["agent"]["name"] == json!(node), "it is about {}", asked["spec"]["terms"]);
    let shown = |reply: &str| {
        lab.kubectl.wait_object("maintenance", "rack-7", reply, SOON, |maintenance| {
            maintenance["status"]["agents"][0]["frameworks"][0]["reply"] == reply
        })
    };
    shown("Asked")?;
    let name = asked["metadata"]["name"].as_str().unwrap_or_default();
    lab.kubectl.patch("offer", name, &json!({"spec": {"reply": {"accept": {}}}}))?;
    shown("Accepted")?;
    let told = outstanding(lab, "asked")?;
    if told["spec"]["terms"]["agent"]["name"] == json!(node) {
        contains(&told["spec"]["terms"]["unavailability"].to_string(), "2035-01-01T00:00:00")?;
    }
    // One agent is in one maintenance.
    lab.apply(second)?;
    lab.kubectl
        .wait_object("maintenance", "rack-8", "refused", SOON, |maintenance| maintenance["status"]["phase"] == "Up")?;
    contains(&lab.describe("maintenance", "rack-8")?, "is in Maintenance \"rack-7\" already")?;
    lab.kubectl.patch("maintenance", "rack-7", &json!({"spec": {"started": true}}))?;
    let killed = lab.wait_task("stays", &["Killed"], SOON)?;
    ensure!(killed["status"]["reason"] == "AgentDraining", "the task is {}", killed["status"]);
    lab.kubectl.wait("condition=Drained", "maintenance/rack-7", SOON)?;
    mode(lab, node, "Down")
}

/// Waits until an agent shows this mode.
fn mode(lab: &Lab, agent: &str, mode: &str) -> Result<()> {
    lab.kubectl.wait_object("agent", agent, mode, SOON * 2, |agent| agent["status"]["mode"] == mode).map(drop)
}

/// Tasks that run on all nodes; one of these without the leader, and the tasks there.
fn spread(lab: &Lab) -> Result<(String, Vec<String>)> {
    lab.apply(&json!({"kind": "Framework", "metadata": {"name": "spread"},
        "spec": {"scheduler": {"builtIn": {"strategy": "Spread"}}}}))?;
    let tasks: Vec<Value> =
        (0..6).map(|number| lab.task("spread", &format!("spread-{number}"), "exec sleep 100000")).collect();
    lab.tasks(&tasks)?;
    let running = lab.wait_tasks("", 6, "Running", SOON)?;
    let leader = super::failover::leader(lab)?;
    let node = agents(lab)?.into_iter().find(|agent| leader["spec"]["nodeName"] != json!(agent));
    let node = node.context("the leader is on every node")?;
    let on_it = running.iter().filter(|task| task["status"]["agent"]["name"] == json!(node));
    let names: Vec<String> = on_it.filter_map(|task| task["metadata"]["name"].as_str().map(str::to_owned)).collect();
    ensure!(!names.is_empty(), "Spread put no task on {node}");
    Ok((node, names))
}
