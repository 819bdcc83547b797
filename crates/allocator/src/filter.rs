//! Offer filters: what a framework does not want to be offered again for a while.

use crate::{Allocator, Name, Time};
use proffer_resources::{ResourceBag, Role};
use std::sync::Arc;
use std::time::Duration;

/// How long a declined agent is left out if the framework does not say (Mesos: `Filters.refuse_seconds`).
pub const DEFAULT_REFUSE: Duration = Duration::from_secs(5);

/// The longest filter there is; longer ones are cut (Mesos: 365 days).
pub const MAX_REFUSE: Duration = Duration::from_hours(365 * 24);

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    /// What was refused: this or less of it is not offered. Frameworks that refuse the same of an agent share it.
    pub(crate) refused: Arc<ResourceBag>,
    /// Until when.
    pub(crate) until: Time,
}

/// What one framework in one role refused of one agent. Mostly once, so that is kept without a list.
#[derive(Clone, Debug)]
pub(crate) enum Refusals {
    One(Filter),
    Many(Vec<Filter>),
}

impl Refusals {
    fn as_slice(&self) -> &[Filter] {
        match self {
            Self::One(filter) => std::slice::from_ref(filter),
            Self::Many(filters) => filters,
        }
    }

    /// Until when `resources` are not offered, if they are refused at `now`.
    pub(crate) fn refuse(&self, resources: &ResourceBag, now: Time) -> Option<Time> {
        let refusing = self.as_slice().iter().filter(|filter| filter.until > now && filter.refused.contains(resources));
        refusing.map(|filter| filter.until).max()
    }

    /// With one more. Those that it makes pointless go, and so do those that are over at `now`.
    fn with(self, new: Filter, now: Time) -> Self {
        let mut kept: Vec<Filter> = match self {
            Self::One(filter) => vec![filter],
            Self::Many(filters) => filters,
        };
        kept.retain(|old| old.until > now && !(new.refused.contains(&old.refused) && new.until >= old.until));
        if !kept.iter().any(|old| old.refused.contains(&new.refused) && old.until >= new.until) {
            kept.push(new);
        }
        Self::of(kept)
    }

    /// Those that are not over at `now`; `None` if there are none.
    fn at(self, now: Time) -> Option<Self> {
        let mut kept = match self {
            Self::One(filter) => return (filter.until > now).then_some(Self::One(filter)),
            Self::Many(filters) => filters,
        };
        kept.retain(|filter| filter.until > now);
        (!kept.is_empty()).then(|| Self::of(kept))
    }

    fn of(mut filters: Vec<Filter>) -> Self {
        match (filters.len(), filters.pop()) {
            (1, Some(only)) => Self::One(only),
            (_, last) => {
                filters.extend(last);
                Self::Many(filters)
            }
        }
    }
}

impl<A: Name, F: Name> Allocator<A, F> {
    /// `framework` refused `resources` of `agent` for a role until `until`. As much of it or less is not offered until
    /// then; more is (Mesos: `RefusedOfferFilter`).
    pub fn refuse(&mut self, agent: &A, framework: &F, role: &Role, resources: &ResourceBag, until: Time, now: Time) {
        let (Some(agent), Some(client)) = (self.agent_number(agent), self.client_of(framework, role)) else { return };
        if until <= now || resources.is_empty() {
            return;
        }
        let books = &mut self.agents[agent as usize];
        let refused = match books.last_refused.as_ref() {
            Some(last) if **last == *resources => last.clone(),
            _ => {
                let shared = Arc::new(resources.clone());
                books.last_refused = Some(shared.clone());
                shared
            }
        };
        let settles = books.potential_for(role).is_none_or(|potential| refused.contains(&potential));
        let Some(client_books) = self.clients[client as usize].as_mut() else { return };
        let filter = Filter { refused, until };
        let refusals = match client_books.refusals.remove(&agent) {
            None => Refusals::One(filter),
            Some(before) => before.with(filter, now),
        };
        client_books.refusals.insert(agent, refusals);
        self.expiries.push(std::cmp::Reverse((until, client, agent)));
        if settles {
            self.settle(client, agent);
        }
    }

    /// Forgets filters that are over at `now`: what they kept back may be offered in the next run.
    pub fn expire_filters(&mut self, now: Time) {
        while let Some(std::cmp::Reverse((until, client, agent))) = self.expiries.peek().copied() {
            if until > now {
                break;
            }
            self.expiries.pop();
            let Some(books) = self.clients.get_mut(client as usize).and_then(Option::as_mut) else { continue };
            let Some(refusals) = books.refusals.remove(&agent) else { continue };
            if let Some(left) = refusals.at(now) {
                books.refusals.insert(agent, left);
            }
            self.unsettle(client, agent);
            if self.offerable.contains(agent) {
                self.touched.insert(agent);
            }
        }
    }

    /// When the next filter ends.
    #[must_use]
    pub fn next_filter_end(&self) -> Option<Time> {
        self.expiries.peek().map(|entry| entry.0.0)
    }

    /// How many filters there are for a role (Mesos' metric `offer_filters/roles/<role>/active`).
    #[must_use]
    pub fn filters(&self, role: &Role) -> usize {
        self.clients.iter().flatten().filter(|client| client.role == *role).map(|client| client.refusals.len()).sum()
    }

    /// Forgets what a client refused.
    pub(crate) fn forget_refusals(&mut self, client: u32) {
        let Some(books) = self.clients[client as usize].as_mut() else { return };
        books.refusals.clear();
        let settled: Vec<u32> = books.settled.iter().collect();
        for agent in settled {
            self.unsettle(client, agent);
        }
    }

    /// An agent has nothing for a client until more of it becomes free.
    pub(crate) fn settle(&mut self, client: u32, agent: u32) {
        if let Some(books) = self.clients[client as usize].as_mut()
            && books.settled.insert(agent)
        {
            self.agents[agent as usize].settled.push(client);
        }
    }

    fn unsettle(&mut self, client: u32, agent: u32) {
        if let Some(books) = self.clients[client as usize].as_mut()
            && books.settled.remove(agent)
        {
            let settled = &mut self.agents[agent as usize].settled;
            if let Some(at) = settled.iter().position(|other| *other == client) {
                settled.swap_remove(at);
            }
        }
    }

    /// More of an agent may become free than ever since clients turned it down.
    pub(crate) fn unsettle_all(&mut self, agent: u32) {
        for client in std::mem::take(&mut self.agents[agent as usize].settled) {
            if let Some(books) = self.clients[client as usize].as_mut() {
                books.settled.remove(agent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str, until: i64) -> Filter {
        Filter { refused: Arc::new(text.parse().unwrap()), until: Time(until) }
    }

    #[test]
    fn as_much_or_less_is_refused_and_more_is_not() {
        let refusals = Refusals::One(filter("cpus:2;mem:10", 10));
        let refuse = |text: &str, now| refusals.refuse(&text.parse().unwrap(), Time(now));
        assert_eq!(refuse("cpus:1", 5), Some(Time(10)));
        assert_eq!(refuse("cpus:2;mem:10", 5), Some(Time(10)));
        assert_eq!(refuse("cpus:3", 5), None);
        assert_eq!(refuse("cpus:1;disk:1", 5), None);
        assert_eq!(refuse("cpus:2", 10), None);
    }

    #[test]
    fn filters_that_others_include_are_not_kept() {
        let all = [("cpus:2", 10), ("cpus:2", 8), ("cpus:1", 20)];
        let kept = all
            .into_iter()
            .fold(Refusals::One(filter("cpus:1", 10)), |kept, (text, until)| kept.with(filter(text, until), Time(0)));
        assert_eq!(kept.as_slice(), [filter("cpus:2", 10), filter("cpus:1", 20)]);
        assert_eq!(kept.clone().at(Time(10)).map(|left| left.as_slice().to_vec()), Some(vec![filter("cpus:1", 20)]));
        assert!(kept.at(Time(20)).is_none());
    }
}
