//! Why a task could not be started, and how that is told.

use proffer_mesos_api::{Reason, TaskState};

/// Why a task could not be started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LaunchFailure {
    /// The order itself is wrong.
    Invalid(String),
    /// The agent has no slot to launch in.
    NotAttached(String),
    /// The userland has no such user.
    UnknownUser(String),
    /// The task asks for root and this agent does not allow that.
    RootNotAllowed,
    /// There is no such program.
    CommandNotFound(String),
    /// The program cannot be executed: what the kernel said.
    CommandNotExecutable(String, String),
    /// Arguments and environment together are more than the kernel takes.
    EnvironmentTooLarge,
    /// An init has started this task before, and what became of it is not known.
    AlreadyStarted,
    /// A volume that the task uses is being removed.
    VolumeInRemoval(String),
    /// Another task of its group cannot be started: which, and why.
    OfGroup(String, Box<LaunchFailure>),
    /// Something of the node failed: which step, and what the kernel said.
    Setup(String, String),
}

impl LaunchFailure {
    /// The terminal state that a task gets by this.
    pub(crate) fn state(&self) -> TaskState {
        match self {
            Self::Invalid(_) | Self::RootNotAllowed => TaskState::Error,
            Self::NotAttached(_) | Self::VolumeInRemoval(_) => TaskState::Dropped,
            Self::OfGroup(_, failure) => failure.state(),
            _ => TaskState::Failed,
        }
    }

    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Invalid(_) => Reason::TaskInvalid,
            Self::RootNotAllowed => Reason::TaskUnauthorized,
            Self::AlreadyStarted => Reason::ExecutorTerminated,
            Self::VolumeInRemoval(_) => Reason::ResourcesUnknown,
            Self::OfGroup(_, failure) => match failure.reason() {
                Reason::TaskInvalid => Reason::TaskGroupInvalid,
                Reason::TaskUnauthorized => Reason::TaskGroupUnauthorized,
                reason => reason,
            },
            _ => Reason::ContainerLaunchFailed,
        }
    }

    /// What was wrong and what to do about it, for people.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Invalid(message) => message.clone(),
            Self::NotAttached(why) => format!("the agent is not attached to a slot: {why}"),
            Self::UnknownUser(user) => {
                format!("user {user:?} does not exist in the task's root: write a number, or a user of its /etc/passwd")
            }
            Self::RootNotAllowed => {
                "tasks may not run as root on this agent: name another user, or ask the administrator to allow root tasks"
                    .to_owned()
            }
            Self::CommandNotFound(program) => {
                format!("command {program:?} does not exist in the task's root: write a path or a program of its PATH")
            }
            Self::CommandNotExecutable(program, why) => format!("command {program:?} cannot be executed: {why}"),
            Self::EnvironmentTooLarge => {
                "the command's arguments and environment are larger than the kernel takes: make them smaller, or pass them in a file"
                    .to_owned()
            }
            Self::AlreadyStarted => {
                "the task was started before and its agent lost track of it; it is not started twice".to_owned()
            }
            Self::VolumeInRemoval(id) => {
                format!("volume {id:?} is being removed, as its reservation was deleted: use another")
            }
            Self::OfGroup(name, failure) => format!("task {name:?} of its group: {}", failure.message()),
            Self::Setup(step, why) => format!("the task's container could not be set up: {step}: {why}"),
        }
    }
}
