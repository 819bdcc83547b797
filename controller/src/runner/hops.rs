//! How long each hop of a launch takes, for `/metrics`.

use super::Arrived;
use crate::clock::Boot;
use crate::metrics::{Hop, Metrics};
use proffer_master::{Event, TaskId, TaskRecord, ToAgent, WriteId, WriteOutcome};
use proffer_mesos_api::TaskState;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Launches followed at once; beyond that, some are not measured.
const FOLLOWED: usize = 16_384;

/// Follows tasks from their event to their process.
pub(super) struct Hops {
    metrics: Arc<Metrics>,
    /// When a task was first heard of.
    heard: HashMap<TaskId, Boot>,
    /// When a write was handed over, and of which hop it is.
    writes: HashMap<WriteId, (Hop, Boot)>,
    /// When a launch was sent.
    sent: HashMap<TaskId, Boot>,
}

impl Hops {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, heard: HashMap::new(), writes: HashMap::new(), sent: HashMap::new() }
    }

    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::TaskApplied(task) if task.record.is_none() && !task.deleting && self.heard.len() < FOLLOWED => {
                self.heard.entry(task.id.clone()).or_insert_with(Boot::now);
            }
            Event::TaskDeleted(task) => {
                self.heard.remove(task);
                self.sent.remove(task);
            }
            Event::Written { write, outcome } => {
                if let Some((hop, since)) = self.writes.remove(write)
                    && *outcome == WriteOutcome::Done
                {
                    self.metrics.hop(hop, Boot::now().since(since));
                }
            }
            _ => {}
        }
    }

    /// The master decided something about a task.
    pub(super) fn decided(&mut self, write: WriteId, task: &TaskId, record: &TaskRecord) {
        let hop = match record.state {
            Some(TaskState::Staging) => {
                if let Some(heard) = self.heard.remove(task) {
                    self.metrics.hop(Hop::Allocation, Boot::now().since(heard));
                }
                Hop::Write
            }
            Some(TaskState::Running) => Hop::Status,
            _ => return,
        };
        if self.writes.len() < FOLLOWED {
            self.writes.insert(write, (hop, Boot::now()));
        }
    }

    /// A message goes to an agent.
    pub(super) fn sent(&mut self, message: &ToAgent) {
        let launches = match message {
            ToAgent::Launch(launch) => std::slice::from_ref(launch.as_ref()),
            ToAgent::LaunchGroup { launches, .. } => launches,
            _ => return,
        };
        for launch in launches {
            if self.sent.len() < FOLLOWED {
                self.sent.insert(launch.task.clone(), Boot::now());
            }
        }
    }

    /// A message came from an agent.
    pub(super) fn arrived(&mut self, arrived: &Arrived) {
        let Event::StatusUpdate { update, .. } = &arrived.event else { return };
        let Some(times) = &arrived.launch_times else { return };
        let (checkpoint, spawn) =
            (Duration::from_micros(times.checkpoint_micros), Duration::from_micros(times.spawn_micros));
        // Only the first answer: the agent says it again with each later one.
        if let Some(sent) = self.sent.remove(&update.task) {
            self.metrics.hop(Hop::Checkpoint, checkpoint);
            self.metrics.hop(Hop::Spawn, spawn);
            self.metrics.hop(Hop::Link, Boot::now().since(sent).saturating_sub(checkpoint + spawn));
        }
    }
}
