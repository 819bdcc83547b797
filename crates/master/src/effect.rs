//! What the master wants done.

use crate::event::Command;
use crate::ids::{AgentName, Connection, Epoch, ObjectKey, OfferId, Session, TaskId, WriteId};
use crate::operator_objects::{MaintenanceRecord, RoleRecord};
use crate::record::{
    AgentRecord, FrameworkRecord, FrameworkSpecRecord, NewReservation, NewTask, Notice, OfferEnd, OfferRecord,
    ReservationRecord, TaskRecord,
};
use proffer_mesos_api::v1::scheduler;
use proffer_resources::{Amount, ResourceBag, Role};
use std::time::Duration;

/// Something for the shell to do. Effects of one event are independent of each other but for `after`.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Write a Task's status. The answer is [`crate::Event::Written`]. A later write of the same task may replace one
    /// that has not begun, unless that one is `awaited`.
    WriteTask {
        /// Names this write.
        write: WriteId,
        /// The task; a task of another UID is not written.
        task: TaskId,
        /// The whole new status.
        record: Box<TaskRecord>,
        /// Whether something waits for it. Such a write goes first.
        awaited: bool,
    },
    /// Create the Task object of a task that was launched over a stream, with its place in it. The answer is
    /// [`crate::Event::Written`].
    CreateTask {
        /// Names this write.
        write: WriteId,
        /// The task.
        task: Box<NewTask>,
    },
    /// Create the Framework object of a framework that subscribes, or write into its spec what it says of itself now. The
    /// answer is [`crate::Event::Written`], after the object as it is then.
    WriteFrameworkSpec {
        /// Names this write.
        write: WriteId,
        /// The spec.
        spec: Box<FrameworkSpecRecord>,
    },
    /// Delete the object of a framework that is over, and that was made here: more are than are remembered.
    DeleteFramework {
        /// Its key.
        key: ObjectKey,
        /// Its UID; one of another UID is not deleted.
        uid: String,
    },
    /// A framework may call from now on; while it is not subscribed, its calls are refused as such.
    KnowFramework {
        /// Its ID in the Mesos API.
        framework_id: String,
        /// Who may call for it; `None` for a framework without a principal.
        principal: Option<String>,
    },
    /// A framework may call no more: nobody knows it.
    ForgetFramework {
        /// Its ID in the Mesos API.
        framework_id: String,
    },
    /// A framework is subscribed by this stream from now on, and calls on it.
    Subscribed {
        /// The stream.
        connection: Connection,
        /// The framework's ID in the Mesos API.
        framework_id: String,
    },
    /// Send an event over a stream; dropped if that has ended.
    Notify {
        /// The stream.
        connection: Connection,
        /// The event.
        event: Box<scheduler::Event>,
    },
    /// End a stream, with an `ERROR` event before if there is something to say. A framework that is subscribed by it is not
    /// any more.
    CloseStream {
        /// The stream.
        connection: Connection,
        /// What its scheduler is told.
        error: Option<String>,
    },
    /// Answer an `UPDATE_FRAMEWORK`.
    AnswerUpdate {
        /// The question.
        asked: u64,
        /// Why not, if not.
        answer: Result<(), String>,
    },
    /// Put the owner reference on a Task, and the finalizer if something of it may still run. Needs no answer; done
    /// after what is awaited.
    AdoptTask {
        /// The task.
        task: TaskId,
        /// Name and UID of the framework that owns it.
        framework: (String, String),
        /// Whether to put the finalizer on too.
        finalizer: bool,
    },
    /// Take the finalizer off a Task: nothing of it runs any more.
    ReleaseTask(TaskId),
    /// Delete a completed Task's object: there are more than its framework keeps.
    DeleteTask(TaskId),
    /// Create an Offer object. The answer is [`crate::Event::Written`].
    CreateOffer {
        /// Names this write.
        write: WriteId,
        /// The offer.
        offer: Box<OfferRecord>,
    },
    /// Write how an offer ended, into its object.
    CloseOffer {
        /// The offer.
        offer: OfferId,
        /// How.
        end: OfferEnd,
        /// Why, for a person.
        message: String,
    },
    /// Delete an Offer object that ended long enough ago.
    DeleteOffer(OfferId),
    /// Create a Reservation object. The answer is [`crate::Event::Written`], after the object as it is then.
    CreateReservation {
        /// Names this write.
        write: WriteId,
        /// The reservation.
        reservation: Box<NewReservation>,
    },
    /// Make a Reservation object ask for something else. The answer is [`crate::Event::Written`], after the object as it is
    /// then.
    ChangeReservation {
        /// Names this write.
        write: WriteId,
        /// Its name.
        name: String,
        /// Its UID; one of another UID is not written.
        uid: String,
        /// All that it asks for.
        resources: ResourceBag,
    },
    /// Delete a Reservation object. The answer is [`crate::Event::Written`].
    DeleteReservation {
        /// Names this write.
        write: WriteId,
        /// Its name.
        name: String,
        /// Its UID; one of another UID is not deleted.
        uid: String,
    },
    /// Write a Reservation's status, and put the finalizer on it first. Coalesced: the newest wins.
    WriteReservation(Box<ReservationRecord>),
    /// Take the finalizer off a Reservation: nothing is reserved by it any more.
    ReleaseReservation {
        /// Its name.
        name: String,
    },
    /// Answer an operator.
    Answer {
        /// The question.
        id: u64,
        /// Why not, if not.
        result: Result<(), OperatorProblem>,
    },
    /// Write a Framework's status. Coalesced: the newest wins.
    WriteFramework(Box<FrameworkRecord>),
    /// Write an Agent's status, and make the object first if there is none. Coalesced: the newest wins.
    WriteAgent(Box<AgentRecord>),
    /// Write an `AllocationRole`'s status. Coalesced: the newest wins.
    WriteRole(Box<RoleRecord>),
    /// Write a Maintenance's status. Coalesced: the newest wins.
    WriteMaintenance(Box<MaintenanceRecord>),
    /// Write into an Agent's spec that it is gone: it was drained for that. It counts once the changed object is told.
    MarkAgentGone(AgentName),
    /// Send a message to an agent.
    Send {
        /// The agent.
        agent: AgentName,
        /// The connection; if it has ended, the message is dropped.
        session: Session,
        /// The message.
        message: ToAgent,
        /// Only once this write is durable; dropped if it fails.
        after: Option<WriteId>,
    },
    /// An agent has obeyed the leader of a later epoch. Either that one leads, which only the Lease can tell, or the count
    /// was lost with the Lease and has to go on above this.
    Outrun {
        /// The agent.
        agent: AgentName,
        /// The epoch it obeys.
        epoch: Epoch,
    },
    /// End a connection.
    Disconnect {
        /// The agent.
        agent: AgentName,
        /// The connection.
        session: Session,
        /// Why, for the log of both sides.
        why: String,
    },
    /// Tell a person.
    Tell(Notice),
}

/// A message to an agent. Each carries the leader's epoch.
#[derive(Clone, Debug, PartialEq)]
pub enum ToAgent {
    /// The registration is accepted.
    Registered {
        /// The agent's ID, from now on for ever.
        agent_id: String,
        /// This leader's epoch.
        epoch: Epoch,
    },
    /// Where to run tasks.
    Slot {
        /// This leader's epoch.
        epoch: Epoch,
        /// The slot, if there is one that runs.
        slot: Option<crate::event::Slot>,
    },
    /// A launch is likely to come as soon as its record is durable: make ready what can be taken back.
    Prepare(Box<Launch>),
    /// Run a task.
    Launch(Box<Launch>),
    /// Run the tasks of a group: all of them or none.
    LaunchGroup {
        /// This leader's epoch.
        epoch: Epoch,
        /// The group.
        id: String,
        /// Its tasks.
        launches: Vec<Launch>,
    },
    /// End a task.
    Kill {
        /// This leader's epoch.
        epoch: Epoch,
        /// The task.
        task: TaskId,
        /// Name of its framework.
        framework: String,
        /// Overrides the grace that the launch had.
        grace: Option<Duration>,
    },
    /// A status is durable here; the agent may forget it.
    Acknowledge {
        /// This leader's epoch.
        epoch: Epoch,
        /// The task.
        task: TaskId,
        /// Name of its framework.
        framework: String,
        /// The update's UUID.
        uuid: Vec<u8>,
    },
    /// Remove a persistent volume and all that is in it. The answer is [`crate::Event::VolumeDestroyed`].
    DestroyVolume {
        /// This leader's epoch.
        epoch: Epoch,
        /// The role that it is reserved for.
        role: Role,
        /// Its persistence ID.
        id: String,
    },
    /// Are you there?
    Ping {
        /// This leader's epoch.
        epoch: Epoch,
        /// Counts up.
        sequence: u64,
    },
}

/// A persistent volume as a task sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeMount {
    /// The role that it is reserved for.
    pub role: Role,
    /// Its persistence ID, unique for its role on its agent.
    pub id: String,
    /// Where the task finds it.
    pub container_path: String,
    /// Whether the task may not write to it.
    pub read_only: bool,
}

/// Why an operator's operation is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorProblem {
    /// It makes no sense (HTTP: 400).
    Invalid(String),
    /// It cannot be done now (HTTP: 409).
    Conflict(String),
}

/// What an agent needs to run a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// This leader's epoch.
    pub epoch: Epoch,
    /// The task.
    pub task: TaskId,
    /// Name of its framework.
    pub framework: String,
    /// What it is given, ports included.
    pub resources: ResourceBag,
    /// Upper bound of cores, where it differs.
    pub cpu_limit: Option<Amount>,
    /// Upper bound of memory in MiB, where it differs.
    pub mem_limit: Option<Amount>,
    /// Persistent volumes that it uses.
    pub volumes: Vec<VolumeMount>,
    /// What to run.
    pub command: Command,
    /// Between SIGTERM and SIGKILL.
    pub kill_grace: Duration,
}
