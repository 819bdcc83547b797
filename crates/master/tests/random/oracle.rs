//! What nobody in the cluster may do, seen from outside; and how everything must look when the faults are over.

use crate::cluster::Cluster;
use proffer_master::{TaskId, TaskObject, TaskRecord};
use proffer_mesos_api::TaskState;
use std::collections::BTreeSet;
use std::time::Duration;

/// Sees everything, and remembers what went wrong.
#[derive(Default)]
pub(crate) struct Oracle {
    started: BTreeSet<TaskId>,
    pub(crate) problem: Option<String>,
}

impl Oracle {
    /// A task was started on an agent.
    pub(crate) fn started(&mut self, id: &TaskId) {
        if !self.started.insert(id.clone()) {
            self.problem = Some(format!("{id:?} was started twice"));
        }
    }

    /// An agent's terminal state was acknowledged.
    pub(crate) fn forgot(&mut self, id: &TaskId, state: TaskState, object: Option<&TaskObject>, refused: bool) {
        let recorded = object.is_none_or(|object| {
            object.record.as_ref().and_then(|record| record.state).is_some_and(TaskState::is_terminal)
        });
        if !recorded && !refused {
            self.problem = Some(format!("{id:?} was acknowledged as {state} and is {object:?}"));
        }
    }

    /// A status was stored.
    pub(crate) fn wrote(&mut self, id: &TaskId, before: Option<&TaskRecord>, after: &TaskRecord) {
        let ended = before.and_then(|record| record.state).filter(|state| state.is_terminal());
        if ended.is_some() && after.state != ended {
            self.problem = Some(format!("{id:?} was {ended:?} and is {:?}", after.state));
        }
    }

    /// A finalizer was taken off.
    pub(crate) fn released(&mut self, id: &TaskId, object: Option<&TaskObject>, alive: bool) {
        if object.is_some_and(|object| !object.deleting) {
            self.problem = Some(format!("{id:?} was released and nobody deletes it"));
        }
        let gone = object
            .and_then(|object| object.record.as_ref())
            .is_some_and(|record| record.state == Some(TaskState::Gone));
        if alive && !gone {
            self.problem = Some(format!("{id:?} was released and runs"));
        }
    }

    /// An object was deleted for history's sake.
    pub(crate) fn deleted(&mut self, id: &TaskId, object: Option<&TaskObject>) {
        let over = object.is_none_or(|object| {
            object.record.as_ref().and_then(|record| record.state).is_some_and(TaskState::is_terminal)
        });
        if !over {
            self.problem = Some(format!("{id:?} was deleted and is not over: {object:?}"));
        }
    }
}

impl Cluster {
    /// The faults are over: every agent connects, everything arrives, some time passes.
    pub(crate) fn heal(&mut self) {
        self.end_of_faults();
        for index in 0..self.agents.len() {
            self.connect(index);
        }
        self.settle();
        // Longer than what nobody knows of is waited for.
        for _ in 0..22 {
            self.pass(Duration::from_secs(4));
            for agent in &mut self.agents {
                agent.send_again();
            }
            self.settle();
        }
    }

    /// Everything is as the objects want it.
    pub(crate) fn check_final_state(&self) {
        self.check_reservations();
        for agent in &self.agents {
            for (id, running) in &agent.tasks {
                let object = self.tasks.get(id);
                let state = object.and_then(|object| object.record.as_ref()).and_then(|record| record.state);
                let placed_here = object
                    .and_then(|object| object.record.as_ref()?.agent.as_ref())
                    .is_some_and(|place| place.agent == agent.name);
                let fine = running.acknowledged && placed_here && state == Some(TaskState::Running);
                if !fine && !self.refused.contains(id) {
                    self.fail(&format!("{id:?} is {running:?} on {}, its object says {object:?}", agent.name));
                }
            }
        }
        for (id, object) in &self.tasks {
            if self.refused.contains(id) {
                continue;
            }
            let Some(record) = &object.record else { self.fail(&format!("{id:?} was told nothing")) };
            let runs = self.agents.iter().any(|agent| agent.tasks.contains_key(id));
            let fine = match record.state {
                None => !record.message.is_empty() && !runs,
                Some(TaskState::Running) => runs,
                Some(state) => state.is_terminal() && !runs,
            };
            if !fine || object.deleting {
                self.fail(&format!("{id:?} runs: {runs}, its object says {object:?}"));
            }
        }
    }
}
