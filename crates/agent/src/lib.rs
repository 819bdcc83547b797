//! The agent as a state machine: what comes from the master, the disk and the tasks goes in as an [`Event`], what is to
//! be done comes out as [`Effect`]s.
//!
//! ```text
//!   master ──┐                                   ┌─▶ journal (what must survive)
//!   journal ─┼─▶ Event ─▶ Agent::handle ─▶ Effect┼─▶ launcher (spawn, signal, clean up)
//!   tasks ───┘     (now)                         └─▶ master (registration, status updates)
//! ```
//!
//! Nothing here reads a clock, a file, a socket or a random number; they come in with [`Now`]. An effect may name a
//! write ([`Effect::after`]) that must be durable before it is carried out: so a task is spawned only when its launch
//! is on disk, and an update is sent only when it is.
//!
//! What holds, whatever happens (checked by [`Agent::check_invariants`] and by tests that crash at every step):
//! - a task is spawned at most once, over any number of restarts;
//! - the highest epoch that was confirmed is on disk, and nothing of a lower one is obeyed;
//! - every status update keeps its UUID and is sent again until it is acknowledged, those of one task in order, one at
//!   a time; a task is forgotten only when its terminal update is acknowledged;
//! - the tasks of a group are launched all or not at all, and when one of them fails or is killed, the others are killed;
//! - a volume is removed only when the master asks for it and no task uses it.

#![allow(clippy::similar_names, reason = "a task's uid and an update's uuid are the terms of the field")]

mod agent;
mod by_name;
mod effect;
mod event;
mod exit;
mod failure;
mod gc;
mod group;
mod invariants;
mod kill;
mod launch;
mod message;
mod planted;
mod record;
mod recovery;
mod task;
mod updates;
mod validate;
mod volumes;

pub use agent::{Agent, Config};
pub use effect::{Action, Effect, TaskSignal, WriteId};
pub use event::{Event, Exit, Found, Now, OutOfMemory, Outcome};
pub use failure::LaunchFailure;
pub use message::{
    Command, FileOperation, FileRequest, FromMaster, LaunchTimes, MasterCall, Order, SlotReport, Snapshot, Status,
    TaskId, ToMaster, Update, Uuid, VolumeId, VolumeMount,
};
#[cfg(feature = "planted")]
pub use planted::Planted;
pub use record::Record;
pub use task::Process;
pub use updates::{FIRST_RETRY, LONGEST_RETRY};
