//! Why frameworks get no offers.
//!
//! To find that out, every agent is looked at. So it is found out for as many frameworks a second as the size of the
//! cluster allows: in a small one at every change, in a large one in turn. It is found out anew after a while, as what others
//! hold changes without a word to those who have nothing: of as many at a time.

use crate::event::SchedulerKind;
use crate::explain::RETELL;
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
    /// Those that were told, and when: they are told anew, the one that was told longest ago first.
    told: BTreeSet<(Time, ObjectKey)>,
    /// Before then, nobody is told anew: there are many, and some were.
    pause: Time,
    /// Whether all are to be told that have no offers: an agent changed.
    all: bool,
    /// Those whose turn it is during this event.
    turn: BTreeSet<ObjectKey>,
}

impl Unexplained {
    /// A framework is told, or need not be; `told` is when it was before.
    fn forget(&mut self, key: &ObjectKey, told: Option<Time>) {
        self.waiting.remove(&(told, key.clone()));
        if let Some(told) = told {
            self.told.remove(&(told, key.clone()));
        }
    }
}

impl Master {
    /// A framework changed. If it has no offers, it is found out why, at once or when it has its turn.
    pub(crate) fn note_no_offers(&mut self, key: &ObjectKey) {
        let its_turn = self.unexplained.turn.remove(key);
        let Some(framework) = self.frameworks.get(key) else { return };
        let told = framework.no_offers.as_ref().map(|(at, _)| *at);
        if !matches!(framework.scheduler(), Some(SchedulerKind::External(_))) || !framework.offers.is_empty() {
            self.unexplained.forget(key, told);
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
            self.unexplained.forget(key, told);
            self.unexplained.told.insert((self.now, key.clone()));
            self.framework_mut(key).no_offers = Some((self.now, message));
            self.timers.set_at_latest(Timer::ExplainNoOffers, self.now.after(RETELL));
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
        let mut turn = Vec::new();
        while turn.len() < most
            && let Some((_, key)) = self.unexplained.waiting.pop_first()
        {
            turn.push(key);
        }
        if self.unexplained.waiting.is_empty() && self.unexplained.pause <= self.now {
            while turn.len() < most
                && let Some((at, _)) = self.unexplained.told.first()
                && at.after(RETELL) <= self.now
                && let Some((_, key)) = self.unexplained.told.pop_first()
            {
                turn.push(key);
            }
            if turn.len() == most {
                self.unexplained.pause = self.now.after(RETELL);
            }
        }
        self.changed_frameworks.extend(turn.iter().cloned());
        self.unexplained.turn.extend(turn);
        let news = (!self.unexplained.waiting.is_empty()).then(|| self.now.after(SETTLE));
        let anew = self.unexplained.told.first().map(|(at, _)| at.after(RETELL).max(self.unexplained.pause));
        if let Some(next) = news.into_iter().chain(anew).min() {
            self.timers.set_at_latest(Timer::ExplainNoOffers, next);
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
