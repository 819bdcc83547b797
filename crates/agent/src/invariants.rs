//! What must hold between any two events; for tests and simulations.

use crate::agent::{Agent, Link};
use crate::task::Phase;
use std::collections::BTreeSet;

impl Agent {
    /// The first thing that does not hold, in words.
    ///
    /// # Errors
    /// If something does not hold, which is a bug of this crate.
    pub fn check_invariants(&self) -> Result<(), String> {
        let mut uuids = BTreeSet::new();
        for (uid, task) in &self.tasks {
            let fail = |what: &str| Err(format!("task {uid}: {what}: {task:?}"));
            if *uid != task.order.task.uid {
                return fail("is kept under another UID");
            }
            if self.retained.contains_key(uid) {
                return fail("is both known and over");
            }
            if task.pending.iter().any(|update| update.uuid.is_none_or(|uuid| !uuids.insert(uuid))) {
                return fail("has a pending update without a UUID of its own");
            }
            let terminal = task.pending.iter().filter(|update| update.status.state.is_terminal()).count();
            let last_is_terminal = task.pending.back().is_some_and(|update| update.status.state.is_terminal());
            match task.phase {
                Phase::Ended if terminal != 1 || !last_is_terminal => {
                    return fail("has ended, and its last pending update is not the only terminal one");
                }
                Phase::Starting | Phase::Running(_) | Phase::Unresolved(_) if terminal != 0 => {
                    return fail("has not ended, and has a terminal update");
                }
                Phase::Ended if task.killing.is_some() => return fail("has ended and is being killed"),
                Phase::Starting if !task.pending.is_empty() => return fail("is starting, and has an update"),
                _ => {}
            }
            let removed = task.order.volumes.iter().any(|mount| self.removing.contains(&mount.volume()));
            if removed && task.phase != Phase::Ended {
                return fail("uses a volume that is being removed");
            }
            if task.pending.is_empty() && task.retry.is_some() {
                return fail("has nothing to send again, and a time for it");
            }
            let killing = task.killing.is_some_and(|killing| killing.next.is_none());
            if matches!(task.phase, Phase::Running(_)) && killing {
                return fail("runs, and its killing has stopped");
            }
        }
        if let Some((uid, _)) = self.retained.iter().find(|(_, retained)| !retained.last.status.state.is_terminal()) {
            return Err(format!("task {uid} is over without a terminal status"));
        }
        if self.link == Link::Registered && self.agent_id.is_empty() {
            return Err("registered without an ID".to_owned());
        }
        Ok(())
    }
}
