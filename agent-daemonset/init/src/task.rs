//! One task, from set-up to exit record.

use crate::output::{Output, Pumped};
use crate::{privileges, root, seccomp};
use proffer_init::exit_record::{self, ExitRecord, Outcome};
use proffer_init::spec::{self, KILL_ALL_SIGNAL, Report, SetupFailure, Step, Task};
use proffer_init::sys::{self, Fork};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::{self, Errno};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitOptions, setsid, wait};
use std::os::unix::process::CommandExt as _;
use std::process::{ExitCode, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// Signals that are passed on to the task's process group.
const FORWARDED: [i32; 6] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];
/// How much is moved from a pipe at once: a pipe's own size.
const BUFFER_BYTES: usize = 64 * 1024;

/// Runs the task to its end.
pub(crate) fn run(task: &Task) -> ExitCode {
    let (Ok(report), Ok(file)) = (sys::take_inherited(task.report), sys::take_inherited(task.record)) else {
        return ExitCode::FAILURE;
    };
    let outcome = match start(task, &file) {
        Ok(running) => {
            send(report, &Report::Ready);
            running.supervise()
        }
        Err(failure) => {
            // What was never started has no end; and if another init runs or ran this task, its record is the true one.
            let started = matches!(exit_record::read(&file), Ok(exit_record::Found::Started));
            if started && failure.step != Step::AlreadyStarted {
                record(&file, Outcome::Failed(failure.clone()));
            }
            send(report, &Report::Failed(failure));
            return ExitCode::FAILURE;
        }
    };
    if record(&file, outcome) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn send(report: OwnedFd, message: &Report) {
    // If the agent is gone there is nobody to tell; its successor finds the process, or the record.
    let _ = serde_json::to_vec(message).map(|text| io::write(report, &text));
}

fn record(file: &OwnedFd, outcome: Outcome) -> bool {
    let at_micros = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or_default();
    let sys::Usage { user_micros, system_micros, max_rss_kib } = sys::children_usage();
    let record = ExitRecord { outcome, at_micros, user_micros, system_micros, max_rss_kib };
    exit_record::finish(file, &record).is_ok()
}

/// A task whose command runs.
struct Running {
    leader: i32,
    signals: OwnedFd,
    outputs: Vec<Output>,
}

/// Sets everything up and starts the command, as soon as it may; comes back when it has been executed.
fn start(task: &Task, file: &OwnedFd) -> Result<Running, SetupFailure> {
    let failed = root::at;
    sys::block_all_signals().map_err(failed(Step::ReadJob, "signals"))?;
    rustix::thread::set_name(c"proffer-init").map_err(failed(Step::ReadJob, "name"))?;
    let take = || exit_record::start(file).map_err(failed(Step::AlreadyStarted, ""));
    if task.go.is_none() {
        take()?;
    }
    let sandbox = sys::take_inherited(task.sandbox).map_err(failed(Step::ReadJob, "sandbox"))?;
    root::enter(task, &sandbox)?;

    let signals = sys::signal_fd().map_err(failed(Step::ReadJob, "signals"))?;
    let new_pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(failed(Step::OpenOutput, "a pipe"));
    let (stdout, stdout_writer) = new_pipe()?;
    let (stderr, stderr_writer) = new_pipe()?;
    let (failures, failures_writer) = new_pipe()?;
    let mut outputs = Vec::with_capacity(2);
    for (pipe, name) in [(stdout, "stdout"), (stderr, "stderr")] {
        rustix::fs::fcntl_setfl(&pipe, OFlags::NONBLOCK).map_err(failed(Step::OpenOutput, name))?;
        let directory = rustix::io::fcntl_dupfd_cloexec(&sandbox, 3).map_err(failed(Step::OpenOutput, name))?;
        outputs.push(Output::open(pipe, directory, name, task).map_err(failed(Step::OpenOutput, name))?);
    }
    drop(sandbox);
    if let Some(go) = task.go {
        let go = sys::take_inherited(go).map_err(failed(Step::ReadJob, "the pipe for the start"))?;
        await_go(&go)?;
        // Not before: until now, another init could have been started in the place of this one.
        take()?;
    }
    let leader = match sys::fork().map_err(failed(Step::ExecCommand, "fork"))? {
        Fork::Child => {
            let failure = execute(task, stdout_writer, stderr_writer);
            send(failures_writer, &Report::Failed(failure));
            sys::exit_now(127);
        }
        Fork::Parent(leader) => leader,
    };
    drop((stdout_writer, stderr_writer, failures_writer));
    if let Some(failure) = read_failure(&failures) {
        return Err(failure);
    }
    Ok(Running { leader, signals, outputs })
}

/// Waits until the agent wants the command started. An agent that has gone does not.
fn await_go(go: &OwnedFd) -> Result<(), SetupFailure> {
    loop {
        match io::read(go, &mut [0; 1]) {
            Ok(1) => return Ok(()),
            Err(Errno::INTR) => {}
            Ok(_) | Err(_) => return Err(SetupFailure::new(Step::Dismissed, 0, "")),
        }
    }
}

/// What the command's process wrote before it could execute the command; nothing if it did execute it.
fn read_failure(pipe: &OwnedFd) -> Option<SetupFailure> {
    let mut text = Vec::new();
    let mut buffer = [0; 512];
    loop {
        match io::read(pipe, &mut buffer) {
            Ok(0) => break,
            Ok(count) => text.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(_) => break,
        }
    }
    match Report::from_bytes(&text)? {
        Report::Failed(failure) => Some(failure),
        Report::Ready => None,
    }
}

/// In the command's process: becomes the command. Comes back only if that failed.
fn execute(task: &Task, stdout: OwnedFd, stderr: OwnedFd) -> SetupFailure {
    let spec::Command { program, arguments, environment } = &task.command;
    if let Err(failure) = prepare(task) {
        return failure;
    }
    let mut command = std::process::Command::new(program);
    if let Some((name, rest)) = arguments.split_first() {
        command.arg0(name).args(rest);
    }
    command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::from(stdout)).stderr(Stdio::from(stderr));
    let error = command.exec();
    SetupFailure::new(Step::ExecCommand, error.raw_os_error().unwrap_or_default(), program)
}

fn prepare(task: &Task) -> Result<(), SetupFailure> {
    let failed = |subject: &'static str| root::at(Step::DropPrivileges, subject);
    setsid().map_err(failed("session"))?;
    let adjustment = task.oom_score_adj.to_string();
    let file = rustix::fs::open("/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    // Lowering it needs a privilege that the agent need not have; then the inherited value is high enough.
    match file.and_then(|file| io::write(file, adjustment.as_bytes())) {
        Ok(_) | Err(Errno::ACCESS | Errno::PERM) => {}
        Err(error) => return Err(failed("oom_score_adj")(error)),
    }
    privileges::set_limits().map_err(failed("limits"))?;
    sys::close_on_exec_from(3).map_err(failed("descriptors"))?;
    privileges::drop_to(task.uid, task.gid).map_err(failed("user"))?;
    sys::install_seccomp(&seccomp::program()).map_err(failed("seccomp"))?;
    sys::unblock_all_signals().map_err(failed("signals"))
}

impl Running {
    /// Passes signals on, reaps, writes the output files; ends when the command has ended and nothing of it is left.
    fn supervise(self) -> Outcome {
        let Self { leader, signals, mut outputs } = self;
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut ended = None;
        loop {
            let mut fds = vec![PollFd::new(&signals, PollFlags::IN)];
            fds.extend(outputs.iter().map(|output| PollFd::from_borrowed_fd(output.pipe(), PollFlags::IN)));
            // Once the command has ended, signals of what it left behind are not waited for longer than this.
            let again = ended.is_some().then_some(Timespec { tv_sec: 0, tv_nsec: 50_000_000 });
            let _ = poll(&mut fds, again.as_ref());
            drop(fds);
            outputs.retain_mut(|output| output.pump(&mut buffer) != Pumped::End);
            while let Ok(Some(signal)) = sys::next_signal(&signals) {
                match signal {
                    KILL_ALL_SIGNAL => forget(sys::kill_everything_else()),
                    signal if FORWARDED.contains(&signal) => forget(sys::signal_group(leader, signal)),
                    _ => {}
                }
            }
            let nothing_left = reap(leader, &mut ended);
            if let Some(outcome) = &ended {
                if nothing_left {
                    for output in &mut outputs {
                        while output.pump(&mut buffer) == Pumped::Some {}
                    }
                    return outcome.clone();
                }
                // Mesos ends what a command leaves behind, daemons included.
                forget(sys::kill_everything_else());
            }
        }
    }
}

/// What fails here has ended already.
fn forget(_: io::Result<()>) {}

/// Reaps whatever has ended; notes how the command did. True if there is no child left.
fn reap(leader: i32, ended: &mut Option<Outcome>) -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                if pid.as_raw_nonzero().get() == leader {
                    *ended = Some(match (status.exit_status(), status.terminating_signal()) {
                        (Some(code), _) => Outcome::Exited(code),
                        (None, signal) => Outcome::Signaled(signal.unwrap_or_default()),
                    });
                }
            }
            Ok(None) => return false,
            Err(Errno::INTR) => {}
            Err(_) => return true,
        }
    }
}
