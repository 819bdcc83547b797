//! What runs on an agent and should not: it is killed, and holds its resources until it has ended.

use crate::effect::ToAgent;
use crate::event::StatusUpdate;
use crate::ids::{AgentName, ObjectKey, TaskId};
use crate::master::Master;
use crate::state::{Placed, Stray, Write};
use proffer_resources::ResourceBag;

impl Master {
    /// The object of a placed task is gone: whatever runs of it is killed, and nothing is written any more.
    pub(crate) fn turn_into_stray(&mut self, id: &TaskId, placed: &Placed) {
        let agent = &placed.agent;
        let framework = self.framework_name(agent, id);
        let never_sent = placed.launch.is_none()
            && self.agents.get(agent).is_some_and(|known| known.session().is_some() && known.to_launch.contains(id));
        self.vacate(id);
        if never_sent {
            return;
        }
        let (role, held) = (placed.role.clone(), placed.held.clone());
        self.enter_stray(agent, id, Stray { framework, role, held, orphan: None });
        if let Some(launch) = placed.launch {
            self.writes.insert(launch, Write::LaunchOfStray(agent.clone(), id.clone()));
        }
        self.kill_stray(agent, id, placed.launch);
    }

    /// An agent runs something that it should not.
    pub(crate) fn meet_stray(&mut self, agent: &AgentName, update: &StatusUpdate, held: Option<ResourceBag>) {
        let known = self.agents.get(agent).is_some_and(|known| known.strays.contains_key(&update.task));
        if !known {
            let (framework, held) = (update.framework.clone(), held.unwrap_or_default());
            let role = self.role_of(&ObjectKey::new(update.task.key.namespace.clone(), framework.clone()));
            let stray = Stray { framework, role, held, orphan: None };
            self.enter_stray(agent, &update.task, stray);
            // What it holds may be offered.
            self.agent_changed(agent);
        }
        self.kill_stray(agent, &update.task, None);
    }

    /// Something that should not have run has ended.
    pub(crate) fn forget_stray(&mut self, agent: &AgentName, id: &TaskId) {
        let Some(stray) = self.agents.get_mut(agent).and_then(|known| known.strays.remove(id)) else { return };
        let framework = ObjectKey::new(id.key.namespace.clone(), stray.framework);
        self.allocator.release(agent, &framework, &stray.role, &stray.held);
        self.changed_agents.insert(agent.clone());
        self.changed_frameworks.insert(framework);
    }

    /// Forgets everything on an agent that should not run there: it tells anew, or it is gone.
    pub(crate) fn forget_strays(&mut self, agent: &AgentName) {
        let strays: Vec<TaskId> =
            self.agents.get(agent).map(|known| known.strays.keys().cloned().collect()).unwrap_or_default();
        for id in strays {
            if self.orphans.get(&id) == Some(agent) {
                self.orphans.remove(&id);
            }
            self.forget_stray(agent, &id);
        }
    }

    /// The framework of a task, known or stray.
    pub(crate) fn framework_name(&self, agent: &AgentName, id: &TaskId) -> String {
        let known = self.tasks.get(id).map(|task| task.framework.name.clone());
        let stray = || Some(self.agents.get(agent)?.strays.get(id)?.framework.clone());
        known.or_else(stray).unwrap_or_default()
    }

    pub(crate) fn enter_stray(&mut self, agent: &AgentName, id: &TaskId, stray: Stray) {
        let framework = ObjectKey::new(id.key.namespace.clone(), stray.framework.clone());
        self.allocator.allocate(agent, &framework, &stray.role, &stray.held);
        if let Some(known) = self.agents.get_mut(agent) {
            known.strays.insert(id.clone(), stray);
        }
        self.changed_agents.insert(agent.clone());
        self.changed_frameworks.insert(framework);
    }

    fn kill_stray(&mut self, agent: &AgentName, id: &TaskId, after: Option<crate::ids::WriteId>) {
        let framework = self.framework_name(agent, id);
        let message = ToAgent::Kill { epoch: self.epoch(), task: id.clone(), framework, grace: None };
        self.send(agent, message, after);
    }
}
