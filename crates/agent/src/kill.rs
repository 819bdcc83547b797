//! Ending a task: SIGTERM, after its grace SIGKILL of everything, and if its init does not answer to that, of the init.

use crate::agent::Agent;
use crate::effect::{Action, TaskSignal};
use crate::event::Now;
use crate::launch::ended;
use crate::message::{Status, TaskId, ToMaster, Update};
use crate::record::Record;
use crate::task::{Killing, Phase};
use proffer_mesos_api::{Reason, TaskState};
use std::time::Duration;

/// How long an init has to end everything, write the record and go.
const INIT_GRACE: Duration = Duration::from_secs(5);
/// Longest grace that is taken as meant.
pub(crate) const LONGEST_GRACE_MILLIS: u64 = 30 * 24 * 3600 * 1000;

impl Agent {
    /// The master wants the task to end.
    pub(crate) fn kill(&mut self, now: Now, id: &TaskId, grace_millis: Option<u64>) {
        let uid = id.uid.as_str();
        let Some(task) = self.tasks.get(uid).filter(|task| task.phase != Phase::Ended) else {
            if !self.answer_status(uid) {
                self.answer_unknown(now, id);
            }
            return;
        };
        let grace_millis = grace_millis.unwrap_or(task.order.kill_grace_millis).min(LONGEST_GRACE_MILLIS);
        let grace = Duration::from_millis(grace_millis);
        if task.killing.is_some_and(|killing| killing.grace <= grace) {
            return;
        }
        self.begin_kill(now, uid, grace_millis, None);
    }

    /// Checkpoints that a task is to end, and begins to end it.
    pub(crate) fn begin_kill(&mut self, now: Now, uid: &str, grace_millis: u64, because: Option<String>) {
        let grace = Duration::from_millis(grace_millis);
        self.checkpoint(Record::Kill { uid: uid.to_owned(), grace_millis, because: because.clone() }, true);
        if let Some(task) = self.tasks.get_mut(uid) {
            task.kill_because = because;
            // A later, more impatient kill shortens the wait that goes on.
            let next = task.killing.and_then(|killing| killing.next).map(|(signal, at)| match signal {
                TaskSignal::KillAll => (signal, at.min(now.monotonic + grace)),
                _ => (signal, at),
            });
            task.killing = Some(Killing { grace, next });
        }
        self.continue_kill(now, uid);
    }

    /// A kill of what the agent never saw, or forgot long ago: the master can finish with it (Mesos answers so too).
    pub(crate) fn answer_unknown(&mut self, now: Now, id: &TaskId) {
        let message =
            "the agent does not know this task: it never got there, or its record is past retention".to_owned();
        let status = Status { reason: Some(Reason::ExecutorTerminated), message, ..ended(now, TaskState::Dropped) };
        let update = Update { task: id.clone(), uuid: None, status, sandbox: String::new() };
        self.send(ToMaster::Status(Box::new(update)));
    }

    /// Starts the killing that was asked for, once the task runs.
    pub(crate) fn continue_kill(&mut self, now: Now, uid: &str) {
        let Some(task) = self.tasks.get_mut(uid) else {
            return;
        };
        let (Phase::Running(_), Some(killing)) = (&task.phase, &mut task.killing) else {
            return;
        };
        if killing.next.is_none() {
            killing.next = Some((TaskSignal::KillAll, now.monotonic + killing.grace));
            self.act(None, Action::Signal { uid: uid.to_owned(), signal: TaskSignal::Terminate });
        }
    }

    /// Takes the next step where a grace is over.
    pub(crate) fn escalate_kills(&mut self, now: Now) {
        let mut signals = Vec::new();
        for (uid, task) in &mut self.tasks {
            let Some(killing) = &mut task.killing else {
                continue;
            };
            let Some((signal, at)) = killing.next else {
                continue;
            };
            if at <= now.monotonic {
                // Sent again until the task is gone: a signal may hit an init that has not taken up its work yet.
                killing.next = Some((TaskSignal::KillInit, now.monotonic + INIT_GRACE));
                signals.push((uid.clone(), signal));
            }
        }
        for (uid, signal) in signals {
            self.act(None, Action::Signal { uid, signal });
        }
    }
}
