//! Offer: what one framework may take from one agent, until it expires.

use crate::{Condition, QuantityText, Window};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An offer to a framework whose scheduler answers offers as objects. The controller writes the terms; the framework sets the reply, once.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "proffer.dev",
    version = "v1alpha1",
    kind = "Offer",
    namespaced,
    status = "OfferStatus",
    category = "proffer",
    derive = "PartialEq",
    doc = "An Offer holds resources of one agent for one framework until it is accepted, declined, rescinded or expires. Reply by setting spec.reply.",
    printcolumn(name = "Framework", type_ = "string", json_path = ".spec.terms.framework"),
    printcolumn(name = "Agent", type_ = "string", json_path = ".spec.terms.agent.name"),
    printcolumn(name = "CPU", type_ = "string", json_path = ".spec.terms.resources.cpu"),
    printcolumn(name = "Memory", type_ = "string", json_path = ".spec.terms.resources.memory"),
    printcolumn(name = "Ports", type_ = "string", json_path = ".spec.terms.resources.ports", priority = 1),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".spec.terms.expiresAt"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".spec.terms.framework",
    validation = Rule::new("!has(self.spec.reply) || has(oldSelf.spec.reply) || !has(self.status) || !has(self.status.phase) || self.status.phase == 'Outstanding'").message("this offer is no longer outstanding (accepted, declined, rescinded or expired; see status.phase): wait for another offer and reply to that"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.reply) || !has(self.reply.accept) || (has(self.terms.inverse) && self.terms.inverse) || (has(self.reply.accept.operations) && self.reply.accept.operations.size() > 0)").message("accept says what to do with the offer: write accept: {operations: [{launch: {tasks: [NAME]}}]}"))]
pub struct OfferSpec {
    /// What is offered. Written by the controller, never changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("the terms of an offer cannot be changed: set spec.reply only"))]
    pub terms: OfferTerms,
    /// The framework's answer. Set once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("an offer can be replied to only once: wait for another offer"))]
    pub reply: Option<OfferReply>,
}

/// What is offered.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferTerms {
    /// Name of the framework, in the same namespace.
    pub framework: String,
    /// The agent that has the resources.
    pub agent: OfferAgent,
    /// The role in which they are offered.
    pub role: String,
    /// The resources.
    pub resources: OfferResources,
    /// The agent's attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// When the agent will not be there, if that is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailability: Option<Window>,
    /// Whether this offers nothing, and asks the framework to leave the agent before it goes (Mesos: an inverse offer).
    /// Reply with accept: {} if it will, with decline: {} if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inverse: bool,
    /// When the offer goes away without a reply, RFC 3339; of an inverse one, when the agent does.
    pub expires_at: String,
    /// Epoch of the leader that made it.
    pub master_epoch: i64,
}

/// The agent of an offer.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferAgent {
    /// Name of the Agent, which is its node's.
    pub name: String,
    /// The agent's ID in the Mesos API.
    pub id: String,
    /// IP address at which the ports of its tasks are reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// Offered resources, as Kubernetes quantities.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferResources {
    /// Cores.
    pub cpu: String,
    /// Memory.
    pub memory: String,
    /// Disk.
    pub disk: String,
    /// Ports as Mesos writes them: `[31000-31005]`.
    pub ports: String,
    /// What of all this is reserved, and volumes, as Mesos writes them. Empty if nothing is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reserved: String,
}

/// Accept or decline.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.accept) != has(self.decline)").message("a reply either accepts or declines: write accept: {operations: [{launch: {tasks: [NAME]}}]} or decline: {}"))]
pub struct OfferReply {
    /// Take resources of the offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<AcceptReply>,
    /// Take nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline: Option<DeclineReply>,
}

/// Takes resources of the offer; what is left is declined.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AcceptReply {
    /// What to do with them, in this order.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub operations: Vec<OfferOperation>,
    /// For what is left of the offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<Filters>,
}

/// Declines the whole offer.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeclineReply {
    /// How long not to be offered the same again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<Filters>,
}

/// One operation on an offer: exactly one of these.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("(has(self.launch) ? 1 : 0) + (has(self.reserve) ? 1 : 0) + (has(self.unreserve) ? 1 : 0) + (has(self.create) ? 1 : 0) + (has(self.destroy) ? 1 : 0) == 1").message("an operation is one thing: write one of launch, reserve, unreserve, create or destroy, and the next as an operation of its own"))]
pub struct OfferOperation {
    /// Launch tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<LaunchOperation>,
    /// Reserve unreserved resources of the offer for its role, until they are unreserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve: Option<ReservedAmounts>,
    /// Unreserve resources of the offer that are reserved for its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreserve: Option<ReservedAmounts>,
    /// Make a persistent volume of disk that is reserved for the offer's role. It outlives tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<NewVolume>,
    /// Destroy a persistent volume with all that is in it. Its disk stays reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroy: Option<NamedVolume>,
}

/// Amounts to reserve or unreserve, as Kubernetes quantities.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedAmounts {
    /// Cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<QuantityText>,
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<QuantityText>,
    /// Disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<QuantityText>,
}

/// A persistent volume to be made.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewVolume {
    /// Its name, unique for the role on the agent.
    #[schemars(length(min = 1, max = 253))]
    pub id: String,
    /// How large it is.
    pub size: QuantityText,
}

/// Names a persistent volume of the offer.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedVolume {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub id: String,
}

/// Launches Tasks of this framework that exist already and wait.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LaunchOperation {
    /// Names of the Tasks.
    #[schemars(length(min = 1, max = 1000), inner(length(min = 1, max = 253)))]
    pub tasks: Vec<String>,
}

/// How long not to offer the same again (Mesos: `Filters`).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filters {
    /// Seconds for which this agent's resources, or fewer, are not offered again. 5 if left out, 0 for no filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= 0.0 && self <= 31536000.0").message("refuseSeconds is a number of seconds from 0 to 31536000 (a year)"))]
    pub refuse_seconds: Option<f64>,
}

/// What became of an offer.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferStatus {
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<OfferPhase>,
    /// Why, for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Epoch of the leader that wrote this; never goes down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self >= oldSelf").message("written by a leader of an earlier epoch"))]
    pub master_epoch: Option<i64>,
    /// `Complete` once nothing more will happen to it.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// Where an offer stands.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OfferPhase {
    /// Waits for a reply.
    Outstanding,
    /// Was accepted; the tasks tell the rest.
    Accepted,
    /// Was declined.
    Declined,
    /// Was answered in a way that cannot be carried out; the message says why.
    Rejected,
    /// Was taken back: the agent went, or another leader came.
    Rescinded,
    /// Was not answered in time.
    Expired,
}
