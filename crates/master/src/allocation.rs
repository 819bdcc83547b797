//! Once per event: what is free goes to those who hold least (dominant resource fairness).
//!
//! The allocator says whose turn it is. A turn is an offer of one agent, all that is free of it, or one task for the
//! built-in scheduler. Only agents that were freed since are looked at, unless something is new; so an event costs what it
//! changes, however many tasks wait.

use crate::event::SchedulerKind;
use crate::ids::{AgentName, ObjectKey};
use crate::master::Master;
use crate::state::Turn as Age;
use proffer_allocator::{Demand, For, Strategy, Turn};
use std::collections::{BTreeMap, BTreeSet};

/// The waiting tasks of a framework that may fit somewhere now: the first of each group, the oldest first.
struct Heads {
    strategy: Strategy,
    oldest_first: BTreeSet<(Age, Demand)>,
}

impl Master {
    /// Gives away what is free.
    pub(crate) fn allocate(&mut self) {
        while self.allocator.next_run().is_some() {
            self.allocator.begin_run(self.now);
            self.take_turns();
            self.rescind_due = true;
        }
        if std::mem::take(&mut self.rescind_due) && self.rescind_for_waiting() {
            // What was taken back and not used is free again.
            self.allocate();
        }
    }

    fn take_turns(&mut self) {
        let mut freed: Option<BTreeSet<AgentName>> = None;
        let mut waiting: BTreeMap<ObjectKey, Heads> = BTreeMap::new();
        while let Some(turn) = self.allocator.next_turn() {
            match turn {
                Turn::Offer(offer) => self.make_offer(&offer),
                Turn::Place { framework: key, role } => {
                    let freed = freed.get_or_insert_with(|| self.allocator.freed());
                    if !waiting.contains_key(&key)
                        && let Some(heads) = self.heads(&key, freed)
                    {
                        waiting.insert(key.clone(), heads);
                    }
                    let served = waiting.get_mut(&key).is_some_and(|heads| self.place_one(&key, heads, freed));
                    if !served {
                        self.allocator.pass(&key, &role);
                    }
                }
            }
        }
    }

    fn heads(&self, key: &ObjectKey, freed: &BTreeSet<AgentName>) -> Option<Heads> {
        let framework = self.frameworks.get(key)?;
        let Some(SchedulerKind::BuiltIn(strategy)) = framework.scheduler() else { return None };
        let whose = For { framework: key, role: &framework.role };
        let stuck = framework
            .waiting
            .groups()
            .map(|(demand, _)| demand)
            .filter(|demand| freed.iter().any(|agent| self.allocator.fits_on(demand, whose, agent)));
        let oldest_first = framework
            .waiting
            .fresh()
            .chain(stuck)
            .filter_map(|demand| Some((framework.waiting.head(demand)?.clone(), demand.clone())))
            .collect();
        Some(Heads { strategy, oldest_first })
    }

    /// Places the oldest task that fits. `false` if none does.
    fn place_one(&mut self, key: &ObjectKey, heads: &mut Heads, freed: &BTreeSet<AgentName>) -> bool {
        let (strategy, role) = (heads.strategy, self.role_of(key));
        let whose = For { framework: key, role: &role };
        while let Some(((_, id), demand)) = heads.oldest_first.pop_first() {
            let fresh = self.frameworks.get(key).is_some_and(|framework| framework.waiting.is_fresh(&demand));
            let place = if fresh {
                self.allocator.place(&demand, whose, strategy)
            } else {
                self.allocator.place_among(&demand, whose, strategy, freed)
            };
            let Some((agent, given)) = place else {
                self.framework_mut(key).waiting.set_stuck(&demand);
                continue;
            };
            self.launch(&id, &agent, given.to_resources());
            if let Some(next) = self.frameworks.get(key).and_then(|framework| framework.waiting.head(&demand).cloned())
            {
                heads.oldest_first.insert((next, demand));
            }
            return true;
        }
        false
    }
}
