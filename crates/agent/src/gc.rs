//! Sandboxes are kept for a while after their tasks ended (Mesos: `gc_delay`).

use crate::agent::Agent;
use crate::effect::Action;
use crate::event::Now;
use crate::record::Record;
use crate::task::Retained;
use std::time::Duration;

/// How long a removal may take, and how long one that failed is let be.
const REMOVAL_RETRY: Duration = Duration::from_mins(5);

impl Agent {
    fn due_micros(&self, retained: &Retained) -> i64 {
        let keep = i64::try_from(self.config.sandbox_retention.as_micros()).unwrap_or(i64::MAX);
        retained.last.status.at_micros.saturating_add(keep)
    }

    /// How long until the next sandbox is due.
    pub(crate) fn next_collection(&self, now: Now) -> Option<Duration> {
        let waits = self.retained.values().map(|retained| {
            let until_due = self.due_micros(retained).saturating_sub(now.wall_micros).max(0);
            let until_asked = retained.not_before.saturating_sub(now.monotonic);
            Duration::from_micros(u64::try_from(until_due).unwrap_or_default()).max(until_asked)
        });
        waits.min()
    }

    pub(crate) fn remove_due_sandboxes(&mut self, now: Now) {
        let due: Vec<String> = self
            .retained
            .iter()
            .filter(|(_, retained)| {
                self.due_micros(retained) <= now.wall_micros && retained.not_before <= now.monotonic
            })
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in due {
            let Some(retained) = self.retained.get_mut(&uid) else {
                continue;
            };
            retained.not_before = now.monotonic + REMOVAL_RETRY;
            let sandbox = retained.last.sandbox.clone();
            if sandbox.is_empty() {
                self.sandbox_removed(&uid);
            } else {
                self.act(None, Action::RemoveSandbox { uid, sandbox });
            }
        }
    }

    pub(crate) fn sandbox_removed(&mut self, uid: &str) {
        if self.retained.remove(uid).is_some() {
            self.checkpoint(Record::Collected { uid: uid.to_owned() }, false);
        }
    }
}
