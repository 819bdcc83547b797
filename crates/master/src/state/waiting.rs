//! The tasks of a framework that wait for an agent, grouped by what they ask for.

use crate::ids::{TaskId, Time};
use proffer_allocator::Demand;
use std::collections::{BTreeMap, BTreeSet};

/// The place of a task in its group: the oldest goes first.
pub(crate) type Turn = (Time, TaskId);

/// The tasks of a framework that wait for an agent. Tasks that ask for the same form a group: when its first does not
/// fit, none does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting {
    groups: BTreeMap<Demand, BTreeSet<Turn>>,
    /// Groups that were not tried on every agent yet. The others fit nowhere, but on agents that were freed since.
    fresh: BTreeSet<Demand>,
    len: usize,
}

impl Waiting {
    /// Adds a task. `true` if its group is to be tried.
    pub(crate) fn add(&mut self, demand: &Demand, turn: Turn) -> bool {
        let known = self.groups.get(demand).is_some_and(|group| !group.is_empty());
        if !known {
            self.fresh.insert(demand.clone());
        }
        if self.groups.entry(demand.clone()).or_default().insert(turn) {
            self.len += 1;
        }
        self.fresh.contains(demand)
    }

    /// Removes a task.
    pub(crate) fn remove(&mut self, demand: &Demand, turn: &Turn) {
        let Some(group) = self.groups.get_mut(demand) else { return };
        if group.remove(turn) {
            self.len -= 1;
        }
        if group.is_empty() {
            self.groups.remove(demand);
            self.fresh.remove(demand);
        }
    }

    /// The first task of a group.
    pub(crate) fn head(&self, demand: &Demand) -> Option<&Turn> {
        self.groups.get(demand)?.first()
    }

    /// Remembers that a group fits on no agent.
    pub(crate) fn set_stuck(&mut self, demand: &Demand) {
        self.fresh.remove(demand);
    }

    /// Every group is to be tried again on every agent.
    pub(crate) fn refresh(&mut self) {
        self.fresh = self.groups.keys().cloned().collect();
    }

    /// The groups that were not tried on every agent yet.
    pub(crate) fn fresh(&self) -> impl Iterator<Item = &Demand> {
        self.fresh.iter()
    }

    /// Whether a group was not tried on every agent yet.
    pub(crate) fn is_fresh(&self, demand: &Demand) -> bool {
        self.fresh.contains(demand)
    }

    /// All groups.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (&Demand, &BTreeSet<Turn>)> {
        self.groups.iter()
    }

    /// How many tasks wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether no task waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
}
