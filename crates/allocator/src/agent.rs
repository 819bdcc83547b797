//! The books of one agent.

use crate::framework::ClientId;
use crate::{Share, Time};
use proffer_resources::{Attributes, Quantities, Ranges, Resource, ResourceBag, ResourceName, Resources, Role, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of an agent beside its resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentInfo {
    /// Its host name.
    pub hostname: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// The region of its fault domain.
    pub region: Option<String>,
    /// The zone of its fault domain.
    pub zone: Option<String>,
}

/// Whether an operator lets an agent be offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum AgentMode {
    /// It may be offered.
    #[default]
    Active,
    /// An operator wants nothing of it offered (Mesos: `DEACTIVATE_AGENT`).
    Deactivated,
    /// It is being emptied (Mesos: `DRAIN_AGENT`).
    Draining,
}

/// When an agent will not be there (Mesos: `Unavailability`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unavailability {
    /// From when.
    pub start: Time,
    /// For how long; `None`: for good.
    pub duration: Option<std::time::Duration>,
}

/// What an agent has, what of it is held by tasks and what is offered.
#[derive(Clone, Debug, Default)]
pub struct AgentBooks {
    pub(crate) total: ResourceBag,
    pub(crate) allocated: ResourceBag,
    pub(crate) offered: ResourceBag,
    /// What nobody holds and nobody is offered; nothing while it is overcommitted.
    free: ResourceBag,
    /// What of that is unreserved and not revocable.
    plain_free: Quantities,
    /// Whether all that is free is unreserved, not revocable and no volume: then it is alike for every role.
    free_is_plain: bool,
    overcommitted: bool,
    /// Whether the master can use it now.
    pub(crate) ready: bool,
    pub(crate) mode: AgentMode,
    pub(crate) info: AgentInfo,
    pub(crate) unavailability: Option<Unavailability>,
    /// Ports that more than one task holds, and by how many too many. Empty unless an agent came back with tasks that
    /// two leaders placed.
    doubly_held: BTreeMap<u64, u32>,
    /// What tasks of each client hold here.
    pub(crate) holders: BTreeMap<ClientId, Quantities>,
    /// Live offers of it.
    pub(crate) offers: Vec<u64>,
    /// Clients for which nothing is here until it grows.
    pub(crate) settled: Vec<ClientId>,
    /// What was refused of it last, to be shared by those who refuse the same.
    pub(crate) last_refused: Option<Arc<ResourceBag>>,
}

/// Whether a resource is for everybody, for as long as it is used. What is not counts against no quota when it is claimed:
/// what is reserved counts anyway, what is revocable never.
pub(crate) fn is_plain(resource: &Resource) -> bool {
    resource.reserved_for().is_none() && !resource.revocable && !resource.shared
}

impl AgentBooks {
    /// All that it has.
    #[must_use]
    pub fn total(&self) -> &ResourceBag {
        &self.total
    }

    /// What tasks hold.
    #[must_use]
    pub fn allocated(&self) -> &ResourceBag {
        &self.allocated
    }

    /// What is in offers that wait for a reply.
    #[must_use]
    pub fn offered(&self) -> &ResourceBag {
        &self.offered
    }

    /// What nobody holds and nobody is offered. Nothing at all on an agent that shrank below what runs on it: it must
    /// fit again before anything is added.
    #[must_use]
    pub fn free(&self) -> &ResourceBag {
        &self.free
    }

    /// What of that is unreserved and not revocable.
    pub(crate) fn plain_free(&self) -> &Quantities {
        &self.plain_free
    }

    pub(crate) fn free_is_plain(&self) -> bool {
        self.free_is_plain
    }

    /// Whether its resources may be used now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready && self.mode == AgentMode::Active
    }

    /// Whether it is connected and can run tasks, whatever an operator wants of it.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.ready
    }

    /// What is known of it beside its resources.
    #[must_use]
    pub fn info(&self) -> &AgentInfo {
        &self.info
    }

    /// When it will not be there, if that is planned.
    #[must_use]
    pub fn unavailability(&self) -> Option<Unavailability> {
        self.unavailability
    }

    /// Whether an operator lets it be offered.
    #[must_use]
    pub fn mode(&self) -> AgentMode {
        self.mode
    }

    /// Whether more is held and offered than there is.
    #[must_use]
    pub fn is_overcommitted(&self) -> bool {
        self.overcommitted
    }

    /// Whether what is held and offered, each apart, would fit in `total`.
    #[must_use]
    pub fn fits_in(&self, total: &ResourceBag) -> bool {
        let overlap = !self.offered.is_empty()
            && self.allocated.ranges(&ResourceName::Ports).intersects(&self.offered.ranges(&ResourceName::Ports));
        !overlap && total.contains(&self.unshared_allocated().plus(&self.offered))
    }

    /// Which part of it is held or offered.
    pub(crate) fn fullness(&self) -> Share {
        let used = self.allocated.quantities().plus(&self.offered.quantities());
        Share::dominant(&used, &self.total.quantities())
    }

    /// What of it a role could be offered if no offer were out; `None` if nothing.
    pub(crate) fn potential_for(&self, role: &Role) -> Option<ResourceBag> {
        let potential = if self.offered.is_empty() { self.free.clone() } else { self.free.plus(&self.offered) };
        let potential = if self.free_is_plain { potential } else { potential.allocatable_to(role) };
        (!potential.is_empty()).then_some(potential)
    }

    /// Shared volumes in use can be given to others, too.
    fn unshared_allocated(&self) -> ResourceBag {
        self.allocated.filter(|resource| !resource.shared)
    }

    /// Works out anew what follows from total, allocated and offered.
    pub(crate) fn refresh(&mut self) {
        self.overcommitted = !self.fits_in(&self.total);
        self.free = if self.overcommitted {
            ResourceBag::new()
        } else {
            self.total.saturating_minus(&self.unshared_allocated()).saturating_minus(&self.offered)
        };
        self.refresh_plain();
    }

    fn refresh_plain(&mut self) {
        self.free_is_plain = self.free.iter().all(is_plain);
        self.plain_free = if self.free_is_plain { self.free.quantities() } else { self.free.quantities_of(is_plain) };
    }

    /// Counts `held` as held by one more task of a client.
    pub(crate) fn hold(&mut self, client: ClientId, held: &ResourceBag) {
        let ports = held.ranges(&ResourceName::Ports);
        let twice = self.allocated.ranges(&ResourceName::Ports).intersection(&ports);
        for port in twice.iter() {
            *self.doubly_held.entry(port).or_default() += 1;
        }
        self.holders.entry(client).or_default().add(&held.quantities());
        self.allocated.add(held);
        if self.free.contains(held) && !self.overcommitted && held.iter().all(|resource| !resource.shared) {
            self.free.subtract(held);
            self.refresh_plain();
        } else {
            self.refresh();
        }
    }

    /// Counts `held` as held by one task of a client less.
    pub(crate) fn let_go(&mut self, client: ClientId, held: &ResourceBag) {
        if let Some(holds) = self.holders.get_mut(&client) {
            holds.subtract(&held.quantities());
            if holds.is_empty() {
                self.holders.remove(&client);
            }
        }
        let simple = self.doubly_held.is_empty()
            && !self.overcommitted
            && self.allocated.contains(held)
            && held.iter().all(|resource| !resource.shared);
        if simple {
            self.allocated.subtract(held);
            self.free.add(held);
            self.refresh_plain();
        } else {
            let left = self.without_ports_of_others(held);
            self.allocated.subtract(&left);
            self.refresh();
        }
    }

    /// `held` without those ports that another task holds as well.
    fn without_ports_of_others(&mut self, held: &ResourceBag) -> ResourceBag {
        if self.doubly_held.is_empty() {
            return held.clone();
        }
        let mut kept = Ranges::default();
        for port in held.ranges(&ResourceName::Ports).iter() {
            if let Some(extra) = self.doubly_held.get_mut(&port) {
                kept = kept.union(&Ranges::span(port, port));
                *extra -= 1;
                if *extra == 0 {
                    self.doubly_held.remove(&port);
                }
            }
        }
        held.map(|mut resource| {
            if let (ResourceName::Ports, Value::Ranges(ports)) = (&resource.name, &mut resource.value) {
                *ports = ports.difference(&kept);
            }
            resource
        })
    }

    /// Counts `offered` of what is free as offered.
    pub(crate) fn offer(&mut self, offered: &ResourceBag) {
        if *offered == self.free {
            self.offered.add(&std::mem::take(&mut self.free));
        } else {
            self.offered.add(offered);
            self.free.subtract(offered);
        }
        self.refresh_plain();
    }

    /// Counts `offered` as offered no more.
    pub(crate) fn take_back(&mut self, offered: &ResourceBag) {
        if *offered == self.offered {
            self.offered = ResourceBag::new();
        } else {
            self.offered.subtract(offered);
        }
        if self.overcommitted || offered.iter().any(|resource| resource.shared) {
            self.refresh();
        } else {
            self.free.add(offered);
            self.refresh_plain();
        }
    }

    /// Cores, memory, disk and ports that are free for `role`.
    pub(crate) fn flat_free(&self, role: &Role) -> Resources {
        if self.free_is_plain {
            return self.free.to_resources();
        }
        usable_for_tasks(&self.free, role).to_resources()
    }

    /// Cores, memory, disk and ports that it has for `role` at all.
    pub(crate) fn flat_total(&self, role: &Role) -> Resources {
        usable_for_tasks(&self.total, role).to_resources()
    }
}

/// What of a bag a task of `role` may simply use: not volumes, nothing revocable.
pub(crate) fn usable_for_tasks(bag: &ResourceBag, role: &Role) -> ResourceBag {
    bag.filter(|resource| {
        resource.is_allocatable_to(role) && !resource.revocable && resource.is_divisible() && resource.disk.is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bag(text: &str) -> ResourceBag {
        text.parse().unwrap()
    }

    fn books(total: &str) -> AgentBooks {
        let mut books = AgentBooks { total: bag(total), ..AgentBooks::default() };
        books.refresh();
        books
    }

    #[test]
    fn a_port_that_two_tasks_hold_is_free_only_after_both() {
        let mut books = books("cpus:4;ports:[1-10]");
        books.hold(0, &bag("cpus:1;ports:[1-3]"));
        books.hold(0, &bag("cpus:1;ports:[3-4]"));
        books.let_go(0, &bag("cpus:1;ports:[1-3]"));
        assert_eq!(
            (books.allocated.to_string(), books.free.to_string()),
            ("cpus:1;ports:[3-4]".into(), "cpus:3;ports:[1-2,5-10]".into())
        );
        books.let_go(0, &bag("cpus:1;ports:[3-4]"));
        assert_eq!(
            (books.allocated.is_empty(), books.free == books.total, books.holders.is_empty()),
            (true, true, true)
        );
    }

    #[test]
    fn nothing_is_free_on_an_agent_that_shrank_below_what_runs() {
        let mut books = books("cpus:4;ports:[1-10]");
        books.hold(0, &bag("cpus:3;ports:[1-1]"));
        books.total = bag("cpus:2;ports:[1-10]");
        books.refresh();
        assert!(books.is_overcommitted() && books.free().is_empty());
        books.let_go(0, &bag("cpus:3;ports:[1-1]"));
        assert_eq!(books.free(), &bag("cpus:2;ports:[1-10]"));
    }

    #[test]
    fn what_is_offered_comes_back() {
        let mut books = books("cpus:4;mem:100;cpus(eng):2");
        books.offer(&bag("cpus:1;cpus(eng):2"));
        assert_eq!(books.plain_free().to_string(), "cpus:3;mem:100");
        books.take_back(&bag("cpus:1;cpus(eng):2"));
        assert_eq!((books.free(), books.offered().is_empty()), (&books.total, true));
    }
}
