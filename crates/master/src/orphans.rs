//! Tasks that an agent has and of which no object was ever seen here.
//!
//! A watch lags: a task may have been created, placed by the leader before this one and launched, before its object is
//! told here. So nothing that cannot be taken back is done about it (no kill, no acknowledgement of its end) until a
//! watch that has said nothing for so long would have been noticed to be dead.

use crate::effect::ToAgent;
use crate::event::StatusUpdate;
use crate::ids::{AgentName, ObjectKey, TaskId};
use crate::master::Master;
use crate::state::{Agent, Stray};
use crate::tasks::SETTLE;
use crate::timers::Timer;
use proffer_resources::ResourceBag;

impl Master {
    /// An agent says something about a task of which nothing is known.
    pub(crate) fn meet_orphan(&mut self, agent: &AgentName, update: StatusUpdate, held: Option<ResourceBag>) {
        let id = update.task.clone();
        let known = self.agents.get(agent).and_then(|known| known.strays.get(&id)).cloned();
        let given_up = known.as_ref().is_some_and(|stray| stray.orphan.is_none());
        let ended = update.state.is_terminal();
        if let Some(uuid) = update.uuid.clone().filter(|_| given_up || !ended) {
            self.acknowledge(agent, &id, uuid, None);
        }
        if given_up && ended {
            self.forget_stray(agent, &id);
            return;
        }
        if given_up {
            self.meet_stray(agent, &update, held);
            return;
        }
        let held = if ended { None } else { held.or(known.map(|stray| stray.held)) };
        let framework = update.framework.clone();
        self.forget_stray(agent, &id);
        let role = self.role_of(&ObjectKey::new(id.key.namespace.clone(), framework.clone()));
        let stray = Stray { framework, role, held: held.unwrap_or_default(), orphan: Some(update) };
        self.enter_stray(agent, &id, stray);
        self.orphans.insert(id.clone(), agent.clone());
        let due = self.now.after(self.config.unreachable_after());
        self.timers.set_at_latest(Timer::OrphanDue(agent.clone(), id), due);
        // What it holds may be offered.
        self.agent_changed(agent);
    }

    /// No object of an orphan has come: there is none. But if this process stood still meanwhile, objects may have come
    /// that it has not been told yet; that is the first thing that follows.
    pub(crate) fn orphan_overdue(&mut self, agent: AgentName, id: TaskId) {
        self.timers.set(Timer::OrphanGivenUp(agent, id), self.now.after(SETTLE));
    }

    /// There is no object of an orphan.
    pub(crate) fn orphan_given_up(&mut self, agent: &AgentName, id: &TaskId) {
        let Some(known) = self.agents.get_mut(agent).filter(|known| known.session().is_some()) else { return };
        let Some(update) = known.strays.get_mut(id).and_then(|stray| stray.orphan.take()) else { return };
        if self.orphans.get(id) == Some(agent) {
            self.orphans.remove(id);
        }
        if !update.state.is_terminal() {
            let message =
                ToAgent::Kill { epoch: self.epoch(), task: id.clone(), framework: update.framework, grace: None };
            self.send(agent, message, None);
            return;
        }
        if let Some(uuid) = update.uuid {
            self.acknowledge(agent, id, uuid, None);
        }
        self.forget_stray(agent, id);
    }

    /// The object of a task came after its agent had spoken of it: what it said is entered now.
    pub(crate) fn recognize_orphan(&mut self, id: &TaskId, agent: &AgentName) {
        self.orphans.remove(id);
        self.timers.clear(&Timer::OrphanDue(agent.clone(), id.clone()));
        self.timers.clear(&Timer::OrphanGivenUp(agent.clone(), id.clone()));
        let Some(known) = self.agents.get(agent) else { return };
        let Some(Stray { held, orphan: Some(update), .. }) = known.strays.get(id).cloned() else { return };
        self.forget_stray(agent, id);
        if self.agents.get(agent).and_then(Agent::session).is_some() {
            self.take_update(agent, update, Some(held));
        }
    }
}
