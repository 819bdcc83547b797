//! What happens to an agent.

use crate::failure::LaunchFailure;
use crate::message::{FromMaster, LaunchTimes, VolumeId};
use crate::task::Process;
use std::time::Duration;

/// Time and randomness of one event.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Microseconds since 1970: for what people read and what outlives the process.
    pub wall_micros: i64,
    /// Monotonic time since some fixed moment: for time-outs.
    pub monotonic: Duration,
    /// A fresh random number: the updates made by this event take their UUIDs from it.
    pub random: u128,
}

/// What happens to an agent.
#[derive(Clone, Debug)]
pub enum Event {
    /// A stream to a controller is open.
    Connected,
    /// It is closed.
    Disconnected,
    /// The leader says something.
    FromMaster(FromMaster),
    /// The slot was found and prepared.
    SlotAttached {
        /// The slot's pod.
        pod_uid: String,
        /// Its address.
        pod_ip: String,
    },
    /// The slot was not found, or is gone.
    SlotDetached {
        /// The slot's pod.
        pod_uid: String,
        /// Why.
        message: String,
    },
    /// A task's command runs.
    Spawned {
        /// UID of the task.
        uid: String,
        /// Its init.
        process: Process,
        /// How long it took.
        times: LaunchTimes,
    },
    /// A task's command could not be started; nothing of it is left.
    SpawnFailed {
        /// UID of the task.
        uid: String,
        /// Why.
        failure: LaunchFailure,
    },
    /// A task's init has ended.
    Exited {
        /// UID of the task.
        uid: String,
        /// What is known about how the command ended.
        exit: Exit,
    },
    /// After a restart: what became of a task ([`crate::Agent::unresolved`]).
    Found {
        /// UID of the task.
        uid: String,
        /// What became of it.
        found: Found,
    },
    /// A sandbox that was due is removed.
    SandboxRemoved {
        /// UID of the task.
        uid: String,
    },
    /// The removal of a volume has ended.
    VolumeRemoved {
        /// The volume.
        volume: VolumeId,
        /// Why it is still there; `None` if it is gone.
        problem: Option<String>,
    },
    /// Time has passed ([`crate::Agent::next_wakeup`]).
    Tick,
}

/// How a task ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exit {
    /// What its init recorded.
    pub outcome: Outcome,
    /// Set if the kernel ended something in the task for want of memory.
    pub out_of_memory: Option<OutOfMemory>,
    /// When, in microseconds since 1970, if that is known.
    pub at_micros: Option<i64>,
}

/// What an init recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The command exited with this code.
    Exited(i32),
    /// This signal ended the command.
    Signaled(i32),
    /// The command never ran.
    Failed(LaunchFailure),
    /// Nothing: the init itself was ended from outside.
    Unknown {
        /// What is known about the circumstances, as a clause for people.
        hint: String,
    },
}

/// A memory limit that was hit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory {
    /// The limit, in bytes; 0 if it was the slot's or the node's.
    pub limit_bytes: u64,
}

/// What a restarted agent finds of a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// Its init runs.
    Running {
        /// The init.
        process: Process,
    },
    /// It has ended.
    Ended(Exit),
    /// No init ever started it: it can still be spawned.
    NeverStarted,
    /// The node has rebooted since.
    Rebooted,
}
