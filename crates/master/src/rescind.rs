//! Offers that nobody has answered make room for tasks that fit nowhere else.

use crate::event::SchedulerKind;
use crate::ids::{AgentName, ObjectKey, OfferId, Time};
use crate::master::Master;
use crate::state::{OfferPhase, Turn, Want};
use crate::tasks::SETTLE;
use crate::timers::Timer;
use proffer_allocator::{For, Share, Strategy};
use proffer_resources::Role;
use std::collections::BTreeSet;

/// For how many groups of waiting tasks one event looks through the offers.
const GROUPS_AT_ONCE: usize = 100;

/// With more offers and frameworks that wait than this, it is looked for once a second, not with every event.
const MANY: usize = 1_000;

impl Master {
    /// Takes offers back that are old enough and whose resources let a waiting task run. `true` if one was taken back.
    pub(crate) fn rescind_for_waiting(&mut self) -> bool {
        if self.waiting.is_empty() || self.offers.is_empty() {
            return false;
        }
        if self.waiting.len() + self.offers.len() > MANY && !self.rescind_among_many {
            self.timers.set_at_latest(Timer::OfferMature, self.now.after(SETTLE));
            return false;
        }
        let groups = self.stuck_groups();
        if groups.is_empty() {
            return false;
        }
        let offers: Vec<(OfferId, Time)> = self
            .offers
            .iter()
            .filter(|(_, offer)| matches!(offer.phase, OfferPhase::Outstanding))
            .map(|(id, offer)| (id.clone(), offer.created.after(self.config.offer_min_hold)))
            .collect();
        if offers.is_empty() {
            return false;
        }
        if let Some(mature_at) = offers.iter().map(|(_, at)| *at).filter(|at| *at > self.now).min() {
            self.timers.set_at_latest(Timer::OfferMature, mature_at);
        }
        let mut mature: BTreeSet<(Share, OfferId)> = offers
            .into_iter()
            .filter(|(_, at)| *at <= self.now)
            .filter_map(|(id, _)| Some((self.cost(&id)?, id)))
            .collect();
        let mut rescinded = false;
        for (_, key, want, strategy) in groups {
            let role = self.role_wanted(&key, &want);
            let helps = mature.iter().find(|(_, id)| self.would_help(id, &want, &role)).cloned();
            if let Some((cost, id)) = helps {
                let Some(agent) = self.offers.get(&id).map(|offer| offer.agent.clone()) else { continue };
                mature.remove(&(cost, id.clone()));
                self.rescind(&id, format!("its resources are needed for a task of framework {:?}", key.name));
                self.place_on_agent(&key, &want, &role, strategy, &agent);
                rescinded = true;
            }
        }
        rescinded
    }

    /// The groups of tasks that fit nowhere, the one that has waited longest first.
    fn stuck_groups(&self) -> Vec<(Turn, ObjectKey, Want, Strategy)> {
        let mut groups = Vec::new();
        for (key, framework) in self.waiting.iter().filter_map(|key| Some((key, self.frameworks.get(key)?))) {
            let Some(SchedulerKind::BuiltIn(strategy)) = framework.scheduler() else { continue };
            for (want, _) in framework.waiting.groups().filter(|(want, _)| !framework.waiting.is_fresh(want)) {
                if let Some(head) = framework.waiting.head(want).filter(|_| framework.is_served_in(want)) {
                    groups.push((head.clone(), key.clone(), want.clone(), strategy));
                }
            }
        }
        groups.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        groups.truncate(GROUPS_AT_ONCE);
        groups
    }

    /// How much of the cluster an offer holds.
    fn cost(&self, id: &OfferId) -> Option<Share> {
        self.offers.get(id).map(|offer| self.allocator.share_of(&offer.resources.quantities()))
    }

    fn would_help(&self, id: &OfferId, want: &Want, role: &Role) -> bool {
        let Some(offer) = self.offers.get(id) else { return false };
        self.allocator.agent(&offer.agent).is_some_and(|books| {
            let free = books.free().plus(&offer.resources);
            books.is_ready() && want.demand.carve(&free, role).is_some()
        })
    }

    /// Places as many tasks of a group on one agent as fit.
    fn place_on_agent(&mut self, key: &ObjectKey, want: &Want, role: &Role, strategy: Strategy, agent: &AgentName) {
        let only = BTreeSet::from([agent.clone()]);
        let whose = For { framework: key, role };
        while let Some((_, id)) = self.frameworks.get(key).and_then(|known| known.waiting.head(want).cloned()) {
            let Some((agent, given)) = self.allocator.place_among(&want.demand, whose, strategy, &only) else { break };
            self.launch(&id, &agent, role.clone(), &given, None);
        }
    }
}
