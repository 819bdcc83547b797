//! Whether agents are there: pings, lost connections, and when an agent is unreachable.

use crate::effect::ToAgent;
use crate::ids::{AgentName, Session, TaskId};
use crate::master::Master;
use crate::planted::Planted;
use crate::record::NoticeAbout;
use crate::state::{Agent, AgentObject, Liveness};
use crate::timers::Timer;
use proffer_mesos_api::{Reason, TaskState};

impl Master {
    /// Whether `session` is the connection of `agent`.
    pub(crate) fn is_current(&self, agent: &AgentName, session: Session) -> bool {
        self.agents.get(agent).and_then(Agent::session) == Some(session)
    }

    /// A sign of life.
    pub(crate) fn heard_from(&mut self, agent: &AgentName, from: Session) {
        if let Some(Liveness::Connected { session, silent, missed, .. }) =
            self.agents.get_mut(agent).map(|known| &mut known.liveness)
            && *session == from
        {
            *silent = false;
            *missed = 0;
        }
    }

    /// A connection ended.
    pub(crate) fn agent_disconnected(&mut self, agent: &AgentName, session: Session) {
        if self.is_current(agent, session) {
            self.connection_lost(agent);
        }
    }

    /// Nothing more comes over an agent's connection. Its tasks go on; nothing is added.
    pub(crate) fn connection_lost(&mut self, agent: &AgentName) {
        let now = self.now;
        let Some(known) = self.agents.get_mut(agent) else { return };
        known.liveness = Liveness::Disconnected(now);
        known.epoch_confirmed = false;
        known.to_launch.clear();
        known.asked_to_destroy.clear();
        self.timers.clear(&Timer::Ping(agent.clone()));
        self.timers.set(Timer::AgentLost(agent.clone()), now.after(self.config.unreachable_after()));
        self.drop_destructions_on(agent);
        self.agent_changed(agent);
        for id in self.tasks_on(agent) {
            self.show_killing(&id);
        }
    }

    /// Pings an agent, unless it left too many pings without an answer.
    pub(crate) fn ping(&mut self, agent: &AgentName) {
        let most = if self.has(Planted::UnreachableTooEarly) { 1 } else { self.config.max_agent_ping_timeouts };
        let Some(Liveness::Connected { session, ping, silent, missed }) =
            self.agents.get_mut(agent).map(|known| &mut known.liveness)
        else {
            return;
        };
        *missed = if *silent { *missed + 1 } else { 0 };
        if *missed >= most {
            let session = *session;
            self.disconnect(agent, session, format!("agent {agent} left {most} pings without an answer"));
            if let Some(turn) = self.removal_turn() {
                self.connection_lost(agent);
                self.timers.set(Timer::AgentLost(agent.clone()), turn);
            } else {
                self.unreachable(agent);
            }
            return;
        }
        *silent = true;
        *ping += 1;
        let sequence = *ping;
        self.send(agent, ToAgent::Ping { epoch: self.epoch(), sequence }, None);
        self.timers.set(Timer::Ping(agent.clone()), self.now.after(self.config.agent_ping_timeout));
    }

    /// An agent has not come back in time.
    pub(crate) fn agent_lost(&mut self, agent: &AgentName) {
        let away = |known: &Agent| known.session().is_none() && known.liveness != Liveness::Unreachable;
        if !self.agents.get(agent).is_some_and(away) || self.holds_removal_back(agent) {
            return;
        }
        match self.removal_turn() {
            Some(turn) => self.timers.set(Timer::AgentLost(agent.clone()), turn),
            None => self.unreachable(agent),
        }
    }

    /// The tasks placed on an agent.
    pub(crate) fn tasks_on(&self, agent: &AgentName) -> Vec<TaskId> {
        self.agents.get(agent).map(|known| known.tasks.iter().cloned().collect()).unwrap_or_default()
    }

    /// An agent cannot be reached. What runs there may go on, so its tasks keep what they hold.
    fn unreachable(&mut self, agent: &AgentName) {
        let Some(known) = self.agents.get_mut(agent) else { return };
        if known.liveness == Liveness::Unreachable {
            return;
        }
        known.liveness = Liveness::Unreachable;
        known.epoch_confirmed = false;
        known.to_launch.clear();
        let deleted = known.object == AgentObject::Deleted;
        self.no_longer_missing(agent);
        self.timers.clear(&Timer::Ping(agent.clone()));
        self.timers.clear(&Timer::AgentLost(agent.clone()));
        let tasks = self.tasks_on(agent);
        let message = match tasks.len() {
            1 => "cannot be reached; 1 task there is unreachable".to_owned(),
            count => format!("cannot be reached; {count} tasks there are unreachable"),
        };
        self.warn(NoticeAbout::Agent(agent.clone()), "AgentUnreachable", message);
        if deleted {
            // Its object went before it did, so its node is gone.
            self.agent_gone(agent);
            return;
        }
        for id in tasks {
            if let Some(task) = self.tasks.get_mut(&id) {
                task.record.state = Some(TaskState::Unreachable);
                task.record.reason = Some(Reason::AgentDisconnected);
                task.record.message = format!("agent {agent} cannot be reached; the task may still run");
                let killing = task.placed().is_some_and(|placed| placed.kill.is_some());
                if killing {
                    self.show_killing(&id);
                } else {
                    self.write_note(&id);
                }
                self.tell_decided(&id);
            }
        }
        self.agent_changed(agent);
    }
}
