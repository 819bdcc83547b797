//! The operator's template of a slot pod, and the pods made from it.

use super::size::Size;
use super::{AGENT_ANNOTATION, SIZE_ANNOTATION, SLOT_CONTAINER, pod_name};
use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, PodTemplateSpec,
    ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use proffer_resources::quantity;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The template file is not usable.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It cannot be read.
    #[error("the slot template {0} cannot be read")]
    Read(PathBuf, #[source] std::io::Error),
    /// It is not a pod template.
    #[error("the slot template is not a pod template (metadata and spec, as in a Deployment)")]
    Parse(#[source] serde_yaml::Error),
    /// It lacks the container, or has something that is the controller's to set.
    #[error("the slot template {0}")]
    Unusable(&'static str),
}

/// A pod template without what differs from node to node.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    metadata: ObjectMeta,
    spec: PodSpec,
}

impl Template {
    /// Reads the file.
    pub fn load(path: &Path) -> Result<Self, TemplateError> {
        let text = std::fs::read_to_string(path).map_err(|error| TemplateError::Read(path.to_owned(), error))?;
        Self::parse(&text)
    }

    /// Reads the text of the file.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let template: PodTemplateSpec = serde_yaml::from_str(text).map_err(TemplateError::Parse)?;
        let spec = template.spec.ok_or(TemplateError::Unusable("has no spec"))?;
        if !spec.containers.iter().any(|container| container.name == SLOT_CONTAINER) {
            return Err(TemplateError::Unusable("has no container named slot: name it so"));
        }
        if spec.containers.len() > 1 {
            return Err(TemplateError::Unusable("has more than the container named slot: remove the others"));
        }
        if spec.node_name.is_some() {
            return Err(TemplateError::Unusable("has a nodeName: remove it, since the scheduler places slots"));
        }
        Ok(Self { metadata: template.metadata.unwrap_or_default(), spec })
    }

    /// The slot pod of an agent.
    #[must_use]
    pub fn pod(&self, agent: &str, namespace: &str, size: Size, owner: Option<OwnerReference>) -> Pod {
        let mut labels = self.metadata.labels.clone().unwrap_or_default();
        labels.insert("app.kubernetes.io/name".to_owned(), "proffer".to_owned());
        labels.insert("app.kubernetes.io/component".to_owned(), "slot".to_owned());
        let mut annotations = self.metadata.annotations.clone().unwrap_or_default();
        annotations.insert(AGENT_ANNOTATION.to_owned(), agent.to_owned());
        annotations.insert(SIZE_ANNOTATION.to_owned(), size.to_string());
        let mut spec = self.spec.clone();
        spec.affinity = Some(on_node(agent));
        for container in &mut spec.containers {
            container.resources = Some(resources(size));
        }
        Pod {
            metadata: ObjectMeta {
                name: Some(pod_name(agent)),
                namespace: Some(namespace.to_owned()),
                labels: Some(labels),
                annotations: Some(annotations),
                owner_references: owner.map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            spec: Some(spec),
            status: None,
        }
    }
}

/// Requests and limits of a slot: equal, so that the pod is Guaranteed and its cgroup has limits.
pub(super) fn resources(size: Size) -> ResourceRequirements {
    let amounts = BTreeMap::from([
        ("cpu".to_owned(), Quantity(quantity::format_cpu(size.cpu))),
        ("memory".to_owned(), Quantity(quantity::format_mib(size.memory))),
    ]);
    ResourceRequirements { requests: Some(amounts.clone()), limits: Some(amounts), ..ResourceRequirements::default() }
}

/// As the `DaemonSet` controller has it: kube-scheduler places the pod, on this node or nowhere.
fn on_node(node: &str) -> Affinity {
    let term = NodeSelectorTerm {
        match_fields: Some(vec![NodeSelectorRequirement {
            key: "metadata.name".to_owned(),
            operator: "In".to_owned(),
            values: Some(vec![node.to_owned()]),
        }]),
        match_expressions: None,
    };
    Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector { node_selector_terms: vec![term] }),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_resources::Amount;
    use serde_json::json;

    const TEMPLATE: &str = "
metadata:
  labels: {team: batch}
spec:
  priorityClassName: proffer
  containers:
  - name: slot
    image: proffer.dev/slot:0.1.0
";

    #[test]
    fn a_pod_is_made_for_its_node() {
        let size = Size { cpu: Amount::from_thousandths(1500), memory: Amount::from_units(1024) };
        let pod = Template::parse(TEMPLATE).unwrap().pod("node1", "proffer-system", size, None);
        assert_eq!(
            serde_json::to_value(pod).unwrap(),
            json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": "proffer-slot-node1",
                    "namespace": "proffer-system",
                    "labels": {
                        "team": "batch",
                        "app.kubernetes.io/name": "proffer",
                        "app.kubernetes.io/component": "slot",
                    },
                    "annotations": {"proffer.dev/agent": "node1", "proffer.dev/slot-size": "cpu=1500m,memory=1024Mi"},
                },
                "spec": {
                    "priorityClassName": "proffer",
                    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node1"]}]},
                    ]}}},
                    "containers": [{
                        "name": "slot",
                        "image": "proffer.dev/slot:0.1.0",
                        "resources": {
                            "requests": {"cpu": "1500m", "memory": "1024Mi"},
                            "limits": {"cpu": "1500m", "memory": "1024Mi"},
                        },
                    }],
                },
            })
        );
    }

    #[test]
    fn templates_that_cannot_work_are_refused() {
        for (text, expected) in [
            ("metadata: {}", "the slot template has no spec"),
            ("spec: {containers: [{name: pause}]}", "the slot template has no container named slot: name it so"),
            (
                "spec: {containers: [{name: slot}, {name: more}]}",
                "the slot template has more than the container named slot: remove the others",
            ),
            (
                "spec: {nodeName: n, containers: [{name: slot}]}",
                "the slot template has a nodeName: remove it, since the scheduler places slots",
            ),
            ("spec: [", "the slot template is not a pod template (metadata and spec, as in a Deployment)"),
        ] {
            assert_eq!(Template::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
    }
}
