//! A task is over.

use crate::event::{Command, StatusUpdate};
use crate::ids::{AgentName, TaskId, Time};
use crate::master::Master;
use crate::planted::Planted;
use crate::state::{KillCause, Over, Phase, Write};
use crate::timers::Timer;
use proffer_mesos_api::{Reason, TaskState};

/// How a task is over.
#[derive(Debug)]
pub(crate) struct Ending {
    state: TaskState,
    reason: Option<Reason>,
    message: String,
    exit_code: Option<i32>,
    signal: Option<i32>,
    sandbox: String,
    at: Option<Time>,
    /// The agent that reported it, and the UUID to acknowledge.
    reported_by: Option<(AgentName, Option<Vec<u8>>)>,
}

impl Ending {
    /// The master decided that it is over.
    pub(crate) fn decided(state: TaskState, reason: Reason, message: String) -> Self {
        Self {
            state,
            reason: Some(reason),
            message,
            exit_code: None,
            signal: None,
            sandbox: String::new(),
            at: None,
            reported_by: None,
        }
    }

    /// Its agent said that it is over.
    pub(crate) fn reported(agent: &AgentName, update: StatusUpdate) -> Self {
        Self {
            state: update.state,
            reason: update.reason,
            message: update.message,
            exit_code: update.exit_code,
            signal: update.signal,
            sandbox: update.sandbox,
            at: Some(update.at),
            reported_by: Some((agent.clone(), update.uuid)),
        }
    }
}

impl Master {
    /// A task is over: what it held is free at once, and its agent is acknowledged once that is durable.
    pub(crate) fn end_task(&mut self, id: &TaskId, ending: Ending) {
        let now = self.now;
        let placed = self.tasks.get(id).and_then(|task| task.placed());
        let kill = placed.and_then(|placed| placed.kill);
        let emptied = placed
            .filter(|placed| placed.kill == Some(KillCause::Draining) && ending.state == TaskState::Killed)
            .map(|placed| self.end_on_emptied(&placed.agent));
        self.stop_waiting(id);
        self.vacate(id);
        self.timers.clear(&Timer::Settle(id.clone()));
        let Some(task) = self.tasks.get_mut(id) else { return };
        let record = &mut task.record;
        record.generation = task.generation;
        record.state = Some(ending.state);
        record.reason = ending.reason;
        record.message = ending.message;
        if kill == Some(KillCause::FrameworkRemoved) && ending.state == TaskState::Killed {
            record.reason = record.reason.or(Some(Reason::FrameworkRemoved));
            if record.message.is_empty() {
                "its framework was deleted".clone_into(&mut record.message);
            }
        }
        if let Some((state, why)) = emptied {
            record.state = Some(state);
            record.reason = Some(Reason::AgentDraining);
            record.message = why;
        }
        record.exit_code = ending.exit_code;
        record.signal = ending.signal;
        if !ending.sandbox.is_empty() {
            record.sandbox = Some(ending.sandbox);
        }
        let completed = ending.at.unwrap_or(now);
        record.completed_at = Some(completed);
        if let Ok(request) = &mut task.request {
            // It may be large and is of no use any more.
            request.command = Command::default();
        }
        let reported = ending.reported_by.is_some();
        // Of a stream's task, its framework acknowledges first.
        let acknowledge =
            ending.reported_by.and_then(|(agent, uuid)| Some((agent, uuid?))).filter(|_| task.stream.is_none());
        task.phase = Phase::Over(Over { write: None, acknowledge, reported });
        let framework = task.framework.clone();
        self.framework_mut(&framework).completed.insert((completed, id.clone()));
        self.changed_frameworks.insert(framework);
        if !reported {
            self.tell_decided(id);
        }
        self.write_ending(id);
    }

    /// Hands out the terminal state to be written, and the acknowledgement to be sent after it.
    pub(crate) fn write_ending(&mut self, id: &TaskId) {
        let write = self.write_awaited(id, Write::Ending(id.clone()));
        let Some(task) = self.tasks.get_mut(id) else { return };
        let superseded = task.superseded;
        let Phase::Over(over) = &mut task.phase else { return };
        over.write = write;
        match (write, over.acknowledge.clone()) {
            (Some(_), Some((agent, uuid))) => {
                let after = write.filter(|_| !self.has(Planted::AcknowledgesBeforeWrite));
                self.acknowledge(&agent, id, uuid, after);
            }
            // The leader after this one acknowledges.
            (None, _) if superseded => {}
            (None, _) => {
                self.nothing_left_to_write(id);
                self.release_if_deleting(id);
            }
            (Some(_), None) => {}
        }
    }
}
