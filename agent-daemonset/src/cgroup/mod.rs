//! Cgroups: finding the slot pod's, and one below it for each task.
//!
//! Version 1 (also "hybrid", where version 2 carries no controllers) and version 2 stand behind [`Cgroups`], chosen when
//! the agent starts. The root is a parameter, so tests run on a tree of plain files.
//!
//! Where the kubelet uses the systemd driver, the pod's cgroup is a slice of systemd's, and what is made below it is
//! made behind systemd's back. It leaves such directories alone while the slice lives, but may take controllers away
//! from them when its units are reloaded, since the slice is not delegated (`Delegate=`); limits of running tasks may
//! then be lost until their end, those of the slot stay.

mod find;
mod v1;
mod v2;

use proffer_resources::Amount;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Directory below the slot pod's cgroup in which those of tasks are.
pub(crate) const PARENT: &str = "proffer";
/// Period of the CPU quota, in microseconds: the kernel's default.
const PERIOD_MICROS: u64 = 100_000;
/// Smallest quota that the kernel takes.
const MIN_QUOTA_MICROS: u64 = 1000;

/// Why cgroups cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// There is no cgroup file system.
    #[error("{0} has no cgroup hierarchy: mount the node's /sys/fs/cgroup there")]
    NoHierarchy(PathBuf),
    /// A file cannot be read.
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] io::Error),
    /// A file cannot be written.
    #[error("cannot write {1:?} to {0}")]
    Write(PathBuf, String, #[source] io::Error),
    /// A cgroup cannot be created.
    #[error("cannot create the cgroup {0}")]
    Create(PathBuf, #[source] io::Error),
    /// A cgroup cannot be removed.
    #[error("cannot remove the cgroup {0}")]
    Remove(PathBuf, #[source] io::Error),
}

/// What a task may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Weight of the task when the CPUs are contended.
    pub cpus: Amount,
    /// Hard limit, if there is one.
    pub cpu_limit: Option<Amount>,
    /// Hard limit in bytes.
    pub memory_bytes: u64,
    /// Most processes and threads.
    pub pids: u64,
}

/// Whether the kernel ended something for want of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MemoryState {
    /// How many processes the kernel ended.
    pub oom_kills: u64,
    /// Whether the cgroup itself was at its limit.
    pub at_limit: bool,
    /// The limit, in bytes.
    pub limit_bytes: u64,
}

/// Through what a new process enters a task's cgroups.
#[derive(Debug, Default)]
pub struct Entrance {
    /// Version 1: writes "0" to each.
    pub files: Vec<File>,
    /// Version 2, also beside version 1: is created in it. Moving there afterwards would take a lock that waits for
    /// every CPU, some 10 ms.
    pub directory: Option<OwnedFd>,
}

/// The node's cgroups.
#[derive(Clone, Debug)]
pub enum Cgroups {
    /// Version 1, with or without a controller-less version 2 beside it.
    V1(v1::Hierarchies),
    /// Version 2.
    V2(v2::Hierarchy),
}

/// The cgroups of a slot pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pod {
    /// In each hierarchy.
    V1(v1::Pod),
    /// Its directory.
    V2(PathBuf),
}

impl Cgroups {
    /// Looks what the node has.
    pub fn detect(root: &Path) -> Result<Self, CgroupError> {
        if root.join("cgroup.controllers").exists() {
            return Ok(Self::V2(v2::Hierarchy::new(root)));
        }
        v1::Hierarchies::detect(root).map(Self::V1)
    }

    /// The slot pod's cgroups; `None` if it has none (yet, or any more).
    #[must_use]
    pub fn find_pod(&self, pod_uid: &str) -> Option<Pod> {
        match self {
            Self::V1(hierarchies) => hierarchies.find_pod(pod_uid).map(Pod::V1),
            Self::V2(hierarchy) => hierarchy.find_pod(pod_uid).map(Pod::V2),
        }
    }
}

impl Pod {
    /// Makes the directory in which tasks' cgroups are created.
    pub fn prepare(&self) -> Result<(), CgroupError> {
        match self {
            Self::V1(pod) => pod.prepare(),
            Self::V2(pod) => v2::prepare(pod),
        }
    }

    /// A directory that is there as long as the pod's cgroup is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        match self {
            Self::V1(pod) => pod.listing(),
            Self::V2(pod) => pod,
        }
    }

    /// Processes of the pod's own containers.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let mut pids = Vec::new();
        collect_processes(self.directory(), 4, &mut pids);
        pids
    }

    /// Creates a task's cgroups with their limits.
    pub fn create(&self, uid: &str, limits: &Limits) -> Result<Entrance, CgroupError> {
        match self {
            Self::V1(pod) => pod.create(uid, limits),
            Self::V2(pod) => {
                let directory = v2::create(pod, uid, limits)?;
                Ok(Entrance { files: Vec::new(), directory: Some(directory) })
            }
        }
    }

    /// Removes a task's cgroups; fine if there are none.
    pub fn remove(&self, uid: &str) -> Result<(), CgroupError> {
        match self {
            Self::V1(pod) => pod.remove(uid),
            Self::V2(pod) => remove_directory(&pod.join(PARENT).join(uid)),
        }
    }

    /// What the kernel counted of a task's memory; nothing if its cgroup is gone.
    #[must_use]
    pub fn memory_state(&self, uid: &str) -> Option<MemoryState> {
        match self {
            Self::V1(pod) => pod.memory_state(uid),
            Self::V2(pod) => v2::memory_state(&pod.join(PARENT).join(uid)),
        }
    }

    /// Processes of a task.
    #[must_use]
    pub fn task_processes(&self, uid: &str) -> Vec<u32> {
        read_processes(&self.directory().join(PARENT).join(uid))
    }

    /// UIDs of the tasks that have a cgroup here.
    #[must_use]
    pub fn tasks(&self) -> Vec<String> {
        subdirectories(&self.directory().join(PARENT))
            .filter_map(|path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned))
            .collect()
    }
}

/// Weight of a number of cores in version 1's terms (a core is 1024, 2 the least).
fn shares(cpus: Amount) -> u64 {
    (u128::from(cpus.thousandths()) * 1024 / 1000).clamp(2, 262_144).try_into().unwrap_or(262_144)
}

/// Quota of a number of cores.
fn quota_micros(cpus: Amount) -> u64 {
    (cpus.thousandths().saturating_mul(PERIOD_MICROS) / 1000).max(MIN_QUOTA_MICROS)
}

fn write(path: PathBuf, value: &str) -> Result<(), CgroupError> {
    std::fs::write(&path, value).map_err(|error| CgroupError::Write(path, value.to_owned(), error))
}

fn read(path: &Path) -> Result<String, CgroupError> {
    std::fs::read_to_string(path).map_err(|error| CgroupError::Read(path.to_owned(), error))
}

/// Makes a cgroup, fine if it is there.
fn create_directory(path: &Path) -> Result<(), CgroupError> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(CgroupError::Create(path.to_owned(), error)),
        _ => Ok(()),
    }
}

/// Removes a cgroup, fine if it is not there.
fn remove_directory(path: &Path) -> Result<(), CgroupError> {
    match std::fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(CgroupError::Remove(path.to_owned(), error)),
        _ => Ok(()),
    }
}

fn subdirectories(path: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

fn read_processes(path: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Processes in `path` and below it, but for tasks.
fn collect_processes(path: &Path, depth: u32, into: &mut Vec<u32>) {
    into.extend(read_processes(path));
    if depth > 0 {
        for below in subdirectories(path).filter(|below| !below.ends_with(PARENT)) {
            collect_processes(&below, depth - 1, into);
        }
    }
}

/// The number after `key` in a file of `key number` lines.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
}

#[cfg(test)]
mod tests;
