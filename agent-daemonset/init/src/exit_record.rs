//! How a command ended, as its init leaves it on disk for the agent.

use crate::spec::SetupFailure;
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags};
use rustix::io;
use serde::{Deserialize, Serialize};

/// File in a task's checkpoint directory that the init creates before the command starts: a task that has one is never
/// started again.
pub const STARTED_FILE: &str = "started";
/// File in a task's checkpoint directory with the [`ExitRecord`].
pub const EXIT_FILE: &str = "exit";
const TEMPORARY_FILE: &str = "exit.new";
/// An exit record is a few hundred bytes; more than this is not one.
const MAX_BYTES: usize = 16 * 1024;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// What happened.
    pub outcome: Outcome,
    /// When, in microseconds since 1970.
    pub at_micros: i64,
    /// CPU time in user mode of the command and what it waited for, in microseconds.
    pub user_micros: u64,
    /// CPU time in kernel mode of the same, in microseconds.
    pub system_micros: u64,
    /// Largest resident set of any of them, in KiB.
    pub max_rss_kib: u64,
}

/// What happened to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
    /// It never ran.
    Failed(SetupFailure),
}

/// Writes `record` into the directory so that it survives a power cut: whole or not at all.
pub fn write(directory: impl AsFd, record: &ExitRecord) -> io::Result<()> {
    let directory = directory.as_fd();
    let text = serde_json::to_vec(record).map_err(|_| io::Errno::INVAL)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::openat(directory, TEMPORARY_FILE, flags, Mode::from_raw_mode(0o600))?;
    let mut rest = text.as_slice();
    while !rest.is_empty() {
        let written = io::write(&file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    rustix::fs::fdatasync(&file)?;
    rustix::fs::renameat(directory, TEMPORARY_FILE, directory, EXIT_FILE)?;
    rustix::fs::fsync(directory)
}

/// Reads the record in the directory; `None` if there is none.
pub fn read(directory: impl AsFd) -> io::Result<Option<ExitRecord>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = match rustix::fs::openat(directory, EXIT_FILE, flags, Mode::empty()) {
        Ok(file) => file,
        Err(io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = vec![0; MAX_BYTES];
    let mut length = 0;
    while length < text.len() {
        match io::read(&file, text.get_mut(length..).unwrap_or_default())? {
            0 => break,
            count => length += count,
        }
    }
    text.truncate(length);
    serde_json::from_slice(&text).map(Some).map_err(|_| io::Errno::BADMSG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Step;

    #[test]
    fn what_is_written_is_read_back() {
        let path = std::env::temp_dir().join(format!("proffer-exit-record-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let directory = std::fs::File::open(&path).unwrap();
        assert_eq!(read(&directory), Ok(None));
        for outcome in [
            Outcome::Exited(3),
            Outcome::Signaled(9),
            Outcome::Failed(SetupFailure::new(Step::ExecCommand, 2, "no-such-program")),
        ] {
            let record = ExitRecord { outcome, at_micros: 1, user_micros: 2, system_micros: 3, max_rss_kib: 4 };
            write(&directory, &record).unwrap();
            assert_eq!(read(&directory), Ok(Some(record)));
        }
        std::fs::remove_dir_all(&path).unwrap();
    }
}
