//! The books of one agent.

use crate::Share;
use proffer_resources::Resources;
use std::collections::BTreeMap;

/// What an agent has, what of it is held by tasks and what is offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentBooks {
    pub(crate) total: Resources,
    pub(crate) allocated: Resources,
    pub(crate) offered: Resources,
    pub(crate) ready: bool,
    /// Ports that more than one task holds, and by how many too many. Empty unless an agent came back with tasks that
    /// two leaders placed.
    pub(crate) doubly_held: BTreeMap<u64, u32>,
}

impl AgentBooks {
    /// All that it has.
    #[must_use]
    pub fn total(&self) -> &Resources {
        &self.total
    }

    /// What tasks hold.
    #[must_use]
    pub fn allocated(&self) -> &Resources {
        &self.allocated
    }

    /// What is in offers that wait for a reply.
    #[must_use]
    pub fn offered(&self) -> &Resources {
        &self.offered
    }

    /// Whether its resources may be used now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// What nobody holds and nobody is offered. Nothing at all on an agent that shrank below what runs on it: it must
    /// fit again before anything is added.
    #[must_use]
    pub fn free(&self) -> Resources {
        if self.is_overcommitted() {
            return Resources::default();
        }
        self.total.saturating_minus(&self.allocated).saturating_minus(&self.offered)
    }

    /// Whether more is held and offered than there is.
    #[must_use]
    pub fn is_overcommitted(&self) -> bool {
        !self.fits_in(&self.total)
    }

    /// Whether what is held and offered, each apart, would fit in `total`.
    #[must_use]
    pub fn fits_in(&self, total: &Resources) -> bool {
        !self.allocated.overlaps(&self.offered) && total.contains(&self.allocated.plus(&self.offered))
    }

    /// Which part of it is held or offered.
    pub(crate) fn fullness(&self) -> Share {
        Share::dominant(&self.allocated.plus(&self.offered), &self.total)
    }

    /// Counts `held` as held by one more task.
    pub(crate) fn hold(&mut self, held: &Resources) {
        for port in self.allocated.ports.intersection(&held.ports).iter() {
            *self.doubly_held.entry(port).or_default() += 1;
        }
        self.allocated = self.allocated.plus(held);
    }

    /// Counts `held` as held by one task less.
    pub(crate) fn let_go(&mut self, held: &Resources) {
        let mut ports = held.ports.clone();
        if !self.doubly_held.is_empty() {
            let still_held: Vec<u64> = ports.iter().filter(|port| self.doubly_held.contains_key(port)).collect();
            for port in still_held {
                ports = ports.difference(&proffer_resources::Ranges::span(port, port));
                if let Some(extra) = self.doubly_held.get_mut(&port) {
                    *extra -= 1;
                    if *extra == 0 {
                        self.doubly_held.remove(&port);
                    }
                }
            }
        }
        self.allocated = self.allocated.saturating_minus(&Resources { ports, ..held.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_resources::{Amount, Ranges};

    fn resources(cpus: u64, begin: u64, end: u64) -> Resources {
        Resources { cpus: Amount::from_units(cpus), ports: Ranges::span(begin, end), ..Resources::default() }
    }

    #[test]
    fn a_port_that_two_tasks_hold_is_free_only_after_both() {
        let mut books = AgentBooks { total: resources(4, 1, 10), ..AgentBooks::default() };
        books.hold(&resources(1, 1, 3));
        books.hold(&resources(1, 3, 4));
        books.let_go(&resources(1, 1, 3));
        assert_eq!(books.allocated, resources(1, 3, 4));
        books.let_go(&resources(1, 3, 4));
        assert_eq!((books.allocated, books.doubly_held), (Resources::default(), BTreeMap::new()));
    }

    #[test]
    fn nothing_is_free_on_an_agent_that_shrank_below_what_runs() {
        let mut books = AgentBooks { total: resources(4, 1, 10), ..AgentBooks::default() };
        books.hold(&resources(3, 1, 1));
        books.total = resources(2, 1, 10);
        assert!(books.is_overcommitted());
        assert_eq!(books.free(), Resources::default());
    }
}
