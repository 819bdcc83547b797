//! The states and reasons that the project uses everywhere, and the numbers of the v1 messages.

use crate::{Reason, TaskState, UnknownName, v1};

/// Declares which value of a message's enum each of ours is.
macro_rules! same {
    ($ours:ident, $theirs:path { $($variant:ident = $value:ident,)+ }) => {
        impl From<$ours> for $theirs {
            fn from(value: $ours) -> Self {
                match value { $($ours::$variant => Self::$value,)+ }
            }
        }

        impl TryFrom<$theirs> for $ours {
            type Error = UnknownName;

            /// Fails for values that Mesos has and never uses.
            fn try_from(value: $theirs) -> Result<Self, UnknownName> {
                value.as_str_name().parse()
            }
        }
    };
}

same!(TaskState, v1::TaskState {
    Staging = TaskStaging,
    Starting = TaskStarting,
    Running = TaskRunning,
    Killing = TaskKilling,
    Finished = TaskFinished,
    Failed = TaskFailed,
    Killed = TaskKilled,
    Error = TaskError,
    Lost = TaskLost,
    Dropped = TaskDropped,
    Unreachable = TaskUnreachable,
    Gone = TaskGone,
    GoneByOperator = TaskGoneByOperator,
    Unknown = TaskUnknown,
});

same!(Reason, v1::task_status::Reason {
    CommandExecutorFailed = CommandExecutorFailed,
    ContainerLaunchFailed = ContainerLaunchFailed,
    ContainerLimitation = ContainerLimitation,
    ContainerLimitationDisk = ContainerLimitationDisk,
    ContainerLimitationMemory = ContainerLimitationMemory,
    ContainerPreempted = ContainerPreempted,
    ContainerUpdateFailed = ContainerUpdateFailed,
    MaxCompletionTimeReached = MaxCompletionTimeReached,
    ExecutorRegistrationTimeout = ExecutorRegistrationTimeout,
    ExecutorReregistrationTimeout = ExecutorReregistrationTimeout,
    ExecutorTerminated = ExecutorTerminated,
    FrameworkRemoved = FrameworkRemoved,
    GcError = GcError,
    InvalidFrameworkid = InvalidFrameworkid,
    InvalidOffers = InvalidOffers,
    MasterDisconnected = MasterDisconnected,
    Reconciliation = Reconciliation,
    ResourcesUnknown = ResourcesUnknown,
    AgentDisconnected = AgentDisconnected,
    AgentDraining = AgentDraining,
    AgentRemoved = AgentRemoved,
    AgentRemovedByOperator = AgentRemovedByOperator,
    AgentReregistered = AgentReregistered,
    AgentRestarted = AgentRestarted,
    AgentUnknown = AgentUnknown,
    TaskKilledDuringLaunch = TaskKilledDuringLaunch,
    TaskCheckStatusUpdated = TaskCheckStatusUpdated,
    TaskHealthCheckStatusUpdated = TaskHealthCheckStatusUpdated,
    TaskGroupInvalid = TaskGroupInvalid,
    TaskGroupUnauthorized = TaskGroupUnauthorized,
    TaskInvalid = TaskInvalid,
    TaskUnauthorized = TaskUnauthorized,
    TaskUnknown = TaskUnknown,
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same() {
        for &state in TaskState::ALL {
            let theirs = v1::TaskState::from(state);
            assert_eq!((theirs.as_str_name(), TaskState::try_from(theirs)), (state.as_mesos(), Ok(state)));
        }
        for &reason in Reason::ALL {
            let theirs = v1::task_status::Reason::from(reason);
            assert_eq!((theirs.as_str_name(), Reason::try_from(theirs)), (reason.as_mesos(), Ok(reason)));
        }
        assert!(Reason::try_from(v1::task_status::Reason::ExecutorUnregistered).is_err());
    }
}
