//! Agents that an operator wants empty, unused or gone (Mesos: `DRAIN_AGENT`, `DEACTIVATE_AGENT`, `MARK_AGENT_GONE`).
//!
//! The object is the truth: each leader reads there what is ordered, and goes on from what runs.

use crate::effect::Effect;
use crate::ending::Ending;
use crate::event::StatusUpdate;
use crate::ids::{AgentName, TaskId};
use crate::master::Master;
use crate::operator_objects::{AgentOrders, AgentUse};
use crate::record::{Notice, NoticeAbout, Readiness};
use crate::state::{Agent, AgentObject, KillCause, Liveness};
use crate::timers::Timer;
use proffer_allocator::AgentMode;
use proffer_mesos_api::{Reason, TaskState};
use std::time::Duration;

impl Master {
    /// An Agent object says what an operator wants of it.
    pub(crate) fn orders_changed(&mut self, agent: &AgentName, orders: AgentOrders, was_drained: bool) {
        let Some(known) = self.agents.get_mut(agent) else { return };
        if known.object == AgentObject::NotSeen {
            known.drained = was_drained && orders.drain.is_some();
        } else if orders.drain.is_none() {
            known.drained = false;
        }
        let tightened = known.orders.drain != orders.drain;
        known.orders = orders;
        if tightened {
            for id in self.tasks_on(agent) {
                self.send_kill(&id);
            }
        }
    }

    /// What an agent may be used for.
    pub(crate) fn use_of(&self, agent: &AgentName, known: &Agent) -> AgentUse {
        let orders = &known.orders;
        if orders.gone {
            AgentUse::Gone
        } else if self.maintenance.is_down(agent) {
            AgentUse::Down
        } else if orders.drain.is_some() {
            if known.drained { AgentUse::Drained } else { AgentUse::Draining }
        } else if orders.deactivated {
            AgentUse::Deactivated
        } else {
            AgentUse::Active
        }
    }

    /// How the allocator is to treat an agent.
    pub(crate) fn mode_of(&self, agent: &AgentName, known: &Agent) -> AgentMode {
        match self.use_of(agent, known) {
            AgentUse::Active => AgentMode::Active,
            AgentUse::Draining | AgentUse::Drained => AgentMode::Draining,
            AgentUse::Deactivated | AgentUse::Down | AgentUse::Gone => AgentMode::Deactivated,
        }
    }

    /// Ends what must not be on an agent any more.
    pub(crate) fn empty_agent(&mut self, agent: &AgentName) {
        let Some(known) = self.agents.get(agent) else { return };
        match self.use_of(agent, known) {
            AgentUse::Active | AgentUse::Deactivated => {}
            AgentUse::Draining | AgentUse::Drained | AgentUse::Down => {
                for id in self.tasks_on(agent) {
                    let killed = |id| self.tasks.get(id)?.placed()?.kill;
                    if killed(&id).is_none() {
                        self.kill(&id, KillCause::Draining);
                    }
                }
            }
            AgentUse::Gone => self.agent_marked_gone(agent),
        }
    }

    /// Whether an agent that was to be emptied is empty now, so that it can be marked gone if that is wanted.
    pub(crate) fn note_drained(&mut self, agent: &AgentName) {
        let Some(known) = self.agents.get_mut(agent) else { return };
        let Some(order) = known.orders.drain else { return };
        let empty = known.tasks.is_empty() && known.strays.is_empty();
        // Only a connected agent has told all that it has.
        if known.drained || !empty || known.session().is_none() || known.orders.gone {
            return;
        }
        known.drained = true;
        let message = if order.mark_gone { "is empty, and is marked gone" } else { "is empty" };
        let about = NoticeAbout::Agent(agent.clone());
        self.push(Effect::Tell(Notice { about, warning: false, reason: "Drained", message: message.to_owned() }));
        if order.mark_gone {
            self.push(Effect::MarkAgentGone(agent.clone()));
        }
    }

    /// The grace that a kill on an agent gives instead of the task's own: the drain's, where that is shorter.
    pub(crate) fn kill_grace_on(&self, agent: &AgentName, own: Duration) -> Option<Duration> {
        let longest = self.agents.get(agent)?.orders.drain?.max_grace?;
        (longest < own).then_some(longest)
    }

    /// State and message of a task that was killed because its agent is to be empty.
    pub(crate) fn end_on_emptied(&self, agent: &AgentName) -> (TaskState, String) {
        let Some(known) = self.agents.get(agent) else { return (TaskState::Killed, String::new()) };
        let marks_gone = known.orders.drain.is_some_and(|order| order.mark_gone);
        let state = if marks_gone { TaskState::GoneByOperator } else { TaskState::Killed };
        (state, self.why_emptied(agent))
    }

    /// An update as its framework is to be told it: of a task that was killed because its agent is to be empty, why.
    pub(crate) fn as_emptied(&self, agent: &AgentName, mut update: StatusUpdate) -> StatusUpdate {
        let kill = self.tasks.get(&update.task).and_then(|task| task.placed()).and_then(|placed| placed.kill);
        if kill == Some(KillCause::Draining) && update.state == TaskState::Killed {
            (update.state, update.message) = self.end_on_emptied(agent);
            update.reason = Some(Reason::AgentDraining);
        }
        update
    }

    /// Why nothing may run on an agent, for people.
    pub(crate) fn why_emptied(&self, agent: &AgentName) -> String {
        match self.maintenance.of(agent) {
            Some(maintenance) if self.maintenance.is_down(agent) => {
                format!("agent {agent} is down for maintenance {maintenance:?}")
            }
            _ => format!("agent {agent} is being drained"),
        }
    }

    /// What an Agent object says of an agent that could run tasks but must not; `None` if it may.
    pub(crate) fn why_unused(&self, agent: &AgentName, known: &Agent) -> Option<Readiness> {
        let tasks = match known.tasks.len() + known.strays.len() {
            0 => "nothing runs there".to_owned(),
            1 => "1 task is still to end".to_owned(),
            count => format!("{count} tasks are still to end"),
        };
        let (reason, message) = match self.use_of(agent, known) {
            AgentUse::Active => return None,
            AgentUse::Deactivated => ("Deactivated", "an operator wants nothing of it offered".to_owned()),
            AgentUse::Draining => ("Draining", format!("is being drained: {tasks}")),
            AgentUse::Drained => ("Drained", "was drained: remove spec.drain to have it offered again".to_owned()),
            AgentUse::Down => ("Maintenance", format!("{}: {tasks}", self.why_emptied(agent))),
            AgentUse::Gone => (
                "Gone",
                "was marked gone and may not come back: to take its node in again, delete this Agent object".to_owned(),
            ),
        };
        Some(Readiness { ready: false, reason, message })
    }

    /// An operator declared an agent gone: so is all that ran there. Its slot goes with it, which ends what still runs.
    fn agent_marked_gone(&mut self, agent: &AgentName) {
        for offer in self.offers_of(agent) {
            self.rescind(&offer, format!("agent {agent} is gone"));
        }
        let tasks: Vec<TaskId> = self.tasks_on(agent);
        for id in tasks {
            let message = format!("an operator marked agent {agent} gone");
            self.end_task(&id, Ending::decided(TaskState::GoneByOperator, Reason::AgentRemovedByOperator, message));
        }
        self.forget_strays(agent);
        let Some(known) = self.agents.get_mut(agent) else { return };
        let session = known.session();
        known.liveness = Liveness::Unreachable;
        known.epoch_confirmed = false;
        known.to_launch.clear();
        for timer in [Timer::Ping(agent.clone()), Timer::AgentLost(agent.clone()), Timer::AgentLate(agent.clone())] {
            self.timers.clear(&timer);
        }
        if let Some(session) = session {
            self.disconnect(agent, session, refusal(agent));
        }
    }
}

/// Why the agent's connection is ended.
pub(crate) fn refusal(agent: &AgentName) -> String {
    format!("agent {agent} was marked gone by an operator: delete its Agent object to take it in again")
}
