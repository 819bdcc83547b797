//! Ends the process when its leadership may be over.

use crate::clock::Boot;
use proffer_master::Epoch;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Held by everything that acts as the leader, and checked before each act: a process that was stopped and goes on later
/// ends here before it does more.
#[derive(Clone, Debug)]
pub struct Guard {
    epoch: Epoch,
    until_micros: Arc<AtomicU64>,
}

impl Guard {
    /// A leadership of `epoch` that ends at `until` unless it is extended.
    #[must_use]
    pub fn new(epoch: Epoch, until: Boot) -> Self {
        Self { epoch, until_micros: Arc::new(AtomicU64::new(until.micros())) }
    }

    /// A leadership without an end, for tests.
    #[must_use]
    pub fn without_end(epoch: Epoch) -> Self {
        Self::new(epoch, Boot::from_micros(u64::MAX))
    }

    /// The epoch in which this process leads.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The Lease was renewed: it is ours until then.
    pub fn extend(&self, until: Boot) {
        self.until_micros.fetch_max(until.micros(), Ordering::SeqCst);
    }

    /// How long this process may still act at `now`; `None` if no longer.
    #[must_use]
    pub fn rest(&self, now: Boot) -> Option<Duration> {
        let until = Boot::from_micros(self.until_micros.load(Ordering::SeqCst));
        Some(until.since(now)).filter(|rest| !rest.is_zero())
    }

    /// Goes on only if this process still leads; otherwise the process ends here.
    pub fn check(&self) {
        if self.rest(Boot::now()).is_none() {
            exit("the Lease was not renewed in time");
        }
    }

    /// Starts a thread that ends the process when the deadline passes, even when everything else is stuck.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub fn watch(&self) -> std::io::Result<()> {
        let guard = self.clone();
        std::thread::Builder::new().name("lease-guard".to_owned()).spawn(move || {
            while let Some(rest) = guard.rest(Boot::now()) {
                std::thread::park_timeout(rest);
            }
            exit("the Lease was not renewed in time");
        })?;
        Ok(())
    }
}

/// Ends the process: another may lead now, and whatever this one would still do could be wrong.
pub(super) fn exit(why: &str) -> ! {
    tracing::error!(why, "leadership is over: exiting, to start again as a standby");
    std::process::exit(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_at_the_deadline_and_never_earlier_than_promised() {
        let at = Boot::from_micros;
        let guard = Guard::new(Epoch(1), at(100));
        assert_eq!(guard.rest(at(40)), Some(Duration::from_micros(60)));
        assert_eq!(guard.rest(at(100)), None);
        guard.extend(at(200));
        guard.extend(at(150));
        assert_eq!(guard.rest(at(150)), Some(Duration::from_micros(50)));
    }
}
