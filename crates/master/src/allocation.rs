//! Once per event: what is free goes to those who hold least (dominant resource fairness).
//!
//! Frameworks are served in the order of their dominant shares. A turn is one task for the built-in scheduler, or one
//! agent, all that is free of it, for a framework that takes offers. Only agents that were freed since are looked at,
//! unless something is new; so an event costs what it changes, however many tasks wait.

use crate::event::SchedulerKind;
use crate::ids::{AgentName, ObjectKey};
use crate::master::Master;
use crate::offers::MAX_OFFERS_PER_FRAMEWORK;
use crate::state::Turn;
use proffer_allocator::{Demand, Share, Strategy};
use std::collections::{BTreeMap, BTreeSet};

/// What one framework looks for.
enum Claim {
    /// Places for its waiting tasks; the first of each group, the oldest first.
    Places(Strategy, BTreeSet<(Turn, Demand)>),
    /// Offers of these agents.
    Offers(BTreeSet<AgentName>),
}

impl Master {
    /// Gives away what is free.
    pub(crate) fn allocate(&mut self) {
        loop {
            let (freed, eager) = (self.allocator.take_freed(), std::mem::take(&mut self.eager));
            if freed.is_empty() && eager.is_empty() {
                break;
            }
            self.serve_claims(&freed, &eager);
            self.rescind_due = true;
        }
        if std::mem::take(&mut self.rescind_due) && self.rescind_for_waiting() {
            // What was taken back and not used is free again.
            self.allocate();
        }
    }

    fn serve_claims(&mut self, freed: &BTreeSet<AgentName>, eager: &BTreeSet<ObjectKey>) {
        let mut claims = self.claims(freed, eager);
        let mut order: BTreeSet<(Share, ObjectKey)> =
            claims.keys().map(|key| (self.allocator.share(key), key.clone())).collect();
        while let Some((_, key)) = order.pop_first() {
            let Some(claim) = claims.get_mut(&key) else { continue };
            let served = match claim {
                Claim::Places(strategy, heads) => self.place_one(&key, *strategy, heads, freed),
                Claim::Offers(agents) => self.offer_one(&key, agents),
            };
            if served {
                order.insert((self.allocator.share(&key), key));
            }
        }
    }

    fn claims(&self, freed: &BTreeSet<AgentName>, eager: &BTreeSet<ObjectKey>) -> BTreeMap<ObjectKey, Claim> {
        // If nothing was freed, only those have a claim that look for something new.
        let keys: Box<dyn Iterator<Item = &ObjectKey>> =
            if freed.is_empty() { Box::new(eager.iter()) } else { Box::new(self.frameworks.keys()) };
        let mut claims = BTreeMap::new();
        for key in keys {
            let Some(framework) = self.frameworks.get(key) else { continue };
            let claim = match framework.scheduler() {
                Some(SchedulerKind::BuiltIn(strategy)) => {
                    let fresh = framework.waiting.fresh().filter(|_| eager.contains(key) || !freed.is_empty());
                    let stuck = framework
                        .waiting
                        .groups()
                        .map(|(demand, _)| demand)
                        .filter(|demand| freed.iter().any(|agent| self.allocator.fits_on(demand, agent)));
                    let heads: BTreeSet<_> = fresh
                        .chain(stuck)
                        .filter_map(|demand| Some((framework.waiting.head(demand)?.clone(), demand.clone())))
                        .collect();
                    Some(Claim::Places(strategy, heads)).filter(|_| !framework.waiting.is_empty())
                }
                Some(SchedulerKind::OfferObjects) => {
                    let all = || self.allocator.agents().filter(|(_, books)| books.is_ready());
                    let agents = if eager.contains(key) {
                        all().map(|(agent, _)| agent.clone()).collect()
                    } else {
                        freed.clone()
                    };
                    Some(Claim::Offers(agents))
                }
                None => None,
            };
            claims.extend(claim.map(|claim| (key.clone(), claim)));
        }
        claims
    }

    /// Places the oldest task that fits. `false` if none does.
    fn place_one(
        &mut self,
        key: &ObjectKey,
        strategy: Strategy,
        heads: &mut BTreeSet<(Turn, Demand)>,
        freed: &BTreeSet<AgentName>,
    ) -> bool {
        while let Some(((_, id), demand)) = heads.pop_first() {
            let fresh = self.frameworks.get(key).is_some_and(|framework| framework.waiting.is_fresh(&demand));
            let place = if fresh {
                self.allocator.place(&demand, strategy)
            } else {
                self.allocator.place_among(&demand, strategy, freed)
            };
            let Some((agent, given)) = place else {
                self.framework_mut(key).waiting.set_stuck(&demand);
                continue;
            };
            self.launch(&id, &agent, given);
            if let Some(next) = self.frameworks.get(key).and_then(|framework| framework.waiting.head(&demand).cloned())
            {
                heads.insert((next, demand));
            }
            return true;
        }
        false
    }

    /// Offers the next agent that can be offered. `false` if none can.
    fn offer_one(&mut self, key: &ObjectKey, agents: &mut BTreeSet<AgentName>) -> bool {
        while let Some(agent) = agents.pop_first() {
            if self.frameworks.get(key).is_none_or(|framework| framework.offers.len() >= MAX_OFFERS_PER_FRAMEWORK) {
                self.framework_mut(key).capped = true;
                return false;
            }
            if let Ok(resources) = self.allocator.offerable(&agent, key, self.now) {
                self.make_offer(key, &agent, resources);
                return true;
            }
        }
        false
    }
}
