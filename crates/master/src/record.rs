//! What the master records in objects: the durable side of its state.

use crate::event::TaskGroup;
use crate::ids::{AgentName, Epoch, ObjectKey, OfferId, TaskId, Time};
use crate::operator_objects::AgentUse;
use proffer_allocator::Unavailability;
use proffer_mesos_api::v1::scheduler::OfferConstraints;
use proffer_mesos_api::v1::{FrameworkInfo, TaskInfo};
use proffer_mesos_api::{Reason, TaskState};
use proffer_resources::{Quantities, Ranges, Resource, ResourceBag, Role};
use std::collections::{BTreeMap, BTreeSet};

/// Status of a Task object.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRecord {
    /// Generation of the spec that this is about.
    pub generation: i64,
    /// State; `None` while nothing was decided (objects say `Pending`).
    pub state: Option<TaskState>,
    /// Why.
    pub reason: Option<Reason>,
    /// Why, for a person. For a pending task: what it waits for.
    pub message: String,
    /// Where it runs or ran.
    pub agent: Option<PlacedOn>,
    /// The role in which it has its agent; `None` in records of leaders that did not tell.
    pub role: Option<Role>,
    /// What it holds there, if that is not just as much as it asks for, unreserved.
    pub held: Option<ResourceBag>,
    /// Ports it was given.
    pub ports: Ranges,
    /// Exit code.
    pub exit_code: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<i32>,
    /// Sandbox, as a path for `/files`.
    pub sandbox: Option<String>,
    /// Was given an agent.
    pub staging_at: Option<Time>,
    /// Ran.
    pub running_at: Option<Time>,
    /// Ended.
    pub completed_at: Option<Time>,
    /// Epoch of the leader that wrote this.
    pub epoch: Epoch,
}

/// A Task object to be created: launched over a stream, and with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTask {
    /// Its key, and the UID of its container, which stands for the object's own.
    pub id: TaskId,
    /// Name and UID of its framework.
    pub framework: (String, String),
    /// What its framework asked for.
    pub info: TaskInfo,
    /// The group that it is launched with, if it is.
    pub group: Option<TaskGroup>,
    /// What of that agents look at.
    pub request: crate::event::TaskRequest,
    /// Its place: agent, role and what it holds there, as a record in the state `TASK_STAGING`.
    pub record: TaskRecord,
}

/// The spec of a framework that is served over a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameworkSpecRecord {
    /// Its key.
    pub key: ObjectKey,
    /// UID of its object; `None` if there is none yet.
    pub uid: Option<String>,
    /// Its ID in the Mesos API.
    pub framework_id: String,
    /// What it says of itself, with its principal.
    pub info: FrameworkInfo,
    /// Which agents it wants.
    pub constraints: OfferConstraints,
}

/// How far a framework is that is served over a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamPhase {
    /// No scheduler has subscribed so far.
    New,
    /// A scheduler is subscribed.
    Active,
    /// A scheduler was subscribed, and may be again.
    Disconnected,
    /// It is over for good.
    Completed,
}

/// What is particular to the status of a framework that is served over a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRecord {
    /// How far it is.
    pub phase: StreamPhase,
    /// Since when no scheduler is subscribed.
    pub disconnected_at: Option<Time>,
}

/// The agent of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedOn {
    /// The agent's name.
    pub agent: AgentName,
    /// The agent's ID.
    pub agent_id: String,
    /// IP address at which its ports are reached.
    pub address: Option<String>,
}

/// An Offer object to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferRecord {
    /// Its key.
    pub id: OfferId,
    /// Key of the framework, its owner.
    pub framework: ObjectKey,
    /// UID of the framework.
    pub framework_uid: String,
    /// The role in which it is made.
    pub role: Role,
    /// The agent.
    pub agent: PlacedOn,
    /// The agent's attributes.
    pub attributes: BTreeMap<String, String>,
    /// What is offered.
    pub resources: ResourceBag,
    /// When the agent will not be there, if that is planned.
    pub unavailability: Option<Unavailability>,
    /// Whether it offers nothing, and asks the framework to leave the agent before then.
    pub inverse: bool,
    /// When it goes away by itself; of one that asks to leave, when the agent does.
    pub expires_at: Time,
    /// This leader's epoch.
    pub epoch: Epoch,
}

/// How an offer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferEnd {
    /// Accepted.
    Accepted,
    /// Declined.
    Declined,
    /// Answered in a way that cannot be carried out.
    Rejected,
    /// Taken back.
    Rescinded,
    /// Not answered in time.
    Expired,
}

/// Status of a Framework object.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameworkRecord {
    /// Its key.
    pub key: ObjectKey,
    /// Its UID.
    pub uid: String,
    /// Generation of the spec that this is about.
    pub generation: i64,
    /// ID in the Mesos API.
    pub framework_id: String,
    /// `BinPack`, `Spread`, `External`, or empty for an object that cannot be served.
    pub scheduler: &'static str,
    /// Tasks that wait.
    pub pending: usize,
    /// Tasks that hold resources.
    pub active: usize,
    /// Tasks that ended and are remembered.
    pub completed: usize,
    /// What its tasks hold.
    pub allocated: Quantities,
    /// Offers that wait for its reply.
    pub offers: usize,
    /// Whether it is served, with a reason in camel case and a message.
    pub ready: Readiness,
    /// What is particular to a framework that is served over a stream.
    pub stream: Option<StreamRecord>,
    /// This leader's epoch.
    pub epoch: Epoch,
}

/// Status of an Agent object.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentRecord {
    /// The agent.
    pub agent: AgentName,
    /// Its ID.
    pub agent_id: String,
    /// Version of its program.
    pub version: String,
    /// Its slot.
    pub slot: Option<crate::event::Slot>,
    /// All that it has, reserved or not.
    pub total: ResourceBag,
    /// What tasks hold.
    pub allocated: ResourceBag,
    /// What is offered.
    pub offered: ResourceBag,
    /// Tasks that hold resources.
    pub tasks: usize,
    /// What an operator lets it be used for.
    pub usage: AgentUse,
    /// The Maintenance that counts for it.
    pub maintenance: Option<String>,
    /// Whether it can run tasks, with a reason in camel case and a message.
    pub ready: Readiness,
    /// This leader's epoch.
    pub epoch: Epoch,
}

/// A Reservation object to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct NewReservation {
    /// Its name.
    pub name: String,
    /// The agent whose resources it reserves.
    pub agent: AgentName,
    /// What it asks for, each with all of its reservations.
    pub resources: ResourceBag,
    /// The principal that makes it, if it has one.
    pub principal: Option<String>,
}

/// Status of a Reservation object. An object that gets one must hold the finalizer from then on.
#[derive(Clone, Debug, PartialEq)]
pub struct ReservationRecord {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Generation of the spec that this is about.
    pub generation: i64,
    /// Where it stands.
    pub phase: ReservationPhase,
    /// What it waits for, or what is wrong with it, for a person.
    pub message: String,
    /// What is reserved: all that it asks for, unless it waits.
    pub reserved: ResourceBag,
    /// Volumes that nobody can use any more and whose data is still there.
    pub destroying: Vec<Resource>,
    /// Tasks that hold something of it.
    pub tasks: BTreeSet<ObjectKey>,
    /// This leader's epoch.
    pub epoch: Epoch,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationPhase {
    /// What is reserved is not what it asks for; the message says what it waits for.
    Pending,
    /// What it asks for is reserved.
    Reserved,
    /// What it asks for makes no sense.
    Rejected,
    /// It is being deleted, and nothing is reserved any more.
    Released,
}

/// A `Ready` condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether it holds.
    pub ready: bool,
    /// Why, as one word in camel case.
    pub reason: &'static str,
    /// Why, for a person.
    pub message: String,
}

/// Something that a person must know, as an Event about a Task, Framework or Agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub about: NoticeAbout,
    /// Whether it is bad.
    pub warning: bool,
    /// Why, as one word in camel case.
    pub reason: &'static str,
    /// What happened, for a person.
    pub message: String,
}

/// The object that a notice is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeAbout {
    /// A Task.
    Task(TaskId),
    /// A Framework, by key and UID.
    Framework(ObjectKey, String),
    /// An Agent.
    Agent(AgentName),
}
