//! Programs of a cluster: started in the background, logged to a file, known by pid *and* start time.
//!
//! The kernel gives a pid to another process some day; with the start time beside it, nothing else is ever signalled.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

use crate::command::{command, line, tail};
use crate::deadline::wait_until;

/// A process that was started by this crate, perhaps by an earlier run of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cluster) struct Process {
    /// What the cluster calls it, for example `etcd`.
    pub(in crate::cluster) name: String,
    /// Its process ID on the host.
    pub(in crate::cluster) pid: i32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/<pid>/stat`).
    pub(in crate::cluster) started: u64,
    /// The command line, for people who look.
    pub(in crate::cluster) command: String,
}

impl Process {
    /// The running process of this ID under a name.
    pub(in crate::cluster) fn of_pid(name: &str, pid: i32, command: String) -> Result<Self> {
        let started = start_time(pid).with_context(|| format!("{name} (process {pid}) ended at once"))?;
        Ok(Self { name: name.to_owned(), pid, started, command })
    }

    /// Whether it runs: a process of its ID that started when it started, and is more than a zombie.
    pub(in crate::cluster) fn is_alive(&self) -> bool {
        start_time(self.pid) == Some(self.started)
    }

    /// Sends a signal; nothing when it has ended.
    pub(in crate::cluster) fn signal(&self, signal: Signal) -> Result<()> {
        match Pid::from_raw(self.pid).filter(|_| self.is_alive()) {
            Some(pid) => {
                kill_process(pid, signal).with_context(|| format!("cannot signal {} (process {})", self.name, self.pid))
            }
            None => Ok(()),
        }
    }
}

/// When a process started, in clock ticks since boot; nothing for one that ended (a zombie has ended).
pub(in crate::cluster) fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything; the rest begins after the last one.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if *fields.first()? == "Z" { None } else { fields.get(19)?.parse().ok() }
}

/// The ID of a process' parent.
pub(in crate::cluster) fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// The background programs of a cluster, with their records and logs.
#[derive(Debug, Clone)]
pub(in crate::cluster) struct Processes {
    state: PathBuf,
}

impl Processes {
    /// The programs of the cluster whose state directory this is.
    pub(in crate::cluster) fn new(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }

    /// Where a program logs.
    pub(in crate::cluster) fn log_path(&self, name: &str) -> PathBuf {
        self.state.join("log").join(format!("{name}.log"))
    }

    /// The end of a program's log, for errors.
    pub(in crate::cluster) fn log_tail(&self, name: &str) -> String {
        let path = self.log_path(name);
        let bytes = fs::read(&path).unwrap_or_default();
        format!("the end of {}:\n{}", path.display(), tail(&String::from_utf8_lossy(&bytes), 3000))
    }

    /// Opens a program's log for appending.
    pub(in crate::cluster) fn open_log(&self, name: &str) -> Result<File> {
        let path = self.log_path(name);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        File::options().create(true).append(true).open(&path).with_context(|| format!("cannot open {}", path.display()))
    }

    /// Starts a program in the background and records it; it goes on when this process ends.
    ///
    /// `before` is shell text that runs in the process first, for example to join a cgroup.
    pub(in crate::cluster) fn start(&self, name: &str, program: &Command, before: &str) -> Result<Process> {
        let script = format!("{before}exec \"$@\"");
        let mut start = command("sh", ["-c", &script, "sh"]);
        start.arg(program.get_program()).args(program.get_args());
        for (key, value) in program.get_envs() {
            match value {
                Some(value) => start.env(key, value),
                None => start.env_remove(key),
            };
        }
        let log = self.open_log(name)?;
        let errors = log.try_clone().with_context(|| format!("cannot share the log of {name}"))?;
        // In a process group of its own, so that Ctrl-C here does not end it. `exec` keeps the shell's pid.
        let mut child = start
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start `{}`", line(program)))?;
        let process = Process::of_pid(name, child.id().try_into()?, line(program));
        // Collects its exit status when it ends while we are still here, so that it does not stay a zombie.
        std::thread::spawn(move || child.wait());
        let process = process?;
        self.record(&process)?;
        Ok(process)
    }

    /// Ends the recorded process of this name and what it started, if it runs, and forgets it.
    pub(in crate::cluster) fn stop(&self, name: &str) -> Result<()> {
        if let Some(process) = self.recorded(name).filter(Process::is_alive) {
            if let Some(group) = Pid::from_raw(process.pid) {
                // `start` made it the leader of a process group. It may have ended just now.
                kill_process_group(group, Signal::KILL).ok();
            }
            wait_until(&format!("the end of {name}"), Duration::from_secs(10), || Ok(!process.is_alive()))?;
        }
        self.forget(name);
        Ok(())
    }

    /// Writes a process down, in place of an earlier one of the same name.
    pub(in crate::cluster) fn record(&self, process: &Process) -> Result<()> {
        let path = self.record_path(&process.name);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        fs::write(&path, serde_json::to_vec_pretty(process)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The recorded process of this name, whether it still runs or not.
    pub(in crate::cluster) fn recorded(&self, name: &str) -> Option<Process> {
        serde_json::from_slice(&fs::read(self.record_path(name)).ok()?).ok()
    }

    /// Forgets the recorded process of this name.
    pub(in crate::cluster) fn forget(&self, name: &str) {
        fs::remove_file(self.record_path(name)).ok();
    }

    /// Whether the recorded process of this name runs.
    pub(in crate::cluster) fn is_alive(&self, name: &str) -> bool {
        self.recorded(name).is_some_and(|process| process.is_alive())
    }

    fn record_path(&self, name: &str) -> PathBuf {
        self.state.join("processes").join(format!("{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recycled_pid_is_not_the_process() {
        let own = i32::try_from(std::process::id()).unwrap();
        let me = Process::of_pid("test", own, String::new()).unwrap();
        assert!(me.is_alive());
        assert!(!Process { started: me.started + 1, ..me }.is_alive());
    }
}
