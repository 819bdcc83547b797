//! A task's stdout and stderr: pumped from a pipe into a file of the sandbox that is capped and rotated.
//!
//! The sandbox belongs to the task, which may put anything under any name there while it runs. So a file is always a
//! new one, made by the init under a directory descriptor, and no link is followed.

use proffer_init::spec::Task;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid, fchown, openat, renameat, unlinkat};
use rustix::io::{self, Errno};

/// How often a name that the task keeps taking is tried again.
const ATTEMPTS: u32 = 8;

/// Where one output stream goes.
pub(crate) struct Output {
    pipe: OwnedFd,
    directory: OwnedFd,
    name: &'static str,
    owner: (Uid, Gid),
    /// `None` when it could not be opened: then what comes is dropped, so that the task does not block.
    file: Option<OwnedFd>,
    length: u64,
    max_bytes: u64,
    files: u32,
}

/// Whether more may come out of a pipe.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// Something was moved; there may be more.
    Some,
    /// Nothing is there now.
    Nothing,
    /// Every writer is gone.
    End,
}

impl Output {
    /// Opens the file `name` in `directory` for what comes out of `pipe`.
    pub(crate) fn open(pipe: OwnedFd, directory: OwnedFd, name: &'static str, task: &Task) -> io::Result<Self> {
        let owner = (Uid::from_raw(task.uid), Gid::from_raw(task.gid));
        let file = create(directory.as_fd(), name, owner)?;
        let (max_bytes, files) = (task.log_max_bytes.max(1), task.log_files);
        Ok(Self { pipe, directory, name, owner, file: Some(file), length: 0, max_bytes, files })
    }

    /// The pipe's reading end.
    pub(crate) fn pipe(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Moves what is there now, at most one buffer.
    pub(crate) fn pump(&mut self, buffer: &mut [u8]) -> Pumped {
        match io::read(&self.pipe, &mut *buffer) {
            Ok(0) => Pumped::End,
            Ok(count) => {
                self.write(buffer.get(..count).unwrap_or_default());
                Pumped::Some
            }
            Err(Errno::AGAIN | Errno::INTR) => Pumped::Nothing,
            Err(_) => Pumped::End,
        }
    }

    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.length >= self.max_bytes {
                self.rotate();
            }
            let room = usize::try_from(self.max_bytes - self.length).unwrap_or(usize::MAX).max(1);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            // A full disk or a failing one loses output and nothing else.
            let written = self.file.as_ref().and_then(|file| io::write(file, now).ok()).unwrap_or(now.len());
            self.length += written as u64;
            bytes = if written == now.len() { later } else { bytes.get(written..).unwrap_or_default() };
        }
    }

    /// Shifts `name` to `name.1` and so on, and starts anew.
    fn rotate(&mut self) {
        self.file = None;
        self.length = 0;
        let name = |index: u32| if index == 0 { self.name.to_owned() } else { format!("{}.{index}", self.name) };
        for index in (1..self.files).rev() {
            let _ = renameat(&self.directory, name(index - 1), &self.directory, name(index));
        }
        self.file = create(self.directory.as_fd(), self.name, self.owner).ok();
    }
}

/// A new file under this name; whatever had the name is unlinked.
fn create(directory: BorrowedFd<'_>, name: &str, (uid, gid): (Uid, Gid)) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut last = Errno::EXIST;
    for _ in 0..ATTEMPTS {
        match openat(directory, name, flags, Mode::from_raw_mode(0o644)) {
            Ok(file) => {
                fchown(&file, Some(uid), Some(gid))?;
                return Ok(file);
            }
            Err(Errno::EXIST) => {
                if let Err(error) = unlinkat(directory, name, AtFlags::empty()) {
                    last = error;
                    // A directory in the place of the file.
                    let _ = unlinkat(directory, name, AtFlags::REMOVEDIR);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(last)
}
