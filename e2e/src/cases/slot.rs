//! The slot: what Proffer has of a node, for kube-scheduler and for tasks.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use proffer_resources::quantity;
use serde_json::{Value, json};

use super::lab::{Lab, SOON, contains, state_of};

/// kube-scheduler counts the slot: a pod that asks for more than the node has left beside it stays Pending.
pub(super) fn kube_scheduler_counts_the_slot(lab: &Lab) -> Result<()> {
    let node = lab.cluster.provider().nodes()?.pop().context("no nodes")?;
    let allocatable =
        lab.kubectl.get("node", &node)?.context("the node is gone")?["status"]["allocatable"]["cpu"].clone();
    let allocatable = quantity::parse_cpu(allocatable.as_str().unwrap_or_default())?;
    let slot = slot_of(lab, &node)?;
    let taken = quantity::parse_cpu(slot_cpu(&slot))?;
    let left = allocatable.minus(taken).context("the slot is larger than its node")?;
    // As much as the node would have without the slot, so that nothing but the slot is in the way.
    let wanted = quantity::format_cpu(left.plus(proffer_resources::Amount::from_thousandths(1)));
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "too-large"}, "spec": {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "containers": [{"name": "c", "image": "proffer.dev/slot:none", "resources": {"requests": {"cpu": wanted}}}]}});
    lab.kubectl.apply(&pod.to_string())?;
    let pod = lab.kubectl.wait_object("pod", "too-large", "found unschedulable", SOON, |pod| {
        pod["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|condition| condition["reason"] == "Unschedulable")
    })?;
    ensure!(pod["status"]["phase"] == "Pending", "the pod should be Pending: {}", pod["status"]);
    contains(&pod["status"].to_string(), "Insufficient cpu")?;
    lab.kubectl.delete("pod", "too-large")
}

/// Tasks together never hold more than the slots have, and the pod's own limits bound them.
pub(super) fn tasks_never_exceed_the_slot(lab: &Lab) -> Result<()> {
    lab.framework("full")?;
    let slots = lab.system().list("pods", "app.kubernetes.io/component=slot")?;
    let total: u64 = slots
        .iter()
        .map(|slot| quantity::parse_cpu(slot_cpu(slot)).map(proffer_resources::Amount::thousandths))
        .sum::<Result<u64, _>>()?;
    // Tasks of a quarter core: more than fit by three, whatever the size of a slot.
    let count = usize::try_from(total / 250)? + 3;
    let tasks: Vec<Value> = (0..count)
        .map(|number| {
            let mut task = lab.task("full", &format!("full-{number}"), "exec sleep 100000");
            task["spec"]["resources"]["cpu"] = json!("250m");
            task
        })
        .collect();
    lab.tasks(&tasks)?;
    let fit: u64 = slots
        .iter()
        .map(|slot| quantity::parse_cpu(slot_cpu(slot)).map(|cpu| cpu.thousandths() / 250))
        .sum::<Result<u64, _>>()?;
    let fit = usize::try_from(fit)?;
    crate::deadline::wait_every(
        Duration::from_millis(500),
        &format!("{fit} tasks to run and the others to wait"),
        SOON,
        || {
            let all = lab.kubectl.list("tasks", "")?;
            let count = |state: &str| all.iter().filter(|task| state_of(task) == state).count();
            ensure!(count("Running") <= fit, "{} tasks run where {fit} fit", count("Running"));
            let told = all
                .iter()
                .filter(|task| state_of(task) == "Pending")
                .all(|task| task["status"]["message"].as_str().is_some_and(|m| m.contains("250m")));
            Ok((count("Running") == fit && told).then_some(()))
        },
    )?;
    for agent in lab.kubectl.list("agents", "")? {
        let held = quantity::parse_cpu(agent["status"]["allocated"]["cpu"].as_str().unwrap_or_default())?;
        let has = quantity::parse_cpu(agent["status"]["slot"]["cpu"].as_str().unwrap_or_default())?;
        ensure!(held <= has, "{} holds {held} of {has}", agent["metadata"]["name"]);
    }
    for slot in &slots {
        let uid = slot["metadata"]["uid"].as_str().unwrap_or_default();
        let node = slot["spec"]["nodeName"].as_str().unwrap_or_default();
        let memory =
            slot.pointer("/spec/containers/0/resources/limits/memory").and_then(Value::as_str).unwrap_or_default();
        let bytes = quantity::mib_to_bytes(quantity::parse_bytes_as_mib(memory)?);
        // Either cgroup version: the pod's own directory has the slot's limit.
        let find = "find /sys/fs/cgroup -type d -name \"*$0\" -o -type d -name \"*$(echo $0 | tr - _).slice\" | while read d; do cat $d/memory.limit_in_bytes $d/memory.max 2>/dev/null; done; :";
        let limits = lab.cluster.provider().run_on_node(node, &["sh", "-c", find, uid])?;
        ensure!(
            limits.lines().any(|line| line.trim() == bytes.to_string()),
            "the slot on {node} should be limited to {bytes}: {limits}"
        );
    }
    // With one less, one that waited runs.
    lab.kubectl.run(["delete", "task", "full-0", "--timeout=60s"])?;
    crate::deadline::wait_every(Duration::from_millis(500), "a task that waited to run", SOON, || {
        let running = lab.kubectl.list("tasks", "")?.iter().filter(|task| state_of(task) == "Running").count();
        Ok((running == fit).then_some(()))
    })
}

/// A slot that is resized changes what is offered, without a restart.
pub(super) fn a_resize_changes_what_is_offered(lab: &Lab) -> Result<()> {
    lab.apply(&json!({"kind": "Framework", "metadata": {"name": "measure"},
        "spec": {"scheduler": {"external": {"delivery": "Resource"}}, "offerTimeoutSeconds": 300}}))?;
    let node = lab.cluster.provider().nodes()?.pop().context("no nodes")?;
    let slot = slot_of(lab, &node)?;
    let name = slot["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let before = slot_cpu(&slot).to_owned();
    let smaller = quantity::format_cpu(proffer_resources::Amount::from_thousandths(
        quantity::parse_cpu(&before)?.thousandths() - 100,
    ));
    wait_offered(lab, &node, &before)?;
    resize(lab, &name, &smaller)?;
    let offered = wait_offered(lab, &node, &smaller);
    resize(lab, &name, &before)?;
    offered?;
    wait_offered(lab, &node, &before)?;
    let after = slot_of(lab, &node)?;
    ensure!(after["metadata"]["uid"] == slot["metadata"]["uid"], "the slot was made anew");
    ensure!(
        after.pointer("/status/containerStatuses/0/restartCount")
            == slot.pointer("/status/containerStatuses/0/restartCount"),
        "the slot was restarted"
    );
    Ok(())
}

fn resize(lab: &Lab, pod: &str, cpu: &str) -> Result<()> {
    let patch = json!({"spec": {"containers": [{"name": "slot", "resources": {"requests": {"cpu": cpu}, "limits": {"cpu": cpu}}}]}});
    lab.system().run(["patch", "pod", pod, "--subresource=resize", "--patch", &patch.to_string()]).map(drop)
}

/// Waits until exactly this much of the node's cores is offered.
fn wait_offered(lab: &Lab, node: &str, cpu: &str) -> Result<()> {
    let wanted = quantity::parse_cpu(cpu)?;
    let what = format!("{cpu} of {node} to be offered");
    crate::deadline::wait_every(Duration::from_millis(500), &what, SOON, || {
        let offers = super::offers::offers(lab, "measure")?;
        // What was freed piece by piece is offered piece by piece.
        let offered = offers
            .iter()
            .filter(|offer| {
                offer["status"]["phase"] == "Outstanding" && offer["spec"]["terms"]["agent"]["name"] == json!(node)
            })
            .filter_map(|offer| quantity::parse_cpu(offer["spec"]["terms"]["resources"]["cpu"].as_str()?).ok())
            .fold(proffer_resources::Amount::ZERO, proffer_resources::Amount::plus);
        let fits = offered == wanted;
        Ok(fits.then_some(()))
    })
}

fn slot_of(lab: &Lab, node: &str) -> Result<Value> {
    let slots = lab.system().list("pods", "app.kubernetes.io/component=slot")?;
    slots
        .into_iter()
        .find(|slot| slot["spec"]["nodeName"] == json!(node))
        .with_context(|| format!("{node} has no slot"))
}

fn slot_cpu(slot: &Value) -> &str {
    slot.pointer("/spec/containers/0/resources/limits/cpu").and_then(Value::as_str).unwrap_or_default()
}
