//! Cgroup version 2: one hierarchy.

use super::{
    CgroupError, Limits, MemoryState, PARENT, PERIOD_MICROS, create_directory, find, keyed, quota_micros, read, shares,
    write,
};
use rustix::fs::{CWD, Mode, OFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Controllers that tasks need.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// The mounted hierarchy.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    root: PathBuf,
}

impl Hierarchy {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(super) fn find_pod(&self, pod_uid: &str) -> Option<PathBuf> {
        find::pod(&self.root, pod_uid)
    }
}

/// Makes the tasks' parent, with the controllers on, in it and above it (the kubelet has them on for containers).
pub(super) fn prepare(pod: &Path) -> Result<(), CgroupError> {
    let parent = pod.join(PARENT);
    enable(pod)?;
    create_directory(&parent)?;
    enable(&parent)
}

fn enable(directory: &Path) -> Result<(), CgroupError> {
    let path = directory.join("cgroup.subtree_control");
    let enabled = read(&path)?;
    for controller in CONTROLLERS {
        if !enabled.split_whitespace().any(|name| name == controller) {
            write(path.clone(), &format!("+{controller}"))?;
        }
    }
    Ok(())
}

pub(super) fn create(pod: &Path, uid: &str, limits: &Limits) -> Result<OwnedFd, CgroupError> {
    let place = pod.join(PARENT).join(uid);
    create_directory(&place)?;
    write(place.join("memory.max"), &limits.memory_bytes.to_string())?;
    let swap = place.join("memory.swap.max");
    if swap.exists() {
        write(swap, "0")?;
    }
    write(place.join("cpu.weight"), &weight(shares(limits.cpus)).to_string())?;
    if let Some(limit) = limits.cpu_limit {
        write(place.join("cpu.max"), &format!("{} {PERIOD_MICROS}", quota_micros(limit)))?;
    }
    write(place.join("pids.max"), &limits.pids.to_string())?;
    open(&place)
}

/// A descriptor through which a process is created in the cgroup.
pub(super) fn open(place: &Path) -> Result<OwnedFd, CgroupError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, place, flags, Mode::empty())
        .map_err(|error| CgroupError::Create(place.to_owned(), io::Error::from(error)))
}

/// Version 1's shares (2 to 262144) as a weight (1 to 10000), as Kubernetes converts them.
fn weight(shares: u64) -> u64 {
    1 + (shares.saturating_sub(2) * 9999) / 262_142
}

pub(super) fn memory_state(place: &Path) -> Option<MemoryState> {
    let events = std::fs::read_to_string(place.join("memory.events")).ok()?;
    let limit = std::fs::read_to_string(place.join("memory.max")).ok();
    Some(MemoryState {
        oom_kills: keyed(&events, "oom_kill ").unwrap_or_default(),
        at_limit: keyed(&events, "oom ").is_some_and(|times| times > 0),
        limit_bytes: limit.and_then(|text| text.trim().parse().ok()).unwrap_or_default(),
    })
}
