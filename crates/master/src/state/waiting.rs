//! The tasks of a framework that wait for an agent, grouped by what they ask for.

use crate::ids::{TaskId, Time};
use proffer_allocator::Demand;
use proffer_resources::Role;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// The place of a task in its group: the oldest goes first.
pub(crate) type Turn = (Time, TaskId);

/// What a group of waiting tasks asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Want {
    /// In which of its framework's roles; the first of them if `None`.
    pub(crate) role: Option<Role>,
    /// How much.
    pub(crate) demand: Demand,
}

/// The tasks of a framework that wait for an agent. Tasks that ask for the same form a group: when its first does not
/// fit, none does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting {
    groups: BTreeMap<Want, BTreeSet<Turn>>,
    /// Groups that were not tried on every agent yet. The others fit nowhere, but on agents that were freed since.
    fresh: BTreeSet<Want>,
    len: usize,
}

impl Waiting {
    /// Adds a task. `true` if its group is to be tried.
    pub(crate) fn add(&mut self, want: &Want, turn: Turn) -> bool {
        let known = self.groups.get(want).is_some_and(|group| !group.is_empty());
        if !known {
            self.fresh.insert(want.clone());
        }
        if self.groups.entry(want.clone()).or_default().insert(turn) {
            self.len += 1;
        }
        self.fresh.contains(want)
    }

    /// Removes a task.
    pub(crate) fn remove(&mut self, want: &Want, turn: &Turn) {
        let Some(group) = self.groups.get_mut(want) else { return };
        if group.remove(turn) {
            self.len -= 1;
        }
        if group.is_empty() {
            self.groups.remove(want);
            self.fresh.remove(want);
        }
    }

    /// The first task of a group.
    pub(crate) fn head(&self, want: &Want) -> Option<&Turn> {
        self.groups.get(want)?.first()
    }

    /// Remembers that a group fits on no agent.
    pub(crate) fn set_stuck(&mut self, want: &Want) {
        self.fresh.remove(want);
    }

    /// Every group is to be tried again on every agent.
    pub(crate) fn refresh(&mut self) {
        self.fresh = self.groups.keys().cloned().collect();
    }

    /// The groups that were not tried on every agent yet.
    pub(crate) fn fresh(&self) -> impl Iterator<Item = &Want> {
        self.fresh.iter()
    }

    /// Whether a group was not tried on every agent yet.
    pub(crate) fn is_fresh(&self, want: &Want) -> bool {
        self.fresh.contains(want)
    }

    /// All groups.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (&Want, &BTreeSet<Turn>)> {
        self.groups.iter()
    }

    /// Groups from one on.
    pub(crate) fn groups_from(&self, first: Option<&Want>) -> impl Iterator<Item = (&Want, &BTreeSet<Turn>)> {
        self.groups.range((first.map_or(Bound::Unbounded, Bound::Included), Bound::Unbounded))
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
