//! Offer filters: what a framework does not want to be offered again for a while.

use crate::Time;
use proffer_resources::Resources;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a declined agent is left out if the framework does not say (Mesos: `Filters.refuse_seconds`).
pub const DEFAULT_REFUSE: Duration = Duration::from_secs(5);

/// The longest filter there is; longer ones are cut (Mesos: 365 days).
pub const MAX_REFUSE: Duration = Duration::from_hours(365 * 24);

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    /// What was refused: this or less of it is not offered.
    pub(crate) refused: Resources,
    /// Until when.
    pub(crate) until: Time,
}

/// The filters of all frameworks.
#[derive(Clone, Debug)]
pub(crate) struct Filters<A, F> {
    by_framework: BTreeMap<F, BTreeMap<A, Vec<Filter>>>,
}

impl<A, F> Default for Filters<A, F> {
    fn default() -> Self {
        Self { by_framework: BTreeMap::new() }
    }
}

impl<A: Ord + Clone, F: Ord + Clone> Filters<A, F> {
    /// Adds a filter until `until`. Filters that it makes pointless go, and so do those that are over at `now`.
    pub(crate) fn add(&mut self, framework: &F, agent: &A, refused: Resources, until: Time, now: Time) {
        let filters = self.by_framework.entry(framework.clone()).or_default().entry(agent.clone()).or_default();
        filters.retain(|filter| filter.until > now && !(refused.contains(&filter.refused) && until >= filter.until));
        if !filters.iter().any(|filter| filter.refused.contains(&refused) && filter.until >= until) {
            filters.push(Filter { refused, until });
        }
    }

    /// Until when `resources` of `agent` are not offered to `framework`, if they are filtered at `now`.
    pub(crate) fn refuses(&self, framework: &F, agent: &A, resources: &Resources, now: Time) -> Option<Time> {
        self.by_framework
            .get(framework)?
            .get(agent)?
            .iter()
            .filter(|filter| filter.until > now && filter.refused.contains(resources))
            .map(|filter| filter.until)
            .max()
    }

    /// Forgets what is over at `now` for one framework and agent.
    pub(crate) fn forget_expired(&mut self, framework: &F, agent: &A, now: Time) {
        let Some(agents) = self.by_framework.get_mut(framework) else { return };
        if let Some(filters) = agents.get_mut(agent) {
            filters.retain(|filter| filter.until > now);
            if filters.is_empty() {
                agents.remove(agent);
            }
        }
        if agents.is_empty() {
            self.by_framework.remove(framework);
        }
    }

    /// Forgets all filters of a framework (Mesos: REVIVE, or the framework is gone).
    pub(crate) fn forget_framework(&mut self, framework: &F) {
        self.by_framework.remove(framework);
    }

    /// Forgets all filters on an agent.
    pub(crate) fn forget_agent(&mut self, agent: &A) {
        for agents in self.by_framework.values_mut() {
            agents.remove(agent);
        }
        self.by_framework.retain(|_, agents| !agents.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_resources::Amount;

    fn cpus(units: u64) -> Resources {
        Resources::of(Amount::from_units(units), Amount::ZERO)
    }

    #[test]
    fn as_much_or_less_is_refused_and_more_is_not() {
        let mut filters = Filters::default();
        filters.add(&"fw", &"node1", cpus(2), Time(10), Time(0));
        let refuses = |units, now| filters.refuses(&"fw", &"node1", &cpus(units), Time(now));
        assert_eq!(refuses(1, 5), Some(Time(10)));
        assert_eq!(refuses(2, 5), Some(Time(10)));
        assert_eq!(refuses(3, 5), None);
        assert_eq!(refuses(2, 10), None);
        assert_eq!(filters.refuses(&"fw", &"node2", &cpus(1), Time(5)), None);
        assert_eq!(filters.refuses(&"other", &"node1", &cpus(1), Time(5)), None);
    }

    #[test]
    fn filters_that_others_include_are_not_kept() {
        let mut filters = Filters::default();
        for (units, until) in [(1, 10), (2, 10), (2, 8), (1, 20)] {
            filters.add(&"fw", &"node1", cpus(units), Time(until), Time(0));
        }
        let kept: Vec<_> = filters.by_framework[&"fw"][&"node1"].iter().map(|f| (f.refused.clone(), f.until)).collect();
        assert_eq!(kept, [(cpus(2), Time(10)), (cpus(1), Time(20))]);
    }
}
