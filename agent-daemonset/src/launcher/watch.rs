//! What became of a task: while the agent runs, and after a restart.

use super::slot::has_ended;
use super::{AttachedSlot, Launcher, failure};
use crate::process;
use proffer_agent::{Exit, Found, OutOfMemory, Outcome, Process};
use proffer_init::exit_record::{self, ExitRecord};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A pidfd as tokio watches it.
struct Watched(Arc<OwnedFd>);

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Comes back when the process has ended.
pub(crate) async fn ended(pidfd: Arc<OwnedFd>) {
    #[allow(deprecated, reason = "its successor is unsafe; a pidfd in an Arc stays open for as long as it is watched")]
    let watched = AsyncFd::with_interest(Watched(Arc::clone(&pidfd)), Interest::READABLE);
    match watched {
        Ok(watched) => {
            while !has_ended(&pidfd) {
                if let Ok(mut ready) = watched.readable().await {
                    ready.clear_ready();
                }
            }
        }
        Err(error) => {
            // Out of watches: a thread does it. To take a task for ended that is not would be worse than anything.
            tracing::warn!(%error, "cannot watch a process; a thread waits for it");
            let wait = move || while !matches!(poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None), Ok(1..)) {};
            let _ = tokio::task::spawn_blocking(wait).await;
        }
    }
}

impl AttachedSlot {
    /// Comes back when the slot's container has ended.
    pub async fn ended(&self) {
        let Ok(pause) = self.pause.try_clone() else {
            return;
        };
        ended(Arc::new(pause)).await;
    }
}

impl Launcher {
    /// How a task ended whose init is gone.
    #[must_use]
    pub fn exit_of(&self, uid: &str, pidfd: &OwnedFd) -> Exit {
        // Not a child of this process if an earlier agent started it; then its parent reaps it.
        let status = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        self.recorded_exit(uid).unwrap_or_else(|| {
            let signal = status.ok().flatten().and_then(|status| status.terminating_signal());
            let slot = self.slot();
            let slot_gone =
                slot.as_ref().is_none_or(|slot| has_ended(&slot.pause) || !slot.cgroup.directory().exists());
            let hint = match signal {
                _ if slot_gone => "the slot pod was deleted or restarted, which ends all that runs in it".to_owned(),
                Some(signal) => format!("its init was ended from outside by signal {signal}"),
                None => "its init was ended from outside".to_owned(),
            };
            Exit { out_of_memory: self.out_of_memory(uid), ..Exit::without_record(hint) }
        })
    }

    /// What an init left on disk.
    fn record(&self, uid: &str) -> exit_record::Found {
        let found = match self.open_record(uid, false) {
            Ok(file) => exit_record::read(&file),
            Err(Errno::NOENT) => Ok(exit_record::Found::Nothing),
            Err(error) => Err(error),
        };
        found.unwrap_or_else(|error| {
            tracing::warn!(task = uid, %error, "cannot read a task's exit record");
            exit_record::Found::Started
        })
    }

    fn recorded_exit(&self, uid: &str) -> Option<Exit> {
        let exit_record::Found::Ended(ExitRecord { outcome, at_micros, .. }) = self.record(uid) else {
            return None;
        };
        let outcome = match outcome {
            exit_record::Outcome::Exited(code) => Outcome::Exited(code),
            exit_record::Outcome::Signaled(signal) => Outcome::Signaled(signal),
            exit_record::Outcome::Failed(failed) => Outcome::Failed(failure::translate(&failed)),
        };
        Some(Exit { outcome, out_of_memory: self.out_of_memory(uid), at_micros: Some(at_micros) })
    }

    fn out_of_memory(&self, uid: &str) -> Option<OutOfMemory> {
        let memory = self.slot()?.cgroup.memory_state(uid).filter(|memory| memory.oom_kills > 0)?;
        Some(OutOfMemory { limit_bytes: if memory.at_limit { memory.limit_bytes } else { 0 } })
    }

    /// What became of a task while no agent ran.
    #[must_use]
    pub fn find(&self, uid: &str, known: Option<Process>, rebooted: bool) -> Found {
        if let Some(exit) = self.recorded_exit(uid) {
            return Found::Ended(exit);
        }
        if rebooted {
            return Found::Rebooted;
        }
        let running = known.filter(|process| process::open_same(*process).is_some()).or_else(|| self.search(uid));
        if let Some(process) = running {
            return Found::Running { process };
        }
        // It may have ended since the first look.
        if let Some(exit) = self.recorded_exit(uid) {
            return Found::Ended(exit);
        }
        if known.is_none() && self.record(uid) == exit_record::Found::Nothing {
            return Found::NeverStarted;
        }
        let hint = "it ended, or was ended, while no agent ran on the node, and its init left no record";
        Found::Ended(Exit { out_of_memory: self.out_of_memory(uid), ..Exit::without_record(hint) })
    }

    /// The init of a task whose process was never noted: PID 1 of the PID namespace in its cgroup.
    fn search(&self, uid: &str) -> Option<Process> {
        let pids = self.slot()?.cgroup.task_processes(uid);
        let pid = pids.into_iter().find(|&pid| process::innermost_pid(pid) == Some(1))?;
        process::start_ticks(pid).map(|start_ticks| Process { pid, start_ticks })
    }
}
