//! Rate limits per principal, as Mesos' `--rate_limits` has them (its docs/framework-rate-limiting.md).
//!
//! Requests of one principal go one after the other, `qps` of them a second; those that come faster wait. When `capacity`
//! of them wait already, one more is refused. Principals that are not listed share the aggregate limit, if there is one.

use super::denied::Denied;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Mesos' `RateLimits`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimits {
    /// Limits of single principals.
    #[serde(default)]
    pub limits: Vec<RateLimit>,
    /// Requests a second of all other principals together; as many as they like if left out.
    pub aggregate_default_qps: Option<f64>,
    /// How many requests of all other principals together may wait; as many as like if left out.
    pub aggregate_default_capacity: Option<u64>,
}

/// Mesos' `RateLimit`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Whose.
    pub principal: String,
    /// Requests a second; as many as they like if left out.
    pub qps: Option<f64>,
    /// How many requests may wait; as many as like if left out.
    pub capacity: Option<u64>,
}

/// The limits cannot be meant.
#[derive(Debug, thiserror::Error)]
pub enum RateLimitsError {
    /// They are not JSON, or not of this form.
    #[error(
        "the rate limits are not {{\"limits\": [{{\"principal\": …, \"qps\": …, \"capacity\": …}}], \"aggregate_default_qps\": …, \"aggregate_default_capacity\": …}}"
    )]
    Json(#[source] serde_json::Error),
    /// A rate is not above zero.
    #[error("qps {1} of {0:?} is not above zero")]
    Rate(String, f64),
    /// A principal is there twice.
    #[error("principal {0:?} is there more than once")]
    Twice(String),
    /// A capacity has no rate.
    #[error("capacity of {0:?} needs a qps")]
    CapacityAlone(String),
}

/// Everybody's limits, and who waits.
#[derive(Debug, Default)]
pub struct Rates {
    /// `None`: as many requests as the principal likes.
    of_principals: HashMap<String, Option<Limiter>>,
    of_others: Option<Limiter>,
}

#[derive(Debug)]
struct Limiter {
    /// Between two requests.
    interval: Duration,
    capacity: u64,
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    /// When the next request may go.
    next: Option<Instant>,
    waiting: u64,
}

impl Rates {
    /// Reads them as JSON; no text is no limits.
    pub fn parse(text: &str) -> Result<Self, RateLimitsError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        Self::new(&serde_json::from_str(text).map_err(RateLimitsError::Json)?)
    }

    /// With nobody waiting.
    pub fn new(limits: &RateLimits) -> Result<Self, RateLimitsError> {
        let mut of_principals = HashMap::new();
        for RateLimit { principal, qps, capacity } in &limits.limits {
            let limiter = Limiter::new(principal, *qps, *capacity)?;
            if of_principals.insert(principal.clone(), limiter).is_some() {
                return Err(RateLimitsError::Twice(principal.clone()));
            }
        }
        let of_others = Limiter::new("", limits.aggregate_default_qps, limits.aggregate_default_capacity)?;
        Ok(Self { of_principals, of_others })
    }

    /// Waits until the principal's next request may go. Refused if too many wait.
    pub(super) async fn admit(&self, principal: Option<&str>) -> Result<(), Denied> {
        let (limiter, name) = match principal.and_then(|principal| self.of_principals.get_key_value(principal)) {
            Some((name, own)) => (own.as_ref(), name.as_str()),
            None => (self.of_others.as_ref(), ""),
        };
        let Some(limiter) = limiter else { return Ok(()) };
        let Some(turn) = limiter.turn(name, Instant::now())? else { return Ok(()) };
        // Who goes away while waiting leaves its place to nobody, but does not wait any more.
        let _waits = Waits(limiter);
        tokio::time::sleep_until(turn).await;
        Ok(())
    }
}

impl Limiter {
    fn new(principal: &str, qps: Option<f64>, capacity: Option<u64>) -> Result<Option<Self>, RateLimitsError> {
        let Some(qps) = qps else {
            return match capacity {
                None => Ok(None),
                Some(_) => Err(RateLimitsError::CapacityAlone(principal.to_owned())),
            };
        };
        let interval = Duration::try_from_secs_f64(1.0 / qps).ok().filter(|interval| !interval.is_zero());
        let interval = interval.ok_or_else(|| RateLimitsError::Rate(principal.to_owned(), qps))?;
        let queue = Mutex::new(Queue { next: None, waiting: 0 });
        Ok(Some(Self { interval, capacity: capacity.unwrap_or(u64::MAX), queue }))
    }

    /// When a new request of now may go; nothing if at once.
    fn turn(&self, principal: &str, now: Instant) -> Result<Option<Instant>, Denied> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = queue.next.filter(|&next| next > now);
        let Some(turn) = turn else {
            queue.next = Some(now + self.interval);
            return Ok(None);
        };
        if queue.waiting >= self.capacity {
            return Err(Denied::TooMany {
                principal: principal.to_owned(),
                capacity: self.capacity,
                retry_after: turn - now,
            });
        }
        queue.waiting += 1;
        queue.next = Some(turn + self.interval);
        Ok(Some(turn))
    }
}

/// One request that waits.
struct Waits<'a>(&'a Limiter);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting = queue.waiting.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESOS: &str = r#"{"limits": [{"principal": "foo", "qps": 10, "capacity": 3}, {"principal": "baz"}],
        "aggregate_default_qps": 0.01, "aggregate_default_capacity": 0}"#;

    /// When each of so many requests of this moment may go, after it; nothing for those that are refused.
    fn turns(limiter: &Limiter, now: Instant, requests: usize) -> Vec<Option<Duration>> {
        let turn = |_| limiter.turn("foo", now).ok().map(|turn| turn.map_or(Duration::ZERO, |turn| turn - now));
        (0..requests).map(turn).collect()
    }

    #[test]
    fn requests_beyond_the_rate_wait_and_beyond_the_capacity_are_refused() {
        let (limiter, now) = (Limiter::new("foo", Some(10.0), Some(3)).unwrap().unwrap(), Instant::now());
        let millis = |millis| Some(Duration::from_millis(millis));
        assert_eq!(
            turns(&limiter, now, 6),
            [millis(0), millis(100), millis(200), millis(300), None, None],
            "one goes, three wait, ten a second"
        );
        (0..3).for_each(|_| drop(Waits(&limiter)));
        let later = now + Duration::from_millis(350);
        assert_eq!(turns(&limiter, later, 2), [millis(50), millis(150)], "the rate holds after they went");
        let idle = now + Duration::from_mins(1);
        assert_eq!(turns(&limiter, idle, 2), [millis(0), millis(100)], "nothing is saved up");
        let refused = limiter.turn("foo", idle).and_then(|_| limiter.turn("foo", idle)).unwrap_err().to_string();
        assert!(refused.contains("Capacity(3) of principal \"foo\" exceeded"), "{refused}");
    }

    #[tokio::test]
    async fn the_others_share_one_limit_and_who_has_none_has_none() {
        let rates = Rates::parse(MESOS).unwrap();
        for _ in 0..1000 {
            assert!(rates.admit(Some("baz")).await.is_ok());
        }
        assert!(rates.admit(Some("x")).await.is_ok());
        assert!(matches!(rates.admit(Some("y")).await, Err(Denied::TooMany { .. })));
        assert!(rates.admit(None).await.is_err(), "without a principal too");
        for _ in 0..1000 {
            assert!(Rates::parse(" ").unwrap().admit(Some("x")).await.is_ok());
        }
    }

    #[tokio::test]
    async fn who_goes_away_does_not_wait_any_more() {
        let rates = Rates::parse(r#"{"limits": [{"principal": "foo", "qps": 0.01, "capacity": 3}]}"#).unwrap();
        rates.admit(Some("foo")).await.unwrap();
        for _ in 0..10 {
            let waits = tokio::time::timeout(Duration::from_millis(1), rates.admit(Some("foo"))).await;
            assert!(waits.is_err(), "it waited, and was not refused");
        }
    }

    #[test]
    fn limits_that_cannot_be_meant_are_refused() {
        for (text, words) in [
            ("{", "are not {\"limits\""),
            (r#"{"limit": []}"#, "are not {\"limits\""),
            (r#"{"limits": [{"principal": "a", "qps": 0}]}"#, "qps 0 of \"a\" is not above zero"),
            (r#"{"limits": [{"principal": "a", "qps": -1}]}"#, "is not above zero"),
            (r#"{"limits": [{"principal": "a", "qps": 1e300}]}"#, "is not above zero"),
            (r#"{"limits": [{"principal": "a", "capacity": 1}]}"#, "capacity of \"a\" needs a qps"),
            (r#"{"limits": [{"principal": "a"}, {"principal": "a"}]}"#, "more than once"),
        ] {
            let error = Rates::parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
