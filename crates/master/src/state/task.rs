//! A task that has an object.

use crate::event::{TaskObject, TaskRequest};
use crate::ids::{AgentName, Epoch, ObjectKey, Time, WriteId};
use crate::record::TaskRecord;
use crate::state::{StreamTask, Want};
use proffer_allocator::Demand;
use proffer_mesos_api::TaskState;
use proffer_resources::{Ranges, ResourceBag, ResourceName, Resources, Role};

/// A task that has an object.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and no two exclude each other")]
pub(crate) struct Task {
    /// Generation of its object's spec.
    pub(crate) generation: i64,
    /// Its framework, whether that exists or not.
    pub(crate) framework: ObjectKey,
    /// What it asks for, or what is wrong with it. Once it is over, the command is forgotten.
    pub(crate) request: Result<TaskRequest, String>,
    /// Whether its object is being deleted.
    pub(crate) deleting: bool,
    /// Whether a write found its object gone. The watch may tell older versions of it for a while.
    pub(crate) gone: bool,
    /// Whether its object holds our finalizer.
    pub(crate) finalizer: bool,
    /// UID of the Framework in its object's owner references.
    pub(crate) owner: Option<String>,
    /// When its object was created.
    pub(crate) created: Time,
    /// The newest status, written or about to be.
    pub(crate) record: TaskRecord,
    /// Whether the status has changes that were not handed out to be written.
    pub(crate) unwritten: bool,
    /// The write of a status that nothing waits for, if one is under way.
    pub(crate) note: Option<WriteId>,
    /// The status as another leader wrote it, while none of this leader's was seen.
    pub(crate) foreign: Option<Box<TaskRecord>>,
    /// Whether a leader after this one has written it: it is not ours to write any more.
    pub(crate) superseded: bool,
    /// Whether the API server will not have its status, whatever is tried.
    pub(crate) refused: bool,
    /// Whether owner reference and finalizer were asked for.
    pub(crate) adoption_asked: bool,
    /// Whether its object's deletion was asked for.
    pub(crate) deletion_asked: bool,
    /// What it was last told about its waiting: a class of reasons, and when.
    pub(crate) told: Option<(u8, Time)>,
    /// What is particular to it if it was launched over a stream.
    pub(crate) stream: Option<Box<StreamTask>>,
    /// Where it stands.
    pub(crate) phase: Phase,
}

/// Where a task stands.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// It has no agent. Since when it waits.
    Waiting(Time),
    /// It has an agent and holds resources there.
    Placed(Placed),
    /// It is over.
    Over(Over),
}

/// A task's place.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// Its agent.
    pub(crate) agent: AgentName,
    /// The role for which it holds it.
    pub(crate) role: Role,
    /// What it holds there.
    pub(crate) held: ResourceBag,
    /// Whether its agent has said that it has it.
    pub(crate) confirmed: bool,
    /// The write that its launch waits for, if it is under way.
    pub(crate) launch: Option<WriteId>,
    /// Why it was asked to end, if it was.
    pub(crate) kill: Option<KillCause>,
}

/// Why a task was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KillCause {
    /// Its object is being deleted.
    Deleted,
    /// Its framework is gone.
    FrameworkRemoved,
    /// Its agent is to be empty.
    Draining,
    /// Its scheduler asked for it.
    Scheduler,
    /// Its framework was told that it is lost, and does not know that it may come back.
    ToldLost,
}

/// How a task is over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Over {
    /// The write of its terminal state, while it is under way. `None`: it is durable.
    pub(crate) write: Option<WriteId>,
    /// The agent that waits for the acknowledgement after that write, and of which update.
    pub(crate) acknowledge: Option<(AgentName, Vec<u8>)>,
    /// Whether its agent itself said that it ended, so that nothing can still run.
    pub(crate) reported: bool,
}

impl Task {
    /// A task as its object has it, waiting; where it really stands is for the caller to find out from the record.
    pub(crate) fn new(object: TaskObject, epoch: Epoch, now: Time) -> Self {
        let foreign = object.record.clone().filter(|record| record.epoch != epoch).map(Box::new);
        let record = object.record.unwrap_or_else(|| TaskRecord {
            generation: object.generation,
            state: None,
            reason: None,
            message: String::new(),
            agent: None,
            role: None,
            held: None,
            ports: Ranges::default(),
            exit_code: None,
            signal: None,
            sandbox: None,
            staging_at: None,
            running_at: None,
            completed_at: None,
            epoch,
        });
        Self {
            framework: ObjectKey::new(object.id.key.namespace, object.framework),
            generation: object.generation,
            request: object.request,
            deleting: object.deleting,
            gone: false,
            finalizer: object.finalizer,
            owner: object.owner,
            created: object.created,
            record,
            unwritten: false,
            note: None,
            foreign,
            superseded: false,
            refused: false,
            adoption_asked: false,
            deletion_asked: false,
            told: None,
            stream: object.stream.map(|stream| Box::new(StreamTask::new(*stream))),
            phase: Phase::Waiting(now),
        }
    }

    /// What it asks for, as the allocator counts it. `None` if what it asks for makes no sense.
    pub(crate) fn demand(&self) -> Option<Demand> {
        self.request.as_ref().ok().map(TaskRequest::demand)
    }

    /// The group of waiting tasks that it belongs to. `None` if what it asks for makes no sense.
    pub(crate) fn want(&self) -> Option<Want> {
        let request = self.request.as_ref().ok()?;
        Some(Want { role: request.role.clone(), demand: request.demand() })
    }

    /// Whether its object is to be asked to have the framework of this UID as its owner, and our finalizer if that is wanted.
    pub(crate) fn is_to_be_adopted(&self, framework_uid: &str, finalizer: bool) -> bool {
        let adopted = self.owner.as_deref() == Some(framework_uid) && (self.finalizer || !finalizer);
        !(self.deleting || self.adoption_asked || self.superseded || adopted)
    }

    /// Enters into its record what it is given.
    pub(crate) fn note_held(&mut self, role: &Role, held: &ResourceBag) {
        self.record.ports = held.ranges(&ResourceName::Ports);
        self.record.role = Some(role.clone());
        let asked = self.demand().map(|demand| demand.resources).unwrap_or_default();
        let plain = ResourceBag::from(&Resources { ports: self.record.ports.clone(), ..asked });
        self.record.held = (*held != plain).then(|| held.clone());
    }

    /// Its place, if it has one.
    pub(crate) fn placed(&self) -> Option<&Placed> {
        match &self.phase {
            Phase::Placed(placed) => Some(placed),
            _ => None,
        }
    }

    /// Its place, if it has one.
    pub(crate) fn placed_mut(&mut self) -> Option<&mut Placed> {
        match &mut self.phase {
            Phase::Placed(placed) => Some(placed),
            _ => None,
        }
    }

    /// Whether it waits for an agent.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Waiting(_))
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    /// Whether it is over and its object says so (or never can).
    pub(crate) fn is_durably_over(&self) -> bool {
        matches!(self.phase, Phase::Over(Over { write: None, .. }))
    }

    /// Its state for a person.
    pub(crate) fn state_name(&self) -> &'static str {
        self.record.state.map_or("Pending", TaskState::as_camel)
    }
}
