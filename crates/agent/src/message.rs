//! What the agent and the master tell each other, free of the wire's form.

use crate::by_name;
use proffer_mesos_api::{Reason, TaskState};
use proffer_resources::{Amount, Resources};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Identity of a status update.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Identity of one task: its object's key and UID, so that a later object of the same name is another task.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TaskId {
    /// Namespace of the framework.
    pub namespace: String,
    /// Name of the framework.
    pub framework: String,
    /// Name of the task.
    pub name: String,
    /// UID of the task's object; also the ID of its container.
    pub uid: String,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} ({})", self.namespace, self.name, self.uid)
    }
}

/// What to run (Mesos: `CommandInfo`).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Command {
    /// With `shell` the text for `/bin/sh -c`; without, the program.
    pub value: String,
    /// Whether a shell reads `value`.
    pub shell: bool,
    /// Without `shell`: the program's arguments, its own name first.
    pub arguments: Vec<String>,
    /// User name or number; empty for the agent's default.
    pub user: String,
    /// Variables that are added to the task's environment.
    pub environment: Vec<(String, String)>,
}

/// A task to launch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Which task.
    pub task: TaskId,
    /// What it holds.
    #[serde(with = "by_name::resources")]
    pub resources: Resources,
    /// Most cores it may use, if there is a limit.
    #[serde(with = "by_name::amount")]
    pub cpu_limit: Option<Amount>,
    /// Most memory it may use in MiB, if that differs from `resources.mem`.
    #[serde(with = "by_name::amount")]
    pub mem_limit: Option<Amount>,
    /// What to run.
    pub command: Command,
    /// Grace between SIGTERM and SIGKILL, in milliseconds.
    pub kill_grace_millis: u64,
    /// Persistent volumes that it uses. A journal of a version without them has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeMount>,
    /// The group that it is one of: when one of it fails or is killed, so are the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// Identity of a persistent volume on its agent (Mesos: the persistence ID is unique for a role).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct VolumeId {
    /// The role that it is reserved for.
    pub role: String,
    /// Its ID in that role.
    pub id: String,
}

/// A persistent volume as a task sees it. The first launch that uses it makes it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VolumeMount {
    /// The role that it is reserved for.
    pub role: String,
    /// Its ID in that role.
    pub id: String,
    /// Where the task finds it: below its sandbox, or that path with the sandbox's own before it.
    pub container_path: String,
    /// Whether the task may not write to it.
    pub read_only: bool,
}

/// A state of a task, with all that is known about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The state.
    #[serde(with = "by_name::state")]
    pub state: TaskState,
    /// Why it is in this state.
    #[serde(with = "by_name::reason")]
    pub reason: Option<Reason>,
    /// The same for people.
    pub message: String,
    /// When it was entered, in microseconds since 1970.
    pub at_micros: i64,
    /// Exit code of the command, if it exited.
    pub exit_code: Option<i32>,
    /// Signal that ended the command, if one did.
    pub signal: Option<i32>,
    /// Host PID of the task's init while it runs.
    pub pid: Option<u32>,
    /// How long the steps of the launch took.
    pub launch_times: LaunchTimes,
}

/// How long the steps of a launch took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LaunchTimes {
    /// Until the launch was on disk, in microseconds.
    pub checkpoint_micros: u64,
    /// From there until the command ran, in microseconds.
    pub spawn_micros: u64,
}

/// A status update.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Update {
    /// Of which task.
    pub task: TaskId,
    /// Its identity; without one it needs no acknowledgement.
    pub uuid: Option<Uuid>,
    /// What it says.
    pub status: Status,
    /// The task's sandbox, as a path for `/files`; empty if it has none.
    pub sandbox: String,
}

/// A task as a registration tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// What the task holds.
    pub resources: Resources,
    /// Its newest status; without a UUID if that is acknowledged.
    pub status: Update,
}

/// Whether the agent is in its slot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SlotReport {
    /// The slot's pod; empty if the agent knows of none.
    pub pod_uid: String,
    /// Whether tasks can be launched there.
    pub attached: bool,
    /// Why not.
    pub message: String,
    /// The pod's address, once known.
    pub pod_ip: String,
}

/// A message from the master.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FromMaster {
    /// The epoch in which it was sent.
    pub epoch: u64,
    /// What it asks for.
    pub call: MasterCall,
}

/// What the master asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MasterCall {
    /// The registration is accepted under this ID.
    Registered {
        /// The agent's ID.
        agent_id: String,
    },
    /// The slot pod below whose cgroup tasks run; an empty UID if there is none now.
    Slot {
        /// The pod's UID.
        pod_uid: String,
        /// The pod's address.
        pod_ip: String,
    },
    /// A launch is likely to come: make ready what can be taken back.
    Prepare(Box<Order>),
    /// Launch a task.
    Launch(Box<Order>),
    /// Launch the tasks of a group: all of them or none.
    LaunchGroup(Vec<Order>),
    /// End a task.
    Kill {
        /// Which.
        task: TaskId,
        /// Overrides the grace of the order, in milliseconds.
        grace_millis: Option<u64>,
    },
    /// An update has done its work.
    Acknowledge {
        /// Of which task.
        task: TaskId,
        /// Which update.
        uuid: Uuid,
    },
    /// Asks for a pong.
    Ping {
        /// Comes back in it.
        sequence: u64,
    },
    /// A look into a sandbox.
    Files(FileRequest),
    /// Remove a persistent volume and all that is in it.
    DestroyVolume(VolumeId),
}

/// A look into a sandbox, on behalf of a user whom the controller has authorized.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileRequest {
    /// Comes back in the reply.
    pub id: u64,
    /// A sandbox, or below one.
    pub path: String,
    /// What is asked for.
    pub operation: FileOperation,
}

/// What is asked for of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileOperation {
    /// The directory's entries.
    Browse,
    /// Bytes of the file.
    Read {
        /// From where; -1 asks for the size only.
        offset: i64,
        /// How many; -1 for as many as one reply holds.
        length: i64,
    },
}

/// A message to the master.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToMaster {
    /// First on each stream. The shell adds what only it knows: version, capacity, attributes.
    Register {
        /// The agent's ID; empty if it never had one.
        agent_id: String,
        /// Highest confirmed epoch.
        epoch: u64,
        /// Everything that the master must still hear about.
        tasks: Vec<Snapshot>,
        /// Whether the agent is in its slot.
        slot: SlotReport,
    },
    /// The epoch is on disk.
    EpochConfirmed(u64),
    /// A message of a lower epoch was not obeyed.
    StaleEpoch {
        /// Its epoch.
        refused: u64,
        /// The confirmed one.
        confirmed: u64,
    },
    /// A status update.
    Status(Box<Update>),
    /// Whether the agent is in its slot has changed.
    Slot(SlotReport),
    /// Answers a ping.
    Pong {
        /// The ping's.
        sequence: u64,
    },
    /// Answers a file request that is refused before any file is looked at.
    FileRefused {
        /// The request's.
        id: u64,
        /// Why.
        message: String,
    },
    /// Answers the destruction of a volume.
    VolumeDestroyed {
        /// Which.
        volume: VolumeId,
        /// Why it is still there; `None` if it is gone.
        problem: Option<String>,
    },
}
