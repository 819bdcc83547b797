//! What the master hears: objects, agents, finished writes, time.

use crate::ids::{AgentName, Connection, Epoch, ObjectKey, OfferId, Session, TaskId, WriteId};
use crate::operations::{Body as OperationBody, LaunchBody, Operation};
use crate::operator_objects::{AgentOrders, MaintenanceObject, RoleObject};
use crate::record::{ReservationRecord, TaskRecord};
use proffer_allocator::{Capabilities, Constraints, Demand, PortRequest, Strategy};
use proffer_mesos_api::v1::scheduler::{Call, OfferConstraints, call};
use proffer_mesos_api::v1::{FrameworkInfo, TaskInfo};
use proffer_mesos_api::{Reason, TaskState};
use proffer_resources::{Amount, Quantities, ResourceBag, Resources, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Everything that can happen to the master.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A Framework object was created or changed, or is seen for the first time.
    FrameworkApplied(FrameworkObject),
    /// A Framework object is gone or is being deleted.
    FrameworkDeleted {
        /// Its key.
        key: ObjectKey,
        /// Its UID; of another UID than the known one, the event is of the past.
        uid: String,
    },
    /// A Task object was created or changed, or is seen for the first time.
    TaskApplied(Box<TaskObject>),
    /// A Task object is gone.
    TaskDeleted(TaskId),
    /// A framework set the reply of one of its Offer objects.
    OfferReplied {
        /// The offer.
        offer: OfferId,
        /// The reply.
        reply: OfferReply,
    },
    /// An Offer object of this epoch was deleted by somebody else: as declined without a filter.
    OfferDeleted(OfferId),
    /// An Agent object says how an operator wants the agent to be. Also says that the object exists.
    AgentApplied {
        /// The agent.
        agent: AgentName,
        /// Attributes for offers.
        attributes: BTreeMap<String, String>,
        /// What an operator wants of it.
        orders: AgentOrders,
        /// Whether its status says that it was emptied as ordered.
        was_drained: bool,
        /// Whether its status says that it could not be reached.
        was_unreachable: bool,
        /// ID that the agent has had so far, if any.
        agent_id: Option<String>,
        /// Highest epoch ever written for it.
        epoch: Option<Epoch>,
    },
    /// An Agent object is gone (its node was removed from the cluster).
    AgentDeleted(AgentName),
    /// An `AllocationRole` object was created or changed, or is seen for the first time.
    RoleApplied(RoleObject),
    /// An `AllocationRole` object is gone.
    RoleDeleted {
        /// Its name.
        name: String,
        /// Its UID; of another UID than the known one, the event is of the past.
        uid: String,
    },
    /// A Maintenance object was created or changed, or is seen for the first time.
    MaintenanceApplied(MaintenanceObject),
    /// A Maintenance object is gone.
    MaintenanceDeleted {
        /// Its name.
        name: String,
        /// Its UID; of another UID than the known one, the event is of the past.
        uid: String,
    },
    /// The slot of an agent is there, changed its size, or went.
    SlotChanged {
        /// The agent.
        agent: AgentName,
        /// The slot as it is now.
        slot: Option<Slot>,
    },
    /// An agent connected and told what it has.
    AgentRegistered(AgentRegistration),
    /// A connection ended.
    AgentDisconnected {
        /// The agent.
        agent: AgentName,
        /// The connection.
        session: Session,
    },
    /// An agent has this leader's epoch on its disk: from now on its resources may be offered.
    EpochConfirmed {
        /// The agent.
        agent: AgentName,
        /// The connection.
        session: Session,
        /// The epoch that it confirmed.
        epoch: Epoch,
    },
    /// An agent says whether it can launch in its slot.
    SlotAttached {
        /// The agent.
        agent: AgentName,
        /// The connection.
        session: Session,
        /// UID of the slot pod that this is about.
        pod_uid: String,
        /// Why it cannot, if it cannot.
        problem: Option<String>,
    },
    /// A task changed its state.
    StatusUpdate {
        /// The agent.
        agent: AgentName,
        /// The connection.
        session: Session,
        /// The new state.
        update: StatusUpdate,
    },
    /// A Reservation object was created or changed, or is seen for the first time.
    ReservationApplied(Box<ReservationObject>),
    /// A Reservation object is gone.
    ReservationDeleted {
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
    },
    /// An agent answers that the data of a volume is gone, or that it is not.
    VolumeDestroyed {
        /// The agent.
        agent: AgentName,
        /// The connection.
        session: Session,
        /// The role that the volume is reserved for.
        role: Role,
        /// The volume's persistence ID.
        id: String,
        /// Why it is still there, if it is.
        problem: Option<String>,
    },
    /// A framework knows what became of an operation that it named (Mesos: `ACKNOWLEDGE_OPERATION_STATUS`).
    OperationAcknowledged {
        /// The framework.
        framework: ObjectKey,
        /// The operation's name.
        operation: String,
        /// The update's UUID.
        uuid: Vec<u8>,
    },
    /// An operator asks for an operation on an agent's resources. The answer is [`crate::Effect::Answer`].
    OperatorOperation {
        /// Names the question.
        id: u64,
        /// The agent.
        agent: AgentName,
        /// Who asks, if that is known.
        principal: Option<String>,
        /// What is to be done.
        operation: OperationBody,
    },
    /// An agent answered a ping.
    Pong {
        /// The agent.
        agent: AgentName,
        /// The connection.
        session: Session,
    },
    /// A scheduler wants to subscribe. The answers are [`crate::Effect::Subscribed`] or [`crate::Effect::CloseStream`].
    Subscribe(Box<Subscription>),
    /// A stream ended, whoever ended it.
    Unsubscribed(Connection),
    /// A subscribed framework calls, on the stream that it is subscribed by.
    Call {
        /// The stream.
        connection: Connection,
        /// The call, validated as far as that needs no state.
        call: Box<Call>,
        /// Operations of an ACCEPT, by their place in it, that the framework's principal may not do, each with why not.
        denied: Vec<(usize, String)>,
    },
    /// A subscribed framework calls `UPDATE_FRAMEWORK`. The answer is [`crate::Effect::AnswerUpdate`].
    UpdateFramework {
        /// The stream.
        connection: Connection,
        /// Names the question.
        asked: u64,
        /// The call, validated as far as that needs no state.
        update: Box<call::UpdateFramework>,
    },
    /// A write ended.
    Written {
        /// Which.
        write: WriteId,
        /// How.
        outcome: WriteOutcome,
    },
    /// All objects that existed when this leader took over have been told. No decision is taken before.
    Recovered,
    /// Time went by.
    Tick,
}

/// What a scheduler says when it subscribes.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// The stream.
    pub connection: Connection,
    /// The namespace of its principal, where a new framework gets its object.
    pub namespace: String,
    /// Who it is; `None` for somebody anonymous.
    pub principal: Option<String>,
    /// What it says of itself. The principal in it is the authenticated one, if there is one.
    pub subscribe: call::Subscribe,
    /// ID for a framework that has none: random, from the shell.
    pub new_framework_id: String,
}

/// What a Framework object says that is served over a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamObject {
    /// The framework's ID in the Mesos API.
    pub framework_id: String,
    /// All that it said of itself when it subscribed or updated itself last.
    pub info: FrameworkInfo,
    /// Which agents it wants.
    pub constraints: OfferConstraints,
    /// Whether launches need not wait until they are recorded.
    pub write_behind: bool,
    /// Whether the object was made because a scheduler subscribed, and not by a person before.
    pub made_here: bool,
    /// Whether a scheduler was ever subscribed.
    pub subscribed: bool,
    /// Since when none is, as it was recorded last.
    pub disconnected_at: Option<crate::ids::Time>,
    /// Why it is over for good, if it is.
    pub completed: Option<String>,
}

/// What a Task object says that was launched over a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamTaskObject {
    /// What its framework asked for.
    pub info: TaskInfo,
    /// The group that it was launched with, if it was.
    pub group: Option<TaskGroup>,
}

/// A group of tasks that were launched as one (Mesos: `LAUNCH_GROUP`), as each of them records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskGroup {
    /// Names it, among all that there ever were.
    pub id: String,
    /// How many tasks it has.
    pub size: usize,
}

/// A Framework object, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameworkObject {
    /// Its key.
    pub key: ObjectKey,
    /// Its UID.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// Who decides what runs; or what is wrong with the object, for a person.
    pub scheduler: Result<SchedulerKind, String>,
    /// Roles in which it is served, each once. Its tasks that name none run in the first. `*` if it names none itself.
    pub roles: Vec<Role>,
    /// Those of them in which it wants no offers (Mesos: `suppressed_roles`).
    pub suppressed: BTreeSet<Role>,
    /// What it knows of.
    pub capabilities: Capabilities,
    /// Which agents it wants, by role.
    pub constraints: BTreeMap<Role, Constraints>,
    /// Least offers that are worth its while, by role; the master's where it says nothing.
    pub min_allocatable: BTreeMap<Role, Vec<Quantities>>,
    /// The principal that it acts as, if it has one.
    pub principal: Option<String>,
    /// What is particular to a framework that is served over a stream.
    pub stream: Option<Box<StreamObject>>,
    /// How long its offers wait; the master's default if `None`.
    pub offer_timeout: Option<Duration>,
    /// How many completed tasks keep their object.
    pub history_limit: usize,
}

impl FrameworkObject {
    /// The object of a framework of the role `*` that says nothing but who schedules it.
    #[must_use]
    pub fn new(key: ObjectKey, uid: String, scheduler: Result<SchedulerKind, String>) -> Self {
        Self {
            key,
            uid,
            generation: 1,
            scheduler,
            roles: vec![Role::any()],
            suppressed: BTreeSet::new(),
            capabilities: Capabilities::default(),
            constraints: BTreeMap::new(),
            min_allocatable: BTreeMap::new(),
            principal: None,
            stream: None,
            offer_timeout: None,
            history_limit: 1000,
        }
    }
}

/// Who decides what runs on a framework's offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedulerKind {
    /// The built-in scheduler.
    BuiltIn(Strategy),
    /// Somebody else, who is offered resources.
    External(Delivery),
}

/// How offers reach a framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// As Offer objects, which it answers by setting their reply.
    Objects,
    /// As events of the Mesos v1 scheduler API, over a stream of its own.
    Stream,
}

/// A Task object, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskObject {
    /// Key and UID.
    pub id: TaskId,
    /// Its generation.
    pub generation: i64,
    /// Name of its framework, in the same namespace.
    pub framework: String,
    /// What is asked for; or what is wrong with the object, for a person.
    pub request: Result<TaskRequest, String>,
    /// The status that the object has, if any was ever written.
    pub record: Option<TaskRecord>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether it holds our finalizer.
    pub finalizer: bool,
    /// UID of the Framework in its owner references, if there is one.
    pub owner: Option<String>,
    /// When it was created.
    pub created: crate::ids::Time,
    /// What is particular to a task that was launched over a stream.
    pub stream: Option<Box<StreamTaskObject>>,
}

/// What a task asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRequest {
    /// What to run.
    pub command: Command,
    /// The role in which it runs; the first of its framework's if `None`.
    pub role: Option<Role>,
    /// Cores, memory and disk.
    pub resources: Resources,
    /// Ports.
    pub ports: PortRequest,
    /// Persistent volumes that it uses.
    pub volumes: Vec<VolumeRequest>,
    /// Upper bound of cores, where it differs.
    pub cpu_limit: Option<Amount>,
    /// Upper bound of memory in MiB, where it differs.
    pub mem_limit: Option<Amount>,
    /// Between SIGTERM and SIGKILL.
    pub kill_grace: Duration,
}

impl TaskRequest {
    /// What is asked for, as the allocator counts it.
    #[must_use]
    pub fn demand(&self) -> Demand {
        let volumes = self.volumes.iter().map(|volume| volume.id.clone());
        Demand::new(&self.resources, self.ports.clone()).with_volumes(volumes)
    }
}

/// A persistent volume that a task uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolumeRequest {
    /// Its persistence ID; it is one of the task's role or of a role above.
    pub id: String,
    /// Where the task finds it.
    pub container_path: String,
    /// Whether the task may not write to it.
    pub read_only: bool,
}

/// What to run (Mesos: `CommandInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Command line or program.
    pub value: String,
    /// Whether `value` is for a shell.
    pub shell: bool,
    /// Arguments, the program's own name first.
    pub arguments: Vec<String>,
    /// User name or number; the agent's default if `None`.
    pub user: Option<String>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
}

impl Command {
    /// Roughly how large it is in a message, in bytes.
    pub(crate) fn size(&self) -> usize {
        let variables = self.environment.iter().map(|(name, value)| name.len() + value.len());
        self.value.len() + self.arguments.iter().map(String::len).sum::<usize>() + variables.sum::<usize>()
    }
}

/// A framework's answer to an offer.
#[derive(Clone, Debug, PartialEq)]
pub enum OfferReply {
    /// Take what these operations need.
    Accept {
        /// What to do, in this order.
        operations: Vec<Operation>,
        /// Filter for what is left.
        refuse: Option<Duration>,
    },
    /// Take nothing.
    Decline {
        /// Filter; Mesos' default of 5 s if `None`, no filter if zero.
        refuse: Option<Duration>,
    },
}

impl OfferReply {
    /// Launches Tasks of the framework, by name.
    #[must_use]
    pub fn launch(names: Vec<String>, refuse: Option<Duration>) -> Self {
        Self::Accept { operations: vec![Operation::launch(names)], refuse }
    }

    /// Names of the Tasks that it launches.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &String> {
        let operations: &[Operation] = match self {
            Self::Accept { operations, .. } => operations,
            Self::Decline { .. } => &[],
        };
        operations.iter().flat_map(|operation| match &operation.body {
            Ok(OperationBody::Launch(LaunchBody::Objects(names))) => names.as_slice(),
            _ => &[],
        })
    }
}

/// A Reservation object, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct ReservationObject {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// The agent whose resources it reserves; never changes.
    pub agent: AgentName,
    /// All that it asks for, each resource with all of its reservations, volumes as disk with persistence; or what is wrong
    /// with it, for a person.
    pub resources: Result<ResourceBag, String>,
    /// The principal that made it, if it had one.
    pub principal: Option<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether it holds our finalizer.
    pub finalizer: bool,
    /// The status that it has, if any was ever written.
    pub record: Option<ReservationRecord>,
}

/// The slot of an agent: the pod below whose cgroup its tasks run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub uid: String,
    /// IP address of the pod, once it has one.
    pub address: Option<String>,
    /// Whether the kubelet runs it.
    pub running: bool,
    /// What the kubelet gave it: cores and memory.
    pub resources: Resources,
}

/// What an agent tells when it connects.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentRegistration {
    /// The agent, from its token and not from its words.
    pub agent: AgentName,
    /// The connection.
    pub session: Session,
    /// ID from its checkpoint, if it has one.
    pub agent_id: Option<String>,
    /// ID for an agent that has none: random, from the shell.
    pub new_agent_id: String,
    /// Version of the program.
    pub version: String,
    /// Highest epoch that it has confirmed.
    pub epoch: Epoch,
    /// What it has beside the cores and the memory of its slot. Cores and memory in it are those of the slot's that are
    /// reserved in its settings, and revocable ones beside the slot's.
    pub capacity: ResourceBag,
    /// Everything that it still knows.
    pub tasks: Vec<TaskSnapshot>,
    /// UID of the slot pod in which it can launch, if it found one.
    pub attached_slot: Option<String>,
}

/// A task as an agent's checkpoint has it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSnapshot {
    /// What it holds. An agent need not know how that is reserved: if it is as much as is recorded, the record counts.
    pub resources: ResourceBag,
    /// Its newest state.
    pub update: StatusUpdate,
}

/// A task's state, as its agent tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusUpdate {
    /// The task.
    pub task: TaskId,
    /// Name of its framework.
    pub framework: String,
    /// The state.
    pub state: TaskState,
    /// Why.
    pub reason: Option<Reason>,
    /// Why, for a person.
    pub message: String,
    /// Must be acknowledged if there is one: sixteen bytes.
    pub uuid: Option<Vec<u8>>,
    /// When the state was entered, by the agent's clock.
    pub at: crate::ids::Time,
    /// Exit code.
    pub exit_code: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<i32>,
    /// Sandbox, as a path for `/files`.
    pub sandbox: String,
}

/// How a write ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It is durable.
    Done,
    /// The object is gone.
    Gone,
    /// The object changed meanwhile in a way that matters (another leader wrote it, or it is another object now). The
    /// newest version follows as an event of its own before this outcome.
    Conflict,
    /// The API server will not have it, whatever is tried; the text says why.
    Refused(String),
}
