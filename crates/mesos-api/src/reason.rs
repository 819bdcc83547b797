//! Why a task is in its state.

use crate::names::mesos_names;

mesos_names! {
    /// Reason of a task's status (Mesos: `TaskStatus.Reason`).
    Reason {
        /// The command itself failed.
        CommandExecutorFailed = "REASON_COMMAND_EXECUTOR_FAILED",
        /// The task's container could not be set up.
        ContainerLaunchFailed = "REASON_CONTAINER_LAUNCH_FAILED",
        /// A limit was hit.
        ContainerLimitation = "REASON_CONTAINER_LIMITATION",
        /// The disk limit was hit.
        ContainerLimitationDisk = "REASON_CONTAINER_LIMITATION_DISK",
        /// The memory limit was hit.
        ContainerLimitationMemory = "REASON_CONTAINER_LIMITATION_MEMORY",
        /// Ended to make room.
        ContainerPreempted = "REASON_CONTAINER_PREEMPTED",
        /// Its limits could not be changed.
        ContainerUpdateFailed = "REASON_CONTAINER_UPDATE_FAILED",
        /// It ran longer than it was allowed to.
        MaxCompletionTimeReached = "REASON_MAX_COMPLETION_TIME_REACHED",
        /// Its executor did not register in time.
        ExecutorRegistrationTimeout = "REASON_EXECUTOR_REGISTRATION_TIMEOUT",
        /// Its executor did not come back in time.
        ExecutorReregistrationTimeout = "REASON_EXECUTOR_REREGISTRATION_TIMEOUT",
        /// Its executor ended.
        ExecutorTerminated = "REASON_EXECUTOR_TERMINATED",
        /// Its framework was removed.
        FrameworkRemoved = "REASON_FRAMEWORK_REMOVED",
        /// Its sandbox could not be cleaned.
        GcError = "REASON_GC_ERROR",
        /// Its framework is not known.
        InvalidFrameworkid = "REASON_INVALID_FRAMEWORKID",
        /// It took an offer that is not valid any more.
        InvalidOffers = "REASON_INVALID_OFFERS",
        /// The master is not connected.
        MasterDisconnected = "REASON_MASTER_DISCONNECTED",
        /// An answer to a reconciliation.
        Reconciliation = "REASON_RECONCILIATION",
        /// Its agent does not have these resources.
        ResourcesUnknown = "REASON_RESOURCES_UNKNOWN",
        /// Its agent is not connected.
        AgentDisconnected = "REASON_AGENT_DISCONNECTED",
        /// Its agent is being drained.
        AgentDraining = "REASON_AGENT_DRAINING",
        /// Its agent was removed.
        AgentRemoved = "REASON_AGENT_REMOVED",
        /// An operator removed its agent.
        AgentRemovedByOperator = "REASON_AGENT_REMOVED_BY_OPERATOR",
        /// Its agent came back.
        AgentReregistered = "REASON_AGENT_REREGISTERED",
        /// Its agent restarted and did not find it.
        AgentRestarted = "REASON_AGENT_RESTARTED",
        /// Its agent is not known.
        AgentUnknown = "REASON_AGENT_UNKNOWN",
        /// It was asked to end before it started.
        TaskKilledDuringLaunch = "REASON_TASK_KILLED_DURING_LAUNCH",
        /// A check has a new result.
        TaskCheckStatusUpdated = "REASON_TASK_CHECK_STATUS_UPDATED",
        /// A health check has a new result.
        TaskHealthCheckStatusUpdated = "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED",
        /// Its group is not acceptable.
        TaskGroupInvalid = "REASON_TASK_GROUP_INVALID",
        /// Its group may not run.
        TaskGroupUnauthorized = "REASON_TASK_GROUP_UNAUTHORIZED",
        /// Its description is not acceptable.
        TaskInvalid = "REASON_TASK_INVALID",
        /// It may not run.
        TaskUnauthorized = "REASON_TASK_UNAUTHORIZED",
        /// Nobody knows it.
        TaskUnknown = "REASON_TASK_UNKNOWN",
    }
}
