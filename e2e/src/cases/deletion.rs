//! Deleting what holds tasks: frameworks, namespaces.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::lab::{Lab, SOON};

/// Deleting a Framework ends its tasks and its offers.
pub(super) fn deleting_a_framework_ends_what_it_has(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    lab.apply(&json!({"kind": "Framework", "metadata": {"name": "mine"},
        "spec": {"scheduler": {"external": {"delivery": "Resource"}}, "offerTimeoutSeconds": 300}}))?;
    let mut waiting = lab.task("first", "waiting", "true");
    waiting["spec"]["resources"]["cpu"] = json!("1000");
    lab.tasks(&[lab.task("first", "one", "sleep 600"), lab.task("first", "two", "sleep 600"), waiting])?;
    for name in ["one", "two"] {
        lab.wait_task(name, &["Running"], SOON)?;
    }
    super::offers::outstanding(lab, "mine")?;
    lab.kubectl.run(["delete", "framework", "first", "mine", "--timeout=60s"])?;
    crate::deadline::wait_every(
        Duration::from_millis(500),
        "tasks and offers of deleted frameworks to go",
        SOON,
        || {
            let gone = lab.kubectl.list("tasks", "")?.is_empty() && lab.kubectl.list("offers", "")?.is_empty();
            Ok(gone.then_some(()))
        },
    )?;
    lab.wait_no_processes()
}

/// A namespace with running tasks, a framework and offers can be deleted as a whole.
pub(super) fn deleting_a_namespace_does_not_hang(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    lab.apply(&json!({"kind": "Framework", "metadata": {"name": "mine"},
        "spec": {"scheduler": {"external": {"delivery": "Resource"}}}}))?;
    lab.apply(&lab.task("first", "one", "trap '' TERM; while :; do sleep 1; done"))?;
    lab.wait_task("one", &["Running"], SOON)?;
    lab.kubectl.run(["delete", "namespace", lab.namespace(), "--timeout=90s"])?;
    ensure!(lab.kubectl.get("namespace", lab.namespace())?.is_none(), "the namespace is still there");
    lab.wait_no_processes()
}

/// Installed again after everything of it went, with its count of epochs, the agents of the nodes obey the new leader.
pub(super) fn what_was_uninstalled_installs_again(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    lab.apply(&lab.task("first", "one", "true"))?;
    lab.wait_task("one", &["Finished"], SOON)?;
    let values = end_everything(lab)?;
    crate::install::install(lab.cluster, &values)?;
    lab.framework("again")?;
    lab.apply(&lab.task("again", "two", "true"))?;
    lab.wait_task("two", &["Finished"], SOON)?;
    for node in lab.cluster.provider().nodes()? {
        lab.kubectl.wait_object("agent", &node, "Ready", SOON, |agent| {
            let mut conditions = agent["status"]["conditions"].as_array().into_iter().flatten();
            conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        })?;
    }
    Ok(())
}

/// Uninstalling in the documented order leaves nothing. The last case of all: Proffer is not there afterwards.
pub(super) fn uninstalling_leaves_the_cluster_as_it_was(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    lab.apply(&lab.task("first", "one", "exec sleep 100000"))?;
    lab.wait_task("one", &["Running"], SOON)?;
    end_everything(lab)?;
    let everything = [
        "crd",
        "clusterroles",
        "clusterrolebindings",
        "priorityclasses",
        "flowschemas",
        "prioritylevelconfigurations",
        "pods",
        "secrets",
        "configmaps",
        "leases",
    ];
    let kubectl = lab.cluster.kubectl();
    for kind in everything {
        let names = kubectl.run(["get", kind, "--all-namespaces", "--output=name"])?;
        let left: Vec<&str> = names.lines().filter(|name| name.contains("proffer")).collect();
        ensure!(left.is_empty(), "left of Proffer: {left:?}");
    }
    for node in lab.cluster.provider().nodes()? {
        let find = "find /sys/fs/cgroup -type d -path '*/proffer/*'";
        let cgroups = lab.cluster.provider().run_on_node(&node, &["sh", "-c", find])?;
        ensure!(cgroups.trim().is_empty(), "cgroups left on {node}: {cgroups}");
    }
    Ok(())
}

/// docs/uninstall.md: first what runs, then the program, then the kinds with what is left of their objects.
fn end_everything(lab: &Lab) -> Result<Vec<String>> {
    let kubectl = lab.cluster.kubectl();
    kubectl.run(["delete", "frameworks", "--all", "--all-namespaces", "--timeout=120s"])?;
    kubectl.run(["delete", "tasks", "--all", "--all-namespaces", "--timeout=120s"])?;
    lab.wait_no_processes()?;
    crate::install::uninstall(lab.cluster)
}
