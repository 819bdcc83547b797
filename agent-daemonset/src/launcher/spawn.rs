//! Starting one task.

use super::job::StartedInit;
use super::slot::AttachedSlot;
use super::{Launcher, failure, job};
use crate::cgroup::{Entrance, Limits, MemoryState};
use crate::process;
use proffer_agent::{LaunchFailure, Order, Process};
use proffer_init::spec::{Command, Job, Report, SANDBOX_PATH, Task, Volume};
use proffer_init::sys;
use proffer_resources::quantity;
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Where tasks look for programs unless they say otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// With less memory than this an init may not get far enough for the kernel to count it as out of memory.
const ENOUGH_TO_START: u64 = 4 << 20;
/// A task with more ports than this finds the rest in its resources, not in its environment.
const MAX_PORT_VARIABLES: usize = 100;

/// A task whose command runs.
#[derive(Debug)]
pub struct Started {
    /// Its init.
    pub process: Process,
    /// A descriptor of it.
    pub pidfd: OwnedFd,
}

/// A task that is ready to start. Its init waits, and goes when this is dropped.
#[derive(Debug)]
pub struct Prepared {
    order: Box<Order>,
    sandbox: String,
    underway: Underway,
    /// A byte into it, and the command is started.
    go: OwnedFd,
}

/// A task whose init has been started and has not reported yet.
#[derive(Debug)]
struct Underway {
    slot: Arc<AttachedSlot>,
    init: StartedInit,
}

impl Launcher {
    /// Starts a task; comes back when its command has been executed, or could not be. What was prepared for it is used
    /// if it is what is wanted still.
    pub fn spawn(&self, order: &Order, sandbox: &str, prepared: Option<Prepared>) -> Result<Started, LaunchFailure> {
        let uid = order.task.uid.as_str();
        if let Some(prepared) = prepared {
            let same_slot = self.slot().is_some_and(|slot| Arc::ptr_eq(&slot, &prepared.underway.slot));
            if same_slot && *prepared.order == *order && prepared.sandbox == sandbox {
                // If it has ended by now, its report says why, or that is what is found out next.
                let _ = rustix::io::write(&prepared.go, &[1]);
                return conclude(prepared.underway, uid);
            }
            self.dismiss(prepared);
        }
        conclude(self.begin(order, sandbox, None)?, uid)
    }

    /// Makes everything ready to start a task, up to its command. If that fails, nothing is left of it: the launch will
    /// say what is wrong.
    pub fn prepare(&self, order: Box<Order>, sandbox: String) -> Option<Prepared> {
        let attempt = || -> Result<_, LaunchFailure> {
            let failed = |error: Errno| LaunchFailure::Setup("preparing it".to_owned(), error.to_string());
            let (wait, go) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
            Ok((self.begin(&order, &sandbox, Some(&wait))?, go))
        };
        match attempt() {
            Ok((underway, go)) => Some(Prepared { order, sandbox, underway, go }),
            Err(failure) => {
                tracing::debug!(task = order.task.uid, ?failure, "cannot make a task ready");
                self.remove_prepared(&order.task.uid, &sandbox);
                None
            }
        }
    }

    /// Takes back what was prepared.
    pub fn dismiss(&self, prepared: Prepared) {
        let Prepared { order, sandbox, underway, .. } = prepared;
        let _ = sys::signal_pidfd(underway.init.pidfd.as_fd(), 9);
        reap(&underway.init.pidfd);
        self.remove_prepared(&order.task.uid, &sandbox);
    }

    fn remove_prepared(&self, uid: &str, sandbox: &str) {
        self.clean_up(uid);
        if let Err(error) = self.sandboxes.remove(sandbox) {
            tracing::warn!(task = uid, %error, "cannot remove the sandbox of a task that was not launched");
        }
    }

    fn begin(&self, order: &Order, sandbox: &str, go: Option<&OwnedFd>) -> Result<Underway, LaunchFailure> {
        let uid = order.task.uid.as_str();
        let slot = self.slot().ok_or_else(|| LaunchFailure::NotAttached("the slot went away".to_owned()))?;
        let name = if order.command.user.is_empty() { &self.settings.task_user } else { &order.command.user };
        let user = self.userland.user(name, self.settings.allow_root_tasks)?;
        let setup = |step: &str| {
            let step = step.to_owned();
            move |error: Errno| LaunchFailure::Setup(step.clone(), error.to_string())
        };
        let directory = self.sandboxes.create(sandbox, user).map_err(setup("making its sandbox"))?;
        let volumes = self.detach_volumes(order, &directory, user)?;
        // Not the descriptor itself: the init mounts it.
        let tree = open_tree(CWD, sandbox, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
            .map_err(setup("mounting its sandbox"))?;
        let record = self.open_record(uid, true).map_err(setup("making its exit record"))?;
        let entrance = self.create_cgroup(&slot, order)?;
        let init = self
            .start_init(Some(&entrance), true, |keep| {
                Job::Task(Box::new(Task {
                    report: keep.report(),
                    record: keep.add(&record),
                    go: go.map(|go| keep.add(go)),
                    sandbox: keep.add(&tree),
                    volumes: volumes
                        .iter()
                        .map(|volume| Volume {
                            tree: keep.add(&volume.tree),
                            path: volume.path.clone(),
                            read_only: volume.read_only,
                        })
                        .collect(),
                    mount_namespace: keep.add(&slot.mounts),
                    network_namespace: keep.add(&slot.network),
                    uts_namespace: keep.add(&slot.uts),
                    command: command(order),
                    uid: user.uid,
                    gid: user.gid,
                    oom_score_adj: self.oom_score_adj,
                    log_max_bytes: self.settings.log_max_bytes,
                    log_files: self.settings.log_files,
                }))
            })
            .map_err(|failed| failure::translate(&failed))?;
        Ok(Underway { slot, init })
    }

    fn create_cgroup(&self, slot: &AttachedSlot, order: &Order) -> Result<Entrance, LaunchFailure> {
        let limits = Limits {
            cpus: order.resources.cpus,
            cpu_limit: order.cpu_limit,
            memory_bytes: quantity::mib_to_bytes(order.mem_limit.unwrap_or(order.resources.mem)),
            pids: self.settings.pids_limit,
        };
        slot.cgroup.create(&order.task.uid, &limits).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            LaunchFailure::Setup("making its cgroup".to_owned(), format!("{error}{cause}"))
        })
    }
}

/// Waits until a task's command has been executed, or could not be.
fn conclude(underway: Underway, uid: &str) -> Result<Started, LaunchFailure> {
    let Underway { slot, init } = underway;
    match job::await_report(&init.report) {
        Some(Report::Ready) => {
            // A process stays in /proc until its parent, this one, reaps it.
            let gone = || LaunchFailure::Setup("reading /proc".to_owned(), "the init is not there".to_owned());
            let start_ticks = process::start_ticks(init.pid).ok_or_else(gone)?;
            Ok(Started { process: Process { pid: init.pid, start_ticks }, pidfd: init.pidfd })
        }
        Some(Report::Failed(failed)) => {
            reap(&init.pidfd);
            Err(failure::translate(&failed))
        }
        None => {
            let _ = sys::signal_pidfd(init.pidfd.as_fd(), 9);
            reap(&init.pidfd);
            Err(died_silently(&slot, uid))
        }
    }
}

/// Why an init ended without a report: as a rule its memory limit is too small for it.
fn died_silently(slot: &AttachedSlot, uid: &str) -> LaunchFailure {
    let starved = |memory: MemoryState| memory.oom_kills > 0 || memory.limit_bytes < ENOUGH_TO_START;
    let why = if slot.cgroup.memory_state(uid).is_some_and(starved) {
        "its memory limit is too small for anything to run: give it some MiB more"
    } else {
        "its init was ended from outside before the command ran"
    };
    LaunchFailure::Setup("starting it".to_owned(), why.to_owned())
}

/// Lets the kernel forget a child that is ending.
pub(super) fn reap(pidfd: &OwnedFd) {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
}

/// The command as the kernel takes it.
fn command(order: &Order) -> Command {
    let command = &order.command;
    let (program, arguments) = if command.shell {
        ("/bin/sh".to_owned(), vec!["sh".to_owned(), "-c".to_owned(), command.value.clone()])
    } else if command.arguments.is_empty() {
        (command.value.clone(), vec![command.value.clone()])
    } else {
        (command.value.clone(), command.arguments.clone())
    };
    Command { program, arguments, environment: environment(order) }
}

/// What Mesos puts into a task's environment, and over it what the task asks for.
fn environment(order: &Order) -> Vec<(String, String)> {
    let mut variables = vec![
        ("PATH".to_owned(), PATH.to_owned()),
        ("HOME".to_owned(), SANDBOX_PATH.to_owned()),
        ("MESOS_SANDBOX".to_owned(), SANDBOX_PATH.to_owned()),
        ("MESOS_TASK_ID".to_owned(), order.task.name.clone()),
    ];
    let ports: Vec<String> =
        order.resources.ports.iter().take(MAX_PORT_VARIABLES).map(|port| port.to_string()).collect();
    if let Some(first) = ports.first() {
        variables.push(("PORT".to_owned(), first.clone()));
        variables.push(("PORTS".to_owned(), ports.join(",")));
    }
    for (index, port) in ports.into_iter().enumerate() {
        variables.push((format!("PORT{index}"), port));
    }
    variables.retain(|(name, _)| !order.command.environment.iter().any(|(own, _)| own == name));
    variables.extend(order.command.environment.iter().cloned());
    variables
}
