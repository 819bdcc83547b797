//! What the API server has, in memory: the newest known version of every object, kept by watches.
//!
//! ```text
//!  watches ──┐                       ┌── events ──▶ runner (only while this process leads)
//!  lists ────┼──▶ shelves, one a kind┤
//!  own writes┘    (newest wins)      └── look-ups ─▶ writer, slots, http
//! ```
//!
//! Every replica keeps its shelves warm. When it wins, [`Registry::attach`] tells everything that is there and, from that
//! moment, every change, without a gap in between.

mod agent;
mod follow;
mod framework;
mod guard;
mod kinds;
mod maintenance;
mod offer;
mod reservation;
mod role;
mod shelf;
mod task;
mod watch;

pub use follow::{Everything, Followed, Turned};
pub use guard::{Guarded, Malformed};
pub use kinds::Kind;
pub(crate) use role::read_quota;
pub use shelf::{Change, Entry, Relist, Shelf};
pub use watch::{FreshListError, Watches, fresh_list};

use k8s_openapi::api::core::v1::{Node, Pod};
use proffer_crds::{Agent, AllocationRole, Framework, Maintenance, Offer, Reservation, Task};
use proffer_master::{Epoch, Event, NoticeAbout, ObjectKey, OfferId, TaskId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc};

/// What the registry tells the leader's runner.
#[derive(Clone, Debug)]
pub enum Heard {
    /// Something for the master.
    Event(Event),
    /// A Task for the master, and the version that it is of.
    Task(Event, Arc<Entry<Task>>),
    /// An Offer object of an earlier leader: void, to be deleted.
    VoidOffer(OfferId),
    /// An object that does not have its kind's form. Others are served on; a person is to be told.
    Malformed {
        /// The object.
        about: NoticeAbout,
        /// What is wrong with it.
        problem: String,
    },
}

/// The newest known version of every object.
#[derive(Debug, Default)]
pub struct Registry {
    inner: Mutex<Shelves>,
    /// Something changed that slots depend on.
    slots_changed: Notify,
}

/// One shelf a kind, and what is derived from them.
#[derive(Debug, Default)]
pub struct Shelves {
    pub(super) frameworks: Shelf<Framework>,
    pub(super) tasks: Shelf<Task>,
    pub(super) offers: Shelf<Offer>,
    pub(super) agents: Shelf<Agent>,
    pub(super) reservations: Shelf<Reservation>,
    pub(super) roles: Shelf<AllocationRole>,
    pub(super) maintenance: Shelf<Maintenance>,
    pub(super) nodes: Shelf<Node>,
    pub(super) pods: Shelf<Pod>,
    /// The version of each task whose status this process wrote last.
    own: HashMap<ObjectKey, Arc<Entry<Task>>>,
    /// Sandboxes of tasks, by their path.
    pub(super) sandboxes: HashMap<String, ObjectKey>,
    /// The highest epoch in any object ever seen.
    highest_epoch: u64,
    /// Where the leader's runner listens.
    leader: Option<Sink>,
    /// Where somebody looks on.
    onlooker: Option<mpsc::Sender<Followed>>,
}

/// Where the leader's runner listens, and the epoch in which it leads.
#[derive(Clone, Debug)]
struct Sink {
    epoch: Epoch,
    heard: mpsc::UnboundedSender<Heard>,
}

impl Registry {
    /// A registry that knows nothing yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Takes in a version of an object and tells the runner if it is news.
    pub fn observe<K: Kind>(&self, entry: Entry<K>) {
        let mut shelves = self.lock();
        let changes = put(&mut shelves, entry);
        self.tell(&shelves, &changes);
    }

    /// Takes in the answer to a write that the runner asked for itself: nothing in it is news.
    pub fn absorb<K: Kind>(&self, entry: Entry<K>) {
        put(&mut self.lock(), entry);
    }

    /// Takes in the answer to the write of a task's status.
    pub fn absorb_task(&self, entry: Entry<Task>) {
        let mut shelves = self.lock();
        for change in put(&mut shelves, entry) {
            if let Change::Applied(entry) = change {
                shelves.own.insert(shelf::object_key(&entry), entry);
            }
        }
    }

    /// The version of a task that this process wrote the status of last.
    #[must_use]
    pub fn own_task(&self, key: &ObjectKey) -> Option<Arc<Entry<Task>>> {
        self.lock().own.get(key).cloned()
    }

    /// Takes in that an object was deleted; `last` is its last version.
    pub fn delete<K: Kind>(&self, last: &Entry<K>) {
        let mut shelves = self.lock();
        let changes = K::shelf_mut(&mut shelves).delete(last);
        index(&mut shelves, None, &changes);
        self.tell(&shelves, &changes);
    }

    /// A list of all objects of a kind begins.
    #[must_use]
    pub fn begin_relist<K: Kind>(&self) -> Relist {
        K::shelf(&self.lock()).begin_relist()
    }

    /// A list of all objects of a kind is complete. Returns the keys for which only a look at the object itself helps.
    #[must_use]
    pub fn finish_relist<K: Kind>(&self, relist: Relist) -> Vec<ObjectKey> {
        let mut shelves = self.lock();
        let (changes, doubtful) = K::shelf_mut(&mut shelves).finish_relist(relist);
        index(&mut shelves, None, &changes);
        self.tell(&shelves, &changes);
        doubtful
    }

    /// The newest known version of an object.
    #[must_use]
    pub fn get<K: Kind>(&self, key: &ObjectKey) -> Option<Arc<Entry<K>>> {
        K::shelf(&self.lock()).get(key).cloned()
    }

    /// The newest known version of every object of a kind.
    #[must_use]
    pub fn all<K: Kind>(&self) -> Vec<Arc<Entry<K>>> {
        K::shelf(&self.lock()).iter().cloned().collect()
    }

    /// How many objects of a kind there are.
    #[must_use]
    pub fn count<K: Kind>(&self) -> usize {
        K::shelf(&self.lock()).len()
    }

    /// The highest epoch that any object ever showed.
    #[must_use]
    pub fn highest_epoch(&self) -> Epoch {
        Epoch(self.lock().highest_epoch)
    }

    /// The task whose sandbox has this path or one above it.
    #[must_use]
    pub fn task_of_sandbox(&self, path: &str) -> Option<Arc<Entry<Task>>> {
        let shelves = self.lock();
        let mut path = path.trim_end_matches('/');
        loop {
            if let Some(key) = shelves.sandboxes.get(path) {
                return shelves.tasks.get(key).cloned();
            }
            path = path.rsplit_once('/')?.0;
        }
    }

    /// Waits until something changed that slots depend on.
    pub async fn slots_changed(&self) {
        self.slots_changed.notified().await;
    }

    /// Tells `heard` everything that is there and, from then on, every change.
    pub fn attach(&self, epoch: Epoch, heard: mpsc::UnboundedSender<Heard>) {
        let mut shelves = self.lock();
        let sink = Sink { epoch, heard };
        // Frameworks before their tasks, agents before what runs on them.
        tell_all::<Framework>(&shelves, &sink);
        tell_all::<AllocationRole>(&shelves, &sink);
        tell_all::<Agent>(&shelves, &sink);
        tell_all::<Reservation>(&shelves, &sink);
        tell_all::<Maintenance>(&shelves, &sink);
        tell_all::<Pod>(&shelves, &sink);
        tell_all::<Task>(&shelves, &sink);
        tell_all::<Offer>(&shelves, &sink);
        shelves.leader = Some(sink);
    }

    fn tell<K: Kind>(&self, shelves: &Shelves, changes: &[Change<K>]) {
        if K::CONCERNS_SLOTS && !changes.is_empty() {
            self.slots_changed.notify_one();
        }
        if let Some(sink) = &shelves.leader {
            for change in changes {
                sink.send(change);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        // A panic elsewhere aborts the process; what is in the shelves is whole either way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The identity by which the master and agents know a Task.
#[must_use]
pub fn task_id(entry: &Entry<Task>) -> TaskId {
    task::id(entry)
}

impl Sink {
    fn send<K: Kind>(&self, change: &Change<K>) {
        for heard in K::heard(change, self.epoch) {
            // The runner is gone only when the process is about to end.
            let _ = self.heard.send(heard);
        }
    }
}

fn tell_all<K: Kind>(shelves: &Shelves, sink: &Sink) {
    for entry in K::shelf(shelves).iter() {
        sink.send(&Change::Applied(Arc::clone(entry)));
    }
}

fn put<K: Kind>(shelves: &mut Shelves, entry: Entry<K>) -> Vec<Change<K>> {
    // A number that no Lease can count to was not written by a leader.
    if let Some(epoch) = entry.value().ok().and_then(K::epoch).and_then(|epoch| i32::try_from(epoch).ok()) {
        shelves.highest_epoch = shelves.highest_epoch.max(epoch.unsigned_abs().into());
    }
    let before = follow::before(shelves, &shelf::object_key(&entry));
    let changes = K::shelf_mut(shelves).put(entry);
    index(shelves, before.as_ref(), &changes);
    changes
}

/// Takes changes into what is derived from the shelves, and tells who looks on.
fn index<K: Kind>(shelves: &mut Shelves, before: Option<&Arc<Entry<K>>>, changes: &[Change<K>]) {
    for change in changes {
        K::index(shelves, change);
    }
    follow::tell(shelves, before, changes);
}

#[cfg(test)]
mod tests;
