//! Starting an init with a job, and hearing what came of it.

use super::Launcher;
use crate::cgroup::Entrance;
use proffer_init::spec::{FdNumber, Job, Report, SetupFailure, Step};
use proffer_init::sys::{self, Spawn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use rustix::io::{self, Errno};
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// An init that has not reported for this long never will.
const REPORT_PATIENCE: Duration = Duration::from_secs(30);

/// The descriptors that an init gets, by number.
pub(super) struct Descriptors {
    report: FdNumber,
    numbers: Vec<FdNumber>,
}

impl Descriptors {
    /// The pipe for its report.
    pub(super) fn report(&self) -> FdNumber {
        self.report
    }

    /// Leaves `fd` open for it.
    pub(super) fn add(&mut self, fd: &impl AsRawFd) -> FdNumber {
        self.numbers.push(fd.as_raw_fd());
        fd.as_raw_fd()
    }
}

/// An init on its way.
#[derive(Debug)]
pub(super) struct StartedInit {
    pub(super) pid: u32,
    pub(super) pidfd: OwnedFd,
    /// Where it reports.
    pub(super) report: OwnedFd,
}

impl Launcher {
    /// Starts an init; `make_job` says which descriptors go along.
    pub(super) fn start_init(
        &self,
        entrance: Option<&Entrance>,
        isolated: bool,
        make_job: impl FnOnce(&mut Descriptors) -> Job,
    ) -> Result<StartedInit, SetupFailure> {
        let failed = |errno: Errno| SetupFailure::new(Step::Clone, errno.raw_os_error(), "");
        let (report, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        let mut descriptors = Descriptors { report: writer.as_raw_fd(), numbers: Vec::new() };
        let job = write_job(&make_job(&mut descriptors)).map_err(failed)?;
        let files: Vec<BorrowedFd<'_>> =
            entrance.into_iter().flat_map(|entrance| &entrance.files).map(AsFd::as_fd).collect();
        let directory = entrance.and_then(|entrance| entrance.directory.as_ref()).map(AsFd::as_fd);
        let spawned = sys::spawn(&Spawn {
            program: self.program.as_fd(),
            job: job.as_fd(),
            null: self.null.as_fd(),
            report: writer.as_fd(),
            keep: &descriptors.numbers,
            cgroup_files: &files,
            cgroup: directory,
            isolated,
        })?;
        Ok(StartedInit { pid: spawned.pid, pidfd: spawned.pidfd, report })
    }
}

/// The job in a memfd: it may be larger than a pipe, and is nobody else's to read.
fn write_job(job: &Job) -> io::Result<OwnedFd> {
    let text = serde_json::to_vec(job).map_err(|_| Errno::INVAL)?;
    let mut file = File::from(memfd_create("proffer-job", MemfdFlags::CLOEXEC)?);
    file.write_all(&text).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    seek(&file, SeekFrom::Start(0))?;
    Ok(file.into())
}

/// What an init reports; `None` if it ended, or took forever, without a word.
pub(super) fn await_report(pipe: &OwnedFd) -> Option<Report> {
    let give_up = Instant::now() + REPORT_PATIENCE;
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = give_up.checked_duration_since(Instant::now())?;
        let timeout = Timespec { tv_sec: i64::try_from(left.as_secs()).ok()?, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return None,
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return None,
        }
        match io::read(pipe, &mut buffer) {
            Ok(0) => return Report::from_bytes(&text),
            Ok(count) => text.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return None,
        }
    }
}
