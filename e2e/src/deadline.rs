//! Waiting for a condition, never for a time.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

/// How often a condition is asked: much shorter than anything that is waited for, long enough to leave the processor alone.
const PERIOD: Duration = Duration::from_millis(50);

/// Asks `probe` until it has an answer, at most for `limit`.
///
/// An error of the probe is not the end (a server that does not answer *yet* is why one waits); the last one is part of
/// the error when the time is over.
pub fn wait_for<T>(what: &str, limit: Duration, probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    wait_every(PERIOD, what, limit, probe)
}

/// [`wait_for`] with a period of its own, for probes that cost more than a file read.
pub fn wait_every<T>(
    period: Duration,
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let failure = match probe() {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if start.elapsed() >= limit {
            let message = format!("waited {} s for {what}", limit.as_secs_f32());
            return match failure {
                Some(error) => Err(error).context(message),
                None => Err(anyhow!("{message}; it did not happen")),
            };
        }
        thread::sleep(period);
    }
}

/// Waits until `probe` says true, at most for `limit`.
pub fn wait_until(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<bool>) -> Result<()> {
    wait_for(what, limit, || Ok(probe()?.then_some(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_asked_again() {
        let mut calls = 0;
        let answer = wait_for("the third call", Duration::from_secs(5), || {
            calls += 1;
            if calls < 3 { Err(anyhow!("not yet")) } else { Ok(Some(calls)) }
        });
        assert_eq!(answer.unwrap(), 3);
    }

    #[test]
    fn the_last_error_is_reported_when_the_time_is_over() {
        let error = wait_until("a server", Duration::ZERO, || Err(anyhow!("connection refused"))).unwrap_err();
        assert_eq!(format!("{error:#}"), "waited 0 s for a server: connection refused");
    }
}
