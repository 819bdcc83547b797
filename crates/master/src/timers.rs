//! Deadlines: what the master will look at again, and when.

use crate::ids::{AgentName, ObjectKey, OfferId, TaskId, Time};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a deadline is for. Each has at most one deadline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Ping an agent, and see whether it answered the last ping.
    Ping(AgentName),
    /// An agent that is not connected becomes unreachable.
    AgentLost(AgentName),
    /// An agent that has not come to this leader yet is shown as not connected.
    AgentLate(AgentName),
    /// An offer expires.
    OfferExpires(OfferId),
    /// A reply that names unknown tasks has waited long enough for them.
    ReplyDue(OfferId),
    /// The object of an inverse offer that ended is deleted.
    OfferForgotten(OfferId),
    /// A task of which no object was seen has waited long enough for one.
    OrphanDue(AgentName, TaskId),
    /// And so have the objects that may have come while this process stood still.
    OrphanGivenUp(AgentName, TaskId),
    /// A task is past its first second: what was put off for speed is done.
    Settle(TaskId),
    /// An offer has been held long enough to be rescinded for a task that fits nowhere else.
    OfferMature,
    /// A framework's scheduler has had the time to come back.
    FailoverDue(ObjectKey),
    /// Waiting tasks are told why they wait.
    Explain,
    /// Frameworks are asked to leave agents, and statuses of maintenance are written.
    Maintenance,
    /// A window of maintenance is over.
    WindowOver,
    /// The figures of roles are written.
    RoleFigures,
    /// Frameworks are told why they get no offers.
    ExplainNoOffers,
}

/// All deadlines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeSet<(Time, Arc<Timer>)>,
    deadlines: BTreeMap<Arc<Timer>, Time>,
}

impl Timers {
    /// Sets the deadline of `timer`, in place of an earlier one.
    pub(crate) fn set(&mut self, timer: Timer, at: Time) {
        let timer = match self.deadlines.entry(Arc::new(timer)) {
            Entry::Vacant(entry) => {
                let timer = entry.key().clone();
                entry.insert(at);
                timer
            }
            Entry::Occupied(mut entry) => {
                let queued = (entry.insert(at), entry.key().clone());
                self.queue.remove(&queued);
                queued.1
            }
        };
        self.queue.insert((at, timer));
    }

    /// Sets the deadline of `timer` unless it has an earlier one.
    pub(crate) fn set_at_latest(&mut self, timer: Timer, at: Time) {
        if self.deadlines.get(&timer).is_none_or(|before| *before > at) {
            self.set(timer, at);
        }
    }

    /// Puts a deadline off, if there is one and it is before `at`.
    pub(crate) fn put_off(&mut self, timer: Timer, at: Time) {
        if self.deadlines.get(&timer).is_some_and(|before| *before < at) {
            self.set(timer, at);
        }
    }

    /// Removes a deadline.
    pub(crate) fn clear(&mut self, timer: &Timer) {
        if let Some((timer, at)) = self.deadlines.remove_entry(timer) {
            self.queue.remove(&(at, timer));
        }
    }

    /// Removes and returns what is due at `now`, earliest first.
    pub(crate) fn take_due(&mut self, now: Time) -> Vec<Timer> {
        let mut due = Vec::new();
        while self.queue.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, timer)) = self.queue.pop_first() {
                self.deadlines.remove(&timer);
                due.push(Arc::unwrap_or_clone(timer));
            }
        }
        due
    }

    /// Whether `timer` has a deadline.
    pub(crate) fn is_set(&self, timer: &Timer) -> bool {
        self.deadlines.contains_key(timer)
    }

    /// Whether something will be done about an offer.
    pub(crate) fn is_set_for_offer(&self, offer: &OfferId) -> bool {
        [Timer::OfferExpires, Timer::ReplyDue].into_iter().any(|timer| self.is_set(&timer(offer.clone())))
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Time> {
        self.queue.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_deadline_replaces_an_earlier_one() {
        let mut timers = Timers::default();
        timers.set(Timer::Explain, Time(5));
        timers.set(Timer::OfferMature, Time(7));
        timers.set(Timer::Explain, Time(9));
        timers.set_at_latest(Timer::Explain, Time(11));
        assert_eq!((timers.next(), timers.take_due(Time(8))), (Some(Time(7)), vec![Timer::OfferMature]));
        timers.clear(&Timer::Explain);
        assert_eq!((timers.next(), timers.take_due(Time(99))), (None, vec![]));
    }
}
