//! Cgroup version 1: a hierarchy per controller. A task must leave the agent's cgroups in every one of them, since
//! container runtimes kill what they find in a container's, whichever hierarchy they look at.

use super::{
    CgroupError, Entrance, Limits, MemoryState, PARENT, PERIOD_MICROS, create_directory, find, keyed, quota_micros,
    read, remove_directory, shares, subdirectories, v2, write,
};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Controllers for which each task has a cgroup of its own: they limit or count. In the other hierarchies tasks share
/// the one in which they all are; making a directory in each would double what a launch costs.
const OF_EACH_TASK: [&str; 4] = ["cpu", "cpuacct", "memory", "pids"];

/// The mounted hierarchies.
#[derive(Clone, Debug)]
pub struct Hierarchies(Vec<Hierarchy>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    root: PathBuf,
    /// Of a comma-separated name (`cpu,cpuacct`), each.
    controllers: Vec<String>,
    /// One of version 2, which carries no controllers here.
    is_version_2: bool,
}

/// A pod's cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    members: Vec<Member>,
    /// Index of the hierarchy with the memory controller, or else the first.
    listing: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    hierarchy: Hierarchy,
    /// The pod's directory; without one, tasks go to the hierarchy's root.
    pod: Option<PathBuf>,
}

impl Hierarchies {
    /// Every mounted hierarchy below `root`, the controller-less ones (`systemd`, `unified`) too.
    pub(super) fn detect(root: &Path) -> Result<Self, CgroupError> {
        let named = |path: PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str())?.to_owned();
            let controllers = name.split(',').map(str::to_owned).collect();
            let is_version_2 = path.join("cgroup.subtree_control").exists();
            Some(Hierarchy { root: path, controllers, is_version_2 })
        };
        let mut hierarchies: Vec<Hierarchy> =
            subdirectories(root).filter(|path| path.join("cgroup.procs").exists()).filter_map(named).collect();
        hierarchies.sort_by(|a, b| a.root.cmp(&b.root));
        if hierarchies.iter().any(|hierarchy| hierarchy.has("memory")) {
            Ok(Self(hierarchies))
        } else {
            Err(CgroupError::NoHierarchy(root.to_owned()))
        }
    }

    pub(super) fn find_pod(&self, pod_uid: &str) -> Option<Pod> {
        let listing = self.0.iter().position(|hierarchy| hierarchy.has("memory"))?;
        let memory = self.0.get(listing)?;
        let found = find::pod(&memory.root, pod_uid)?;
        let relative = found.strip_prefix(&memory.root).ok()?.to_owned();
        let member = |hierarchy: &Hierarchy| {
            // As a rule it is at the same place everywhere.
            let same = hierarchy.root.join(&relative);
            let pod = if same.is_dir() { Some(same) } else { find::pod(&hierarchy.root, pod_uid) };
            Member { hierarchy: hierarchy.clone(), pod }
        };
        Some(Pod { members: self.0.iter().map(member).collect(), listing })
    }
}

impl Hierarchy {
    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }

    fn is_of_each_task(&self) -> bool {
        OF_EACH_TASK.iter().any(|controller| self.has(controller))
    }
}

impl Member {
    /// Where a task is in this hierarchy.
    fn place(&self, uid: &str) -> PathBuf {
        match &self.pod {
            Some(pod) if self.hierarchy.is_of_each_task() => pod.join(PARENT).join(uid),
            Some(pod) => pod.join(PARENT),
            None => self.hierarchy.root.clone(),
        }
    }
}

impl Pod {
    pub(super) fn listing(&self) -> &Path {
        self.members.get(self.listing).and_then(|member| member.pod.as_deref()).unwrap_or(Path::new("/nonexistent"))
    }

    pub(super) fn prepare(&self) -> Result<(), CgroupError> {
        for Member { hierarchy, pod } in &self.members {
            let Some(pod) = pod else {
                continue;
            };
            let parent = pod.join(PARENT);
            create_directory(&parent)?;
            if hierarchy.has("cpuset") {
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    // A new one is empty, and takes no process until it has some of both.
                    let inherited = read(&pod.join(file))?;
                    write(parent.join(file), inherited.trim())?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn create(&self, uid: &str, limits: &Limits) -> Result<Entrance, CgroupError> {
        let mut entrance = Entrance::default();
        for member in &self.members {
            let place = member.place(uid);
            if member.pod.is_some() && member.hierarchy.is_of_each_task() {
                create_directory(&place)?;
                limit(&member.hierarchy, &place, limits)?;
            }
            if member.hierarchy.is_version_2 {
                entrance.directory = Some(v2::open(&place)?);
            } else {
                entrance.files.push(open_tasks(&place)?);
            }
        }
        Ok(entrance)
    }

    pub(super) fn remove(&self, uid: &str) -> Result<(), CgroupError> {
        let own = self.members.iter().filter(|member| member.pod.is_some() && member.hierarchy.is_of_each_task());
        own.map(|member| remove_directory(&member.place(uid))).fold(Ok(()), Result::and)
    }

    pub(super) fn memory_state(&self, uid: &str) -> Option<MemoryState> {
        let place = self.members.get(self.listing)?.place(uid);
        let control = std::fs::read_to_string(place.join("memory.oom_control")).ok()?;
        let number =
            |file: &str| -> Option<u64> { std::fs::read_to_string(place.join(file)).ok()?.trim().parse().ok() };
        let limit_bytes = number("memory.limit_in_bytes").unwrap_or_default();
        let peak = number("memory.max_usage_in_bytes").unwrap_or_default();
        Some(MemoryState {
            oom_kills: keyed(&control, "oom_kill ").unwrap_or_default(),
            // Newer kernels do not count failures any more (`memory.failcnt`). The peak stays a batch of pages short.
            at_limit: peak.saturating_add(limit_bytes / 16) >= limit_bytes,
            limit_bytes,
        })
    }
}

fn limit(hierarchy: &Hierarchy, place: &Path, limits: &Limits) -> Result<(), CgroupError> {
    if hierarchy.has("memory") {
        let bytes = limits.memory_bytes.to_string();
        write(place.join("memory.limit_in_bytes"), &bytes)?;
        let with_swap = place.join("memory.memsw.limit_in_bytes");
        if with_swap.exists() {
            write(with_swap, &bytes)?;
        }
    }
    if hierarchy.has("cpu") {
        write(place.join("cpu.shares"), &shares(limits.cpus).to_string())?;
        if let Some(limit) = limits.cpu_limit {
            write(place.join("cpu.cfs_period_us"), &PERIOD_MICROS.to_string())?;
            let quota = quota_micros(limit).to_string();
            match write(place.join("cpu.cfs_quota_us"), &quota) {
                // More than the slot itself has: then the slot's quota is the limit.
                Err(CgroupError::Write(_, _, error)) if error.kind() == io::ErrorKind::InvalidInput => {}
                result => result?,
            }
        }
    }
    if hierarchy.has("pids") {
        write(place.join("pids.max"), &limits.pids.to_string())?;
    }
    Ok(())
}

/// Through its `tasks` file the writing thread alone moves: that does not take the lock for which a move through
/// `cgroup.procs` waits.
fn open_tasks(place: &Path) -> Result<File, CgroupError> {
    let path = place.join("tasks");
    OpenOptions::new().write(true).open(&path).map_err(|error| CgroupError::Write(path, "0".to_owned(), error))
}
