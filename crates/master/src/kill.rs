//! A task is asked to end.

use crate::effect::ToAgent;
use crate::ids::{AgentName, TaskId};
use crate::master::Master;
use crate::planted::Planted;
use crate::state::{Agent, KillCause};
use proffer_mesos_api::{Reason, TaskState};

impl Master {
    /// Asks a placed task to end. Asking again sends the message again.
    pub(crate) fn kill(&mut self, id: &TaskId, cause: KillCause) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let Some(placed) = task.placed_mut() else { return };
        placed.kill.get_or_insert(cause);
        let confirmed = placed.confirmed;
        self.show_killing(id);
        self.send_kill(id);
        if let Some(group) = self.group_of(id).filter(|_| !confirmed) {
            self.kill_unlaunched(&group, cause);
        }
        if self.has(Planted::ReleasesAtKill) {
            self.release_if_deleting(id);
        }
    }

    /// Sends the kill of a task that was asked to end.
    pub(crate) fn send_kill(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let Some(placed) = task.placed().filter(|placed| placed.kill.is_some()) else { return };
        let (agent, after) = (placed.agent.clone(), placed.launch);
        let grace = task.request.as_ref().ok().and_then(|request| self.kill_grace_on(&agent, request.kill_grace));
        let message =
            ToAgent::Kill { epoch: self.epoch(), task: id.clone(), framework: task.framework.name.clone(), grace };
        self.send(&agent, message, after);
    }

    /// Shows in a task's status that it was asked to end, or that it cannot be told so now.
    pub(crate) fn show_killing(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let Some(placed) = task.placed().filter(|placed| placed.kill.is_some()) else { return };
        let connected = self.agents.get(&placed.agent).and_then(Agent::session).is_some();
        let state = match task.record.state {
            Some(TaskState::Unreachable) if !connected => TaskState::Unreachable,
            _ => TaskState::Killing,
        };
        let for_agent = placed.kill == Some(KillCause::Draining);
        let message = match (connected, for_agent) {
            (true, false) => "was asked to end".to_owned(),
            (true, true) => format!("was asked to end: {}", self.why_emptied(&placed.agent)),
            (false, _) => kill_is_waiting(&placed.agent),
        };
        if task.record.state == Some(state) && task.record.message == message {
            return;
        }
        if let Some(task) = self.tasks.get_mut(id) {
            task.record.state = Some(state);
            if state == TaskState::Killing {
                task.record.reason = for_agent.then_some(Reason::AgentDraining);
            }
            task.record.message = message;
        }
        self.write_note(id);
    }
}

/// What a task says that was asked to end and whose agent cannot be told.
fn kill_is_waiting(agent: &AgentName) -> String {
    format!(
        "was asked to end, but agent {agent} is not connected: it ends when the agent is back or its Node is deleted"
    )
}
