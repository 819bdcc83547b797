//! Sandboxes are kept for a while after their tasks ended (Mesos: `gc_delay`).

use crate::agent::Agent;
use crate::effect::Action;
use crate::event::Now;
use crate::record::Record;
use crate::task::Retained;
use std::time::Duration;

impl Agent {
    fn due_micros(&self, retained: &Retained) -> i64 {
        let keep = i64::try_from(self.config.sandbox_retention.as_micros()).unwrap_or(i64::MAX);
        retained.last.status.at_micros.saturating_add(keep)
    }

    /// How long until the next sandbox is due.
    pub(crate) fn next_collection(&self, now: Now) -> Option<Duration> {
        let due = self.retained.values().map(|retained| self.due_micros(retained)).min()?;
        // A removal that failed is tried again, but not at once.
        let wait = due.saturating_sub(now.wall_micros).max(1_000_000);
        Some(Duration::from_micros(u64::try_from(wait).unwrap_or_default()))
    }

    pub(crate) fn remove_due_sandboxes(&mut self, now: Now) {
        let due: Vec<(String, String)> = self
            .retained
            .iter()
            .filter(|(_, retained)| self.due_micros(retained) <= now.wall_micros)
            .map(|(uid, retained)| (uid.clone(), retained.last.sandbox.clone()))
            .collect();
        for (uid, sandbox) in due {
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
