//! What an onlooker hears: the objects as they are, then each change to them, without a gap in between.
//!
//! Unlike the leader's runner, an onlooker may be dropped: one that takes changes more slowly than they come finds its
//! channel closed, and looks again.

use super::shelf::{Change, Entry};
use super::{Kind, Registry, Shelves};
use proffer_crds::{Agent, AllocationRole, Framework, Maintenance, Offer, Reservation, Task};
use proffer_master::ObjectKey;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Everything that Mesos' API tells of, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Everything {
    /// Frameworks, by namespace and name, as are all.
    pub frameworks: Vec<Arc<Entry<Framework>>>,
    /// Tasks.
    pub tasks: Vec<Arc<Entry<Task>>>,
    /// Offers.
    pub offers: Vec<Arc<Entry<Offer>>>,
    /// Agents.
    pub agents: Vec<Arc<Entry<Agent>>>,
    /// Weights and quota of roles.
    pub roles: Vec<Arc<Entry<AllocationRole>>>,
    /// What is reserved.
    pub reservations: Vec<Arc<Entry<Reservation>>>,
    /// When which agents will not be there.
    pub maintenance: Vec<Arc<Entry<Maintenance>>>,
}

/// An object that changed.
#[derive(Clone, Debug)]
pub struct Turned<K> {
    /// As it was; nothing if it is new.
    pub before: Option<Arc<Entry<K>>>,
    /// As it is; nothing if it is gone.
    pub now: Option<Arc<Entry<K>>>,
}

/// What an onlooker hears.
#[derive(Clone, Debug)]
pub enum Followed {
    /// A framework changed.
    Framework(Turned<Framework>),
    /// A task changed.
    Task(Turned<Task>),
    /// An agent changed.
    Agent(Turned<Agent>),
    /// Everything as it is at this place among the changes: the answer to [`Registry::follow`] with this number.
    Everything(u64, Box<Everything>),
}

impl Registry {
    /// Everything as it is now.
    #[must_use]
    pub fn everything(&self) -> Everything {
        everything(&self.lock())
    }

    /// Tells `onlooker` everything under this number and, from then on, every change. There is one onlooker; another one
    /// takes its place. One that goes on must not have missed anything since it began. Returns whether that is so and
    /// there was room to tell it.
    pub fn follow(&self, onlooker: &mpsc::Sender<Followed>, number: u64, goes_on: bool) -> bool {
        let mut shelves = self.lock();
        if goes_on && !shelves.onlooker.as_ref().is_some_and(|known| known.same_channel(onlooker)) {
            return false;
        }
        let everything = Box::new(everything(&shelves));
        if onlooker.try_send(Followed::Everything(number, everything)).is_err() {
            return false;
        }
        shelves.onlooker = Some(onlooker.clone());
        true
    }
}

fn everything(shelves: &Shelves) -> Everything {
    Everything {
        frameworks: shelves.frameworks.iter().cloned().collect(),
        tasks: shelves.tasks.iter().cloned().collect(),
        offers: shelves.offers.iter().cloned().collect(),
        agents: shelves.agents.iter().cloned().collect(),
        roles: shelves.roles.iter().cloned().collect(),
        reservations: shelves.reservations.iter().cloned().collect(),
        maintenance: shelves.maintenance.iter().cloned().collect(),
    }
}

/// The version that is about to be replaced, if anybody looks on.
pub(super) fn before<K: Kind>(shelves: &Shelves, key: &ObjectKey) -> Option<Arc<Entry<K>>> {
    shelves.onlooker.as_ref()?;
    K::shelf(shelves).get(key).cloned()
}

/// Tells the onlooker of these changes; `before` is what the applied one replaced.
pub(super) fn tell<K: Kind>(shelves: &mut Shelves, before: Option<&Arc<Entry<K>>>, changes: &[Change<K>]) {
    let Some(onlooker) = &shelves.onlooker else { return };
    let all_told = changes.iter().all(|change| {
        let turned = match change {
            Change::Deleted(entry) => Turned { before: Some(Arc::clone(entry)), now: None },
            Change::Applied(entry) => {
                // Another object of the same name was told as deleted.
                let same = before.filter(|before| before.meta().uid == entry.meta().uid);
                Turned { before: same.cloned(), now: Some(Arc::clone(entry)) }
            }
        };
        K::followed(turned).is_none_or(|followed| onlooker.try_send(followed).is_ok())
    });
    if !all_told {
        shelves.onlooker = None;
    }
}
