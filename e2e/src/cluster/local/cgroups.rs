//! Control groups: where each process of a cluster is found, and what ends with it.
//!
//! Every process that a cluster starts lives below `proffer-e2e/<cluster>` in every hierarchy of this machine, whatever
//! it forks, so nothing can be missed when a node loses power or the cluster goes down.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::deadline;

/// A mounted cgroup file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// Where it is mounted.
    pub(super) mount: PathBuf,
    /// The mount option that names it (`cpu`, `name=systemd`), or nothing for the unified hierarchy (version 2).
    pub(super) v1_option: Option<String>,
}

/// Every cgroup hierarchy of this machine.
pub(super) fn hierarchies() -> Result<Vec<Hierarchy>> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")?;
    let found = parse_mounts(&mounts);
    anyhow::ensure!(
        !found.is_empty(),
        "no cgroup hierarchy is mounted on this machine; nodes need one (usually at /sys/fs/cgroup)"
    );
    Ok(found)
}

fn parse_mounts(mountinfo: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = vec![];
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let Some(mount) = left.split(' ').nth(4).map(PathBuf::from) else { continue };
        let mut right = right.split(' ');
        let (kind, options) = (right.next().unwrap_or_default(), right.nth(1).unwrap_or_default());
        let v1_option = match kind {
            "cgroup2" => None,
            "cgroup" => Some(
                options
                    .split(',')
                    .filter(|option| !matches!(*option, "rw" | "ro" | "xattr") && !option.starts_with("release_agent"))
                    .collect::<Vec<_>>()
                    .join(","),
            ),
            _ => continue,
        };
        // Other views of the same hierarchy (a container runtime's) are not of interest, only the first.
        if !found.iter().any(|known| known.v1_option == v1_option) {
            found.push(Hierarchy { mount, v1_option });
        }
    }
    found
}

/// A directory of this name in every hierarchy, together one place for processes.
#[derive(Debug, Clone)]
pub(super) struct Group {
    hierarchies: Vec<Hierarchy>,
    path: String,
}

impl Group {
    /// The group at `path` (without a leading slash), which need not exist.
    pub(super) fn new(path: impl Into<String>) -> Result<Self> {
        Ok(Self { hierarchies: hierarchies()?, path: path.into() })
    }

    /// The group below this one.
    #[must_use]
    pub(super) fn child(&self, name: &str) -> Self {
        Self { hierarchies: self.hierarchies.clone(), path: format!("{}/{name}", self.path) }
    }

    /// Its directory in each hierarchy.
    pub(super) fn directories(&self) -> impl Iterator<Item = PathBuf> {
        self.hierarchies.iter().map(|hierarchy| hierarchy.mount.join(&self.path))
    }

    /// Makes the group in every hierarchy, ready to take processes.
    pub(super) fn create(&self) -> Result<()> {
        for hierarchy in &self.hierarchies {
            let mut directory = hierarchy.mount.clone();
            for part in Path::new(&self.path).components() {
                if hierarchy.v1_option.is_none() {
                    delegate(&directory)?;
                }
                directory.push(part);
                fs::create_dir_all(&directory)
                    .with_context(|| format!("cannot make the cgroup {}", directory.display()))?;
                inherit_cpuset(&directory)?;
            }
        }
        Ok(())
    }

    /// Makes the group below a parent that is there, without handing the parent's controllers on: version 2 would then
    /// let no process into the parent any more.
    pub(super) fn create_undelegated(&self) -> Result<()> {
        for directory in self.directories() {
            fs::create_dir_all(&directory)
                .with_context(|| format!("cannot make the cgroup {}", directory.display()))?;
            inherit_cpuset(&directory)?;
        }
        Ok(())
    }

    /// Shell text that moves the shell itself into the group.
    pub(super) fn join_script(&self) -> String {
        let lines = self.directories().map(|directory| format!("echo 0 >'{}/cgroup.procs'", directory.display()));
        lines.chain([String::new()]).collect::<Vec<_>>().join("\n")
    }

    /// Every process in the group or below, in any hierarchy.
    pub(super) fn processes(&self) -> BTreeSet<i32> {
        self.directories().flat_map(|directory| processes_below(&directory)).collect()
    }

    /// Moves the processes that are in the group itself, not below it, into another group.
    pub(super) fn move_processes_to(&self, other: &Self) -> Result<()> {
        for (from, to) in self.directories().zip(other.directories()) {
            for pid in read_processes(&from) {
                match fs::write(to.join("cgroup.procs"), pid.to_string()) {
                    // It ended meanwhile.
                    Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
                    other => other.with_context(|| format!("cannot move process {pid} into {}", to.display()))?,
                }
            }
        }
        Ok(())
    }

    /// Kills every process of the group at once and waits until the kernel has buried them.
    pub(super) fn kill_all(&self) -> Result<()> {
        deadline::wait_until(
            &format!("the end of every process in cgroup {}", self.path),
            Duration::from_secs(20),
            || {
                let processes = self.processes();
                for pid in &processes {
                    // It may have ended between the reading and the signal, which is what is wanted.
                    if let Some(pid) = Pid::from_raw(*pid) {
                        kill_process(pid, Signal::KILL).ok();
                    }
                }
                Ok(processes.is_empty())
            },
        )
    }

    /// Removes the group and all groups below it from every hierarchy; its processes must have ended.
    pub(super) fn remove(&self) -> Result<()> {
        for directory in self.directories() {
            // Right after the last process ended a group can still be busy for some milliseconds.
            deadline::wait_until("a cgroup without processes to be removable", Duration::from_secs(10), || {
                remove_below(&directory).map(|()| true)
            })?;
        }
        Ok(())
    }

    /// The directories that are still there.
    pub(super) fn leftovers(&self) -> Vec<PathBuf> {
        self.directories().filter(|directory| directory.exists()).collect()
    }
}

/// Every process in the cgroup of this directory or below it.
pub(super) fn processes_below(directory: &Path) -> BTreeSet<i32> {
    let mut processes: BTreeSet<i32> = read_processes(directory).into_iter().collect();
    for child in children(directory) {
        processes.extend(processes_below(&child));
    }
    processes
}

/// The directory of this name somewhere below `directory`, the first that `accept` takes.
pub(super) fn find_below(directory: &Path, accept: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    children(directory).into_iter().find_map(|child| {
        let fits = child.file_name().is_some_and(|name| accept(&name.to_string_lossy()));
        if fits { Some(child) } else { find_below(&child, accept) }
    })
}

fn read_processes(directory: &Path) -> Vec<i32> {
    // The group may vanish while it is read; then it has no processes.
    let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    // 0 stands for a process of a PID namespace that is not below ours: nothing that we started.
    text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid != 0).collect()
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return vec![] };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn remove_below(directory: &Path) -> Result<()> {
    for child in children(directory) {
        remove_below(&child)?;
    }
    match fs::remove_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.with_context(|| format!("cannot remove the cgroup {}", directory.display())),
    }
}

/// Version 2: lets the children of a cgroup use every controller that it has itself.
fn delegate(directory: &Path) -> Result<()> {
    let read = |file: &str| fs::read_to_string(directory.join(file)).unwrap_or_default();
    let on = read("cgroup.subtree_control");
    for controller in read("cgroup.controllers").split_whitespace() {
        if !on.split_whitespace().any(|name| name == controller) {
            let file = directory.join("cgroup.subtree_control");
            fs::write(&file, format!("+{controller}"))
                .with_context(|| format!("cannot let children use {controller}: {}", file.display()))?;
        }
    }
    Ok(())
}

/// Version 1: a new cpuset is empty and takes no process until it is given processors and memory nodes.
fn inherit_cpuset(directory: &Path) -> Result<()> {
    let Some(parent) = directory.parent() else { return Ok(()) };
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let (from, to) = (parent.join(file), directory.join(file));
        let wants = fs::read_to_string(&to).is_ok_and(|text| text.trim().is_empty());
        let v1 = !directory.join("cgroup.controllers").exists();
        if wants && v1 {
            let value = fs::read_to_string(&from).with_context(|| format!("cannot read {}", from.display()))?;
            fs::write(&to, value).with_context(|| format!("cannot write {}", to.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_both_versions_are_found_once() {
        let mounts = "\
            31 23 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n\
            32 31 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate\n\
            33 31 0:28 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd\n\
            36 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct\n\
            99 80 0:31 / /elsewhere/cpu rw shared:15 - cgroup cgroup rw,cpu,cpuacct\n";
        let hierarchy =
            |mount: &str, option: Option<&str>| Hierarchy { mount: mount.into(), v1_option: option.map(str::to_owned) };
        assert_eq!(
            parse_mounts(mounts),
            [
                hierarchy("/sys/fs/cgroup/unified", None),
                hierarchy("/sys/fs/cgroup/systemd", Some("name=systemd")),
                hierarchy("/sys/fs/cgroup/cpu,cpuacct", Some("cpu,cpuacct")),
            ]
        );
    }
}
