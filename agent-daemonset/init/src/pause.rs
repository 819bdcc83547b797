//! The slot pod's program: holds the pod's namespaces and cgroup, reaps what is orphaned, ends when asked to.

use proffer_init::sys;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};
use std::process::ExitCode;

/// Waits for SIGTERM or SIGINT.
pub(crate) fn run() -> ExitCode {
    let Ok(signals) = sys::block_all_signals().and_then(|_| sys::signal_fd()) else {
        return ExitCode::FAILURE;
    };
    loop {
        match poll(&mut [PollFd::new(&signals, PollFlags::IN)], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return ExitCode::FAILURE,
        }
        while let Ok(Some(signal)) = sys::next_signal(&signals) {
            match signal {
                libc::SIGTERM | libc::SIGINT => return ExitCode::SUCCESS,
                libc::SIGCHLD => while matches!(wait(WaitOptions::NOHANG), Ok(Some(_))) {},
                _ => {}
            }
        }
    }
}
