//! The books of the cluster.

use crate::filter::Filters;
use crate::{AgentBooks, Share, Time};
use proffer_resources::Resources;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What names an agent or a framework.
pub trait Name: Ord + Clone + fmt::Debug + fmt::Display {}

impl<T: Ord + Clone + fmt::Debug + fmt::Display> Name for T {}

/// The books of the cluster.
#[derive(Clone, Debug)]
pub struct Allocator<A, F> {
    /// Every agent that is known, usable or not.
    pub(crate) agents: BTreeMap<A, AgentBooks>,
    /// The usable agents, from the emptiest to the fullest.
    pub(crate) by_fullness: BTreeMap<Share, BTreeSet<A>>,
    /// Sum of what all agents have; no ports.
    pub(crate) cluster: Resources,
    /// What each framework holds and is offered; no ports. Frameworks with nothing are not in it.
    pub(crate) claims: BTreeMap<F, Resources>,
    /// What frameworks refused.
    pub(crate) filters: Filters<A, F>,
    /// Agents that may have more to give than at the last [`Allocator::take_freed`].
    freed: BTreeSet<A>,
    /// Least free resources worth an offer.
    pub(crate) min_allocatable: Resources,
}

impl<A: Name, F: Name> Allocator<A, F> {
    /// Empty books. An offer is worth making if it has as many cores, or as much memory, as `min_allocatable`.
    #[must_use]
    pub fn new(min_allocatable: Resources) -> Self {
        Self {
            agents: BTreeMap::new(),
            by_fullness: BTreeMap::new(),
            cluster: Resources::default(),
            claims: BTreeMap::new(),
            filters: Filters::default(),
            freed: BTreeSet::new(),
            min_allocatable,
        }
    }

    /// The books of an agent.
    #[must_use]
    pub fn agent(&self, agent: &A) -> Option<&AgentBooks> {
        self.agents.get(agent)
    }

    /// All agents with their books.
    pub fn agents(&self) -> impl Iterator<Item = (&A, &AgentBooks)> {
        self.agents.iter()
    }

    /// What the framework holds and is offered, without ports.
    #[must_use]
    pub fn claim(&self, framework: &F) -> Resources {
        self.claims.get(framework).cloned().unwrap_or_default()
    }

    /// The part of the cluster that the framework holds or is offered.
    #[must_use]
    pub fn share(&self, framework: &F) -> Share {
        self.claims.get(framework).map(|claim| self.share_of(claim)).unwrap_or_default()
    }

    /// The part of the cluster that `resources` are.
    #[must_use]
    pub fn share_of(&self, resources: &Resources) -> Share {
        Share::dominant(resources, &self.cluster)
    }

    /// Says what an agent has and whether it may be used; an unknown agent becomes known.
    pub fn set_agent(&mut self, agent: &A, total: Resources, ready: bool) {
        let cluster = self.cluster.plus(&total.without_ports());
        let before = self.agents.get(agent).map(|books| books.total.without_ports()).unwrap_or_default();
        self.cluster = cluster.saturating_minus(&before);
        self.change(agent, |books| {
            books.total = total;
            books.ready = ready;
        });
    }

    /// Forgets an agent and the filters on it. What was held of it must have been let go before.
    pub fn remove_agent(&mut self, agent: &A) {
        if let Some(books) = self.agents.remove(agent) {
            self.leave_order(books.fullness(), agent);
            self.cluster = self.cluster.saturating_minus(&books.total.without_ports());
        }
        self.freed.remove(agent);
        self.filters.forget_agent(agent);
    }

    /// A task of `framework` holds `resources` of `agent`. Whether they fit is not checked: what runs, runs.
    pub fn allocate(&mut self, agent: &A, framework: &F, resources: &Resources) {
        self.change(agent, |books| books.hold(resources));
        self.claim_more(framework, resources);
    }

    /// A task lets go of what it held.
    pub fn release(&mut self, agent: &A, framework: &F, resources: &Resources) {
        self.change(agent, |books| books.let_go(resources));
        self.claim_less(framework, resources);
    }

    /// `resources` of `agent` are offered to `framework`.
    pub fn offer(&mut self, agent: &A, framework: &F, resources: &Resources) {
        self.change(agent, |books| books.offered = books.offered.plus(resources));
        self.claim_more(framework, resources);
    }

    /// Offered resources come back (Mesos: `recoverResources`).
    pub fn recover(&mut self, agent: &A, framework: &F, resources: &Resources) {
        self.change(agent, |books| books.offered = books.offered.saturating_minus(resources));
        self.claim_less(framework, resources);
    }

    /// `framework` refused `resources` of `agent` until `until`.
    pub fn refuse(&mut self, agent: &A, framework: &F, resources: Resources, until: Time, now: Time) {
        self.filters.add(framework, agent, resources, until, now);
    }

    /// A filter may be over: what it kept back may be offered again.
    pub fn filter_expired(&mut self, agent: &A, framework: &F, now: Time) {
        self.filters.forget_expired(framework, agent, now);
        if self.agents.contains_key(agent) {
            self.freed.insert(agent.clone());
        }
    }

    /// Forgets the filters of a framework.
    pub fn forget_filters(&mut self, framework: &F) {
        self.filters.forget_framework(framework);
    }

    /// The agents that may have more to give than when this was last asked.
    pub fn take_freed(&mut self) -> BTreeSet<A> {
        std::mem::take(&mut self.freed)
    }

    /// Whether [`Allocator::take_freed`] would return anything.
    #[must_use]
    pub fn has_freed(&self) -> bool {
        !self.freed.is_empty()
    }

    /// Changes the books of an agent and keeps the order and the list of freed agents right.
    fn change(&mut self, agent: &A, change: impl FnOnce(&mut AgentBooks)) {
        let books = self.agents.entry(agent.clone()).or_default();
        let (was_ready, was_free, was_full) = (books.ready, books.free(), books.fullness());
        change(books);
        let (is_ready, is_free, is_full) = (books.ready, books.free(), books.fullness());
        if was_ready && !(is_ready && was_full == is_full) {
            self.leave_order(was_full, agent);
        }
        if is_ready {
            self.by_fullness.entry(is_full).or_default().insert(agent.clone());
            if !was_ready || !was_free.contains(&is_free) {
                self.freed.insert(agent.clone());
            }
        }
    }

    fn leave_order(&mut self, fullness: Share, agent: &A) {
        if let Some(agents) = self.by_fullness.get_mut(&fullness) {
            agents.remove(agent);
            if agents.is_empty() {
                self.by_fullness.remove(&fullness);
            }
        }
    }

    fn claim_more(&mut self, framework: &F, resources: &Resources) {
        let claim = self.claims.entry(framework.clone()).or_default();
        *claim = claim.plus(&resources.without_ports());
    }

    fn claim_less(&mut self, framework: &F, resources: &Resources) {
        if let Some(claim) = self.claims.get_mut(framework) {
            *claim = claim.saturating_minus(&resources.without_ports());
            if claim.is_empty() {
                self.claims.remove(framework);
            }
        }
    }
}
