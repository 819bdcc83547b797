//! Tasks begin and cease to wait for an agent.

use crate::event::SchedulerKind;
use crate::ids::{ObjectKey, TaskId};
use crate::master::Master;
use crate::state::{Framework, Phase};
use crate::tasks::SETTLE;
use crate::timers::Timer;
use proffer_resources::Role;

impl Master {
    /// The framework, which becomes known if it is not.
    pub(crate) fn framework_mut(&mut self, key: &ObjectKey) -> &mut Framework {
        self.frameworks.entry(key.clone()).or_default()
    }

    /// The role of a framework's tasks that name none; `*` if it is not known.
    pub(crate) fn role_of(&self, key: &ObjectKey) -> Role {
        self.frameworks.get(key).map_or_else(Role::any, Framework::first_role)
    }

    /// The role in which a task has its agent, or will have one.
    pub(crate) fn task_role(&self, id: &TaskId) -> Role {
        let Some(task) = self.tasks.get(id) else { return Role::any() };
        let named = || task.request.as_ref().ok()?.role.clone();
        task.record.role.clone().or_else(named).unwrap_or_else(|| self.role_of(&task.framework))
    }

    /// A task waits for an agent from now on.
    pub(crate) fn start_waiting(&mut self, id: &TaskId) {
        let now = self.now;
        let Some(task) = self.tasks.get_mut(id) else { return };
        let Some(want) = task.want() else { return };
        task.phase = Phase::Waiting(now);
        task.told = None;
        let (key, turn) = (task.framework.clone(), (task.created, id.clone()));
        let framework = self.framework_mut(&key);
        let to_try = framework.waiting.add(&want, turn);
        let scheduler = framework.scheduler();
        self.waiting.insert(key.clone());
        if scheduler.is_none() {
            // Nothing but a person can help, so it is said at once.
            self.tell_why_waiting(id);
        }
        if to_try && matches!(scheduler, Some(SchedulerKind::BuiltIn(_))) {
            self.allocator.wake(&key);
        }
        self.changed_frameworks.insert(key);
        self.timers.set(Timer::Settle(id.clone()), now.after(SETTLE));
        self.timers.set_at_latest(Timer::Explain, now.after(SETTLE));
    }

    /// A task waits no more, or never did.
    pub(crate) fn stop_waiting(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let (Some(want), turn, key) = (task.want(), (task.created, id.clone()), task.framework.clone()) else {
            return;
        };
        if let Some(framework) = self.frameworks.get_mut(&key) {
            framework.waiting.remove(&want, &turn);
            if framework.waiting.is_empty() {
                self.waiting.remove(&key);
                self.allocator.rest(&key);
            }
            self.changed_frameworks.insert(key);
        }
    }
}
