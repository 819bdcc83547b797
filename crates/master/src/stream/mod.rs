//! Frameworks whose schedulers speak Mesos' v1 scheduler API, over a stream of their own.
//!
//! ```text
//! Subscribe ──▶ subscribe.rs ──▶ the object is written ──▶ Subscribed, SUBSCRIBED, OFFERS
//! Call ───────▶ calls.rs ─┬─▶ accept.rs ──▶ launch.rs   one write, then the launch
//!                         │        └────▶ group.rs       tasks that are launched all or not at all
//!                         ├─▶ updates.rs                 ACKNOWLEDGE; UPDATE the other way
//!                         └─▶ reconcile.rs
//! Unsubscribed ▶ failover.rs ──▶ the timeout ──▶ completed
//! ```
//!
//! The shell has checked before whose call it is: a call comes with the stream that its framework is subscribed by.

mod accept;
mod calls;
mod describe;
mod failover;
mod group;
mod history;
mod inverse;
mod launch;
mod names;
mod offers;
mod operations;
mod reconcile;
mod request;
pub mod resources;
mod subscribe;
mod updates;

pub use describe::framework_object;
pub(crate) use group::shares_cgroups;
pub use request::task_request;

use crate::ids::{Connection, ObjectKey, Time};
use proffer_mesos_api::v1;
use std::collections::{BTreeMap, BTreeSet};
use subscribe::Waiting;

/// What is known of the scheduler API as a whole.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// Frameworks by their ID in the Mesos API.
    pub(crate) frameworks: BTreeMap<String, ObjectKey>,
    /// The framework that is subscribed by a stream.
    pub(crate) connections: BTreeMap<Connection, ObjectKey>,
    /// Schedulers that wait until the object of their framework is written.
    pub(crate) waiting: BTreeMap<ObjectKey, Waiting>,
    /// Offers that were made during this event, by framework.
    pub(crate) offers: BTreeMap<ObjectKey, Vec<v1::Offer>>,
    /// Frameworks that are over and whose objects were made here, the one first that has been for longest.
    pub(crate) completed: BTreeSet<(Time, ObjectKey)>,
    /// Containers that were named.
    pub(crate) last_container: u64,
}
