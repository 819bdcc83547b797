//! What becomes of tasks is told to their frameworks, and acknowledged by them.

use super::resources::to_v1;
use crate::effect::ToAgent;
use crate::event::StatusUpdate;
use crate::ids::{AgentName, ObjectKey, TaskId, Time};
use crate::master::Master;
use crate::operations::{OperationState as Ended, OperationUpdate};
use crate::state::{KillCause, Over, Pending, Phase, Task};
use proffer_mesos_api::v1::framework_info::capability::Type as Capability;
use proffer_mesos_api::v1::offer::Operation;
use proffer_mesos_api::v1::scheduler::call::{Acknowledge, reconcile_operations};
use proffer_mesos_api::v1::scheduler::{Event as V1Event, event};
use proffer_mesos_api::v1::task_status::{Reason as V1Reason, Source};
use proffer_mesos_api::v1::{
    AgentId, ContainerId, ContainerStatus, ExecutorId, NetworkInfo, OperationId, OperationState, OperationStatus,
    TaskId as V1TaskId, TaskInfo, TaskState as V1State, TaskStatus, Uuid, network_info,
};
use proffer_mesos_api::{Reason, TaskState};

impl Master {
    /// Whether a task was launched over a stream.
    pub(crate) fn is_of_stream(&self, id: &TaskId) -> bool {
        self.tasks.get(id).is_some_and(|task| task.stream.is_some())
    }

    /// Tells a framework what an agent said of one of its tasks. The agent is acknowledged when the framework has.
    pub(crate) fn forward(&mut self, agent: &AgentName, update: &StatusUpdate) {
        let Some(task) = self.tasks.get(&update.task) else { return };
        let Some(stream) = &task.stream else { return };
        let Some(uuid) = update.uuid.clone() else {
            // It was acknowledged, or the agent only answers.
            return;
        };
        let over_for_framework = stream.told_lost || self.is_completed(&task.framework);
        if over_for_framework || stream.acknowledged.as_ref() == Some(&uuid) {
            self.acknowledge_to_agent(agent, &update.task, uuid);
            return;
        }
        let (key, state) = (task.framework.clone(), self.told_as(&task.framework, task, update.state));
        let mut status = status_of(task, state, update.at);
        status.uuid = Some(uuid.clone());
        status.message = Some(update.message.clone()).filter(|message| !message.is_empty());
        // That a command failed is no reason in Mesos, but what its executor says.
        let reason = update.reason.filter(|reason| *reason != Reason::CommandExecutorFailed);
        status.reason = reason.map(|reason| V1Reason::from(reason).into());
        let source = if reason.is_some() { Source::Agent } else { Source::Executor };
        status.source = Some(source.into());
        status.executor_id = Some(executor_of(task));
        status.container_status = Some(container(task, &update.task));
        self.tell_status(&key, status.clone());
        if let Some(stream) = self.tasks.get_mut(&update.task).and_then(|task| task.stream.as_mut()) {
            stream.pending = Some(Pending { agent: agent.clone(), uuid, status });
        }
    }

    /// Tells a framework what the master itself decided of one of its tasks. There is nothing to acknowledge.
    pub(crate) fn tell_decided(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id).filter(|task| task.stream.is_some()) else { return };
        let Some(state) = task.record.state else { return };
        let (reason, message) = (task.record.reason, task.record.message.clone());
        let told = self.told_as(&task.framework, task, state);
        self.tell_state(id, told, reason.map(V1Reason::from), &message);
        let lost = told == V1State::TaskLost && !state.is_terminal();
        if let Some(stream) = self.tasks.get_mut(id).and_then(|task| task.stream.as_mut()) {
            stream.told_lost |= lost;
        }
    }

    /// A task that was unreachable goes on. A framework that does not know of partitions was told that it is lost, so it is
    /// ended, as Mesos does.
    pub(crate) fn reachable_again(&mut self, id: &TaskId) {
        let Some(stream) = self.tasks.get(id).and_then(|task| task.stream.as_ref()) else { return };
        if stream.told_lost {
            self.kill(id, KillCause::ToldLost);
        } else if stream.pending.is_none() {
            self.tell_decided(id);
        }
    }

    /// Tells a framework a state of one of its tasks, from the master.
    pub(crate) fn tell_state(&mut self, id: &TaskId, state: V1State, reason: Option<V1Reason>, message: &str) {
        let Some(task) = self.tasks.get(id) else { return };
        let Some(stream) = &task.stream else { return };
        if stream.told_lost {
            return;
        }
        let key = task.framework.clone();
        let mut status = status_of(task, state, self.now);
        status.source = Some(Source::Master.into());
        status.reason = reason.map(Into::into);
        status.message = Some(message.to_owned()).filter(|message| !message.is_empty());
        self.tell_status(&key, status);
    }

    /// Tells a framework that a task was not launched.
    pub(crate) fn tell_refused(
        &mut self,
        key: &ObjectKey,
        info: &TaskInfo,
        state: V1State,
        reason: V1Reason,
        message: &str,
    ) {
        let status = TaskStatus {
            task_id: info.task_id.clone(),
            state: state.into(),
            message: Some(message.to_owned()),
            source: Some(Source::Master.into()),
            reason: Some(reason.into()),
            agent_id: Some(info.agent_id.clone()),
            timestamp: Some(seconds(self.now)),
            ..TaskStatus::default()
        };
        self.tell_status(key, status);
    }

    /// Sends a status to a framework, if it is subscribed.
    pub(crate) fn tell_status(&mut self, key: &ObjectKey, status: TaskStatus) {
        let Some(connection) = self.connection_of(key) else { return };
        self.notify(
            connection,
            V1Event {
                r#type: Some(event::Type::Update.into()),
                update: Some(event::Update { status }),
                ..V1Event::default()
            },
        );
    }

    /// Tells a scheduler that has come what the one before did not acknowledge.
    pub(crate) fn tell_pending_updates(&mut self, key: &ObjectKey) {
        for id in self.tasks_of(key) {
            let pending = self.tasks.get(&id).and_then(|task| task.stream.as_ref()?.pending.as_ref());
            if let Some(status) = pending.map(|pending| pending.status.clone()) {
                self.tell_status(key, status);
            }
        }
    }

    /// A framework has acknowledged an update.
    pub(crate) fn acknowledged(&mut self, key: &ObjectKey, acknowledge: &Acknowledge) {
        let Some(id) = self.task_of(key, &acknowledge.task_id.value) else { return };
        let Some(stream) = self.tasks.get_mut(&id).and_then(|task| task.stream.as_mut()) else { return };
        // Another's: it was acknowledged before, or comes from another time. If it matters, it is told again.
        let Some(pending) = stream.pending.take_if(|pending| pending.uuid == acknowledge.uuid) else { return };
        stream.acknowledged = Some(pending.uuid.clone());
        self.acknowledge_to_agent(&pending.agent, &id, pending.uuid);
        // Its object may go now.
        self.changed_frameworks.insert(key.clone());
    }

    /// Nobody will acknowledge what is pending of a task.
    pub(crate) fn forget_pending(&mut self, id: &TaskId) {
        let stream = self.tasks.get_mut(id).and_then(|task| task.stream.as_mut());
        if let Some(pending) = stream.and_then(|stream| stream.pending.take()) {
            self.acknowledge_to_agent(&pending.agent, id, pending.uuid);
        }
    }

    /// Sends an agent an acknowledgement; of an end, once that is durable.
    fn acknowledge_to_agent(&mut self, agent: &AgentName, id: &TaskId, uuid: Vec<u8>) {
        let after = match self.tasks.get(id).map(|task| &task.phase) {
            Some(Phase::Over(Over { write, .. })) => *write,
            _ => None,
        };
        self.acknowledge(agent, id, uuid, after);
    }

    /// Sends the kill of a task with a grace that is not the one of its launch.
    pub(crate) fn send_kill_within(&mut self, id: &TaskId, grace: Option<std::time::Duration>) {
        let Some(task) = self.tasks.get(id) else { return };
        let Some(placed) = task.placed() else { return };
        let (agent, after) = (placed.agent.clone(), placed.launch);
        let (epoch, framework) = (self.epoch(), task.framework.name.clone());
        self.send(&agent, ToAgent::Kill { epoch, task: id.clone(), framework, grace }, after);
    }

    /// The name of a state for a framework: those who do not know of partitions are told that tasks are lost.
    pub(crate) fn told_as(&self, key: &ObjectKey, task: &Task, state: TaskState) -> V1State {
        match state {
            TaskState::Dropped
            | TaskState::Unreachable
            | TaskState::Gone
            | TaskState::GoneByOperator
            | TaskState::Unknown
                if !self.can(key, Capability::PartitionAware) =>
            {
                V1State::TaskLost
            }
            TaskState::Killing if !self.can(key, Capability::TaskKillingState) => {
                if task.record.running_at.is_some() {
                    V1State::TaskRunning
                } else {
                    V1State::TaskStaging
                }
            }
            state => state.into(),
        }
    }

    fn is_completed(&self, key: &ObjectKey) -> bool {
        self.frameworks.get(key).is_none_or(|framework| framework.stream.completed.is_some())
    }

    /// Tells a framework that an operation is not carried out, if it asked to be told.
    pub(crate) fn drop_operation(
        &mut self,
        key: &ObjectKey,
        operation: &Operation,
        agent_id: Option<String>,
        message: String,
    ) {
        if operation.id.is_none() {
            return;
        }
        let status = OperationStatus {
            operation_id: operation.id.clone(),
            state: OperationState::OperationError.into(),
            message: Some(message),
            agent_id: agent_id.map(|value| AgentId { value }),
            ..OperationStatus::default()
        };
        self.send_operation_status(key, status);
    }

    /// Tells of operations: of all that are not acknowledged if none is asked for (Mesos: operation reconciliation).
    pub(crate) fn reconcile_operations(&mut self, key: &ObjectKey, asked: Vec<reconcile_operations::Operation>) {
        let known = self.frameworks.get(key).map(|framework| framework.operations.clone()).unwrap_or_default();
        if asked.is_empty() {
            for update in known.values() {
                self.send_operation_update(key, update);
            }
        }
        for operation in asked {
            if let Some(update) = known.get(&operation.operation_id.value) {
                self.send_operation_update(key, update);
                continue;
            }
            let status = OperationStatus {
                operation_id: Some(operation.operation_id),
                state: OperationState::OperationUnknown.into(),
                message: Some("Reconciliation: Operation is unknown".to_owned()),
                agent_id: operation.agent_id,
                resource_provider_id: operation.resource_provider_id,
                ..OperationStatus::default()
            };
            self.send_operation_status(key, status);
        }
    }

    /// Tells a framework what became of an operation that it named.
    pub(crate) fn send_operation_update(&mut self, key: &ObjectKey, update: &OperationUpdate) {
        let refined = self.can(key, Capability::ReservationRefinement);
        let state = match update.state {
            Ended::Finished => OperationState::OperationFinished,
            Ended::Error => OperationState::OperationError,
            Ended::Dropped => OperationState::OperationDropped,
        };
        let agent_id = update.agent.as_ref().map(|agent| AgentId { value: self.place_on(agent).agent_id });
        let status = OperationStatus {
            operation_id: Some(OperationId { value: update.operation.clone() }),
            state: state.into(),
            message: Some(update.message.clone()).filter(|message| !message.is_empty()),
            converted_resources: to_v1(&update.converted, None, refined),
            uuid: Some(Uuid { value: update.uuid.to_vec() }),
            agent_id,
            ..OperationStatus::default()
        };
        self.send_operation_status(key, status);
    }

    pub(crate) fn send_operation_status(&mut self, key: &ObjectKey, status: OperationStatus) {
        let Some(connection) = self.connection_of(key) else { return };
        self.notify(
            connection,
            V1Event {
                r#type: Some(event::Type::UpdateOperationStatus.into()),
                update_operation_status: Some(event::UpdateOperationStatus { status }),
                ..V1Event::default()
            },
        );
    }
}

/// A status of a task, without what depends on why it is told.
pub(crate) fn status_of(task: &Task, state: V1State, at: Time) -> TaskStatus {
    let task_id = task.stream.as_ref().map(|stream| stream.task_id.clone()).unwrap_or_default();
    TaskStatus {
        task_id: V1TaskId { value: task_id },
        state: state.into(),
        agent_id: task.record.agent.as_ref().map(|place| AgentId { value: place.agent_id.clone() }),
        timestamp: Some(seconds(at)),
        ..TaskStatus::default()
    }
}

/// The executor of a task: its group's, or in Mesos' way for a command task one of the task's own ID.
pub(crate) fn executor_of(task: &Task) -> ExecutorId {
    let stream = task.stream.as_ref();
    let of_group = stream.and_then(|stream| stream.member.as_ref()).map(|member| member.executor.executor_id.clone());
    let own = || ExecutorId { value: stream.map(|stream| stream.task_id.clone()).unwrap_or_default() };
    of_group.unwrap_or_else(own)
}

/// The container of a task: its ID, and the address at which its ports are reached.
pub(crate) fn container(task: &Task, id: &TaskId) -> ContainerStatus {
    let address = task.record.agent.as_ref().and_then(|place| place.address.clone());
    let network = address.map(|address| {
        let protocol = if address.contains(':') { network_info::Protocol::IPv6 } else { network_info::Protocol::IPv4 };
        let ip = network_info::IpAddress { protocol: Some(protocol.into()), ip_address: Some(address) };
        NetworkInfo { ip_addresses: vec![ip], ..NetworkInfo::default() }
    });
    ContainerStatus {
        container_id: Some(ContainerId { value: id.uid.clone(), ..ContainerId::default() }),
        network_infos: network.into_iter().collect(),
        ..ContainerStatus::default()
    }
}

/// Seconds since 1970, as messages have them.
#[expect(clippy::cast_precision_loss, reason = "a double of seconds is what Mesos' messages have")]
pub(crate) fn seconds(time: Time) -> f64 {
    time.0 as f64 / 1e6
}
