//! Starts tasks in the slot, signals them, and cleans up after them.

mod failure;
mod job;
mod slot;
mod spawn;
mod volumes;
mod watch;

pub use slot::{AttachError, AttachedSlot};
pub use spawn::{Prepared, Started};
pub(crate) use watch::ended;

use crate::args::TaskMount;
use crate::cgroup::Cgroups;
use crate::process;
use crate::sandbox::Sandboxes;
use crate::userland::Userland;
use crate::volumes::Volumes;
use proffer_agent::{Process, TaskSignal};
use proffer_init::{spec, sys};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long the removal of an emptied cgroup may be refused: its last processes are on their way out.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(5);
const REMOVAL_INTERVAL: Duration = Duration::from_millis(5);

/// What does not change while the agent runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The agent's directory on the node.
    pub work_dir: PathBuf,
    /// User of tasks that name none.
    pub task_user: String,
    /// Whether tasks may run as root.
    pub allow_root_tasks: bool,
    /// Most processes and threads of one task.
    pub pids_limit: u64,
    /// How large stdout and stderr may grow before they are rotated.
    pub log_max_bytes: u64,
    /// How many files of each are kept.
    pub log_files: u32,
    /// Directories that every task sees.
    pub mounts: Vec<TaskMount>,
}

/// Why the launcher cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LauncherError {
    /// The init's program cannot be loaded.
    #[error("cannot load the init program {0}: it is part of the agent's image")]
    Init(PathBuf, #[source] io::Error),
    /// A directory of the agent's cannot be made.
    #[error("cannot make the directory {0}")]
    Directory(PathBuf, #[source] io::Error),
    /// /dev/null cannot be opened.
    #[error("cannot open /dev/null")]
    Null(#[source] io::Error),
}

/// Starts tasks. Shared between threads.
#[derive(Debug)]
pub struct Launcher {
    pub(crate) settings: Settings,
    pub(crate) userland: Userland,
    pub(crate) cgroups: Cgroups,
    /// The init's program in memory: neither the agent's image nor a file of the node is held open by tasks, and no
    /// task can change it.
    program: OwnedFd,
    null: File,
    pub(crate) sandboxes: Sandboxes,
    pub(crate) volumes: Volumes,
    slot: RwLock<Option<Arc<AttachedSlot>>>,
    processes: Mutex<HashMap<String, Arc<OwnedFd>>>,
    oom_score_adj: i32,
}

impl Launcher {
    /// A launcher whose tasks get `init` for their init.
    pub fn new(settings: Settings, userland: Userland, cgroups: Cgroups, init: &Path) -> Result<Self, LauncherError> {
        let program = load(init).map_err(|error| LauncherError::Init(init.to_owned(), error))?;
        let null = File::options().read(true).write(true).open("/dev/null").map_err(LauncherError::Null)?;
        let tasks = settings.work_dir.join("meta/tasks");
        std::fs::create_dir_all(&tasks).map_err(|error| LauncherError::Directory(tasks, error))?;
        let volumes = Volumes::new(&settings.work_dir)
            .map_err(|error| LauncherError::Directory(settings.work_dir.join("volumes"), error.into()))?;
        let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
        let own: i32 = own.trim().parse().unwrap_or_default();
        Ok(Self {
            sandboxes: Sandboxes::new(&settings.work_dir),
            volumes,
            settings,
            userland,
            cgroups,
            program,
            null,
            slot: RwLock::new(None),
            processes: Mutex::new(HashMap::new()),
            // Above the init's, which is the agent's own: an OOM kill takes the command.
            oom_score_adj: (own + 100).clamp(500, 1000),
        })
    }

    /// The slot that tasks are started in now.
    #[must_use]
    pub fn slot(&self) -> Option<Arc<AttachedSlot>> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes it.
    pub fn set_slot(&self, slot: Option<Arc<AttachedSlot>>) {
        *self.slot.write().unwrap_or_else(PoisonError::into_inner) = slot;
    }

    /// A task's file, in which its init records how it ended.
    fn record_path(&self, uid: &str) -> PathBuf {
        self.settings.work_dir.join("meta/tasks").join(uid)
    }

    /// Opens a task's file.
    fn open_record(&self, uid: &str, create: bool) -> rustix::io::Result<OwnedFd> {
        let mut flags = OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        flags.set(OFlags::CREATE, create);
        rustix::fs::open(self.record_path(uid), flags, Mode::from_raw_mode(0o600))
    }

    /// Keeps a descriptor of a task's init, for signals.
    pub(crate) fn keep(&self, uid: &str, pidfd: OwnedFd) -> Arc<OwnedFd> {
        let pidfd = Arc::new(pidfd);
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        processes.insert(uid.to_owned(), Arc::clone(&pidfd));
        pidfd
    }

    /// Takes up a task that an earlier agent process started; `None` if it has ended.
    #[must_use]
    pub fn adopt(&self, uid: &str, process: Process) -> Option<Arc<OwnedFd>> {
        process::open_same(process).map(|pidfd| self.keep(uid, pidfd))
    }

    /// Signals a task; nothing happens if it has ended.
    pub fn signal(&self, uid: &str, signal: TaskSignal) {
        let pidfd = self.processes.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned();
        let number = match signal {
            TaskSignal::Terminate => 15,
            TaskSignal::KillAll => spec::KILL_ALL_SIGNAL,
            TaskSignal::KillInit => 9,
        };
        if let Some(pidfd) = pidfd {
            match sys::signal_pidfd(pidfd.as_fd(), number) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => tracing::warn!(task = uid, number, %error, "cannot signal a task"),
            }
        }
    }

    /// Removes what is left of a task but its sandbox.
    pub fn clean_up(&self, uid: &str) {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        if let Some(slot) = self.slot() {
            let give_up = Instant::now() + REMOVAL_PATIENCE;
            while let Err(error) = slot.cgroup.remove(uid) {
                // What is there without an init belongs to nobody.
                for pid in slot.cgroup.task_processes(uid) {
                    kill_member(&slot, uid, pid);
                }
                if Instant::now() > give_up {
                    tracing::warn!(task = uid, error = ?error, "cannot remove a task's cgroup");
                    break;
                }
                std::thread::sleep(REMOVAL_INTERVAL);
            }
        }
        match std::fs::remove_file(self.record_path(uid)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(task = uid, %error, "cannot remove a task's exit record");
            }
            _ => {}
        }
    }

    /// Tasks that have a file here: all that were started or made ready and are not cleaned up.
    #[must_use]
    pub fn recorded(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.settings.work_dir.join("meta/tasks")).into_iter().flatten().flatten();
        files.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Cleans up after all tasks but these: what an earlier agent process had made ready, had no time to remove, or left
    /// when it lost its journal.
    pub fn clean_up_others(&self, needed: &HashSet<String>) {
        let mut uids = self.recorded();
        uids.extend(self.slot().into_iter().flat_map(|slot| slot.cgroup.tasks()));
        uids.sort();
        uids.dedup();
        for uid in uids.iter().filter(|uid| !needed.contains(*uid)) {
            tracing::info!(task = uid, "cleaning up what an earlier agent process left");
            self.clean_up(uid);
        }
    }
}

/// Kills a process if it is in the task's cgroup, and not another that got its PID.
fn kill_member(slot: &AttachedSlot, uid: &str, pid: u32) {
    if let Ok(pidfd) = process::open(pid)
        && slot.cgroup.task_processes(uid).contains(&pid)
    {
        let _ = sys::signal_pidfd(pidfd.as_fd(), 9);
    }
}

/// A program in a sealed memfd.
fn load(path: &Path) -> io::Result<OwnedFd> {
    let bytes = std::fs::read(path)?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memfd = match memfd_create("proffer-init", flags | MemfdFlags::EXEC) {
        // Kernels before 6.3 do not know the flag, and do not need it.
        Err(rustix::io::Errno::INVAL) => memfd_create("proffer-init", flags)?,
        result => result?,
    };
    let mut file = File::from(memfd);
    file.write_all(&bytes)?;
    let memfd = OwnedFd::from(file);
    rustix::fs::fchmod(&memfd, Mode::from_raw_mode(0o500))?;
    fcntl_add_seals(&memfd, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(memfd)
}

/// Opens for reading; closed on exec.
fn open_read(path: &str) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}
