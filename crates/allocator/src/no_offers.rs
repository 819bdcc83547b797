//! What may be offered, and why something is not.

use crate::{Allocator, Name, Time};
use proffer_resources::Resources;
use std::fmt;

/// Why an agent is not offered to a framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// The agent cannot be used now.
    NotReady,
    /// Nothing of it is free.
    NothingFree,
    /// Less is free than is worth an offer.
    TooLittle,
    /// The framework refused as much of it, until then.
    Filtered(Time),
}

/// Why a framework gets no offers, agent by agent counted. `Display` says it to a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoOffers {
    /// Agents that cannot be used now.
    pub not_ready: usize,
    /// Agents of which nothing, or too little, is free.
    pub nothing_free: usize,
    /// Agents that the framework refused, and when the first of these filters ends.
    pub filtered: Option<(usize, Time)>,
    /// Agents that can be offered.
    pub offerable: usize,
    /// The framework that holds or is offered most, if it is another one and agents are full.
    pub held_by: Option<String>,
}

impl fmt::Display for NoOffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let agents = |count: usize| if count == 1 { "1 agent".to_owned() } else { format!("{count} agents") };
        let mut parts = Vec::new();
        if let Some((count, until)) = self.filtered {
            parts.push(format!("{} declined, the first until {until}", agents(count)));
        }
        if self.nothing_free > 0 {
            let verb = if self.nothing_free == 1 { "has" } else { "have" };
            let by = self.held_by.as_ref().map(|who| format!(" (most is held by framework {who})")).unwrap_or_default();
            parts.push(format!("{} {verb} nothing free{by}", agents(self.nothing_free)));
        }
        if self.not_ready > 0 {
            parts.push(format!("{} not ready", agents(self.not_ready)));
        }
        match (parts.is_empty(), self.offerable) {
            (true, 0) => f.write_str("no agent is registered"),
            (true, _) => f.write_str("offers are on their way"),
            (false, _) => f.write_str(&parts.join("; ")),
        }
    }
}

impl<A: Name, F: Name> Allocator<A, F> {
    /// All that is free of `agent`, if it may be offered to `framework` at `now` (coarse offers, as in Mesos).
    pub fn offerable(&self, agent: &A, framework: &F, now: Time) -> Result<Resources, Withheld> {
        let books = self.agents.get(agent).filter(|books| books.ready).ok_or(Withheld::NotReady)?;
        let free = books.free();
        if free.cpus.is_zero() && free.mem.is_zero() {
            return Err(Withheld::NothingFree);
        }
        if free.cpus < self.min_allocatable.cpus && free.mem < self.min_allocatable.mem {
            return Err(Withheld::TooLittle);
        }
        match self.filters.refuses(framework, agent, &free, now) {
            Some(until) => Err(Withheld::Filtered(until)),
            None => Ok(free),
        }
    }

    /// Why `framework` gets no offers at `now`.
    #[must_use]
    pub fn explain_no_offers(&self, framework: &F, now: Time) -> NoOffers {
        let mut why = NoOffers::default();
        for agent in self.agents.keys() {
            match self.offerable(agent, framework, now) {
                Ok(_) => why.offerable += 1,
                Err(Withheld::NotReady) => why.not_ready += 1,
                Err(Withheld::NothingFree | Withheld::TooLittle) => why.nothing_free += 1,
                Err(Withheld::Filtered(until)) => {
                    let (count, first) = why.filtered.unwrap_or((0, until));
                    why.filtered = Some((count + 1, first.min(until)));
                }
            }
        }
        if why.nothing_free > 0 {
            let largest = self.claims.keys().max_by_key(|name| self.share(name));
            why.held_by = largest.filter(|name| *name != framework).map(ToString::to_string);
        }
        why
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_resources::Amount;

    type Books = Allocator<&'static str, &'static str>;

    fn resources(millicores: u64, mem: u64) -> Resources {
        Resources::of(Amount::from_thousandths(millicores), Amount::from_units(mem))
    }

    fn books() -> Books {
        Books::new(resources(10, 32))
    }

    #[test]
    fn offers_all_that_is_free_unless_it_is_refused_or_too_little() {
        let mut books = books();
        books.set_agent(&"node1", resources(4000, 1000), true);
        assert_eq!(books.offerable(&"node1", &"fw", Time(0)), Ok(resources(4000, 1000)));
        books.refuse(&"node1", &"fw", resources(3000, 500), Time(9), Time(0));
        books.offer(&"node1", &"other", &resources(1000, 500));
        assert_eq!(books.offerable(&"node1", &"fw", Time(0)), Err(Withheld::Filtered(Time(9))));
        assert_eq!(books.offerable(&"node1", &"fw", Time(9)), Ok(resources(3000, 500)));
        assert_eq!(books.offerable(&"node1", &"third", Time(0)), Ok(resources(3000, 500)));
        books.allocate(&"node1", &"other", &resources(2995, 469));
        assert_eq!(books.offerable(&"node1", &"fw", Time(9)), Err(Withheld::TooLittle));
        books.allocate(&"node1", &"other", &resources(5, 31));
        assert_eq!(books.offerable(&"node1", &"fw", Time(9)), Err(Withheld::NothingFree));
        assert_eq!(books.offerable(&"node2", &"fw", Time(9)), Err(Withheld::NotReady));
    }

    #[test]
    fn says_why_there_are_no_offers() {
        let mut books = books();
        let say = |books: &Books| books.explain_no_offers(&"fw", Time(0)).to_string();
        assert_eq!(say(&books), "no agent is registered");
        books.set_agent(&"node1", resources(1000, 100), true);
        assert_eq!(say(&books), "offers are on their way");
        books.refuse(&"node1", &"fw", resources(1000, 100), Time(5_000_000), Time(0));
        assert_eq!(say(&books), "1 agent declined, the first until 1970-01-01T00:00:05Z");
        books.set_agent(&"node2", resources(1000, 100), true);
        books.allocate(&"node2", &"ns/other", &resources(1000, 100));
        books.set_agent(&"node3", resources(1000, 100), false);
        assert_eq!(
            say(&books),
            "1 agent declined, the first until 1970-01-01T00:00:05Z; 1 agent has nothing free (most is held by framework ns/other); 1 agent not ready"
        );
    }
}
