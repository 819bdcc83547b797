//! What a local cluster is called: every name, address and port of a cluster follows from its slot number, so that
//! clusters do not meet.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::paths;

/// The second byte of slot 0's addresses: 10.200.0.0/16 up to 10.239.0.0/16.
const FIRST_SECOND_BYTE: u8 = 200;
/// The third byte where pods' addresses begin.
const PODS_THIRD_BYTE: u8 = 64;
/// So many clusters may be there at a time.
const SLOTS: u8 = 40;

/// A cluster's name and slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// What people call it: a DNS label.
    pub(super) name: String,
    /// Its number, unique among the clusters of this machine.
    pub(super) slot: u8,
}

impl Identity {
    /// The identity of a cluster that has been started before and was not taken down.
    pub(super) fn load(name: &str) -> Result<Option<Self>> {
        let file = state_of(name).join("identity.json");
        match fs::read(&file) {
            Ok(text) => {
                serde_json::from_slice(&text).map(Some).with_context(|| format!("{} is damaged", file.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    /// The identity of a cluster, with a free slot where it has none yet.
    pub(super) fn allocate(name: &str) -> Result<Self> {
        check_name(name)?;
        fs::create_dir_all(paths::CLUSTERS).with_context(|| format!("cannot make {}", paths::CLUSTERS))?;
        let directory = fs::File::open(paths::CLUSTERS).with_context(|| format!("cannot open {}", paths::CLUSTERS))?;
        // Two clusters that start at the same moment must not both take the same slot; closing the file unlocks.
        flock(&directory, FlockOperation::LockExclusive).with_context(|| format!("cannot lock {}", paths::CLUSTERS))?;
        if let Some(known) = Self::load(name)? {
            return Ok(known);
        }
        let taken = taken_slots()?;
        let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
        let Some(slot) = (0..SLOTS).find(|slot| !taken.contains(slot) && !is_routed(&routes, *slot)) else {
            bail!(
                "all {SLOTS} slots for clusters are taken; `cargo xtask down --name <name>` frees one: {}",
                paths::CLUSTERS
            )
        };
        let identity = Self { name: name.to_owned(), slot };
        fs::create_dir_all(identity.state()).with_context(|| format!("cannot make {}", identity.state().display()))?;
        let file = identity.state().join("identity.json");
        fs::write(&file, serde_json::to_vec(&identity)?).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(identity)
    }

    /// The directory of everything that this cluster writes.
    pub(super) fn state(&self) -> PathBuf {
        state_of(&self.name)
    }

    /// The bridge that joins the nodes to each other and to the host.
    pub(super) fn bridge(&self) -> String {
        format!("proffer{}", self.slot)
    }

    /// The bridge's hardware address: locally administered, another for each cluster.
    pub(super) fn bridge_hardware_address(&self) -> String {
        format!("02:70:66:00:00:{:02x}", self.slot)
    }

    /// The host's end of a node's network cable.
    pub(super) fn cable(&self, node: u8) -> String {
        format!("proffer{}n{node}", self.slot)
    }

    /// The host's address on the bridge, where the API server listens.
    pub(super) fn host_address(&self) -> Ipv4Addr {
        self.address(0, 1)
    }

    /// A node's own address; nodes count from 1.
    pub(super) fn node_address(&self, node: u8) -> Ipv4Addr {
        self.address(0, 10 + node)
    }

    /// The addresses of a node's pods.
    pub(super) fn pod_range(&self, node: u8) -> String {
        format!("{}/24", self.address(PODS_THIRD_BYTE + node, 0))
    }

    /// The addresses of all pods. The nodes' own are not among them: kube-proxy must translate what they and the host
    /// send to Services, or the answers take another way back.
    pub(super) fn pods_range(&self) -> String {
        format!("{}/18", self.address(PODS_THIRD_BYTE, 0))
    }

    /// The addresses of Services.
    pub(super) fn services_range(&self) -> String {
        format!("{}/20", self.address(128, 0))
    }

    /// The Service address of the API server: by Kubernetes' rule the first of the range.
    pub(super) fn api_service_address(&self) -> Ipv4Addr {
        self.address(128, 1)
    }

    /// The Service address of the DNS server.
    pub(super) fn dns_address(&self) -> Ipv4Addr {
        self.address(128, 10)
    }

    /// Ports on the host's 127.0.0.1, for the programs of the control plane that listen nowhere else.
    pub(super) fn port(&self, which: Port) -> u16 {
        // A range that is no common program's, below the ports that Linux hands out by itself (32768).
        21_000 + u16::from(self.slot) * 10 + which as u16
    }

    /// The cluster's directory below each cgroup hierarchy.
    pub(super) fn cgroup(&self) -> String {
        format!("{CGROUP_ROOT}/{}", self.name)
    }

    fn address(&self, third: u8, fourth: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, FIRST_SECOND_BYTE + self.slot, third, fourth)
    }
}

/// The directory of all clusters below each cgroup hierarchy.
pub(super) const CGROUP_ROOT: &str = "proffer-e2e";

/// Programs with a port on the host's loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// etcd, for its clients.
    Etcd = 0,
    /// etcd, for other members, of which there are none.
    EtcdPeer = 1,
    /// kube-controller-manager's health and metrics.
    ControllerManager = 2,
    /// kube-scheduler's health and metrics.
    Scheduler = 3,
}

/// The names of all clusters that were started and not taken down.
#[must_use]
pub fn known_clusters() -> Vec<String> {
    let Ok(entries) = fs::read_dir(paths::CLUSTERS) else { return vec![] };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The state directory that a cluster of this name has.
pub(super) fn state_of(name: &str) -> PathBuf {
    Path::new(paths::CLUSTERS).join(name)
}

/// A name becomes part of paths and of other names, so only what is harmless in all of them passes.
pub(super) fn check_name(name: &str) -> Result<()> {
    let harmless = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 30 || !name.chars().all(harmless) || name.starts_with('-') || name.ends_with('-')
    {
        bail!(
            "`{name}` cannot be a cluster's name: use 1 to 30 lower-case letters, digits and inner hyphens, such as `dev`"
        );
    }
    Ok(())
}

fn taken_slots() -> Result<Vec<u8>> {
    let mut slots = vec![];
    for name in known_clusters() {
        slots.extend(Identity::load(&name)?.map(|identity| identity.slot));
    }
    Ok(slots)
}

/// Whether this machine already has a route to the slot's addresses, by the text of `/proc/net/route`.
fn is_routed(routes: &str, slot: u8) -> bool {
    let prefix = u32::from_be_bytes([10, FIRST_SECOND_BYTE + slot, 0, 0]);
    routes.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|field: &&str| u32::from_str_radix(field, 16).ok());
        let (Some(destination), Some(mask)) = (number(1), number(7)) else { return false };
        // The kernel prints addresses as they stand in memory. A default route (mask 0) is everywhere and no obstacle.
        let (destination, mask) = (u32::from_be(destination), u32::from_be(mask));
        let shared = mask & 0xffff_0000;
        mask != 0 && destination & shared == prefix & shared
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        vpn0\t0000C90A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";

    #[test]
    fn a_route_of_the_machine_takes_a_slot() {
        assert!(!is_routed(ROUTES, 0));
        assert!(is_routed(ROUTES, 1), "10.201.0.0/16 is routed to vpn0");
    }

    #[test]
    fn addresses_follow_from_the_slot() {
        let identity = Identity { name: "dev".into(), slot: 2 };
        assert_eq!(identity.node_address(3).to_string(), "10.202.0.13");
        assert_eq!(identity.pod_range(3), "10.202.67.0/24");
        assert_eq!(identity.services_range(), "10.202.128.0/20");
        assert_eq!(identity.port(Port::Scheduler), 21_023);
    }

    #[test]
    fn a_name_that_could_be_a_path_is_refused() {
        for name in ["", "..", "a/b", "Dev", "-a", "a-", "a b"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        check_name("dev-2").unwrap();
    }
}
