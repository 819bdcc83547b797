//! Getting into the slot: its cgroup, its namespaces, and the mount namespace that its tasks start from.

use super::job::{self, Descriptors};
use super::{Launcher, open_read};
use crate::cgroup::{CgroupError, Pod};
use crate::process;
use proffer_init::spec::{Job, Mount, Report, Template};
use proffer_init::sys;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Name of the slot container's program; the other process in the pod is the container runtime's.
const PROGRAM: &str = "proffer-init";

/// A slot that tasks can be started in.
#[derive(Debug)]
pub struct AttachedSlot {
    /// The pod.
    pub pod_uid: String,
    /// Its cgroups.
    pub cgroup: Pod,
    pub(super) network: OwnedFd,
    pub(super) uts: OwnedFd,
    /// The template that tasks' mount namespaces are copied from.
    pub(super) mounts: OwnedFd,
    /// The slot container's process: when it ends, the slot is gone or made anew.
    pub(super) pause: OwnedFd,
}

/// Why the slot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The kubelet has not made it yet, or has removed it.
    #[error("the slot pod {0} has no cgroup on this node")]
    NoCgroup(String),
    /// Its container does not run.
    #[error("the slot pod {0} has no running container")]
    NoProcess(String),
    /// Cgroups below it cannot be made.
    #[error("the slot's cgroup cannot be used")]
    Cgroup(#[from] CgroupError),
    /// Its namespaces cannot be entered.
    #[error("the slot's {0} cannot be opened: {1}; does the agent have CAP_SYS_PTRACE and hostPID?")]
    Namespace(&'static str, rustix::io::Errno),
    /// What tasks see cannot be mounted.
    #[error("{0} cannot be made ready for tasks: {1}")]
    Mount(String, rustix::io::Errno),
    /// The template could not be made.
    #[error("the tasks' root cannot be made: {0}")]
    Template(String),
}

impl Launcher {
    /// Finds the slot and makes it ready for tasks.
    pub fn attach(&self, pod_uid: &str) -> Result<AttachedSlot, AttachError> {
        let cgroup = self.cgroups.find_pod(pod_uid).ok_or_else(|| AttachError::NoCgroup(pod_uid.to_owned()))?;
        let pids = cgroup.processes();
        let own = pids.iter().copied().find(|&pid| process::name(pid).is_some_and(|name| name == PROGRAM));
        let pid = own.or(pids.first().copied()).ok_or_else(|| AttachError::NoProcess(pod_uid.to_owned()))?;
        let pause = process::open(pid).map_err(|_| AttachError::NoProcess(pod_uid.to_owned()))?;
        let namespace = |name: &'static str| {
            open_read(&format!("/proc/{pid}/ns/{name}")).map_err(|error| AttachError::Namespace(name, error))
        };
        let (network, uts, base) = (namespace("net")?, namespace("uts")?, namespace("mnt")?);
        // If it still runs now, what was opened was its own.
        if has_ended(&pause) {
            return Err(AttachError::NoProcess(pod_uid.to_owned()));
        }
        cgroup.prepare()?;
        let mounts = self.make_template(&base)?;
        Ok(AttachedSlot { pod_uid: pod_uid.to_owned(), cgroup, network, uts, mounts, pause })
    }

    /// A mount namespace with the tasks' root, derived from the slot's.
    fn make_template(&self, base: &OwnedFd) -> Result<OwnedFd, AttachError> {
        let root = detached(&self.userland.root)?;
        let mut trees = Vec::new();
        for mount in &self.settings.mounts {
            trees.push((mount, detached(&mount.source)?));
        }
        let failed =
            |failure: &proffer_init::spec::SetupFailure| AttachError::Template(super::failure::describe(failure));
        let started = self
            .start_init(None, false, |keep: &mut Descriptors| {
                Job::Template(Template {
                    report: keep.report(),
                    mount_namespace: keep.add(base),
                    root: keep.add(&root),
                    mounts: trees
                        .iter()
                        .map(|(mount, tree)| Mount {
                            tree: keep.add(tree),
                            target: mount.target.clone(),
                            read_only: mount.read_only,
                        })
                        .collect(),
                })
            })
            .map_err(|failure| failed(&failure))?;
        let result = match job::await_report(&started.report) {
            Some(Report::Ready) => open_read(&format!("/proc/{}/ns/mnt", started.pid))
                .map_err(|error| AttachError::Namespace("template", error)),
            Some(Report::Failed(failure)) => Err(failed(&failure)),
            None => Err(AttachError::Template("its init ended without a word".to_owned())),
        };
        // The descriptor keeps the namespace; its process has done its work.
        let _ = sys::signal_pidfd(started.pidfd.as_fd(), 9);
        let _ = waitid(WaitId::PidFd(started.pidfd.as_fd()), WaitIdOptions::EXITED);
        result
    }
}

/// A detached copy of what is mounted at, or lies at, `path`.
pub(super) fn detached(path: &Path) -> Result<OwnedFd, AttachError> {
    open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
        .map_err(|error| AttachError::Mount(path.display().to_string(), error))
}

/// Whether the process that a pidfd stands for has ended.
pub(super) fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|count| count > 0)
}
