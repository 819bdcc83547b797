//! What no run may show, seen from outside.

use proffer_agent::{ToMaster, Update, Uuid};
use proffer_master::{TaskId, TaskRecord, Time};
use proffer_mesos_api::TaskState;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What went wrong in a run, and what happened before.
#[derive(Debug)]
pub struct Failure {
    /// The seed that shows it again.
    pub seed: u64,
    /// When.
    pub at: Time,
    /// What went wrong.
    pub problem: String,
    /// The last things that happened.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        write!(f, "seed {}: at {}: {}", self.seed, self.at, self.problem)
    }
}

impl std::error::Error for Failure {}

/// Sees every start and every status.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// The node on which each task started, by the task's UID.
    starts: BTreeMap<String, usize>,
    /// Updates with which agents said that a task had ended.
    endings: BTreeSet<Uuid>,
    problem: Option<String>,
}

impl Oracle {
    /// A task's command starts.
    pub(crate) fn started(&mut self, uid: &str, node: usize) {
        if let Some(before) = self.starts.insert(uid.to_owned(), node) {
            self.found(format!("task {uid} started on node {before} and again on node {node}"));
        }
    }

    /// How many tasks started.
    pub(crate) fn starts(&self) -> usize {
        self.starts.len()
    }

    /// A status replaced another.
    pub(crate) fn wrote(&mut self, task: &TaskId, before: Option<&TaskRecord>, after: &TaskRecord) {
        let ended = before.and_then(|record| record.state).filter(|state| state.is_terminal());
        if ended.is_some() && ended != after.state {
            self.found(format!("task {} was {ended:?} and became {:?}", task.uid, after.state));
        }
        if before.is_some_and(|before| before.epoch > after.epoch) {
            self.found(format!("task {}: the epoch went down", task.uid));
        }
    }

    /// An agent says something.
    pub(crate) fn told(&mut self, message: &ToMaster) {
        let updates: Vec<&Update> = match message {
            ToMaster::Register { tasks, .. } => tasks.iter().map(|task| &task.status).collect(),
            ToMaster::Status(update) => vec![update],
            _ => Vec::new(),
        };
        let ended = updates.into_iter().filter(|update| update.status.state.is_terminal());
        self.endings.extend(ended.filter_map(|update| update.uuid));
    }

    /// An agent is told that it may forget an update.
    pub(crate) fn acknowledged(&mut self, task: &str, uuid: Uuid, recorded: Option<TaskState>, has_object: bool) {
        if self.endings.contains(&uuid) && has_object && !recorded.is_some_and(TaskState::is_terminal) {
            self.found(format!("task {task} was acknowledged at its end and its object says {recorded:?}"));
        }
    }

    /// Something is wrong.
    pub(crate) fn found(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    /// The first thing that is wrong.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}
