//! A model of the API server: Task objects with versions, uid and epoch checks, finalizers; Framework, Agent and Offer
//! objects. What changes is told to every watch later, in order, as it was then.

use proffer_master::{
    AgentName, AgentRecord, Epoch, Event, FrameworkObject, ObjectKey, OfferId, OfferRecord, TaskId, TaskObject,
    TaskRecord, WriteId,
};
use std::collections::BTreeMap;

/// The version of a task's status, and its object's revision.
pub(crate) type Versions = (u64, u64);

/// A Task object.
#[derive(Clone, Debug)]
pub(crate) struct StoredTask {
    pub(crate) object: TaskObject,
    /// Grows with every write of its status.
    pub(crate) version: u64,
    /// Grows with every change of any object (`metadata.resourceVersion`).
    pub(crate) revision: u64,
}

/// A write of a task's status that a leader asked for.
#[derive(Clone, Debug)]
pub(crate) struct StatusWrite {
    pub(crate) id: WriteId,
    pub(crate) task: TaskId,
    pub(crate) record: TaskRecord,
    /// The version that it replaces; of another, it is a conflict.
    pub(crate) expected: u64,
    pub(crate) awaited: bool,
}

/// What the API server says to a status write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Stored as this version.
    Stored(u64),
    Conflict,
    NotFound,
    /// Nothing was heard: it may be stored or not.
    Lost,
}

/// The API server.
#[derive(Debug, Default)]
pub(crate) struct ApiServer {
    pub(crate) tasks: BTreeMap<TaskId, StoredTask>,
    pub(crate) frameworks: BTreeMap<ObjectKey, FrameworkObject>,
    pub(crate) agents: BTreeMap<AgentName, AgentRecord>,
    /// Offers that wait for a reply.
    pub(crate) offers: BTreeMap<OfferId, OfferRecord>,
    revision: u64,
    /// What the watches have not been told yet, with the versions of a task.
    changes: Vec<(Event, Versions)>,
}

impl ApiServer {
    pub(crate) fn take_changes(&mut self) -> Vec<(Event, Versions)> {
        std::mem::take(&mut self.changes)
    }

    pub(crate) fn create_task(&mut self, object: TaskObject) {
        let id = object.id.clone();
        self.tasks.insert(id.clone(), StoredTask { object, version: 0, revision: 0 });
        self.changed(&id);
    }

    /// `kubectl delete`.
    pub(crate) fn delete_task(&mut self, id: &TaskId) {
        let Some(stored) = self.tasks.get_mut(id) else { return };
        if stored.object.finalizer {
            stored.object.deleting = true;
            self.changed(id);
        } else {
            self.tasks.remove(id);
            self.changes.push((Event::TaskDeleted(id.clone()), (0, 0)));
        }
    }

    /// Takes the finalizer off, which ends an object that is being deleted.
    pub(crate) fn release_task(&mut self, id: &TaskId) {
        let Some(stored) = self.tasks.get_mut(id) else { return };
        stored.object.finalizer = false;
        if stored.object.deleting {
            self.delete_task(id);
        }
    }

    pub(crate) fn adopt_task(&mut self, id: &TaskId, owner: String, finalizer: bool) {
        let Some(stored) = self.tasks.get_mut(id) else { return };
        stored.object.owner = Some(owner);
        stored.object.finalizer |= finalizer && !stored.object.deleting;
        self.changed(id);
    }

    /// Stores a status if nobody else did meanwhile, and never lets the epoch go down. Gives what it replaced.
    pub(crate) fn write_status(&mut self, write: &StatusWrite) -> (Answer, Option<TaskRecord>) {
        let Some(stored) = self.tasks.get_mut(&write.task) else { return (Answer::NotFound, None) };
        let epoch = stored.object.record.as_ref().map_or(Epoch(0), |record| record.epoch);
        if stored.version != write.expected || write.record.epoch < epoch {
            return (Answer::Conflict, None);
        }
        stored.version += 1;
        let before = stored.object.record.replace(write.record.clone());
        let version = stored.version;
        self.changed(&write.task);
        (Answer::Stored(version), before)
    }

    fn changed(&mut self, id: &TaskId) {
        let Some(stored) = self.tasks.get_mut(id) else { return };
        self.revision += 1;
        stored.revision = self.revision;
        let versions = (stored.version, stored.revision);
        self.changes.push((Event::TaskApplied(Box::new(stored.object.clone())), versions));
    }

    pub(crate) fn create_offer(&mut self, offer: OfferRecord) {
        self.offers.insert(offer.id.clone(), offer);
    }

    pub(crate) fn write_agent(&mut self, record: AgentRecord) {
        let stored = self.agents.get(&record.agent).map_or(Epoch(0), |record| record.epoch);
        if record.epoch >= stored {
            self.changes.push((Self::agent_event(&record), (0, 0)));
            self.agents.insert(record.agent.clone(), record);
        }
    }

    /// How a watch tells an Agent object.
    pub(crate) fn agent_event(record: &AgentRecord) -> Event {
        Event::AgentApplied {
            agent: record.agent.clone(),
            attributes: BTreeMap::new(),
            deactivated: false,
            agent_id: Some(record.agent_id.clone()),
            epoch: Some(record.epoch),
        }
    }
}
