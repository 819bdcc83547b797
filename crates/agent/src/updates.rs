//! Status updates: one of each task at a time, again and again until it is acknowledged.

use crate::agent::{Agent, Link};
use crate::effect::{Action, WriteId};
use crate::event::Now;
use crate::message::{Command, Status, ToMaster, Uuid};
use crate::planted::Planted;
use crate::record::Record;
use crate::task::{Phase, Retained};
use proffer_mesos_api::TaskState;
use std::time::Duration;

/// Wait before an update is sent for the second time (Mesos: `STATUS_UPDATE_RETRY_INTERVAL_MIN`).
pub const FIRST_RETRY: Duration = Duration::from_secs(10);
/// Longest wait between two sendings (Mesos: `STATUS_UPDATE_RETRY_INTERVAL_MAX`).
pub const LONGEST_RETRY: Duration = Duration::from_mins(10);

impl Agent {
    /// The task has ended with this status: checkpoints it, then tells it.
    pub(crate) fn finish(&mut self, now: Now, uid: &str, mut status: Status) {
        // First: whoever finds that this one has ended must find that the others are to end, too.
        self.end_rest_of_group(now, uid, status.state);
        let uuid = self.draw_uuid(now);
        let Some(task) = self.tasks.get_mut(uid) else {
            return;
        };
        if let Some(because) = task.kill_because.take().filter(|_| status.state == TaskState::Killed) {
            status.message =
                if status.message.is_empty() { because } else { format!("{because} ({})", status.message) };
        }
        task.phase = Phase::Ended;
        task.killing = None;
        task.order.command = Command::default();
        task.latest = Some(status.clone());
        let update = task.update(Some(uuid), status);
        task.pending.push_back(update.clone());
        let write = self.checkpoint(Record::Ended { uid: uid.to_owned(), update: Box::new(update) }, true);
        self.act(Some(write), Action::CleanUp { uid: uid.to_owned() });
        if self.tasks.get(uid).is_some_and(|task| task.pending.len() == 1) {
            self.send_first(now, uid, Some(write).filter(|_| !self.has(Planted::TellsBeforeCheckpoint)));
        }
    }

    /// Sends the oldest pending update of a task, when `after` is durable.
    pub(crate) fn send_first(&mut self, now: Now, uid: &str, after: Option<WriteId>) {
        let registered = self.link == Link::Registered;
        let Some(task) = self.tasks.get_mut(uid) else {
            return;
        };
        task.retry = None;
        if let (true, Some(update)) = (registered, task.pending.front().cloned()) {
            task.retry = Some((now.monotonic + FIRST_RETRY, FIRST_RETRY * 2));
            self.act(after, Action::Send(ToMaster::Status(Box::new(update))));
        }
    }

    /// After a registration: nothing is known about what reached the master before.
    pub(crate) fn send_all_pending(&mut self, now: Now) {
        let uids: Vec<String> =
            self.tasks.iter().filter(|(_, task)| !task.pending.is_empty()).map(|(uid, _)| uid.clone()).collect();
        // Some may still be on their way to the disk.
        let after = self.durable_write();
        for uid in uids {
            self.send_first(now, &uid, Some(after));
        }
    }

    /// Sends again what was not acknowledged in time.
    pub(crate) fn send_again(&mut self, now: Now) {
        if self.link != Link::Registered {
            return;
        }
        let mut due = Vec::new();
        for task in self.tasks.values_mut() {
            let (Some((at, wait)), Some(update)) = (task.retry, task.pending.front()) else {
                continue;
            };
            if at <= now.monotonic {
                task.retry = Some((now.monotonic + wait, (wait * 2).min(LONGEST_RETRY)));
                due.push(update.clone());
            }
        }
        let after = self.durable_write();
        for update in due {
            self.act(Some(after), Action::Send(ToMaster::Status(Box::new(update))));
        }
    }

    /// An update, and with it every earlier one of the task, has done its work.
    pub(crate) fn acknowledge(&mut self, now: Now, uid: &str, uuid: Uuid) {
        let all = self.has(Planted::DropsUntoldUpdate);
        let Some(task) = self.tasks.get_mut(uid) else {
            return;
        };
        // Unknown: a second acknowledgement, after the update was sent twice.
        let Some(position) = task.pending.iter().position(|update| update.uuid == Some(uuid)) else {
            return;
        };
        let position = if all { task.pending.len() - 1 } else { position };
        let last = task.pending.drain(..=position).next_back();
        let more = !task.pending.is_empty();
        let over = !more && task.phase == Phase::Ended;
        // If it is lost, the update is sent again and acknowledged again: so it need not be durable, unless a later
        // update goes out behind it. That one is never followed by an earlier one, not even after a power cut.
        let write = self.checkpoint(Record::Acknowledged { uid: uid.to_owned(), uuid }, more);
        match last {
            Some(last) if over => self.retain(uid, last),
            _ => self.send_first(now, uid, Some(write)),
        }
    }

    /// The master needs the task no more; its sandbox stays for people.
    pub(crate) fn retain(&mut self, uid: &str, last: crate::message::Update) {
        self.tasks.remove(uid);
        self.retained.insert(uid.to_owned(), Retained { last, not_before: Duration::ZERO });
    }

    /// Answers with the status of a task if it is known: the pending update, or the newest status.
    pub(crate) fn answer_status(&mut self, uid: &str) -> bool {
        let after = self.durable_write();
        let update = match (self.tasks.get(uid), self.retained.get(uid)) {
            // One that is being started will tell.
            (Some(task), _) => task.pending.front().cloned().or_else(|| task.newest()),
            (None, Some(retained)) => Some(crate::message::Update { uuid: None, ..retained.last.clone() }),
            (None, None) => return false,
        };
        if let (Some(update), Link::Registered) = (update, self.link) {
            self.act(Some(after), Action::Send(ToMaster::Status(Box::new(update))));
        }
        true
    }
}
