//! The decision of the election, without a clock or a socket.
//!
//! As client-go: a Lease is judged by when *this* process saw it change last, on its own monotonic clock, never by the
//! times written in it. So clocks may differ; only their speed must not.

use super::lease::LeaseRecord;
use crate::clock::Boot;
use proffer_master::Epoch;
use std::time::Duration;

/// A hand-edited Lease cannot keep everybody waiting for longer than this.
const LONGEST_LEASE: Duration = Duration::from_mins(1);

/// The election's times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// How long a Lease that nobody renews is left to its holder.
    pub lease_duration: Duration,
    /// How long a leader that cannot renew goes on; less than `lease_duration`.
    pub renew_deadline: Duration,
    /// Between two tries.
    pub retry_period: Duration,
}

/// The Lease as this process saw it last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// What it said; `None` if there was none.
    pub record: Option<LeaseRecord>,
    /// When it was first seen to say this.
    pub since: Boot,
}

impl Observed {
    /// Takes in what the Lease says now. Only a change moves `since`.
    pub fn see(&mut self, record: Option<LeaseRecord>, now: Boot) {
        if self.record != record || self.since == Boot::default() {
            self.record = record;
            self.since = now;
        }
    }
}

/// What this process is so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Waits. `floor` is the highest epoch it has seen anywhere: a Lease that somebody deleted must not bring old epochs back.
    Candidate {
        /// The highest epoch seen in any object.
        floor: Epoch,
    },
    /// Leads in this epoch.
    Leader(Epoch),
}

/// What to do about the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is none: make it, with this epoch.
    Create(Epoch),
    /// It is free: take it, with this epoch.
    Take(Epoch),
    /// It is ours: renew it in this epoch.
    Renew(Epoch),
    /// Somebody holds it: look again after this at the latest.
    Wait(Duration),
    /// It was ours and is not any more: stop at once.
    Lost {
        /// Who holds it now.
        holder: Option<String>,
    },
}

/// Decides, for the process called `me`.
#[must_use]
pub fn decide(observed: &Observed, role: Role, me: &str, timings: Timings, now: Boot) -> Decision {
    match (role, &observed.record) {
        // Somebody deleted it. Nobody else can have led meanwhile without making one, which would show.
        (Role::Leader(epoch), None) => Decision::Create(epoch),
        (Role::Leader(epoch), Some(record)) => {
            if record.holder.as_deref() == Some(me) {
                Decision::Renew(epoch)
            } else {
                Decision::Lost { holder: record.holder.clone() }
            }
        }
        (Role::Candidate { floor }, None) => Decision::Create(next(floor)),
        (Role::Candidate { floor }, Some(record)) => {
            let epoch = next(floor.max(record.transitions));
            match record.holder.as_deref() {
                None => Decision::Take(epoch),
                // A try of ours whose answer was lost. It never acted in that epoch; the next one is beyond doubt.
                Some(holder) if holder == me => Decision::Take(epoch),
                Some(_) => {
                    let duration = record.duration.unwrap_or(timings.lease_duration).min(LONGEST_LEASE);
                    match duration.checked_sub(now.since(observed.since)) {
                        Some(rest) if !rest.is_zero() => Decision::Wait(rest.min(timings.retry_period)),
                        _ => Decision::Take(epoch),
                    }
                }
            }
        }
    }
}

fn next(epoch: Epoch) -> Epoch {
    Epoch(epoch.0 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;

    const TIMINGS: Timings = Timings {
        lease_duration: Duration::from_secs(3),
        renew_deadline: Duration::from_secs(2),
        retry_period: Duration::from_millis(250),
    };

    fn at(millis: u64) -> Boot {
        Boot::from_micros(1_000_000_000 + millis * 1000)
    }

    fn record(holder: Option<&str>, transitions: u64) -> LeaseRecord {
        LeaseRecord {
            holder: holder.map(str::to_owned),
            duration: Some(Duration::from_secs(3)),
            transitions: Epoch(transitions),
            renewed: Timestamp::from_second(100).ok(),
        }
    }

    fn seen(record: Option<LeaseRecord>) -> Observed {
        Observed { record, since: at(0) }
    }

    #[test]
    fn a_candidate_takes_what_is_free_and_waits_for_what_is_not() {
        let candidate = Role::Candidate { floor: Epoch(5) };
        let held = || seen(Some(record(Some("b"), 7)));
        let without_duration = || seen(Some(LeaseRecord { duration: None, ..record(Some("b"), 7) }));
        let absurd =
            || seen(Some(LeaseRecord { duration: Some(Duration::from_secs(1_000_000)), ..record(Some("b"), 7) }));
        let millis = Duration::from_millis;
        for (case, observed, now, expected) in [
            ("no Lease", seen(None), 0, Decision::Create(Epoch(6))),
            ("given back", seen(Some(record(None, 7))), 0, Decision::Take(Epoch(8))),
            ("given back, edited to an old epoch", seen(Some(record(None, 1))), 0, Decision::Take(Epoch(6))),
            ("held, just seen", held(), 0, Decision::Wait(millis(250))),
            ("held, nearly over", held(), 2900, Decision::Wait(millis(100))),
            ("held, over", held(), 3000, Decision::Take(Epoch(8))),
            ("held, long over", held(), 999_999, Decision::Take(Epoch(8))),
            ("own try whose answer was lost", seen(Some(record(Some("a"), 7))), 0, Decision::Take(Epoch(8))),
            ("edited: no duration, within ours", without_duration(), 2999, Decision::Wait(millis(1))),
            ("edited: no duration, over ours", without_duration(), 3000, Decision::Take(Epoch(8))),
            ("edited: absurd duration", absurd(), 60_000, Decision::Take(Epoch(8))),
        ] {
            assert_eq!(decide(&observed, candidate, "a", TIMINGS, at(now)), expected, "{case}");
        }
    }

    #[test]
    fn a_leader_renews_or_is_lost() {
        let leader = Role::Leader(Epoch(7));
        let lost = |holder: Option<&str>| Decision::Lost { holder: holder.map(str::to_owned) };
        for (case, observed, expected) in [
            ("ours", seen(Some(record(Some("a"), 7))), Decision::Renew(Epoch(7))),
            ("ours, epoch edited", seen(Some(record(Some("a"), 2))), Decision::Renew(Epoch(7))),
            ("deleted", seen(None), Decision::Create(Epoch(7))),
            ("taken by another", seen(Some(record(Some("b"), 8))), lost(Some("b"))),
            ("holder cleared by hand", seen(Some(record(None, 7))), lost(None)),
        ] {
            assert_eq!(decide(&observed, leader, "a", TIMINGS, at(0)), expected, "{case}");
        }
    }

    #[test]
    fn only_a_change_of_the_lease_moves_the_observed_time() {
        let mut observed = Observed::default();
        observed.see(Some(record(Some("b"), 7)), at(0));
        observed.see(Some(record(Some("b"), 7)), at(2000));
        assert_eq!(observed.since, at(0));
        observed.see(Some(LeaseRecord { renewed: Timestamp::from_second(50).ok(), ..record(Some("b"), 7) }), at(2500));
        assert_eq!(observed.since, at(2500), "a renewal counts even if the holder's clock went back");
        observed.see(None, at(2600));
        assert_eq!(observed.since, at(2600));
    }

    #[test]
    fn a_leader_that_renews_is_never_taken_over() {
        let mut observed = Observed::default();
        let candidate = Role::Candidate { floor: Epoch(0) };
        for step in 0..1000u64 {
            let renewed = Timestamp::from_millisecond(i64::try_from(step / 4).unwrap()).ok();
            observed.see(Some(LeaseRecord { renewed, ..record(Some("b"), 7) }), at(step * 250));
            assert!(matches!(decide(&observed, candidate, "a", TIMINGS, at(step * 250)), Decision::Wait(_)), "{step}");
        }
    }
}
