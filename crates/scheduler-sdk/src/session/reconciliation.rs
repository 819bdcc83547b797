//! Which tasks the framework has, and what is still to be asked about them.
//!
//! As Mesos' documentation recommends: ask for each known task, again after ever longer pauses until the master has said
//! something of it (one whose agent has not come back yet is not answered), and ask for all, which finds the unknown.

use crate::v1;
use proffer_mesos_api::TaskState;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use v1::scheduler::call::reconcile::Task;

/// The pause after the first round.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// The most tasks in one call: some hundred kilobytes.
pub(crate) const PER_CALL: usize = 5_000;

/// Which tasks the framework has, and what is still to be asked about them.
#[derive(Debug, Default)]
pub(crate) struct Reconciliation {
    /// Tasks that have not ended as far as is known, with their agents.
    known: BTreeMap<String, Option<v1::AgentId>>,
    /// Known tasks of which nothing was heard since the reconciliation began.
    unanswered: BTreeSet<String>,
    /// Whether all tasks are to be asked for.
    all: bool,
    round: u32,
    due: Option<Duration>,
}

impl Reconciliation {
    pub(crate) fn launched(&mut self, task: v1::TaskId, agent: Option<v1::AgentId>) {
        self.known.insert(task.value, agent);
    }

    pub(crate) fn not_launched(&mut self, task: &v1::TaskId) {
        self.known.remove(&task.value);
        self.unanswered.remove(&task.value);
    }

    /// Takes note of a task's state.
    pub(crate) fn heard(&mut self, status: &v1::TaskStatus) {
        let task = &status.task_id.value;
        self.unanswered.remove(task);
        // What the master does not know is not asked for again; should it appear after all, its update says so.
        let ended = status.state().as_str_name().parse().is_ok_and(|state: TaskState| state.is_terminal());
        if ended || status.state() == v1::TaskState::TaskUnknown {
            self.known.remove(task);
        } else {
            let agent = self.known.entry(task.clone()).or_default();
            if status.agent_id.is_some() {
                agent.clone_from(&status.agent_id);
            }
        }
    }

    /// Begins anew.
    pub(crate) fn begin(&mut self, now: Duration) {
        self.unanswered = self.known.keys().cloned().collect();
        self.all = true;
        self.round = 0;
        self.due = Some(now);
    }

    /// There is nobody to be asked.
    pub(crate) fn stop(&mut self) {
        self.due = None;
    }

    /// When the next round is.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// A question did not reach the master; one without tasks is not asked again otherwise.
    pub(crate) fn failed(&mut self, question: &[Task]) {
        self.all |= question.is_empty();
    }

    /// The questions of the round that is due, if one is: the tasks of one call each; the empty one is for all tasks.
    pub(crate) fn questions(&mut self, now: Duration) -> Vec<Vec<Task>> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        if self.unanswered.is_empty() && !self.all {
            self.due = None;
            return Vec::new();
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.round.min(16)).min(LONGEST_PAUSE);
        self.due = Some(now + pause);
        self.round += 1;
        let unanswered: Vec<_> = self
            .unanswered
            .iter()
            .map(|task| Task {
                task_id: v1::TaskId { value: task.clone() },
                agent_id: self.known.get(task).cloned().flatten(),
            })
            .collect();
        let mut questions: Vec<_> = unanswered.chunks(PER_CALL).map(<[Task]>::to_vec).collect();
        if std::mem::take(&mut self.all) {
            questions.push(Vec::new());
        }
        questions
    }

    #[cfg(test)]
    pub(crate) fn known(&self) -> Vec<&str> {
        self.known.keys().map(String::as_str).collect()
    }
}
