//! Installing Proffer on a cluster, as its users do: the two Helm charts.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::command::tail;
use crate::kubectl::Kubectl;
use crate::paths;

/// The namespace of the release.
pub const NAMESPACE: &str = "proffer-system";
/// The label of the pod that leads.
pub const LEADER_SELECTOR: &str = "app.kubernetes.io/name=proffer,proffer.dev/leader=true";
/// The label of every pod of Proffer's.
pub const SELECTOR: &str = "app.kubernetes.io/name=proffer";

const LIMIT: Duration = Duration::from_mins(3);

/// Loads images (references and archives) onto every node of a cluster.
pub fn load_images(cluster: &Cluster, images: &[(String, PathBuf)]) -> Result<()> {
    for (reference, archive) in images {
        cluster.provider().load_image(reference, archive)?;
    }
    Ok(())
}

/// `helm upgrade --install` of the kinds and then of Proffer, both waited for. `values` are arguments such as
/// `--set=image.tag=0.1.0`.
pub fn install(cluster: &Cluster, values: &[String]) -> Result<()> {
    let charts = paths::workspace()?.join("charts");
    let helm = cluster.helm();
    helm.upgrade_install("proffer-crds", &charts.join("proffer-crds"), NAMESPACE, &[], LIMIT)?;
    helm.upgrade_install("proffer", &charts.join("proffer"), NAMESPACE, values, LIMIT).map(drop).with_context(|| {
        format!("Proffer did not become ready:\n{}", describe(&cluster.kubectl().in_namespace(NAMESPACE)))
    })
}

/// Removes Proffer from a cluster on which nothing of it runs any more, as steps 2 to 4 of docs/uninstall.md say, and
/// returns the values it was installed with.
pub fn uninstall(cluster: &Cluster) -> Result<Vec<String>> {
    let (helm, kubectl) = (cluster.helm(), cluster.kubectl());
    let values = helm.given_values("proffer", NAMESPACE)?;
    helm.uninstall("proffer", NAMESPACE)?;
    helm.uninstall("proffer-crds", NAMESPACE)?;
    let kinds = ["frameworks", "offers", "tasks", "agents", "reservations", "allocationroles", "maintenances"]
        .map(|kind| format!("{kind}.proffer.dev"));
    kubectl.run(["delete", "crd"].into_iter().chain(kinds.iter().map(String::as_str)))?;
    kubectl.run(["delete", "namespace", NAMESPACE, "--timeout=120s"])?;
    Ok(values)
}

/// The name of the pod that leads, or nothing while there is none.
pub fn leader(cluster: &Cluster) -> Result<Option<String>> {
    let pods = cluster.kubectl().in_namespace(NAMESPACE).list("pods", LEADER_SELECTOR)?;
    Ok(pods.iter().find_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)))
}

/// The log of every container of Proffer's, each under its name; also of the run before a restart.
pub fn logs(kubectl: &Kubectl) -> Result<Vec<(String, String)>> {
    let mut logs = vec![];
    for pod in kubectl.list("pods", SELECTOR)? {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        for container in pod["spec"]["containers"].as_array().into_iter().flatten() {
            let container = container["name"].as_str().unwrap_or_default();
            let restarted = restarts(&pod, container) > 0;
            for previous in [false, true].into_iter().filter(|previous| !previous || restarted) {
                let title = format!("{name}-{container}{}", if previous { "-previous" } else { "" });
                let text = kubectl.logs(name, container, previous).unwrap_or_else(|error| format!("no log: {error:#}"));
                logs.push((title, text));
            }
        }
    }
    Ok(logs)
}

fn restarts(pod: &Value, container: &str) -> u64 {
    let statuses = pod["status"]["containerStatuses"].as_array();
    let status = statuses.into_iter().flatten().find(|status| status["name"] == container);
    status.and_then(|status| status["restartCount"].as_u64()).unwrap_or(0)
}

fn describe(kubectl: &Kubectl) -> String {
    let or_error = |result: Result<String>| result.unwrap_or_else(|error| format!("{error:#}\n"));
    let warnings = ["get", "events", "--sort-by=.lastTimestamp", "--field-selector=type=Warning"];
    let mut parts = vec![or_error(kubectl.run(["get", "pods", "--output=wide"])), or_error(kubectl.run(warnings))];
    let logs = logs(kubectl).unwrap_or_default();
    parts.extend(logs.iter().map(|(title, log)| format!("--- {title}\n{}\n", tail(log, 1500))));
    parts.concat()
}
