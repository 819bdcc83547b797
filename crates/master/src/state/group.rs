//! Task groups: tasks that are launched all or not at all, under an executor that holds resources of its own.

use crate::ids::{AgentName, ObjectKey, Session, TaskId};
use proffer_mesos_api::v1::ExecutorInfo;
use proffer_resources::{ResourceBag, Role};
use std::collections::BTreeSet;

/// What a task says of the group that it was launched with.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The group.
    pub(crate) group: String,
    /// How many tasks the group had when it was launched.
    pub(crate) size: usize,
    /// Whether it says that it shares its executor's cgroups: all that are under an executor at a time say the same.
    pub(crate) shares_cgroups: bool,
    /// Its executor. No process stands behind it, but the agent keeps its rules, and it holds what it asks for.
    pub(crate) executor: Box<ExecutorInfo>,
}

/// A task group, while one of its tasks is known.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// How many tasks it had when it was launched.
    pub(crate) size: usize,
    /// Those that are known.
    pub(crate) tasks: BTreeSet<TaskId>,
    /// Which of them cannot be recorded, and why: then none is launched.
    pub(crate) refused: Option<String>,
    /// The connection over which its agent was sent it last.
    pub(crate) sent: Option<Session>,
}

/// Names an executor: its ID is unique for its framework and agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ExecutorKey {
    /// Where it is.
    pub(crate) agent: AgentName,
    /// Whose it is.
    pub(crate) framework: ObjectKey,
    /// Its ID.
    pub(crate) id: String,
}

/// The executor of task groups, while a task under it holds resources.
#[derive(Clone, Debug)]
pub(crate) struct Executor {
    /// What its framework said of it; it cannot say otherwise while it is there.
    pub(crate) info: Box<ExecutorInfo>,
    /// The role for which it holds what it holds.
    pub(crate) role: Role,
    /// What it holds, beside what its tasks hold.
    pub(crate) held: ResourceBag,
    /// The tasks under it that hold resources.
    pub(crate) tasks: BTreeSet<TaskId>,
}
