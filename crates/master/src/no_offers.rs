//! Why frameworks get no offers.
//!
//! To find that out, every agent is looked at. So it is found out for as many frameworks a second as the size of the
//! cluster allows: in a small one at every change, in a large one in turn.

use crate::event::SchedulerKind;
use crate::ids::{ObjectKey, Time};
use crate::master::Master;
use crate::state::Framework;
use crate::tasks::SETTLE;
use crate::timers::Timer;
use std::collections::BTreeSet;

/// How many agents are looked at for it, in a second. A hundred thousand cost some 20 ms.
const LOOKS: usize = 100_000;

/// Agents times frameworks up to which all frameworks are told at once that an agent changed.
const SMALL: usize = 1_000;

/// What a framework is told that has not had its turn.
const NOT_YET: &str = "has no offers yet";

/// Frameworks that have to be told why they get no offers.
#[derive(Debug, Default)]
pub(crate) struct Unexplained {
    /// How many agents may still be looked at, and since when.
    looks: usize,
    since: Option<Time>,
    /// Those that wait for their turn, the one that was told longest ago first.
    waiting: BTreeSet<(Option<Time>, ObjectKey)>,
    /// Whether all are to be told that have no offers: an agent changed.
    all: bool,
    /// Those whose turn it is during this event.
    turn: BTreeSet<ObjectKey>,
}

impl Master {
    /// A framework changed. If it has no offers, it is found out why, at once or when it has its turn.
    pub(crate) fn note_no_offers(&mut self, key: &ObjectKey) {
        let its_turn = self.unexplained.turn.remove(key);
        let Some(framework) = self.frameworks.get(key) else { return };
        let told = framework.no_offers.as_ref().map(|(at, _)| *at);
        if !matches!(framework.scheduler(), Some(SchedulerKind::External(_))) || !framework.offers.is_empty() {
            self.unexplained.waiting.remove(&(told, key.clone()));
            self.framework_mut(key).no_offers = None;
            return;
        }
        let cost = self.agents.len() * framework.roles().len();
        let none_waits = self.unexplained.waiting.is_empty();
        if none_waits && self.unexplained.since.is_none_or(|since| self.now >= since.after(SETTLE)) {
            (self.unexplained.looks, self.unexplained.since) = (LOOKS, Some(self.now));
        }
        if its_turn || none_waits && cost <= self.unexplained.looks {
            self.unexplained.looks = self.unexplained.looks.saturating_sub(cost);
            let message = self.why_no_offers(key);
            self.framework_mut(key).no_offers = Some((self.now, message));
        } else {
            self.unexplained.waiting.insert((told, key.clone()));
            self.timers.set_at_latest(Timer::ExplainNoOffers, self.now.after(SETTLE));
        }
    }

    /// An agent changed: the reasons of all frameworks may be others now.
    pub(crate) fn note_no_offers_to_all(&mut self) {
        if self.agents.len() * self.frameworks.len() <= SMALL {
            let without = self.without_offers();
            self.changed_frameworks.extend(without.into_iter().map(|(key, _)| key));
        } else {
            self.unexplained.all = true;
            self.timers.set_at_latest(Timer::ExplainNoOffers, self.now.after(SETTLE));
        }
    }

    /// Frameworks that take offers and have none, and when they were told why.
    fn without_offers(&self) -> Vec<(ObjectKey, Option<Time>)> {
        let takes = |framework: &Framework| matches!(framework.scheduler(), Some(SchedulerKind::External(_)));
        let mut without = Vec::new();
        for (key, framework) in &self.frameworks {
            if takes(framework) && framework.offers.is_empty() {
                without.push((key.clone(), framework.no_offers.as_ref().map(|(at, _)| *at)));
            }
        }
        without
    }

    /// As many frameworks have their turn as may in a second; at least one.
    pub(crate) fn explain_no_offers(&mut self) {
        (self.unexplained.looks, self.unexplained.since) = (LOOKS, Some(self.now));
        if std::mem::take(&mut self.unexplained.all) {
            let without = self.without_offers();
            self.unexplained.waiting.extend(without.into_iter().map(|(key, told)| (told, key)));
        }
        let most = (LOOKS / self.agents.len().max(1)).max(1);
        for _ in 0..most {
            let Some((_, key)) = self.unexplained.waiting.pop_first() else { break };
            self.changed_frameworks.insert(key.clone());
            self.unexplained.turn.insert(key);
        }
        if !self.unexplained.waiting.is_empty() {
            self.timers.set_at_latest(Timer::ExplainNoOffers, self.now.after(SETTLE));
        }
    }

    /// What a framework without offers is told.
    pub(crate) fn told_of_no_offers(framework: &Framework) -> String {
        framework.no_offers.as_ref().map_or_else(|| NOT_YET.to_owned(), |(_, message)| message.clone())
    }

    /// Why a framework gets no offers.
    fn why_no_offers(&self, framework: &ObjectKey) -> String {
        let roles = self.frameworks.get(framework).map(Framework::roles).unwrap_or_default();
        let why = |role| self.allocator.explain_no_offers(framework, role, self.now);
        match roles {
            [] | [_] => format!("gets no offers: {}", why(&self.role_of(framework))),
            several => {
                let by_role: Vec<String> =
                    several.iter().map(|role| format!("for role {role}: {}", why(role))).collect();
                format!("gets no offers: {}", by_role.join("; "))
            }
        }
    }
}
