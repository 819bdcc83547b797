//! A model of the API server: objects with revisions, preconditions, finalizers, owners and epoch rules; the Lease; and
//! the history that watches are told.

use proffer_master::{
    AgentName, AgentRecord, Epoch, FrameworkObject, ObjectKey, OfferEnd, OfferRecord, OfferReply, Slot, TaskId,
    TaskObject, TaskRecord, Time, WriteId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Names an object. In the order in which a new leader is told them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Framework(ObjectKey),
    Agent(AgentName),
    Slot(AgentName),
    Task(ObjectKey),
    Offer(ObjectKey),
}

/// A watch. Between different ones there is no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Tasks = 0,
    Offers = 1,
    Others = 2,
}

impl Stream {
    pub(crate) const ALL: [Self; 3] = [Self::Tasks, Self::Offers, Self::Others];
}

impl Subject {
    pub(crate) fn stream(&self) -> Stream {
        match self {
            Self::Task(_) => Stream::Tasks,
            Self::Offer(_) => Stream::Offers,
            Self::Framework(_) | Self::Agent(_) | Self::Slot(_) => Stream::Others,
        }
    }
}

/// A Task object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredTask {
    pub(crate) object: TaskObject,
    /// Grows with every change of its status.
    pub(crate) version: u64,
    /// Whether it holds somebody else's finalizer.
    pub(crate) foreign_finalizer: bool,
}

/// An Offer object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredOffer {
    pub(crate) terms: OfferRecord,
    /// What the framework replied; set once.
    pub(crate) reply: Option<OfferReply>,
    /// How it ended.
    pub(crate) end: Option<OfferEnd>,
}

/// An Agent object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredAgent {
    pub(crate) record: AgentRecord,
    /// What an operator wants.
    pub(crate) deactivated: bool,
}

/// An object.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "it is shared, hardly ever moved")]
pub(crate) enum Object {
    Framework(FrameworkObject),
    Agent(StoredAgent),
    Slot(AgentName, Slot),
    Task(StoredTask),
    Offer(StoredOffer),
}

impl Object {
    pub(crate) fn subject(&self) -> Subject {
        match self {
            Self::Framework(object) => Subject::Framework(object.key.clone()),
            Self::Agent(stored) => Subject::Agent(stored.record.agent.clone()),
            Self::Slot(agent, _) => Subject::Slot(agent.clone()),
            Self::Task(stored) => Subject::Task(stored.object.id.key.clone()),
            Self::Offer(stored) => Subject::Offer(stored.terms.id.0.clone()),
        }
    }

    /// Its UID; of kinds that have none here, what tells one from its successor.
    pub(crate) fn uid(&self) -> &str {
        match self {
            Self::Framework(object) => &object.uid,
            Self::Agent(_) => "",
            Self::Slot(_, slot) => &slot.uid,
            Self::Task(stored) => &stored.object.id.uid,
            Self::Offer(stored) => &stored.terms.id.0.name,
        }
    }

    /// The epoch that its status shows.
    pub(crate) fn epoch(&self) -> Epoch {
        match self {
            Self::Agent(stored) => stored.record.epoch,
            Self::Task(stored) => stored.object.record.as_ref().map_or(Epoch(0), |record| record.epoch),
            Self::Offer(stored) => stored.terms.epoch,
            Self::Framework(_) | Self::Slot(..) => Epoch(0),
        }
    }
}

/// An object as it was at a revision.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Version {
    pub(crate) revision: u64,
    pub(crate) object: Object,
}

impl Version {
    pub(crate) fn task(&self) -> Option<&StoredTask> {
        match &self.object {
            Object::Task(stored) => Some(stored),
            _ => None,
        }
    }
}

/// What a watch tells.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The new version, or the last one.
    pub(crate) version: Rc<Version>,
    pub(crate) deleted: bool,
}

/// The Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// The process that holds it: a replica, and which of its processes. One that is started again is another.
    pub(crate) holder: Option<(usize, u64)>,
    /// The epoch (`leaseTransitions`).
    pub(crate) transitions: Epoch,
    /// Grows with every renewal (`renewTime`).
    pub(crate) renewed: Time,
}

/// A write that a leader asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Op {
    Status {
        writes: Vec<WriteId>,
        task: TaskId,
        record: Box<TaskRecord>,
        /// The version of the status that the master had been told when it decided.
        basis: Option<u64>,
        awaited: bool,
    },
    Adopt {
        task: TaskId,
        owner: String,
        finalizer: bool,
    },
    Release(TaskId),
    DeleteTask(TaskId),
    CreateOffer(WriteId, Box<OfferRecord>),
    CloseOffer(ObjectKey, OfferEnd),
    DeleteOffer(ObjectKey),
    Agent(Box<AgentRecord>),
}

/// What the API server says to a write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// Done; the object as it is then, if it is still there.
    Done(Option<Rc<Version>>),
    /// It changed meanwhile, or it exists already.
    Conflict,
    NotFound,
    /// A rule forbids it: the epoch would go down.
    Refused,
    /// Nothing was heard: it may be done or not.
    Lost,
}

/// The API server.
#[derive(Debug, Default)]
pub(crate) struct ApiServer {
    objects: BTreeMap<Subject, Rc<Version>>,
    /// Everything that ever changed, by watch.
    history: [Vec<Change>; 3],
    revision: u64,
    pub(crate) lease: Option<Lease>,
    /// Grows with every change of the Lease.
    pub(crate) lease_revision: u64,
    /// How often a Task object changed.
    pub(crate) task_changes: u64,
    /// UIDs of tasks that were deleted before our finalizer was on them.
    unheld: BTreeSet<String>,
}

impl ApiServer {
    pub(crate) fn get(&self, subject: &Subject) -> Option<&Rc<Version>> {
        self.objects.get(subject)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Rc<Version>> {
        self.objects.values()
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = &StoredTask> {
        let first = Subject::Task(ObjectKey::new("", ""));
        let last = Subject::Offer(ObjectKey::new("", ""));
        self.objects.range(first..last).filter_map(|(_, version)| version.task())
    }

    pub(crate) fn offers(&self) -> impl Iterator<Item = &StoredOffer> {
        self.objects.range(Subject::Offer(ObjectKey::new("", ""))..).filter_map(|(_, version)| match &version.object {
            Object::Offer(stored) => Some(stored),
            _ => None,
        })
    }

    /// A task, if the object of its name is the one that is meant.
    pub(crate) fn task(&self, id: &TaskId) -> Option<(&StoredTask, u64)> {
        let version = self.get(&Subject::Task(id.key.clone()))?;
        let stored = version.task().filter(|stored| stored.object.id == *id)?;
        Some((stored, version.revision))
    }

    pub(crate) fn history(&self, stream: Stream) -> &[Change] {
        &self.history[stream as usize]
    }

    /// Stores an object, new or changed.
    pub(crate) fn put(&mut self, object: Object) -> Rc<Version> {
        let subject = object.subject();
        self.revision += 1;
        let version = Rc::new(Version { revision: self.revision, object });
        self.task_changes += u64::from(subject.stream() == Stream::Tasks);
        self.history[subject.stream() as usize].push(Change { version: Rc::clone(&version), deleted: false });
        self.objects.insert(subject, Rc::clone(&version));
        version
    }

    /// Removes an object at once.
    pub(crate) fn remove(&mut self, subject: &Subject) {
        let Some(last) = self.objects.remove(subject) else { return };
        self.revision += 1;
        let version = Rc::new(Version { revision: self.revision, object: last.object.clone() });
        self.task_changes += u64::from(subject.stream() == Stream::Tasks);
        self.history[subject.stream() as usize].push(Change { version, deleted: true });
    }

    /// Changes a task, if it is the one that is meant.
    pub(crate) fn change_task(&mut self, id: &TaskId, change: impl FnOnce(&mut StoredTask)) -> Option<Rc<Version>> {
        let (stored, _) = self.task(id)?;
        let mut stored = stored.clone();
        change(&mut stored);
        let over = stored.object.deleting && !stored.object.finalizer && !stored.foreign_finalizer;
        let version = self.put(Object::Task(stored));
        if over {
            self.remove(&version.object.subject());
            return None;
        }
        Some(version)
    }

    /// Deletes a task: at once, or as soon as nobody's finalizer holds it.
    pub(crate) fn delete_task(&mut self, id: &TaskId) {
        if let Some((stored, _)) = self.task(id).filter(|(stored, _)| !stored.object.deleting) {
            if !stored.object.finalizer {
                self.unheld.insert(id.uid.clone());
            }
            self.change_task(id, |stored| stored.object.deleting = true);
        }
    }

    /// Whether a task was deleted before our finalizer was on it.
    pub(crate) fn was_unheld(&self, uid: &str) -> bool {
        self.unheld.contains(uid)
    }

    /// Deletes what belongs to an object that is gone.
    pub(crate) fn collect_garbage(&mut self) {
        let living = |uid: &str| {
            self.all().any(|version| matches!(version.object, Object::Framework(_)) && version.object.uid() == uid)
        };
        let tasks: Vec<TaskId> = self
            .tasks()
            .filter(|stored| stored.object.owner.as_deref().is_some_and(|owner| !living(owner)))
            .map(|stored| stored.object.id.clone())
            .collect();
        let offers: Vec<ObjectKey> = self
            .offers()
            .filter(|stored| !living(&stored.terms.framework_uid))
            .map(|stored| stored.terms.id.0.clone())
            .collect();
        for task in tasks {
            self.delete_task(&task);
        }
        for offer in offers {
            self.remove(&Subject::Offer(offer));
        }
    }

    /// Carries a write out, or says why not. `based_on` is the revision that it replaces, where it matters.
    pub(crate) fn perform(&mut self, op: &Op, based_on: u64) -> Answer {
        match op {
            Op::Status { task, record, .. } => {
                let Some((stored, revision)) = self.task(task) else { return Answer::NotFound };
                if revision != based_on {
                    return Answer::Conflict;
                }
                if stored.object.record.as_ref().is_some_and(|before| before.epoch > record.epoch) {
                    return Answer::Refused;
                }
                Answer::Done(self.change_task(task, |stored| {
                    stored.version += 1;
                    stored.object.record = Some((**record).clone());
                }))
            }
            Op::Adopt { task, owner, finalizer } => self.patch(task, based_on, |stored| {
                stored.object.owner = Some(owner.clone());
                stored.object.finalizer |= finalizer;
            }),
            Op::Release(task) => self.patch(task, based_on, |stored| stored.object.finalizer = false),
            Op::DeleteTask(task) => {
                let known = self.task(task).is_some();
                self.delete_task(task);
                if known { Answer::Done(None) } else { Answer::NotFound }
            }
            Op::CreateOffer(_, terms) => {
                if self.get(&Subject::Offer(terms.id.0.clone())).is_some() {
                    return Answer::Conflict;
                }
                Answer::Done(Some(self.put(Object::Offer(StoredOffer {
                    terms: (**terms).clone(),
                    reply: None,
                    end: None,
                }))))
            }
            Op::CloseOffer(key, end) => {
                let Some(version) = self.get(&Subject::Offer(key.clone())) else { return Answer::NotFound };
                let Object::Offer(stored) = &version.object else { return Answer::NotFound };
                if version.revision != based_on {
                    return Answer::Conflict;
                }
                let stored = StoredOffer { end: Some(*end), ..stored.clone() };
                Answer::Done(Some(self.put(Object::Offer(stored))))
            }
            Op::DeleteOffer(key) => {
                self.remove(&Subject::Offer(key.clone()));
                Answer::Done(None)
            }
            Op::Agent(record) => {
                let before = self.get(&Subject::Agent(record.agent.clone())).map(|version| &version.object);
                let (epoch, deactivated) = match before {
                    Some(Object::Agent(stored)) => (stored.record.epoch, stored.deactivated),
                    _ => (Epoch(0), false),
                };
                if record.epoch < epoch {
                    return Answer::Refused;
                }
                Answer::Done(Some(self.put(Object::Agent(StoredAgent { record: (**record).clone(), deactivated }))))
            }
        }
    }

    fn patch(&mut self, task: &TaskId, based_on: u64, change: impl FnOnce(&mut StoredTask)) -> Answer {
        match self.task(task) {
            None => Answer::NotFound,
            Some((_, revision)) if revision != based_on => Answer::Conflict,
            Some(_) => Answer::Done(self.change_task(task, change)),
        }
    }

    /// Writes the Lease, if it is still as it was at `based_on`.
    pub(crate) fn put_lease(&mut self, lease: Option<Lease>, based_on: u64) -> bool {
        if self.lease_revision != based_on {
            return false;
        }
        self.lease_revision += 1;
        self.lease = lease;
        true
    }
}
