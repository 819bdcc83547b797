//! What an agent has its shell do.

use crate::message::{FileRequest, Order, ToMaster, VolumeId};
use crate::record::Record;
use crate::task::Process;

/// Number of a journal write. What is written later has a higher one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct WriteId(pub u64);

/// One thing to do. Effects are carried out in order, but for those that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The write that must be durable before: this one and all earlier ones.
    pub after: Option<WriteId>,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Append to the journal.
    Checkpoint {
        /// Its number.
        write: WriteId,
        /// What to append.
        record: Box<Record>,
        /// Whether it must reach the disk soon. Otherwise it is enough that it survives this process: it tells only of
        /// what a power cut ends as well, or what is found out again.
        durable: bool,
    },
    /// Tell the master, if the stream on which the agent is registered is still open.
    Send(ToMaster),
    /// Find the slot, and tell [`crate::Event::SlotAttached`] or [`crate::Event::SlotDetached`]; keep watching it.
    AttachSlot {
        /// The pod to find.
        pod_uid: String,
        /// Its address, for the report.
        pod_ip: String,
    },
    /// There is no slot any more.
    LeaveSlot,
    /// Make everything ready to start a task, but do not start it: it may never come to that. Nothing is told of it, and
    /// it is taken back if no [`Action::Spawn`] follows soon.
    Prepare {
        /// What.
        order: Box<Order>,
        /// Its sandbox: made if it is not there.
        sandbox: String,
    },
    /// Start a task in the slot.
    Spawn {
        /// What.
        order: Box<Order>,
        /// Its sandbox: made if it is not there.
        sandbox: String,
    },
    /// Watch a task's init that an earlier agent process started, and tell [`crate::Event::Exited`].
    Adopt {
        /// UID of the task.
        uid: String,
        /// Its init.
        process: Process,
    },
    /// Signal a task.
    Signal {
        /// UID of the task.
        uid: String,
        /// What to send.
        signal: TaskSignal,
    },
    /// Remove what is left of a task outside its sandbox: cgroups, checkpoint directory.
    CleanUp {
        /// UID of the task.
        uid: String,
    },
    /// Remove a sandbox, and tell [`crate::Event::SandboxRemoved`].
    RemoveSandbox {
        /// UID of the task.
        uid: String,
        /// The sandbox.
        sandbox: String,
    },
    /// Remove a volume, if it is there, and tell [`crate::Event::VolumeRemoved`].
    RemoveVolume {
        /// The volume.
        volume: VolumeId,
    },
    /// Look into a sandbox and reply.
    ServeFile {
        /// What is asked for; the path is in a sandbox of this agent.
        request: FileRequest,
        /// The sandbox that the path is in.
        sandbox: String,
    },
    /// Close the stream and connect again.
    Reconnect {
        /// Why.
        message: String,
    },
}

/// How a task is told to end, from gentle to certain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TaskSignal {
    /// SIGTERM to the command's process group.
    Terminate,
    /// SIGKILL to everything in the task, by its init, which then records how the command ended.
    KillAll,
    /// SIGKILL to the init: the kernel ends the rest.
    KillInit,
}
