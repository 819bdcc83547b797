//! Processes as /proc tells of them.

use proffer_agent::Process;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// When a process started, in clock ticks since boot; `None` if there is no such process.
#[must_use]
pub fn start_ticks(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, parentheses and spaces too. Fields are counted from 1; the one after
    // the name is the third.
    let (_, after_name) = text.rsplit_once(')')?;
    after_name.split_whitespace().nth(22 - 3)?.parse().ok()
}

/// A process's short name.
#[must_use]
pub fn name(pid: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|text| text.trim_end().to_owned())
}

/// Its PID in the innermost PID namespace that it is in.
#[must_use]
pub fn innermost_pid(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_whitespace().last()?.parse().ok()
}

/// A descriptor for a process, if it is still the same one.
#[must_use]
pub fn open_same(process: Process) -> Option<OwnedFd> {
    let pidfd = open(process.pid).ok()?;
    // Read after the descriptor is open: from then on the PID cannot become another process unnoticed.
    (start_ticks(process.pid) == Some(process.start_ticks)).then_some(pidfd)
}

/// A descriptor for the process that has this PID now.
pub fn open(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// The kernel's boot ID.
pub fn boot_id() -> io::Result<String> {
    std::fs::read_to_string(Path::new("/proc/sys/kernel/random/boot_id")).map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_this_process_and_not_another_of_its_pid() {
        let pid = std::process::id();
        let ticks = start_ticks(pid).unwrap();
        assert!(open_same(Process { pid, start_ticks: ticks }).is_some());
        assert!(open_same(Process { pid, start_ticks: ticks + 1 }).is_none());
        assert_eq!(start_ticks(u32::MAX), None);
    }
}
