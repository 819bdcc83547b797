//! Maintenance: when agents will not be there.

use crate::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A planned time in which agents will not be there. Frameworks are told, and asked to leave in time.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "proffer.dev",
    version = "v1alpha1",
    kind = "Maintenance",
    plural = "maintenances",
    status = "MaintenanceStatus",
    category = "proffer",
    derive = "PartialEq",
    doc = "A Maintenance says when agents will not be there. Offers of them tell so, and frameworks that have something there are asked to leave in time. With started: true nothing runs there until the object is deleted.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Start", type_ = "string", json_path = ".spec.window.start"),
    printcolumn(name = "Duration", type_ = "string", json_path = ".spec.window.duration"),
    printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type=='Accepted')].status"),
    printcolumn(name = "Drained", type_ = "string", json_path = ".status.conditions[?(@.type=='Drained')].status"),
    printcolumn(name = "Agents", type_ = "string", json_path = ".spec.agents", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Accepted')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceSpec {
    /// When the agents will not be there.
    pub window: Window,
    /// Names of the agents, which are their nodes'.
    #[schemars(length(min = 1, max = 500), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub agents: Vec<String>,
    /// Whether it has begun: tasks on the agents are ended, and nothing new comes there until this object is deleted.
    #[serde(default)]
    pub started: bool,
}

/// When agents will not be there (Mesos: `Unavailability`).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// From when, RFC 3339: `2030-01-31T20:00:00Z`.
    #[schemars(extend("format" = "date-time"))]
    pub start: String,
    /// For how long: `90m`, `2h`, `1h30m`. For good if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$') && self != ''").message("a duration has hours, minutes and seconds: write 90m, 2h or 1h30m"))]
    pub duration: Option<String>,
}

/// What the controller knows of a maintenance.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceStatus {
    /// Generation of the spec that this was seen of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Epoch of the leader that wrote this; never goes down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("written by a leader of an earlier epoch"))]
    pub master_epoch: Option<i64>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<MaintenancePhase>,
    /// Its agents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentInMaintenance>,
    /// `Accepted`, with the reason if it does not count; `Drained`, once nothing runs on its agents.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// Where a maintenance stands: Mesos' machine modes.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MaintenancePhase {
    /// It does not count: see the condition `Accepted`.
    Up,
    /// It is planned: frameworks are told, and asked to leave in time.
    Draining,
    /// It has begun: nothing runs on its agents.
    Down,
}

/// An agent in a maintenance.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentInMaintenance {
    /// Its name.
    pub name: String,
    /// Whether there is such an agent.
    pub known: bool,
    /// How many tasks hold something there.
    #[serde(default)]
    pub tasks: i32,
    /// Frameworks that have something there; the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frameworks: Vec<FrameworkInMaintenance>,
}

/// A framework that has something on an agent in a maintenance.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameworkInMaintenance {
    /// Namespace and name: `default/hello`.
    pub name: String,
    /// What it said to leaving the agent in time.
    pub reply: MaintenanceReply,
}

/// What a framework said to leaving an agent in time.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MaintenanceReply {
    /// It will be gone in time.
    Accepted,
    /// It will not, or cannot tell.
    Declined,
    /// It was asked and has not answered.
    Asked,
    /// It cannot be asked: the built-in scheduler leaves its tasks until the maintenance starts.
    NotAsked,
}
