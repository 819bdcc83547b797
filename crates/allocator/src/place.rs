//! Placement for the built-in scheduler.

use crate::{Allocator, Demand, Kind, Name};
use proffer_resources::Resources;
use std::collections::BTreeSet;

/// Which of several agents that fit is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The fullest.
    BinPack,
    /// The emptiest.
    Spread,
}

/// Whether one agent can take a demand, for a person who asks why a task waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It fits.
    Fits,
    /// The agent cannot be used now.
    NotReady,
    /// More runs on the agent than it has.
    Overcommitted,
    /// It would fit if nothing else were there; these kinds are short.
    Busy(Vec<Kind>),
    /// The agent does not have so much at all of these kinds.
    TooSmall(Vec<Kind>),
}

impl<A: Name, F: Name> Allocator<A, F> {
    /// The agent that `strategy` takes for `demand`, and what the task is given there; `None` if it fits nowhere.
    /// Agents that are equally full are taken in the order of their names.
    #[must_use]
    pub fn place(&self, demand: &Demand, strategy: Strategy) -> Option<(A, Resources)> {
        match strategy {
            Strategy::Spread => self.first_that_fits(demand, self.by_fullness.values().flatten()),
            Strategy::BinPack => self.first_that_fits(demand, self.by_fullness.values().rev().flatten()),
        }
    }

    /// As [`Allocator::place`], but only on one of `among`. What fitted nowhere before can fit only on an agent that
    /// was freed since, so that a waiting task need not be tried on all agents again.
    #[must_use]
    pub fn place_among(&self, demand: &Demand, strategy: Strategy, among: &BTreeSet<A>) -> Option<(A, Resources)> {
        let mut found: Vec<_> = among
            .iter()
            .filter_map(|agent| {
                let books = self.agents.get(agent).filter(|books| books.ready)?;
                Some((books.fullness(), agent))
            })
            .collect();
        // A stable sort: equal ones stay in the order of their names.
        match strategy {
            Strategy::Spread => found.sort_by_key(|(fullness, _)| *fullness),
            Strategy::BinPack => found.sort_by_key(|(fullness, _)| std::cmp::Reverse(*fullness)),
        }
        self.first_that_fits(demand, found.into_iter().map(|(_, agent)| agent))
    }

    /// Whether `agent` can take `demand`, and why not.
    #[must_use]
    pub fn verdict(&self, demand: &Demand, agent: &A) -> Verdict {
        let Some(books) = self.agents.get(agent).filter(|books| books.ready) else { return Verdict::NotReady };
        if !demand.fits(&books.total) {
            Verdict::TooSmall(demand.lacking(&books.total))
        } else if books.is_overcommitted() {
            Verdict::Overcommitted
        } else {
            let short = demand.lacking(&books.free());
            if short.is_empty() { Verdict::Fits } else { Verdict::Busy(short) }
        }
    }

    /// Whether `demand` fits on `agent` now.
    #[must_use]
    pub fn fits_on(&self, demand: &Demand, agent: &A) -> bool {
        self.take(demand, agent).is_some()
    }

    fn first_that_fits<'a>(&self, demand: &Demand, agents: impl Iterator<Item = &'a A>) -> Option<(A, Resources)>
    where
        A: 'a,
    {
        agents.into_iter().find_map(|agent| Some((agent.clone(), self.take(demand, agent)?)))
    }

    fn take(&self, demand: &Demand, agent: &A) -> Option<Resources> {
        let books = self.agents.get(agent)?;
        // Cores first: they say no most often, and working out the free ports costs an allocation.
        let enough_cores =
            books.total.cpus.minus(books.allocated.cpus).is_some_and(|cpus| cpus >= demand.resources.cpus);
        if !books.ready || !enough_cores {
            return None;
        }
        demand.take_from(&books.free())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PortRequest;
    use proffer_resources::Amount;

    fn resources(cpus: u64, mem: u64) -> Resources {
        Resources::of(Amount::from_units(cpus), Amount::from_units(mem))
    }

    fn demand(cpus: u64) -> Demand {
        Demand::new(&resources(cpus, 1), PortRequest::None)
    }

    /// Three agents of 4 cores: `a` is empty, `b` holds 1, `c` holds 3.
    fn three_agents() -> Allocator<&'static str, &'static str> {
        let mut allocator = Allocator::new(Resources::default());
        for (agent, held) in [("a", 0), ("b", 1), ("c", 3)] {
            allocator.set_agent(&agent, resources(4, 100), true);
            allocator.allocate(&agent, &"fw", &resources(held, 0));
        }
        allocator
    }

    #[test]
    fn binpack_takes_the_fullest_and_spread_the_emptiest_that_fits() {
        let allocator = three_agents();
        let place = |cpus, strategy| allocator.place(&demand(cpus), strategy).map(|(agent, _)| agent);
        assert_eq!(place(1, Strategy::BinPack), Some("c"));
        assert_eq!(place(2, Strategy::BinPack), Some("b"));
        assert_eq!(place(4, Strategy::BinPack), Some("a"));
        assert_eq!(place(5, Strategy::BinPack), None);
        assert_eq!(place(1, Strategy::Spread), Some("a"));
    }

    #[test]
    fn equally_full_agents_go_by_name() {
        let mut allocator = three_agents();
        allocator.release(&"b", &"fw", &resources(1, 0));
        for strategy in [Strategy::BinPack, Strategy::Spread] {
            assert_eq!(allocator.place(&demand(4), strategy).map(|(agent, _)| agent), Some("a"), "{strategy:?}");
        }
    }

    #[test]
    fn only_freed_agents_need_another_look() {
        let mut allocator = three_agents();
        allocator.take_freed();
        allocator.allocate(&"b", &"fw", &resources(1, 0));
        assert!(!allocator.has_freed());
        allocator.release(&"c", &"fw", &resources(1, 0));
        let freed = allocator.take_freed();
        assert_eq!(freed, ["c"].into());
        let placed = |cpus| allocator.place_among(&demand(cpus), Strategy::BinPack, &freed).map(|(agent, _)| agent);
        assert_eq!((placed(2), placed(3)), (Some("c"), None));
    }

    #[test]
    fn unusable_agents_are_not_taken() {
        let mut allocator = three_agents();
        allocator.set_agent(&"a", resources(4, 100), false);
        assert_eq!(allocator.place(&demand(4), Strategy::Spread), None);
        assert_eq!(allocator.place_among(&demand(4), Strategy::Spread, &["a"].into()), None);
        assert_eq!(allocator.verdict(&demand(1), &"a"), Verdict::NotReady);
    }

    #[test]
    fn says_why_not() {
        let mut allocator = three_agents();
        assert_eq!(allocator.verdict(&demand(1), &"c"), Verdict::Fits);
        assert_eq!(allocator.verdict(&demand(2), &"c"), Verdict::Busy(vec![Kind::Cpus]));
        assert_eq!(allocator.verdict(&demand(5), &"c"), Verdict::TooSmall(vec![Kind::Cpus]));
        allocator.set_agent(&"c", resources(2, 100), true);
        assert_eq!(allocator.verdict(&demand(1), &"c"), Verdict::Overcommitted);
    }
}
