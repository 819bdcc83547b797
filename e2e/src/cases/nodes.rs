//! The cluster itself does what the other cases rely on.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::cluster::local::images::BUSYBOX;
use crate::cluster::{Cluster, Options, Source};
use crate::deadline::wait_every;
use crate::steps::Steps;

use super::lab::{Lab, SOON, contains};

/// Pods on every node find a Service by its name and reach it wherever its pod runs.
pub(super) fn every_node_reaches_services_by_name(lab: &Lab) -> Result<()> {
    let nodes = lab.cluster.provider().nodes()?;
    ensure!(nodes.len() >= 3, "a cluster for tests has three nodes; this one has {nodes:?}");
    for node in lab.kubectl.list("nodes", "")? {
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        ensure!(ready, "{} should be Ready: {}", node["metadata"]["name"], json!(conditions));
    }
    if lab.cluster.origin() != Source::Local {
        return lab.note("pods on every node: only where the harness brings an image for them (a local cluster)");
    }
    lab.kubectl.apply(&server(&nodes[0]).to_string())?;
    for (number, node) in nodes.iter().enumerate() {
        let pod = pod(&format!("client-{number}"), node, "exec sleep 1000");
        lab.kubectl.apply(&pod.to_string())?;
    }
    for number in 0..nodes.len() {
        let client = format!("client-{number}");
        lab.kubectl.wait("condition=Ready", &format!("pod/{client}"), SOON)?;
        let url = format!("http://web.{}.svc.cluster.local/", lab.namespace());
        let answer = wait_every(Duration::from_millis(500), &format!("{client} to reach the Service"), SOON, || {
            lab.kubectl.exec(&client, &["timeout", "2", "wget", "-q", "-O", "-", &url]).map(Some)
        })?;
        contains(&answer, "it works")?;
    }
    Ok(())
}

/// A second cluster starts beside this one, and nothing of it is left when it is down.
pub(super) fn clusters_live_side_by_side(lab: &Lab) -> Result<()> {
    if lab.cluster.origin() != Source::Local {
        return lab.note("side by side: only for local clusters");
    }
    let name = format!("{}-beside", lab.cluster.name());
    let options = Options { name, source: Some(Source::Local), nodes: 1 };
    let steps = Steps::silent();
    let second = Cluster::up(&options, &steps)?;
    let nodes = second.kubectl().list("nodes", "")?;
    ensure!(nodes.len() == 1, "the second cluster has one node, not {}", nodes.len());
    let address = |nodes: &[Value]| nodes[0]["status"]["addresses"][0]["address"].clone();
    let first = lab.kubectl.list("nodes", "")?;
    ensure!(address(&nodes) != address(&first), "nodes of two clusters should not have the same address");
    // Fails itself if anything is left.
    Cluster::down(&options, &steps)?;
    lab.cluster.kubectl().raw("/readyz").context("the first cluster should not have noticed").map(drop)
}

fn server(node: &str) -> Value {
    let script = "echo it works >/tmp/index.html; exec httpd -f -p 8080 -h /tmp";
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "web" },
        "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": 8080 }] },
    });
    json!({ "apiVersion": "v1", "kind": "List", "items": [pod("web", node, script), service] })
}

fn pod(name: &str, node: &str, script: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": {
            "nodeSelector": { "kubernetes.io/hostname": node },
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "main",
                "image": BUSYBOX,
                "imagePullPolicy": "Never",
                "command": ["sh", "-c", script],
            }],
        },
    })
}
