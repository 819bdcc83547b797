//! A task as the agent knows it.

use crate::message::{Order, Snapshot, Status, Update};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Identity of a process over restarts of the agent: a PID alone may be another process by now.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Host PID.
    pub pid: u32,
    /// When it started, in the kernel's clock ticks since boot (`/proc/<pid>/stat`, field 22).
    pub start_ticks: u64,
}

/// How far a task is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Its launch is checkpointed; it is being spawned.
    Starting,
    /// Its command runs.
    Running(Process),
    /// After a restart: it was spawned or about to be, and nobody has looked yet.
    Unresolved(Option<Process>),
    /// It has ended; its last update is not acknowledged.
    Ended,
}

/// How far the killing of a task is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Killing {
    /// Time from SIGTERM to SIGKILL.
    pub(crate) grace: Duration,
    /// What comes next, and when; `None` until the task runs.
    pub(crate) next: Option<(crate::effect::TaskSignal, Duration)>,
}

/// A task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Task {
    pub(crate) order: Order,
    pub(crate) sandbox: String,
    /// Boot of the node in which it was launched.
    pub(crate) boot_id: String,
    pub(crate) phase: Phase,
    pub(crate) killing: Option<Killing>,
    /// Why it is being killed, if it is the agent that wants it.
    pub(crate) kill_because: Option<String>,
    /// UUID of its `TASK_RUNNING`, fixed when the launch is checkpointed: so that update needs no write of its own.
    pub(crate) running_uuid: crate::message::Uuid,
    /// Updates that are not acknowledged, oldest first.
    pub(crate) pending: VecDeque<Update>,
    /// The newest status; `None` while it starts.
    pub(crate) latest: Option<Status>,
    /// When the oldest pending update is sent again, and the wait after that.
    pub(crate) retry: Option<(Duration, Duration)>,
}

impl Task {
    /// The update that says `status`.
    pub(crate) fn update(&self, uuid: Option<crate::message::Uuid>, status: Status) -> Update {
        Update { task: self.order.task.clone(), uuid, status, sandbox: self.sandbox.clone() }
    }

    /// The newest status as an update, with its UUID if that is not acknowledged.
    pub(crate) fn newest(&self) -> Option<Update> {
        let pending = self.pending.back().cloned();
        pending.or_else(|| self.latest.clone().map(|status| self.update(None, status)))
    }

    /// The task for a registration; one that is still starting says so.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let starting = || {
            self.update(
                None,
                Status {
                    state: proffer_mesos_api::TaskState::Starting,
                    reason: None,
                    message: String::new(),
                    at_micros: 0,
                    exit_code: None,
                    signal: None,
                    pid: None,
                    launch_times: crate::message::LaunchTimes::default(),
                },
            )
        };
        Snapshot { resources: self.order.resources.clone(), status: self.newest().unwrap_or_else(starting) }
    }
}

/// A task that is over for the master; its sandbox is kept for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Retained {
    /// Its last update.
    pub(crate) last: Update,
    /// When its removal may be asked for (again), in monotonic time.
    pub(crate) not_before: Duration,
}
