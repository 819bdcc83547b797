//! How a command ended, as its init leaves it on disk for the agent.
//!
//! One file for each task, made by the agent and handed to the init open: the first line says that an init has started
//! the task, the second is the record. One file and no directory, since on busy disks it is the making and removing of
//! files that costs most of a launch.

use crate::spec::SetupFailure;
use rustix::fd::AsFd;
use rustix::fs::{FlockOperation, flock, fstat};
use rustix::io::{self, Errno};
use serde::{Deserialize, Serialize};

/// The first line.
const STARTED: &[u8] = b"started\n";
/// A record is a few hundred bytes; more than this is not one.
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

/// What a task's file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No init has started the task.
    Nothing,
    /// One has, and has not recorded an end.
    Started,
    /// It has ended.
    Ended(ExitRecord),
}

/// Takes the task, for good: of all inits that ever try, one succeeds.
pub fn start(file: impl AsFd) -> io::Result<()> {
    // The lock is held until the last process with this open file ends; it settles who comes first, and the line
    // settles it for all who come later.
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    if fstat(&file)?.st_size > 0 {
        return Err(Errno::EXIST);
    }
    write_all(&file, STARTED)
}

/// Appends the record so that it survives a power cut.
pub fn finish(file: impl AsFd, record: &ExitRecord) -> io::Result<()> {
    let mut text = serde_json::to_vec(record).map_err(|_| Errno::INVAL)?;
    text.push(b'\n');
    write_all(&file, &text)?;
    rustix::fs::fdatasync(file)
}

/// Reads a task's file. A record that was cut off in the middle is none.
pub fn read(file: impl AsFd) -> io::Result<Found> {
    let mut text = vec![0; MAX_BYTES];
    let mut length = 0;
    while length < text.len() {
        match io::pread(&file, text.get_mut(length..).unwrap_or_default(), length as u64)? {
            0 => break,
            count => length += count,
        }
    }
    text.truncate(length);
    let Some(rest) = text.strip_prefix(STARTED) else {
        return Ok(if text.is_empty() { Found::Nothing } else { Found::Started });
    };
    let whole = rest.strip_suffix(b"\n").and_then(|line| serde_json::from_slice(line).ok());
    Ok(whole.map_or(Found::Started, Found::Ended))
}

fn write_all(file: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = io::write(&file, bytes)?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Step;
    use std::fs::File;

    fn open(path: &std::path::Path) -> File {
        File::options().read(true).append(true).create(true).open(path).unwrap()
    }

    #[test]
    fn one_init_starts_a_task_and_its_record_is_read_back() {
        let path = std::env::temp_dir().join(format!("proffer-exit-record-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        for outcome in [
            Outcome::Exited(3),
            Outcome::Signaled(9),
            Outcome::Failed(SetupFailure::new(Step::ExecCommand, 2, "no-such-program")),
        ] {
            let file = open(&path);
            assert_eq!(read(&file), Ok(Found::Nothing));
            start(&file).unwrap();
            assert_eq!(start(open(&path)), Err(Errno::AGAIN), "while the first one lives");
            assert_eq!(read(&file), Ok(Found::Started));
            let record = ExitRecord { outcome, at_micros: 1, user_micros: 2, system_micros: 3, max_rss_kib: 4 };
            finish(&file, &record).unwrap();
            drop(file);
            assert_eq!(start(open(&path)), Err(Errno::EXIST), "and after it");
            assert_eq!(read(open(&path)), Ok(Found::Ended(record)));
            let length = std::fs::metadata(&path).unwrap().len();
            File::options().write(true).open(&path).unwrap().set_len(length - 1).unwrap();
            assert_eq!(read(open(&path)), Ok(Found::Started), "a record cut off is none");
            std::fs::remove_file(&path).unwrap();
        }
    }
}
