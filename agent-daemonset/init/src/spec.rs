//! What the agent tells an init, and what the init answers: JSON on its standard input and on the report pipe.

use serde::{Deserialize, Serialize};

/// Number of a file descriptor that the agent left open for the init.
pub type FdNumber = i32;

/// The signal by which the agent asks an init to end everything in the task at once: the first real-time one that
/// glibc leaves free. (SIGKILL would end the init as well, and with it the record of how the task ended.)
pub const KILL_ALL_SIGNAL: i32 = 35;

/// Where the task finds its sandbox (Mesos: `MESOS_SANDBOX` of a task with a root of its own).
pub const SANDBOX_PATH: &str = "/mnt/mesos/sandbox";

/// What one init is for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Make the mount namespace from which those of all tasks of a slot are copied, and wait to be killed.
    Template(Template),
    /// Run a task.
    Task(Box<Task>),
}

/// The mount namespace that tasks start from: the userland as root, devices, resolv.conf and extra mounts.
///
/// It is derived from the slot's own, so that nothing of the agent's container is in it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Template {
    /// Where to report, then close.
    pub report: FdNumber,
    /// The slot's mount namespace.
    pub mount_namespace: FdNumber,
    /// A detached copy of the userland's mount: the root.
    pub root: FdNumber,
    /// Further detached mounts.
    pub mounts: Vec<Mount>,
}

/// One extra mount of every task, configured by the administrator.
#[derive(Debug, Serialize, Deserialize)]
pub struct Mount {
    /// A detached copy of it.
    pub tree: FdNumber,
    /// Absolute path in the task's root; exists there.
    pub target: String,
    /// Whether tasks may not write to it.
    pub read_only: bool,
}

/// One task.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
    /// Where to report, then close.
    pub report: FdNumber,
    /// The task's file, see [`crate::exit_record`].
    pub record: FdNumber,
    /// A pipe from which a byte comes when the command is to be started, or its end when it is not to be. Without it, the
    /// command is started at once.
    pub go: Option<FdNumber>,
    /// A detached mount of the sandbox.
    pub sandbox: FdNumber,
    /// Persistent volumes in the sandbox.
    pub volumes: Vec<Volume>,
    /// The template's mount namespace.
    pub mount_namespace: FdNumber,
    /// The slot's network namespace.
    pub network_namespace: FdNumber,
    /// The slot's UTS namespace (its host name).
    pub uts_namespace: FdNumber,
    /// What to run.
    pub command: Command,
    /// User ID of the command.
    pub uid: u32,
    /// Group ID of the command.
    pub gid: u32,
    /// `oom_score_adj` of the command: above the init's own, so that the command is what an OOM kill takes.
    pub oom_score_adj: i32,
    /// How large stdout and stderr may grow each before they are rotated, in bytes.
    pub log_max_bytes: u64,
    /// How many files are kept of each, the current one included.
    pub log_files: u32,
}

/// A persistent volume of a task.
#[derive(Debug, Serialize, Deserialize)]
pub struct Volume {
    /// A detached mount of it.
    pub tree: FdNumber,
    /// Path below the sandbox, without . and ..; a directory is there.
    pub path: String,
    /// Whether the task may not write to it.
    pub read_only: bool,
}

/// What to run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Command {
    /// The program; without a slash it is looked up in the environment's PATH.
    pub program: String,
    /// Its arguments, its own name first.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
}

/// The init's one answer on the report pipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The command runs, or the template is ready.
    Ready,
    /// It does not, and the init has ended.
    Failed(SetupFailure),
}

/// Why an init could not do its job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupFailure {
    /// Which step failed.
    pub step: Step,
    /// The kernel's error number; 0 if it was not the kernel who refused.
    pub errno: i32,
    /// What the step was about: a path, a mount point.
    pub subject: String,
}

/// Steps of setting a task up, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Creating the init's process.
    Clone,
    /// Entering the task's cgroups.
    EnterCgroup,
    /// Executing the init.
    ExecInit,
    /// Reading the job.
    ReadJob,
    /// Waiting to be told to start the command: it was not to be.
    Dismissed,
    /// Another init has already started this task.
    AlreadyStarted,
    /// Joining the slot's namespaces.
    JoinNamespaces,
    /// Making the task's root.
    MakeRoot,
    /// Opening stdout and stderr in the sandbox.
    OpenOutput,
    /// Becoming the task's user without privileges.
    DropPrivileges,
    /// Executing the command.
    ExecCommand,
}

impl SetupFailure {
    /// A failure of the kernel's making.
    #[must_use]
    pub fn new(step: Step, errno: i32, subject: impl Into<String>) -> Self {
        Self { step, errno, subject: subject.into() }
    }
}

impl Report {
    /// First byte of a report that was written between clone and exec, where nothing may be allocated.
    pub(crate) const EARLY: u8 = b'E';

    /// Reads what came out of the report pipe until it was closed; `None` if that is no report.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let [Self::EARLY, step, a, b, c, d, ..] = *bytes {
            let step = if step == 0 { Step::EnterCgroup } else { Step::ExecInit };
            return Some(Self::Failed(SetupFailure::new(step, i32::from_le_bytes([a, b, c, d]), "")));
        }
        serde_json::from_slice(bytes).ok()
    }
}
