//! A scheduler goes, comes back in time or not, and frameworks end.

use crate::effect::Effect;
use crate::ids::{Connection, ObjectKey, Time};
use crate::master::Master;
use crate::record::{StreamPhase, StreamRecord};
use crate::state::KillCause;
use crate::timers::Timer;
use std::time::Duration;

impl Master {
    /// A stream ended, whoever ended it.
    pub(crate) fn unsubscribed(&mut self, connection: Connection) {
        self.give_up_waiting(connection);
        let Some(key) = self.streams.connections.remove(&connection) else { return };
        let now = self.now;
        let Some(framework) = self.frameworks.get_mut(&key) else { return };
        framework.stream.connection = None;
        framework.stream.disconnected_at = Some(now);
        self.allocator.set_active(&key, false);
        self.take_offers_back(&key, "the scheduler of its framework is not connected");
        self.changed_frameworks.insert(key.clone());
        self.wait_for_return(&key, now.after(self.failover_timeout(&key)));
    }

    /// A framework is not subscribed; it has until `due` to come back.
    fn wait_for_return(&mut self, key: &ObjectKey, due: Time) {
        if due <= self.now {
            self.failover_due(key);
        } else {
            self.timers.set(Timer::FailoverDue(key.clone()), due);
        }
    }

    /// A framework's scheduler has had the time to come back.
    pub(crate) fn failover_due(&mut self, key: &ObjectKey) {
        let Some(framework) = self.frameworks.get(key) else { return };
        if framework.stream.connection.is_none() && framework.stream.completed.is_none() {
            let seconds = self.failover_timeout(key).as_secs();
            self.complete_framework(
                key,
                format!("its scheduler did not come back within its failover timeout of {seconds} s"),
            );
        }
    }

    /// A framework is over for good: its tasks end, and it cannot subscribe again.
    pub(crate) fn complete_framework(&mut self, key: &ObjectKey, why: String) {
        let now = self.now;
        self.timers.clear(&Timer::FailoverDue(key.clone()));
        let id = self.stream_object(key).map(|stream| stream.framework_id.clone());
        let Some(framework) = self.frameworks.get_mut(key) else { return };
        let connection = framework.stream.connection.take();
        framework.stream.disconnected_at.get_or_insert(now);
        framework.stream.completed = Some(why);
        self.remember_completed(key);
        if let Some(connection) = connection {
            self.streams.connections.remove(&connection);
            self.push(Effect::CloseStream { connection, error: None });
        }
        if let Some(framework_id) = id {
            self.push(Effect::ForgetFramework { framework_id });
        }
        self.take_offers_back(key, "its framework is over");
        self.allocator.set_active(key, false);
        for id in self.tasks_of(key) {
            self.forget_pending(&id);
            if self.tasks.get(&id).is_some_and(|task| task.placed().is_some()) {
                self.kill(&id, KillCause::FrameworkRemoved);
            }
        }
        self.changed_frameworks.insert(key.clone());
    }

    /// The object of a framework is there that is served over a stream: what it records of it counts if this leader does not
    /// know better.
    pub(crate) fn stream_framework_applied(&mut self, key: &ObjectKey) {
        let Some(stream) = self.stream_object(key).cloned() else { return };
        let principal = self.frameworks.get(key).and_then(|framework| framework.object.as_ref()?.principal.clone());
        let known = self.streams.frameworks.get(&stream.framework_id) == Some(key);
        if !known {
            self.streams.frameworks.insert(stream.framework_id.clone(), key.clone());
            let framework = self.framework_mut(key);
            framework.stream.subscribed = stream.subscribed;
            framework.stream.disconnected_at = stream.disconnected_at;
            framework.stream.completed.clone_from(&stream.completed);
        }
        if !known && stream.completed.is_some() {
            self.remember_completed(key);
        }
        let Some(framework) = self.frameworks.get(key) else { return };
        let (active, completed) = (framework.stream.connection.is_some(), framework.stream.completed.is_some());
        self.allocator.set_active(key, active);
        if completed {
            return;
        }
        self.push(Effect::KnowFramework { framework_id: stream.framework_id, principal });
        if !known && stream.subscribed {
            let now = self.now;
            let timeout = self.failover_timeout(key);
            // One that was subscribed at the leader before has not gone: this leader has come.
            let due = match stream.disconnected_at {
                Some(since) => since.after(timeout),
                None => now.after(timeout.max(self.config.framework_return)),
            };
            self.framework_mut(key).stream.disconnected_at.get_or_insert(now);
            self.wait_for_return(key, due);
        }
    }

    /// The object of a framework is gone that was served over a stream.
    pub(crate) fn stream_framework_deleted(&mut self, key: &ObjectKey) {
        let Some(framework_id) = self.stream_object(key).map(|stream| stream.framework_id.clone()) else { return };
        self.timers.clear(&Timer::FailoverDue(key.clone()));
        if self.streams.frameworks.get(&framework_id) == Some(key) {
            self.streams.frameworks.remove(&framework_id);
        }
        let stream = std::mem::take(&mut self.framework_mut(key).stream);
        self.streams.completed.remove(&(stream.disconnected_at.unwrap_or_default(), key.clone()));
        self.framework_mut(key).stream.tasks = stream.tasks;
        if let Some(connection) = stream.connection {
            self.streams.connections.remove(&connection);
            let error = Some("Framework has been removed".to_owned());
            self.push(Effect::CloseStream { connection, error });
        }
        self.push(Effect::ForgetFramework { framework_id });
    }

    /// What is particular to the status of a framework that is served over a stream.
    pub(crate) fn stream_record(&self, key: &ObjectKey) -> Option<StreamRecord> {
        self.stream_object(key)?;
        let stream = &self.frameworks.get(key)?.stream;
        let phase = match stream {
            stream if stream.completed.is_some() => StreamPhase::Completed,
            stream if stream.connection.is_some() => StreamPhase::Active,
            stream if stream.subscribed => StreamPhase::Disconnected,
            _ => StreamPhase::New,
        };
        Some(StreamRecord { phase, disconnected_at: stream.disconnected_at })
    }

    /// How long a framework waits for its scheduler.
    fn failover_timeout(&self, key: &ObjectKey) -> Duration {
        let seconds = self.stream_object(key).map_or(0.0, |stream| stream.info.failover_timeout());
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}
