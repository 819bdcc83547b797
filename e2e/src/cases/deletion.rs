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
