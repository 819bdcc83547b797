//! Why a task waits, in a sentence.

use crate::gate::usable;
use crate::{AgentBooks, Allocator, Demand, For, Kind, Name, PortRequest, Verdict, VolumeLack, Withheld};
use proffer_resources::{Quantities, Resources};
use std::fmt;

/// Why a demand fits on no agent. `Display` says it to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unplaced<A> {
    /// There is no agent at all.
    NoAgents,
    /// There are agents, and none can be used now.
    NoneReady {
        /// Which there are.
        unusable: Unusable,
    },
    /// No agent has as much, even if nothing else ran there.
    TooLarge {
        /// What is asked for.
        demand: Demand,
        /// What there is too little of.
        kind: Kind,
        /// The agent that has most of it, and how much.
        largest: (A, Resources),
        /// Agents that cannot be used now.
        unusable: Unusable,
    },
    /// Some agent would do, but others hold it.
    Busy {
        /// What is asked for.
        demand: Demand,
        /// What there is too little of.
        kind: Kind,
        /// The agent that has most of it free, and how much.
        freest: (A, Resources),
        /// The agent that has most of it, and how much.
        largest: (A, Resources),
        /// Agents that cannot be used now.
        unusable: Unusable,
    },
    /// It asks for a persistent volume, and cannot be where that is.
    Volume {
        /// The volume's ID.
        id: String,
        /// Why not.
        lack: VolumeLack<A>,
    },
    /// It would fit, but quota keeps it back: of a role, or what is kept free for others.
    KeptBack(Withheld),
    /// It fits by now.
    Fits,
}

impl<A> Unplaced<A> {
    /// A number that is the same for reasons that differ in their figures only.
    #[must_use]
    pub fn class(&self) -> u8 {
        match self {
            Self::NoAgents => 0,
            Self::NoneReady { .. } => 1,
            Self::TooLarge { .. } => 2,
            Self::Busy { .. } => 3,
            Self::Fits => 4,
            Self::KeptBack(_) => 5,
            Self::Volume { .. } => 6,
        }
    }
}

impl<A: fmt::Display> fmt::Display for Unplaced<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAgents => f.write_str("no agent is registered"),
            Self::NoneReady { unusable } => write!(f, "{unusable}"),
            Self::TooLarge { demand, kind, largest: (agent, has), unusable } => {
                write!(f, "needs {demand}, more than any agent has: ")?;
                match numbers(demand, *kind) {
                    Some(ports) => write!(f, "no agent has all of the ports {ports}")?,
                    None => write!(f, "largest is {agent} with {}", kind.describe(has))?,
                }
                also_unusable(f, *unusable)
            }
            Self::Busy { demand, kind, freest: (free_agent, free), largest: (agent, has), unusable } => {
                write!(f, "needs {demand}; ")?;
                match numbers(demand, *kind) {
                    Some(ports) => write!(f, "the ports {ports} are not all free on any agent with room for the rest")?,
                    None => write!(
                        f,
                        "the largest free is {free_agent} with {}; the largest agent is {agent} with {}",
                        kind.describe(free),
                        kind.describe(has)
                    )?,
                }
                also_unusable(f, *unusable)
            }
            Self::Volume { id, lack } => write!(f, "volume {id:?} {lack}"),
            Self::KeptBack(Withheld::Quota(role)) => {
                write!(
                    f,
                    "would fit, but role {role} is at its quota limit: raise that, or end other tasks of the role"
                )
            }
            Self::KeptBack(_) => {
                f.write_str("would fit, but what is free is kept for roles that are guaranteed more than they have")
            }
            Self::Fits => f.write_str("is about to be placed"),
        }
    }
}

/// The port numbers asked for, if they are what is missing.
fn numbers(demand: &Demand, kind: Kind) -> Option<&proffer_resources::Ranges> {
    match (&demand.ports, kind) {
        (PortRequest::Numbers(numbers), Kind::Ports) => Some(numbers),
        _ => None,
    }
}

/// How many agents cannot be used, by why not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unusable {
    /// Not connected, or without a slot.
    pub not_ready: usize,
    /// An operator wants nothing of them offered, or their maintenance has begun.
    pub deactivated: usize,
    /// They are being emptied.
    pub draining: usize,
}

impl Unusable {
    fn count<'a>(agents: impl Iterator<Item = &'a AgentBooks>) -> Self {
        let mut counts = Self::default();
        for books in agents {
            match usable(books) {
                Ok(()) => {}
                Err(Withheld::Deactivated) => counts.deactivated += 1,
                Err(Withheld::Draining) => counts.draining += 1,
                Err(_) => counts.not_ready += 1,
            }
        }
        counts
    }

    /// How many there are.
    #[must_use]
    pub fn all(self) -> usize {
        self.not_ready + self.deactivated + self.draining
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (count, what) in [
            (self.not_ready, "not ready"),
            (self.draining, "drained by an operator"),
            (self.deactivated, "deactivated by an operator or down for maintenance"),
        ] {
            match count {
                0 => continue,
                1 => write!(f, "{between}1 agent is {what}")?,
                count => write!(f, "{between}{count} agents are {what}")?,
            }
            between = "; ";
        }
        Ok(())
    }
}

fn also_unusable(f: &mut fmt::Formatter<'_>, unusable: Unusable) -> fmt::Result {
    if unusable.all() == 0 { Ok(()) } else { write!(f, "; {unusable}") }
}

impl<A: Name, F: Name> Allocator<A, F> {
    /// Why `demand` is not placed.
    #[must_use]
    pub fn explain_unplaced(&self, demand: &Demand, whose: For<'_, F>) -> Unplaced<A> {
        if self.agent_numbers.is_empty() {
            return Unplaced::NoAgents;
        }
        let unusable = Unusable::count(self.agents().map(|(_, books)| books));
        if unusable.all() == self.agent_numbers.len() {
            return Unplaced::NoneReady { unusable };
        }
        if let Some(why) = self.explain_volumes(demand, whose) {
            return why;
        }
        let by_total = |books: &AgentBooks| books.flat_total(whose.role);
        if !self.agents().any(|(_, books)| demand.fits(&by_total(books))) {
            let kind = self.scarcest(demand, |_| true, by_total);
            let largest = self.most_of(kind, |_| true, by_total);
            return largest.map_or(Unplaced::NoAgents, |largest| Unplaced::TooLarge {
                demand: demand.clone(),
                kind,
                largest,
                unusable,
            });
        }
        let ready = |books: &AgentBooks| usable(books).is_ok();
        let by_free = |books: &AgentBooks| books.flat_free(whose.role);
        let mut kept_back = None;
        for (_, agent) in &self.by_fullness {
            let Some(name) = &self.agent_names[*agent as usize] else { continue };
            match self.verdict(demand, whose, name) {
                Verdict::Fits => return Unplaced::Fits,
                Verdict::KeptBack(why) => kept_back = Some(why),
                _ => {}
            }
        }
        let kept_back = kept_back.or_else(|| match self.quota_allows(whose, &Quantities::from(&demand.resources)) {
            // More free agents would not help either.
            Err(why @ Withheld::Quota(_)) => Some(why),
            _ => None,
        });
        if let Some(why) = kept_back {
            return Unplaced::KeptBack(why);
        }
        let kind = self.scarcest(demand, ready, by_free);
        match (self.most_of(kind, ready, by_free), self.most_of(kind, |_| true, by_total)) {
            (Some(freest), Some(largest)) => Unplaced::Busy { demand: demand.clone(), kind, freest, largest, unusable },
            _ => Unplaced::NoneReady { unusable },
        }
    }

    /// The kind to name: one that no agent has enough of, else the one that most agents lack.
    fn scarcest(
        &self,
        demand: &Demand,
        which: impl Fn(&AgentBooks) -> bool,
        measure: impl Fn(&AgentBooks) -> Resources,
    ) -> Kind {
        let mut lacking = [0usize; Kind::ALL.len()];
        let mut agents = 0;
        for (_, books) in self.agents().filter(|(_, books)| which(books)) {
            agents += 1;
            for kind in demand.lacking(&measure(books)) {
                lacking[kind as usize] += 1;
            }
        }
        let everywhere = Kind::ALL.into_iter().find(|&kind| lacking[kind as usize] == agents);
        everywhere
            .or_else(|| Kind::ALL.into_iter().rev().max_by_key(|&kind| lacking[kind as usize]))
            .unwrap_or(Kind::Cpus)
    }

    /// The agent with most of one kind; of equals, the first by name.
    fn most_of(
        &self,
        kind: Kind,
        which: impl Fn(&AgentBooks) -> bool,
        measure: impl Fn(&AgentBooks) -> Resources,
    ) -> Option<(A, Resources)> {
        let mut best: Option<(&A, Resources)> = None;
        for (agent, books) in self.agents().filter(|(_, books)| which(books)) {
            let has = measure(books);
            if best.as_ref().is_none_or(|(_, most)| kind.amount_in(&has) > kind.amount_in(most)) {
                best = Some((agent, has));
            }
        }
        best.map(|(agent, has)| (agent.clone(), has))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use proffer_resources::{Amount, Ranges, ResourceBag, Role};

    type Books = Allocator<&'static str, &'static str>;

    fn resources(millicores: u64, mem: u64) -> Resources {
        Resources {
            ports: Ranges::span(31000, 31003),
            ..Resources::of(Amount::from_thousandths(millicores), Amount::from_units(mem))
        }
    }

    fn hold(books: &mut Books, agent: &'static str, held: &Resources) {
        books.allocate(&agent, &"fw", &Role::any(), &ResourceBag::from(held));
    }

    fn books(agents: &[(&'static str, u64, u64, bool)]) -> Books {
        let mut books = Books::new(Settings::default());
        for &(agent, total, held, ready) in agents {
            books.set_agent(&agent, ResourceBag::from(&resources(total, 1024)), ready);
            hold(&mut books, agent, &resources(held, 0).without_ports());
        }
        books
    }

    fn explain(books: &Books, millicores: u64, ports: PortRequest) -> String {
        let whose = For { framework: &"fw", role: &Role::any() };
        books.explain_unplaced(&Demand::new(&resources(millicores, 64), ports), whose).to_string()
    }

    #[test]
    fn tells_the_figures_that_matter() {
        let none = PortRequest::None;
        for (agents, millicores, text) in [
            (&[][..], 8000, "no agent is registered"),
            (&[("node1", 0, 0, false), ("node2", 0, 0, false)], 1000, "2 agents are not ready"),
            (
                &[("node1", 2000, 0, true), ("node2", 4000, 2500, true)],
                8000,
                "needs 8 cpu and 64Mi memory, more than any agent has: largest is node2 with 4 cpu",
            ),
            (
                &[("node1", 1000, 0, true), ("node2", 4000, 2500, true), ("node3", 4000, 0, false)],
                3000,
                "needs 3 cpu and 64Mi memory; the largest free is node2 with 1.5 cpu; the largest agent is node2 with 4 cpu; 1 agent is not ready",
            ),
            (&[("node1", 4000, 0, true)], 1000, "is about to be placed"),
        ] {
            assert_eq!(explain(&books(agents), millicores, none.clone()), text);
        }
    }

    #[test]
    fn agents_that_an_operator_withdrew_are_told_apart() {
        let mut books = books(&[("node1", 4000, 0, true), ("node2", 4000, 0, true), ("node3", 4000, 0, false)]);
        books.set_agent_mode(&"node1", crate::AgentMode::Draining);
        books.set_agent_mode(&"node2", crate::AgentMode::Deactivated);
        assert_eq!(
            explain(&books, 1000, PortRequest::None),
            "1 agent is not ready; 1 agent is drained by an operator; \
             1 agent is deactivated by an operator or down for maintenance"
        );
    }

    #[test]
    fn ports_are_named() {
        let mut books = books(&[("node1", 4000, 0, true)]);
        let held = Resources { ports: Ranges::span(31000, 31001), ..Resources::default() };
        hold(&mut books, "node1", &held);
        assert_eq!(
            explain(&books, 1000, PortRequest::Count(3)),
            "needs 1 cpu, 64Mi memory and 3 ports; the largest free is node1 with 2 ports; the largest agent is node1 with 4 ports"
        );
        assert_eq!(
            explain(&books, 1000, PortRequest::Numbers(Ranges::span(31001, 31001))),
            "needs 1 cpu, 64Mi memory and ports [31001-31001]; the ports [31001-31001] are not all free on any agent with room for the rest"
        );
        assert_eq!(
            explain(&books, 1000, PortRequest::Numbers(Ranges::span(80, 80))),
            "needs 1 cpu, 64Mi memory and ports [80-80], more than any agent has: no agent has all of the ports [80-80]"
        );
    }
}
