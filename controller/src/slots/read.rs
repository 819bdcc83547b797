//! What a slot pod says: whose it is, whether it runs, what the kubelet gave it.

use super::{AGENT_ANNOTATION, SLOT_CONTAINER};
use k8s_openapi::api::core::v1::{Pod, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use proffer_master::{AgentName, Slot};
use proffer_resources::{Amount, Resources, quantity};
use std::collections::BTreeMap;

/// The agent whose slot this pod is.
#[must_use]
pub fn agent_of(pod: &Pod) -> Option<AgentName> {
    pod.metadata.annotations.as_ref()?.get(AGENT_ANNOTATION).cloned().map(AgentName)
}

/// The slot that this pod is.
#[must_use]
pub fn read(pod: &Pod) -> Slot {
    let status = pod.status.clone().unwrap_or_default();
    let container = status.container_statuses.iter().flatten().find(|container| container.name == SLOT_CONTAINER);
    let running = pod.metadata.deletion_timestamp.is_none()
        && status.phase.as_deref() == Some("Running")
        && container.and_then(|container| container.state.as_ref()).is_some_and(|state| state.running.is_some());
    // What holds is what the kubelet made of it; the pod's spec is only what somebody asks for.
    let actual = container.and_then(|container| {
        let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
        amounts(limits).or_else(|| amounts(container.allocated_resources.as_ref()))
    });
    Slot {
        pod: pod.metadata.name.clone().unwrap_or_default(),
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        address: status.pod_ip.filter(|address| !address.is_empty()),
        running,
        resources: actual.or_else(|| requested(pod)).unwrap_or_default(),
    }
}

/// What the pod's spec asks for.
pub(super) fn requested(pod: &Pod) -> Option<Resources> {
    let container = pod.spec.as_ref()?.containers.iter().find(|container| container.name == SLOT_CONTAINER)?;
    amounts(container.resources.as_ref().and_then(limits))
}

fn limits(resources: &ResourceRequirements) -> Option<&BTreeMap<String, Quantity>> {
    resources.limits.as_ref()
}

/// Cores and memory of a resource list that has both.
pub(super) fn amounts(list: Option<&BTreeMap<String, Quantity>>) -> Option<Resources> {
    let list = list?;
    let cpu: Amount = quantity::parse_cpu(&list.get("cpu")?.0).ok()?;
    let memory = quantity::parse_bytes_as_mib(&list.get("memory")?.0).ok()?;
    Some(Resources::of(cpu, memory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(status: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "proffer-slot-node1", "uid": "u1", "annotations": {AGENT_ANNOTATION: "node1"}},
            "spec": {"containers": [{"name": "slot", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn what_the_kubelet_gave_counts_and_not_what_was_asked_for() {
        let status = json!({
            "phase": "Running", "podIP": "10.244.1.5",
            "containerStatuses": [{
                "name": "slot", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"running": {}},
                "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}},
            }],
        });
        let pod = pod(&status);
        assert_eq!(agent_of(&pod), Some(AgentName("node1".to_owned())));
        assert_eq!(
            read(&pod),
            Slot {
                pod: "proffer-slot-node1".to_owned(),
                uid: "u1".to_owned(),
                address: Some("10.244.1.5".to_owned()),
                running: true,
                resources: Resources::of(Amount::from_thousandths(500), Amount::from_units(512)),
            }
        );
    }

    #[test]
    fn a_pod_that_waits_or_goes_does_not_run() {
        let waiting = pod(&json!({"phase": "Pending"}));
        assert!(!read(&waiting).running);
        let mut going = pod(&json!({
            "phase": "Running",
            "containerStatuses": [{"name": "slot", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}}}],
        }));
        assert!(read(&going).running);
        going.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH));
        assert!(!read(&going).running);
    }
}
