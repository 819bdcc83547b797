//! Nodes that lose power or their network.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::lab::{Lab, SOON, contains, state_of};

/// The tests' cluster is installed with these pings (`agentPing` in the chart's values): 3 times 3 s.
pub(super) const UNREACHABLE_AFTER: Duration = Duration::from_secs(9);
/// Between two pings.
const PING: Duration = Duration::from_secs(3);

/// A node without power: its tasks are Unreachable when the time is over and not before; with power, they are told lost.
pub(super) fn a_node_loses_power(lab: &Lab) -> Result<()> {
    let (node, names) = spread_tasks(lab)?;
    let cut = Instant::now();
    lab.cluster.provider().power_off(&node)?;
    let unreachable = wait_unreachable(lab, &names, cut);
    lab.cluster.provider().power_on(&node)?;
    unreachable?;
    for name in &names {
        let task = lab.wait_task(name, &["Running", "Failed", "Lost", "Gone"], SOON * 3)?;
        if state_of(&task) != "Running" {
            let reason = task["status"]["reason"].as_str().unwrap_or_default();
            let message = task["status"]["message"].as_str().unwrap_or_default();
            ensure!(!reason.is_empty() && !message.is_empty(), "no reason is given: {}", task["status"]);
        }
    }
    wait_agent_ready(lab, &node)?;
    lab.others_go_on("spread")
}

/// A node without network: the same, but its tasks run on and are Running again when the network is back.
pub(super) fn a_node_loses_its_network(lab: &Lab) -> Result<()> {
    let (node, names) = spread_tasks(lab)?;
    let before: Vec<_> = lab.task_processes()?.into_iter().filter(|process| process.node == node).collect();
    let cut = Instant::now();
    lab.cluster.provider().set_connected(&node, false)?;
    let unreachable = wait_unreachable(lab, &names, cut);
    lab.cluster.provider().set_connected(&node, true)?;
    unreachable?;
    for name in &names {
        lab.wait_task(name, &["Running"], SOON * 2)?;
    }
    let after: Vec<_> = lab.task_processes()?.into_iter().filter(|process| process.node == node).collect();
    ensure!(after == before, "processes changed: before {before:?}, now {after:?}");
    wait_agent_ready(lab, &node)
}

/// Starts tasks on every node and picks one that does not have the leader; returns it and the tasks on it.
fn spread_tasks(lab: &Lab) -> Result<(String, Vec<String>)> {
    lab.apply(&json!({"kind": "Framework", "metadata": {"name": "spread"}, "spec": {"scheduler": {"builtIn": {"strategy": "Spread"}}}}))?;
    let tasks: Vec<Value> =
        (0..9).map(|number| lab.task("spread", &format!("spread-{number}"), "exec sleep 100000")).collect();
    lab.tasks(&tasks)?;
    let running = lab.wait_tasks("", 9, "Running", SOON)?;
    let leader = super::failover::leader(lab)?;
    // The first node also carries the host's way to Services and, often, DNS.
    let node = lab
        .cluster
        .provider()
        .nodes()?
        .into_iter()
        .rev()
        .find(|node| leader["spec"]["nodeName"] != json!(node))
        .context("the leader is on every node")?;
    let on_it = running.iter().filter(|task| task["status"]["agent"]["name"] == json!(node));
    let names: Vec<String> = on_it.filter_map(|task| task["metadata"]["name"].as_str().map(str::to_owned)).collect();
    ensure!(!names.is_empty(), "Spread put no task on {node}");
    Ok((node, names))
}

fn wait_unreachable(lab: &Lab, names: &[String], cut: Instant) -> Result<()> {
    for name in names {
        lab.kubectl.wait_object("task", name, "Unreachable", SOON, |task| state_of(task) == "Unreachable")?;
        // What is seen was so a moment before; the ping that was answered last was at most one period before the cut.
        let after = cut.elapsed();
        ensure!(after >= UNREACHABLE_AFTER.saturating_sub(PING), "task {name} was Unreachable after {after:?} already");
    }
    lab.note(&format!(
        "tasks were Unreachable {:.1} s after the cut (configured: {} s)",
        cut.elapsed().as_secs_f64(),
        UNREACHABLE_AFTER.as_secs()
    ))?;
    contains(&lab.describe("task", &names[0])?, "Unreachable")
}

fn wait_agent_ready(lab: &Lab, node: &str) -> Result<()> {
    lab.kubectl.wait("condition=Ready", &format!("agent/{node}"), SOON * 2)
}
