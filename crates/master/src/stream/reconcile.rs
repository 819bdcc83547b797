//! A framework asks what became of its tasks.

use super::updates::status_of;
use super::updates::{container, executor_of, seconds};
use crate::ids::{ObjectKey, TaskId};
use crate::master::Master;
use crate::state::{AgentObject, Liveness};
use proffer_mesos_api::TaskState;
use proffer_mesos_api::v1::framework_info::capability::Type as Capability;
use proffer_mesos_api::v1::scheduler::call::reconcile;
use proffer_mesos_api::v1::task_status::{Reason, Source};
use proffer_mesos_api::v1::{TaskState as V1State, TaskStatus};

/// What Mesos answers about a task that is known.
const LATEST: &str = "Reconciliation: Latest task state";

impl Master {
    /// Tells the state of every task that is not over, and of those whose end is not acknowledged.
    pub(crate) fn reconcile_all(&mut self, key: &ObjectKey) {
        for id in self.tasks_of(key) {
            let Some(task) = self.tasks.get(&id) else { continue };
            let unacknowledged = task.stream.as_ref().is_some_and(|stream| stream.pending.is_some());
            if !task.is_over() || unacknowledged {
                self.tell_latest(key, &id);
            }
        }
    }

    /// Tells the state of each of these tasks, but of those of which an agent that has not come yet may know.
    pub(crate) fn reconcile_tasks(&mut self, key: &ObjectKey, asked: &[reconcile::Task]) {
        let somebody_may_come = self.agents.values().any(|known| matches!(known.liveness, Liveness::Expected));
        for asked in asked {
            match self.task_of(key, &asked.task_id.value).filter(|id| self.tasks.contains_key(id)) {
                Some(id) => self.tell_latest(key, &id),
                None => self.tell_unknown(key, asked, somebody_may_come),
            }
        }
    }

    fn tell_latest(&mut self, key: &ObjectKey, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        // Of two facts, the framework gets the one that it may have to acknowledge.
        let pending = task.stream.as_ref().and_then(|stream| stream.pending.as_ref());
        let state = match pending {
            Some(pending) => pending.status.state(),
            None => self.told_as(key, task, task.record.state.unwrap_or(TaskState::Staging)),
        };
        let mut status = status_of(task, state, self.now);
        status.source = Some(Source::Master.into());
        status.reason = Some(Reason::Reconciliation.into());
        status.message = Some(LATEST.to_owned());
        status.executor_id = Some(executor_of(task));
        status.container_status = Some(container(task, id));
        self.tell_status(key, status);
    }

    /// Mesos' cases for a task that is not known, in its order and its words.
    fn tell_unknown(&mut self, key: &ObjectKey, asked: &reconcile::Task, somebody_may_come: bool) {
        let agent_id = asked.agent_id.as_ref().map(|id| id.value.as_str());
        let agent = agent_id.and_then(|id| self.agent_of_id(id)).and_then(|name| self.agents.get(name));
        let expected = |liveness: &Liveness| matches!(liveness, Liveness::Expected);
        let (state, message) = match agent {
            None if agent_id.is_none() && somebody_may_come => return,
            None => (V1State::TaskUnknown, "Reconciliation: Task is unknown"),
            Some(known) if expected(&known.liveness) && known.object != AgentObject::Deleted => return,
            Some(known) if known.liveness == Liveness::Unreachable => {
                (V1State::TaskUnreachable, "Reconciliation: Task is unreachable")
            }
            Some(_) => (V1State::TaskGone, "Reconciliation: Task is unknown to the agent"),
        };
        let state = if self.can(key, Capability::PartitionAware) { state } else { V1State::TaskLost };
        let status = TaskStatus {
            task_id: asked.task_id.clone(),
            state: state.into(),
            message: Some(message.to_owned()),
            source: Some(Source::Master.into()),
            reason: Some(Reason::Reconciliation.into()),
            agent_id: asked.agent_id.clone(),
            timestamp: Some(seconds(self.now)),
            ..TaskStatus::default()
        };
        self.tell_status(key, status);
    }
}
