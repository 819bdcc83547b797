//! Placement for the built-in scheduler.

use crate::agent::{AgentBooks, is_plain};
use crate::gate::{Stage, usable};
use crate::{Allocator, Demand, Kind, Name, Withheld};
use proffer_resources::{Quantities, ResourceBag, Role};
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
    /// The agent has no volume of this ID for the role.
    NoVolume(String),
    /// The agent has it, and it is held or offered and not shared.
    VolumeHeld(String),
    /// It would fit, but quota keeps it back.
    KeptBack(Withheld),
}

/// For whom something is placed.
#[derive(Debug)]
pub struct For<'a, F> {
    /// The framework.
    pub framework: &'a F,
    /// The role in which its tasks run.
    pub role: &'a Role,
}

impl<F> Clone for For<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for For<'_, F> {}

impl<A: Name, F: Name> Allocator<A, F> {
    /// The agent that `strategy` takes for `demand`, and what the task is given there; `None` if it fits nowhere or quota
    /// forbids it. Agents that are equally full are taken in the order in which they came.
    #[must_use]
    pub fn place(&self, demand: &Demand, whose: For<'_, F>, strategy: Strategy) -> Option<(A, ResourceBag)> {
        match strategy {
            Strategy::Spread => self.first_that_fits(demand, whose, self.by_fullness.iter().map(|(_, agent)| *agent)),
            Strategy::BinPack => self.first_that_fits(demand, whose, self.fullest_first()),
        }
    }

    /// Usable agents from the fullest to the emptiest; equals in the order in which they came.
    fn fullest_first(&self) -> impl Iterator<Item = u32> + '_ {
        let mut before = None;
        std::iter::from_fn(move || {
            let rest = match before {
                None => self.by_fullness.range(..),
                Some(fullness) => self.by_fullness.range(..(fullness, 0)),
            };
            let (fullness, _) = rest.last()?;
            before = Some(*fullness);
            Some(self.by_fullness.range((*fullness, 0)..=(*fullness, u32::MAX)).map(|(_, agent)| *agent))
        })
        .flatten()
    }

    /// As [`Allocator::place`], but only on one of `among`. What fitted nowhere before can fit only on an agent that
    /// was freed since, so that a waiting task need not be tried on all agents again.
    #[must_use]
    pub fn place_among(
        &self,
        demand: &Demand,
        whose: For<'_, F>,
        strategy: Strategy,
        among: &BTreeSet<A>,
    ) -> Option<(A, ResourceBag)> {
        let mut found: Vec<_> = among
            .iter()
            .filter_map(|agent| self.agent_number(agent))
            .filter(|agent| self.agents[*agent as usize].is_ready())
            .map(|agent| (self.agents[agent as usize].fullness(), agent))
            .collect();
        match strategy {
            Strategy::Spread => found.sort_unstable(),
            Strategy::BinPack => found.sort_unstable_by_key(|(fullness, agent)| (std::cmp::Reverse(*fullness), *agent)),
        }
        self.first_that_fits(demand, whose, found.into_iter().map(|(_, agent)| agent))
    }

    /// Whether `agent` can take `demand`, and why not.
    #[must_use]
    pub fn verdict(&self, demand: &Demand, whose: For<'_, F>, agent: &A) -> Verdict {
        let Some(books) = self.agent(agent).filter(|books| usable(books).is_ok()) else { return Verdict::NotReady };
        if let Some(id) = demand.volume_missing(&books.total, whose.role) {
            return Verdict::NoVolume(id.to_owned());
        }
        let total = books.flat_total(whose.role);
        if !demand.fits(&total) {
            return Verdict::TooSmall(demand.lacking(&total));
        }
        if books.is_overcommitted() {
            return Verdict::Overcommitted;
        }
        if let Some(id) = demand.volume_missing(books.free(), whose.role) {
            return Verdict::VolumeHeld(id.to_owned());
        }
        let short = demand.lacking(&books.flat_free(whose.role));
        if !short.is_empty() {
            return Verdict::Busy(short);
        }
        match self.take(demand, whose, books) {
            Ok(_) => Verdict::Fits,
            Err(Some(why)) => Verdict::KeptBack(why),
            Err(None) => Verdict::Busy(short),
        }
    }

    /// Whether `demand` fits on `agent` now.
    #[must_use]
    pub fn fits_on(&self, demand: &Demand, whose: For<'_, F>, agent: &A) -> bool {
        self.agent(agent).is_some_and(|books| self.take(demand, whose, books).is_ok())
    }

    fn first_that_fits(
        &self,
        demand: &Demand,
        whose: For<'_, F>,
        agents: impl Iterator<Item = u32>,
    ) -> Option<(A, ResourceBag)> {
        // Once for all agents: where nothing is reserved, quota says the same everywhere.
        let kept_back = self.quota_allows(whose, &Quantities::from(&demand.resources)).is_err();
        agents.into_iter().find_map(|agent| {
            let books = &self.agents[agent as usize];
            if kept_back && books.free_is_plain() {
                return None;
            }
            Some((self.agent_names[agent as usize].clone()?, self.take(demand, whose, books).ok()?))
        })
    }

    /// What the task is given on an agent; `Err(None)` if it does not fit, `Err(Some)` if quota forbids it.
    fn take(&self, demand: &Demand, whose: For<'_, F>, books: &AgentBooks) -> Result<ResourceBag, Option<Withheld>> {
        // Cores first: they say no most often, and working out the free ports costs an allocation.
        let plain = books.free_is_plain();
        let surely_short = plain && (books.plain_free().cpus < demand.resources.cpus || !demand.volumes.is_empty());
        if !books.is_ready() || surely_short {
            return Err(None);
        }
        let given = if plain {
            ResourceBag::from(&demand.take_from(&books.free().to_resources()).ok_or(None)?)
        } else {
            demand.carve(books.free(), whose.role).ok_or(None)?
        };
        self.quota_allows(whose, &given.quantities_of(is_plain)).map_err(Some)?;
        Ok(given)
    }

    /// Whether quota lets a framework have so much more of what is unreserved.
    pub(crate) fn quota_allows(&self, whose: For<'_, F>, amount: &Quantities) -> Result<(), Withheld> {
        if !self.roles.limited && self.roles.required.is_empty() {
            return Ok(());
        }
        let client = self.client_of(whose.framework, whose.role).and_then(|id| self.clients[id as usize].as_ref());
        let Some(client) = client else { return Ok(()) };
        let (allowed, _) = self.allowed(client, amount, Stage::Guarantees);
        if allowed == *amount {
            return Ok(());
        }
        match self.allowed(client, amount, Stage::Surplus) {
            (allowed, _) if allowed == *amount => Ok(()),
            (_, why) => Err(why.unwrap_or(Withheld::Headroom)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FrameworkInfo, PortRequest, Quota, Settings};
    use proffer_resources::{Amount, Resources};

    type Books = Allocator<&'static str, &'static str>;

    fn demand(cpus: u64) -> Demand {
        Demand::new(&Resources::of(Amount::from_units(cpus), Amount::from_units(1)), PortRequest::None)
    }

    fn bag(text: &str) -> ResourceBag {
        text.parse().unwrap()
    }

    /// Three agents of 4 cores: `a` is empty, `b` holds 1, `c` holds 3.
    fn three_agents() -> Books {
        let mut books = Books::new(Settings::default());
        for (agent, held) in [("a", "cpus:0"), ("b", "cpus:1"), ("c", "cpus:3")] {
            books.set_agent(&agent, bag("cpus:4;mem:100"), true);
            books.allocate(&agent, &"fw", &Role::any(), &bag(held));
        }
        books
    }

    fn place(books: &Books, cpus: u64, strategy: Strategy) -> Option<&'static str> {
        let role = Role::any();
        books.place(&demand(cpus), For { framework: &"fw", role: &role }, strategy).map(|(agent, _)| agent)
    }

    #[test]
    fn binpack_takes_the_fullest_and_spread_the_emptiest_that_fits() {
        let books = three_agents();
        assert_eq!(place(&books, 1, Strategy::BinPack), Some("c"));
        assert_eq!(place(&books, 2, Strategy::BinPack), Some("b"));
        assert_eq!(place(&books, 4, Strategy::BinPack), Some("a"));
        assert_eq!(place(&books, 5, Strategy::BinPack), None);
        assert_eq!(place(&books, 1, Strategy::Spread), Some("a"));
    }

    #[test]
    fn equally_full_agents_go_by_age() {
        let mut books = three_agents();
        books.release(&"b", &"fw", &Role::any(), &bag("cpus:1"));
        for strategy in [Strategy::BinPack, Strategy::Spread] {
            assert_eq!(place(&books, 4, strategy), Some("a"), "{strategy:?}");
        }
    }

    #[test]
    fn only_freed_agents_need_another_look() {
        let mut books = three_agents();
        books.begin_run(crate::Time(0));
        books.end_run();
        books.allocate(&"b", &"fw", &Role::any(), &bag("cpus:1"));
        assert_eq!(books.next_run(), None);
        books.release(&"c", &"fw", &Role::any(), &bag("cpus:1"));
        books.begin_run(crate::Time(0));
        let freed = books.freed();
        assert_eq!(freed, ["c"].into());
        let whose = For { framework: &"fw", role: &Role::any() };
        let placed = |cpus| books.place_among(&demand(cpus), whose, Strategy::BinPack, &freed).map(|(agent, _)| agent);
        assert_eq!((placed(2), placed(3)), (Some("c"), None));
    }

    #[test]
    fn says_why_not() {
        let mut books = three_agents();
        let verdict = |books: &Books, cpus, agent| {
            books.verdict(&demand(cpus), For { framework: &"fw", role: &Role::any() }, &agent)
        };
        assert_eq!(verdict(&books, 1, "c"), Verdict::Fits);
        assert_eq!(verdict(&books, 2, "c"), Verdict::Busy(vec![Kind::Cpus]));
        assert_eq!(verdict(&books, 5, "c"), Verdict::TooSmall(vec![Kind::Cpus]));
        books.set_agent(&"c", bag("cpus:2;mem:100"), true);
        assert_eq!(verdict(&books, 1, "c"), Verdict::Overcommitted);
        books.set_agent(&"a", bag("cpus:4;mem:100"), false);
        assert_eq!((verdict(&books, 1, "a"), place(&books, 4, Strategy::Spread)), (Verdict::NotReady, None));
    }

    #[test]
    fn reservations_of_the_role_come_first_and_quota_is_kept() {
        let (eng, ops) = (Role::new("eng").unwrap(), Role::new("ops").unwrap());
        let mut books = Books::new(Settings::default());
        books.set_agent(&"a", bag("cpus:2;mem:100;cpus(eng):2"), true);
        for (framework, role) in [("one", &eng), ("two", &ops)] {
            let info = FrameworkInfo { roles: [role.clone()].into(), ..FrameworkInfo::default() };
            books.set_framework(&framework, info);
        }
        let place = |books: &Books, framework: &'static str, role, cpus| {
            let placed = books.place(&demand(cpus), For { framework: &framework, role }, Strategy::Spread);
            placed.map(|(_, given)| given.to_string())
        };
        assert_eq!(place(&books, "one", &eng, 3).as_deref(), Some("cpus:1;cpus(eng):2;mem:1"));
        assert_eq!(place(&books, "two", &ops, 3), None);
        let limits = [(proffer_resources::ResourceName::Cpus, Amount::from_units(1))].into_iter().collect();
        books.set_quota(&ops, Quota { limits, ..Quota::default() }).unwrap();
        assert_eq!(place(&books, "two", &ops, 1).as_deref(), Some("cpus:1;mem:1"));
        assert_eq!(place(&books, "two", &ops, 2), None);
        let whose = For { framework: &"two", role: &ops };
        assert_eq!(books.verdict(&demand(2), whose, &"a"), Verdict::KeptBack(Withheld::Quota(ops.clone())));
    }
}
