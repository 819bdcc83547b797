//! Objects by which operators say how roles, agents and maintenance are to be, and what is recorded of them.

use crate::ids::{AgentName, Epoch, ObjectKey, Time};
use crate::record::Readiness;
use proffer_allocator::{InverseReply, Quota, Unavailability, Weight};
use proffer_resources::{Quantities, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An `AllocationRole` object, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleObject {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// When it was created: of two objects for one role, the older counts.
    pub created: Time,
    /// What it asks for; or what is wrong with it, for a person.
    pub terms: Result<RoleTerms, String>,
    /// The quota that its status says is in force, if a leader wrote one.
    pub quota_in_force: Option<Quota>,
}

/// What an `AllocationRole` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleTerms {
    /// The role.
    pub role: Role,
    /// Its weight (Mesos: `UPDATE_WEIGHTS`).
    pub weight: Weight,
    /// Its quota (Mesos: `UPDATE_QUOTA`).
    pub quota: Quota,
    /// Whether guarantees count although the cluster does not have as much (Mesos: `force`).
    pub force: bool,
}

/// Status of an `AllocationRole` object. Quantities are those of the role and all roles below it.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleRecord {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Generation of the spec that this is about.
    pub generation: i64,
    /// Whether the spec is in force, with a reason in camel case and a message.
    pub accepted: Readiness,
    /// The weight in force.
    pub weight: Weight,
    /// The quota in force; `None` if another object counts for this role.
    pub quota: Option<Quota>,
    /// What tasks hold.
    pub allocated: Quantities,
    /// What is offered.
    pub offered: Quantities,
    /// What counts against the quota.
    pub consumed: Quantities,
    /// The largest part of the cluster that the role has of any resource, in thousandths.
    pub dominant_share: u64,
    /// Frameworks that want offers in the role, or hold something there.
    pub frameworks: BTreeSet<ObjectKey>,
    /// This leader's epoch.
    pub epoch: Epoch,
}

/// What an operator wants of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentOrders {
    /// Nothing of it is to be offered; what runs goes on (Mesos: `DEACTIVATE_AGENT`).
    pub deactivated: bool,
    /// It is to be emptied (Mesos: `DRAIN_AGENT`).
    pub drain: Option<DrainOrder>,
    /// It is gone for good and must not come back (Mesos: `MARK_AGENT_GONE`).
    pub gone: bool,
}

/// How an agent is to be emptied (Mesos: `DrainConfig`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainOrder {
    /// The longest that a task may take to end, whatever its own kill policy says. `None`: as long as that says.
    pub max_grace: Option<Duration>,
    /// Whether the agent is marked gone once it is empty.
    pub mark_gone: bool,
}

/// What an agent may be used for, as an operator ordered it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AgentUse {
    /// It is offered and runs tasks.
    #[default]
    Active,
    /// Nothing of it is offered; what runs goes on.
    Deactivated,
    /// It is being emptied, and is not empty yet.
    Draining,
    /// It was emptied, and nothing of it is offered.
    Drained,
    /// Its maintenance has begun: nothing runs there.
    Down,
    /// It is gone for good.
    Gone,
}

/// A Maintenance object, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct MaintenanceObject {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// When it was created: of two objects that name one agent, the older counts.
    pub created: Time,
    /// What it asks for; or what is wrong with it, for a person.
    pub terms: Result<MaintenanceTerms, String>,
}

/// What a Maintenance object asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaintenanceTerms {
    /// When the agents will not be there.
    pub window: Unavailability,
    /// The agents (Mesos: machines).
    pub agents: BTreeSet<AgentName>,
    /// Whether it has begun, so that nothing may run on them (Mesos: `START_MAINTENANCE`).
    pub started: bool,
}

/// Where a maintenance stands: Mesos' machine modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaintenancePhase {
    /// It does not count: it is refused, or its window is over and it was never started.
    Up,
    /// It is planned: frameworks know it, and are asked to leave in time.
    Draining,
    /// It has begun: nothing runs on the agents.
    Down,
}

/// Status of a Maintenance object.
#[derive(Clone, Debug, PartialEq)]
pub struct MaintenanceRecord {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Generation of the spec that this is about.
    pub generation: i64,
    /// Where it stands.
    pub phase: MaintenancePhase,
    /// Whether the spec is in force, with a reason in camel case and a message.
    pub accepted: Readiness,
    /// Whether nothing runs on its agents any more.
    pub drained: Readiness,
    /// Its agents.
    pub agents: BTreeMap<AgentName, AgentInMaintenance>,
    /// This leader's epoch.
    pub epoch: Epoch,
}

/// An agent in a maintenance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentInMaintenance {
    /// Whether there is such an agent.
    pub known: bool,
    /// How many tasks hold something there.
    pub tasks: usize,
    /// What frameworks that have something there said to leaving it.
    pub frameworks: BTreeMap<ObjectKey, FrameworkInMaintenance>,
}

/// What a framework said to leaving an agent in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameworkInMaintenance {
    /// It was asked by an inverse offer and has not answered.
    Asked,
    /// It answered.
    Answered(InverseReply),
    /// It cannot be asked now: the built-in scheduler leaves its tasks until the maintenance starts, and others are not
    /// connected.
    NotAsked,
}
