//! Reservation: resources of one agent, and volumes on it, for one role.

use crate::{Condition, QuantityText};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Keeps resources of one agent for a role and the roles below it (Mesos: a dynamic reservation), with persistent volumes
/// among them. An operator applies it, or a framework's RESERVE makes it.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "proffer.dev",
    version = "v1alpha1",
    kind = "Reservation",
    status = "ReservationStatus",
    shortname = "rsv",
    category = "proffer",
    derive = "PartialEq",
    doc = "A Reservation keeps resources of one agent, and persistent volumes on it, for one role. Deleting it gives the resources back and removes the volumes with all that is in them.",
    printcolumn(name = "Agent", type_ = "string", json_path = ".spec.agent"),
    printcolumn(name = "Role", type_ = "string", json_path = ".spec.role"),
    printcolumn(name = "CPU", type_ = "string", json_path = ".spec.resources.cpu"),
    printcolumn(name = "Memory", type_ = "string", json_path = ".spec.resources.memory"),
    printcolumn(name = "Volumes", type_ = "string", json_path = ".spec.volumes[*].id"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Disk", type_ = "string", json_path = ".spec.resources.disk", priority = 1),
    printcolumn(name = "Ports", type_ = "string", json_path = ".spec.resources.ports", priority = 1),
    printcolumn(name = "Tasks", type_ = "string", json_path = ".status.tasks[*].name", priority = 1),
    printcolumn(name = "Principal", type_ = "string", json_path = ".spec.principal", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".spec.agent",
    selectable = ".spec.role"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.resources) || (has(self.volumes) && self.volumes.size() > 0)").message("nothing is reserved: write resources: {cpu: 1, memory: 512Mi}, or volumes: [{id: data, size: 1Gi}]"))]
#[x_kube(validation = Rule::new("self.agent == oldSelf.agent && self.role == oldSelf.role && has(self.principal) == has(oldSelf.principal) && (!has(self.principal) || self.principal == oldSelf.principal) && has(self.labels) == has(oldSelf.labels) && (!has(self.labels) || self.labels == oldSelf.labels) && has(self.refines) == has(oldSelf.refines) && (!has(self.refines) || self.refines == oldSelf.refines)").message("only resources and volumes of a Reservation can be changed: to reserve for another agent, role or principal, or with other labels, apply another Reservation and delete this one"))]
#[x_kube(validation = Rule::new("!has(self.refines) || self.refines.all(r, self.role.startsWith(r.role + '/'))").message("a reservation refines those of the roles above its own: write refines: [{role: eng}] for role: eng/analytics"))]
pub struct ReservationSpec {
    /// Name of the Agent that has the resources, which is its node's.
    #[schemars(length(min = 1, max = 253))]
    pub agent: String,
    /// For whom: a role, such as `eng` or, in a hierarchy, `eng/analytics`. Roles below it may use it too.
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("self != '*'").message("a reservation for role * reserves nothing: write a role, such as eng"))]
    #[x_kube(validation = Rule::new("self == '*' || self.matches('^[^/\\\\s-][^/\\\\s]*(/[^/\\\\s-][^/\\\\s]*)*$') && !self.matches('(^|/)([.]|[.][.]|[*])(/|$)')").message("a role has parts between single /, without white space, and no part is . or .. or * or begins with -: write eng or eng/analytics"))]
    pub role: String,
    /// Reservations that these resources have already, from the first: of roles above this one's (Mesos: refinement).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub refines: Vec<RefinedReservation>,
    /// Who reserves: the principal that may undo it over the Mesos API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub principal: Option<String>,
    /// What its maker wants remembered, as Mesos' labels: frameworks see them in offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub labels: Vec<ReservationLabel>,
    /// How much, besides the volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ReservedResources>,
    /// Persistent volumes: disk that keeps what is in it when tasks end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.all(one, self.exists_one(other, other.id == one.id))").message("two volumes have the same id: write each once"))]
    pub volumes: Vec<ReservedVolume>,
}

/// A reservation that another refines.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefinedReservation {
    /// For whom.
    #[schemars(length(min = 1, max = 255))]
    pub role: String,
    /// Who reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub principal: Option<String>,
    /// What its maker wanted remembered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub labels: Vec<ReservationLabel>,
    /// Whether the agent made it, in its own settings.
    #[serde(default, rename = "static", skip_serializing_if = "std::ops::Not::not")]
    pub by_agent: bool,
}

/// A label of a reservation (Mesos: `Label`).
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationLabel {
    /// Its key.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
    /// Its value, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub value: Option<String>,
}

/// How much is reserved.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.cpu) || has(self.memory) || has(self.disk) || has(self.gpus) || has(self.ports) || has(self.custom)").message("resources is empty: write some, such as cpu: 1 and memory: 512Mi, or leave it out"))]
pub struct ReservedResources {
    /// Cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<QuantityText>,
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<QuantityText>,
    /// Disk, besides that of the volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<QuantityText>,
    /// Whole GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub gpus: Option<i32>,
    /// Ports as Mesos writes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    #[x_kube(validation = Rule::new("self.matches('^\\\\[[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*\\\\]$')").message("ports are ranges in brackets: write ports: '[31000-31005,31010-31010]'"))]
    pub ports: Option<String>,
    /// Others, by Mesos' name of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub custom: BTreeMap<String, QuantityText>,
}

/// A persistent volume of a Reservation.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservedVolume {
    /// Its name, by which tasks ask for it: unique for its role on its agent (Mesos: the persistence ID).
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[^/\\\\s]+$') && self != '.' && self != '..'").message("a volume's id is the name of a directory: write one without / and white space, such as data"))]
    pub id: String,
    /// How much disk it is counted as. What tasks write is not held to it yet.
    #[x_kube(validation = Rule::new("!isQuantity(string(self)) || quantity(string(self)).compareTo(quantity('1Mi')) >= 0").message("a volume has at least 1Mi: write size: 1Mi or more"))]
    pub size: QuantityText,
    /// Where tasks that say nothing else find it, below their sandbox; its id if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.endsWith('/') && !self.contains('//') && !self.matches('(^|/)[.][.]?(/|$)')").message("containerPath is a path below the sandbox, without . and ..: write data or var/data"))]
    pub container_path: Option<String>,
    /// Whether several tasks may use it at the same time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// Whether tasks may only read it (Mesos: `Volume.Mode`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Who created it, where that is not who reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub principal: Option<String>,
}

/// Where a reservation stands.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReservationPhase {
    /// Waits until its agent has the resources free; the message says for what.
    #[default]
    Pending,
    /// Is kept for its role.
    Reserved,
    /// Can never be; the message says why.
    Rejected,
    /// Is given back.
    Released,
}

/// What the controller knows of a reservation.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservationStatus {
    /// Generation of the spec that this was seen of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Epoch of the leader that wrote this; never goes down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("written by a leader of an earlier epoch"))]
    pub master_epoch: Option<i64>,
    /// Where it stands.
    #[serde(default)]
    pub phase: ReservationPhase,
    /// Why, for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What is kept for the role now, in Mesos' JSON form: differs from the spec while a change waits for its turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<String>,
    /// Volumes that nobody wants any more and that the agent has not removed yet, in the same form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroying: Option<String>,
    /// Tasks that use something of it, the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<ReservationTask>,
    /// `Ready`: whether all that the spec asks for is reserved.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// A task that uses a reservation.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationTask {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}
