//! Taking a cluster down, whatever state a killed run left it in, and making sure that nothing stays.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::cluster::processes::Process;
use crate::deadline::wait_until;

use super::cgroups::Group;
use super::identity::Identity;
use super::network;
use super::node::Node;

/// Ends and removes everything of a cluster and checks that it is gone.
pub(super) fn remove_all(identity: &Identity, nodes: u8) -> Result<()> {
    let group = Group::new(identity.cgroup())?;
    // The recorded PIDs 1 first: each takes its whole node in one instant. Then all that is left in the cgroups.
    for number in 1..=nodes {
        if let Some(anchor) = Node::new(identity, number)?.program("anchor") {
            anchor.signal(rustix::process::Signal::KILL)?;
        }
    }
    kill_recorded(&identity.state())?;
    group.kill_all()?;
    for number in 1..=nodes {
        network::unplug(identity, number)?;
    }
    network::remove_bridge(identity)?;
    group.remove()?;
    remove_shared_parents()?;
    let state = identity.state();
    match fs::remove_dir_all(&state) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", state.display()));
        }
        _ => {}
    }
    wait_until("the kernel to take the network links away", Duration::from_secs(10), || {
        Ok(network::leftovers(identity).is_empty())
    })
    .ok();
    let left = find(identity)?;
    if !left.is_empty() {
        bail!("cluster {} is down, but this is left of it:\n  {}", identity.name, left.join("\n  "));
    }
    Ok(())
}

/// Everything on this machine that is still there of a cluster.
pub(super) fn find(identity: &Identity) -> Result<Vec<String>> {
    let group = Group::new(identity.cgroup())?;
    let mut left: Vec<String> =
        group.processes().iter().map(|pid| format!("process {pid} {}", command_line(*pid))).collect();
    left.extend(group.leftovers().iter().map(|directory| format!("cgroup {}", directory.display())));
    left.extend(network::leftovers(identity));
    let state = identity.state();
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")?;
    let below = format!(" {}/", state.display());
    left.extend(mounts.lines().filter(|line| line.contains(&below)).map(|line| format!("mount {line}")));
    if state.exists() {
        left.push(format!("directory {}", state.display()));
    }
    Ok(left)
}

/// Processes outside the cgroups, should the records know any.
fn kill_recorded(state: &Path) -> Result<()> {
    let Ok(records) = fs::read_dir(state.join("processes")) else { return Ok(()) };
    for record in records.flatten() {
        let process = fs::read(record.path()).ok().and_then(|text| serde_json::from_slice::<Process>(&text).ok());
        if let Some(process) = process {
            process.signal(rustix::process::Signal::KILL)?;
        }
    }
    Ok(())
}

/// The cgroups above all clusters go with the last of them.
fn remove_shared_parents() -> Result<()> {
    for directory in Group::new(super::identity::CGROUP_ROOT)?.directories() {
        // Not empty: another cluster is there.
        fs::remove_dir(directory).ok();
    }
    Ok(())
}

fn command_line(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ").trim().to_owned()
}
