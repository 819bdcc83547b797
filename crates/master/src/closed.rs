//! Offers that ended and whose objects stay for a while, so that a late reply is told what happened.
//!
//! There may be a hundred times as many of them as live ones, so nothing is kept but their names.

use crate::ids::{OfferId, Time};
use std::collections::{BTreeSet, VecDeque};

/// Names of offers that ended and still have an object.
#[derive(Debug, Default)]
pub(crate) struct ClosedOffers {
    names: BTreeSet<OfferId>,
    /// When each is to be deleted, the earliest first; also of those that went before.
    queue: VecDeque<(Time, OfferId)>,
}

impl ClosedOffers {
    /// Adds an offer whose object is to be deleted at `due`, which is not before what was told for any other.
    pub(crate) fn add(&mut self, offer: OfferId, due: Time) {
        self.names.insert(offer.clone());
        self.queue.push_back((due, offer));
    }

    /// Forgets one whose object is gone. `false` if it is none.
    pub(crate) fn remove(&mut self, offer: &OfferId) -> bool {
        let known = self.names.remove(offer);
        while self.queue.front().is_some_and(|(_, first)| !self.names.contains(first)) {
            self.queue.pop_front();
        }
        known
    }

    /// Removes and returns those whose object is to be deleted by `now`.
    pub(crate) fn take_due(&mut self, now: Time) -> Vec<OfferId> {
        let mut due = Vec::new();
        while self.next().is_some_and(|at| at <= now) {
            let first = self.queue.pop_front().map(|(_, offer)| offer);
            due.extend(first.filter(|offer| self.names.remove(offer)));
        }
        due
    }

    /// When the next is to be deleted, at the earliest.
    pub(crate) fn next(&self) -> Option<Time> {
        self.queue.front().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ObjectKey;

    #[test]
    fn they_go_in_their_time_unless_they_went_before() {
        let offer = |name: &str| OfferId(ObjectKey::new("ns", name));
        let mut closed = ClosedOffers::default();
        for (name, due) in [("a", 5), ("b", 6), ("c", 7)] {
            closed.add(offer(name), Time(due));
        }
        assert_eq!((closed.remove(&offer("a")), closed.remove(&offer("x"))), (true, false));
        assert_eq!(closed.next(), Some(Time(6)));
        assert!(closed.remove(&offer("c")));
        assert_eq!((closed.take_due(Time(5)), closed.take_due(Time(9))), (vec![], vec![offer("b")]));
        assert_eq!(closed.next(), None);
    }
}
