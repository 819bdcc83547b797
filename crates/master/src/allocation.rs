//! Once per event: what is free goes to those who hold least (dominant resource fairness).
//!
//! The allocator says whose turn it is. A turn is an offer of one agent, all that is free of it, or one task for the
//! built-in scheduler. Only agents that were freed since are looked at, unless something is new; so an event costs what it
//! changes, however many tasks wait.

use crate::event::SchedulerKind;
use crate::ids::{AgentName, ObjectKey};
use crate::master::Master;
use crate::state::{Turn as Age, Want};
use proffer_allocator::{For, Strategy, Turn};
use proffer_resources::Role;
use std::collections::{BTreeMap, BTreeSet};

/// The waiting tasks of a framework in one role that may fit somewhere now: the first of each group, the oldest first.
struct Heads {
    strategy: Strategy,
    oldest_first: BTreeSet<(Age, Want)>,
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
        let mut waiting: BTreeMap<(ObjectKey, Role), Heads> = BTreeMap::new();
        while let Some(turn) = self.allocator.next_turn() {
            match turn {
                Turn::Offer(offer) => self.make_offer(&offer),
                Turn::Place { framework: key, role } => {
                    let freed = freed.get_or_insert_with(|| self.allocator.freed());
                    let client = (key, role);
                    if !waiting.contains_key(&client)
                        && let Some(heads) = self.heads(&client.0, &client.1, freed)
                    {
                        waiting.insert(client.clone(), heads);
                    }
                    let (key, role) = &client;
                    let heads = waiting.get_mut(&client);
                    if !heads.is_some_and(|heads| self.place_one(key, role, heads, freed)) {
                        self.allocator.pass(key, role);
                    }
                }
            }
        }
    }

    fn heads(&self, key: &ObjectKey, role: &Role, freed: &BTreeSet<AgentName>) -> Option<Heads> {
        let framework = self.frameworks.get(key)?;
        let Some(SchedulerKind::BuiltIn(strategy)) = framework.scheduler() else { return None };
        let whose = For { framework: key, role };
        let is_first = framework.roles().first() == Some(role);
        let in_role = |want: &&Want| want.role.as_ref().map_or(is_first, |named| named == role);
        let stuck = framework
            .waiting
            .groups()
            .map(|(want, _)| want)
            .filter(in_role)
            .filter(|want| freed.iter().any(|agent| self.allocator.fits_on(&want.demand, whose, agent)));
        let oldest_first = framework
            .waiting
            .fresh()
            .filter(in_role)
            .chain(stuck)
            .filter_map(|want| Some((framework.waiting.head(want)?.clone(), want.clone())))
            .collect();
        Some(Heads { strategy, oldest_first })
    }

    /// Places the oldest task that fits. `false` if none does.
    fn place_one(&mut self, key: &ObjectKey, role: &Role, heads: &mut Heads, freed: &BTreeSet<AgentName>) -> bool {
        let strategy = heads.strategy;
        let whose = For { framework: key, role };
        while let Some(((_, id), want)) = heads.oldest_first.pop_first() {
            let fresh = self.frameworks.get(key).is_some_and(|framework| framework.waiting.is_fresh(&want));
            // A volume is on one agent, and may be new there without anything having been freed.
            let place = if fresh || !want.demand.volumes.is_empty() {
                self.allocator.place(&want.demand, whose, strategy)
            } else {
                self.allocator.place_among(&want.demand, whose, strategy, freed)
            };
            let Some((agent, given)) = place else {
                self.framework_mut(key).waiting.set_stuck(&want);
                continue;
            };
            self.launch(&id, &agent, role.clone(), &given, None);
            if let Some(next) = self.frameworks.get(key).and_then(|framework| framework.waiting.head(&want).cloned()) {
                heads.oldest_first.insert((next, want));
            }
            return true;
        }
        false
    }
}
