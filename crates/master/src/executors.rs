//! What executors of task groups hold: once for each, from its first task to its last.

use crate::ids::TaskId;
use crate::master::Master;
use crate::state::{Executor, ExecutorKey, Member};
use crate::stream::resources::from_v1;
use proffer_resources::Role;
use std::collections::BTreeSet;

impl Master {
    /// The executor of a task that was placed on an agent, if it is one of a group.
    pub(crate) fn executor_key(&self, id: &TaskId) -> Option<ExecutorKey> {
        let task = self.tasks.get(id)?;
        let id = self.member(id)?.executor.executor_id.value.clone();
        Some(ExecutorKey { agent: task.placed()?.agent.clone(), framework: task.framework.clone(), id })
    }

    /// What a task says of its group, if it is one of a group.
    pub(crate) fn member(&self, id: &TaskId) -> Option<&Member> {
        self.tasks.get(id)?.stream.as_ref()?.member.as_ref()
    }

    /// A task has its place: its executor holds what it asks for from its first task on, out of the offer if there is one.
    pub(crate) fn join_executor(&mut self, id: &TaskId, role: &Role, offer: Option<u64>) {
        let Some(key) = self.executor_key(id) else { return };
        if let Some(executor) = self.executors.get_mut(&key) {
            executor.tasks.insert(id.clone());
            return;
        }
        let Some(info) = self.member(id).map(|member| member.executor.clone()) else { return };
        // It was read before it was taken in.
        let held = from_v1(&info.resources).unwrap_or_default();
        if !offer.is_some_and(|offer| self.allocator.launch_from(offer, &held)) {
            self.allocator.allocate(&key.agent, &key.framework, role, &held);
        }
        let tasks = BTreeSet::from([id.clone()]);
        self.executors.insert(key, Executor { info, role: role.clone(), held, tasks });
    }

    /// A task is about to lose its place: with the last of its tasks, an executor holds nothing any more.
    pub(crate) fn leave_executor(&mut self, id: &TaskId) {
        let Some(key) = self.executor_key(id) else { return };
        let Some(executor) = self.executors.get_mut(&key) else { return };
        executor.tasks.remove(id);
        if executor.tasks.is_empty()
            && let Some(Executor { role, held, .. }) = self.executors.remove(&key)
        {
            self.allocator.release(&key.agent, &key.framework, &role, &held);
        }
    }
}
