//! How many frameworks are remembered that are over.

use crate::effect::Effect;
use crate::ids::ObjectKey;
use crate::master::Master;
use crate::state::Task;

/// How many are looked at in one event.
const TRIMMED_AT_ONCE: usize = 16;

impl Master {
    /// A framework is over. If its object was made because it subscribed, that may go one day.
    pub(crate) fn remember_completed(&mut self, key: &ObjectKey) {
        let Some(framework) = self.frameworks.get(key) else { return };
        let at = framework.stream.disconnected_at.unwrap_or_default();
        if self.stream_object(key).is_some_and(|stream| stream.made_here) {
            self.streams.completed.insert((at, key.clone()));
        }
    }

    /// Deletes the objects of the frameworks that have been over for longest, beyond as many as are remembered (Mesos:
    /// `max_completed_frameworks`). Their tasks' objects go with them, so they stay while one of those is still needed.
    pub(crate) fn trim_completed_frameworks(&mut self) {
        let excess = self.streams.completed.len().saturating_sub(self.config.max_completed_frameworks);
        let oldest: Vec<_> = self.streams.completed.iter().take(excess.min(TRIMMED_AT_ONCE)).cloned().collect();
        for turn in oldest {
            let key = &turn.1;
            let Some(framework) = self.frameworks.get(key) else { continue };
            let over = |id| self.tasks.get(id).is_none_or(Task::is_durably_over);
            let Some(uid) = framework.uid().map(ToOwned::to_owned) else { continue };
            if framework.active == 0 && framework.tasks.iter().all(over) {
                self.push(Effect::DeleteFramework { key: key.clone(), uid });
                self.streams.completed.remove(&turn);
            }
        }
    }
}
