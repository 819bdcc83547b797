//! Agent: one node's part of the cluster.

use crate::{Allocated, Condition};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An agent, one for each node, made by the controller when the agent registers.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "proffer.dev",
    version = "v1alpha1",
    kind = "Agent",
    status = "AgentStatus",
    category = "proffer",
    derive = "PartialEq",
    doc = "An Agent is a node that offers resources and runs tasks. The controller makes one when the node's agent registers.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".status.mode"),
    printcolumn(name = "CPU", type_ = "string", json_path = ".status.slot.cpu"),
    printcolumn(name = "Memory", type_ = "string", json_path = ".status.slot.memory"),
    printcolumn(name = "Used-CPU", type_ = "string", json_path = ".status.allocated.cpu"),
    printcolumn(name = "Used-Memory", type_ = "string", json_path = ".status.allocated.memory"),
    printcolumn(name = "Tasks", type_ = "integer", json_path = ".status.tasks"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.slot.address", priority = 1),
    printcolumn(name = "Ports", type_ = "string", json_path = ".status.ports", priority = 1),
    printcolumn(name = "Epoch", type_ = "integer", json_path = ".status.masterEpoch", priority = 1),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct AgentSpec {
    /// Attributes that frameworks see in offers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Whether to offer nothing of it. What runs goes on.
    #[serde(default)]
    pub deactivated: bool,
    /// Empties it: nothing of it is offered, and its tasks are ended. Take it away to have the agent used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainSpec>,
    /// The agent is gone for good: what ran there is gone, its slot is deleted, and it may not register again. To take
    /// its node in again, delete the Agent object.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self || !oldSelf").message("gone cannot be taken back: delete the Agent object to take its node in again"))]
    pub gone: bool,
}

/// How an agent is emptied (Mesos: `DrainConfig`).
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DrainSpec {
    /// The most seconds between SIGTERM and SIGKILL, whatever a task's kill policy says; what that says if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86_400))]
    pub max_grace_period_seconds: Option<i32>,
    /// Whether the agent is marked gone once it is empty.
    #[serde(default)]
    pub mark_gone: bool,
}

/// What an operator lets an agent be used for.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentMode {
    /// It is offered and runs tasks.
    Active,
    /// Nothing of it is offered; what runs goes on.
    Deactivated,
    /// It is being emptied.
    Draining,
    /// It was emptied.
    Drained,
    /// Its maintenance has begun.
    Down,
    /// It is gone for good.
    Gone,
}

/// What the controller knows of an agent.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// Generation of the spec that this was seen of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Epoch of the leader that wrote this; never goes down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("written by a leader of an earlier epoch"))]
    pub master_epoch: Option<i64>,
    /// The agent's ID in the Mesos API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// Version of the agent program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The slot: the pod below whose cgroup tasks run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<SlotStatus>,
    /// Ports that tasks may be given, as Mesos writes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<String>,
    /// What tasks hold.
    #[serde(default)]
    pub allocated: Allocated,
    /// What is offered to frameworks now.
    #[serde(default)]
    pub offered: Allocated,
    /// How many tasks hold resources on it.
    #[serde(default)]
    pub tasks: i32,
    /// What an operator lets it be used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<AgentMode>,
    /// The Maintenance that counts for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<String>,
    /// `Ready`; and while it is drained, `Drained`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// The slot of an agent.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotStatus {
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub uid: String,
    /// IP address of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Cores.
    pub cpu: String,
    /// Memory.
    pub memory: String,
}
