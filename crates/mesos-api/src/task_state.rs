//! The fourteen states of a task.

use crate::names::mesos_names;

mesos_names! {
    /// State of a task (Mesos: `TaskState`).
    TaskState {
        /// Accepted, not yet known to run.
        Staging = "TASK_STAGING",
        /// Its executor has it and is starting it.
        Starting = "TASK_STARTING",
        /// Its process runs.
        Running = "TASK_RUNNING",
        /// It was asked to end and has not yet.
        Killing = "TASK_KILLING",
        /// Ended by itself with exit code 0.
        Finished = "TASK_FINISHED",
        /// Ended by itself with an error, or by a limit.
        Failed = "TASK_FAILED",
        /// Ended because it was asked to.
        Killed = "TASK_KILLED",
        /// Its description was not acceptable.
        Error = "TASK_ERROR",
        /// Nobody knows; for frameworks that do not know partitions.
        Lost = "TASK_LOST",
        /// It never ran, since its launch did not reach an agent.
        Dropped = "TASK_DROPPED",
        /// Its agent cannot be reached; it may still run.
        Unreachable = "TASK_UNREACHABLE",
        /// It ran, and its agent has no trace of it now.
        Gone = "TASK_GONE",
        /// An operator declared its agent gone.
        GoneByOperator = "TASK_GONE_BY_OPERATOR",
        /// The master never heard of it.
        Unknown = "TASK_UNKNOWN",
    }
}

impl TaskState {
    /// Whether no other state comes after this one (Mesos: `protobuf::isTerminalState`).
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Finished
                | Self::Failed
                | Self::Killed
                | Self::Error
                | Self::Lost
                | Self::Dropped
                | Self::Gone
                | Self::GoneByOperator
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_spellings() {
        for &state in TaskState::ALL {
            assert_eq!(state.as_mesos().parse(), Ok(state));
            assert_eq!(state.as_camel().parse(), Ok(state));
        }
        assert!("task_running".parse::<TaskState>().is_err());
    }

    #[test]
    fn eight_states_are_terminal() {
        assert_eq!(TaskState::ALL.iter().filter(|state| state.is_terminal()).count(), 8);
    }
}
