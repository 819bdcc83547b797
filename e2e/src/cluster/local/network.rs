//! The cluster's network: a bridge on the host, a cable to each node, and routes to pods and Services.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::command::{command, run, succeeds};

use super::identity::Identity;

/// Makes the bridge with the host's address on it, where it is not there yet.
pub(super) fn create_bridge(identity: &Identity) -> Result<()> {
    let bridge = identity.bridge();
    if !exists(&bridge) {
        // With a hardware address of its own. Else it has the lowest of its ports', which changes when a node goes, and
        // the others do not reach the host until they ask for its address again.
        ip(&["link", "add", &bridge, "address", &identity.bridge_hardware_address(), "type", "bridge"])?;
        ip(&["address", "add", &format!("{}/24", identity.host_address()), "dev", &bridge])?;
    }
    ip(&["link", "set", &bridge, "up"])?;
    accept_forwarding(identity)
}

/// Removes the bridge and with it every route over it, and the packet filter's exception.
pub(super) fn remove_bridge(identity: &Identity) -> Result<()> {
    while forwarding_is_accepted(identity) {
        iptables("-D", identity)?;
    }
    if exists(&identity.bridge()) {
        ip(&["link", "delete", &identity.bridge()])?;
    }
    Ok(())
}

/// Plugs a node, whose network namespace `pid` is in, into the bridge.
pub(super) fn plug_in(identity: &Identity, node: u8, nodes: u8, pid: i32) -> Result<()> {
    let (cable, pid) = (identity.cable(node), pid.to_string());
    ip(&["link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &pid])?;
    ip(&["link", "set", &cable, "master", &identity.bridge(), "up"])?;
    let inside =
        |arguments: &[&str]| run(command("nsenter", ["--target", &pid, "--net", "--", "ip"]).args(arguments)).map(drop);
    inside(&["link", "set", "lo", "up"])?;
    inside(&["address", "add", &format!("{}/24", identity.node_address(node)), "dev", "eth0"])?;
    inside(&["link", "set", "eth0", "up"])?;
    inside(&["route", "add", "default", "via", &identity.host_address().to_string()])?;
    for other in (1..=nodes).filter(|other| *other != node) {
        inside(&["route", "add", &identity.pod_range(other), "via", &identity.node_address(other).to_string()])?;
    }
    ip(&["route", "replace", &identity.pod_range(node), "via", &identity.node_address(node).to_string()])
}

/// Unplugs a node for good. Its routes go with the cable's other end.
pub(super) fn unplug(identity: &Identity, node: u8) -> Result<()> {
    // The kernel removes the pair by itself when the node's namespace is gone, a moment after its last process.
    if exists(&identity.cable(node)) && !succeeds(&mut command("ip", ["link", "delete", &identity.cable(node)])) {
        anyhow::ensure!(!exists(&identity.cable(node)), "cannot remove the network link {}", identity.cable(node));
    }
    let route = identity.pod_range(node);
    // Gone with the bridge, perhaps; asked for again in the check for leftovers.
    succeeds(&mut command("ip", ["route", "delete", &route]));
    Ok(())
}

/// Cuts or mends a node's cable: the node goes on without hearing anybody.
pub(super) fn set_connected(identity: &Identity, node: u8, connected: bool) -> Result<()> {
    ip(&["link", "set", &identity.cable(node), if connected { "up" } else { "down" }])
}

/// Lets the host reach Services, by way of a node's kube-proxy.
pub(super) fn route_services(identity: &Identity, node: u8) -> Result<()> {
    ip(&["route", "replace", &identity.services_range(), "via", &identity.node_address(node).to_string()])
}

/// What of a cluster's network is still on the host.
pub(super) fn leftovers(identity: &Identity) -> Vec<String> {
    let mut left = vec![];
    let links = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    for link in links.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        let cable = link.strip_prefix(&format!("{}n", identity.bridge()));
        if link == identity.bridge() || cable.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit())) {
            left.push(format!("network link {link}"));
        }
    }
    let range = identity.services_range();
    // "10.200." is what all addresses of this cluster have in common.
    let prefix = &range[..=range.match_indices('.').nth(1).map_or(0, |(index, _)| index)];
    let routes = run(&mut command("ip", ["-4", "route", "show"])).unwrap_or_default();
    left.extend(routes.lines().filter(|route| route.starts_with(prefix)).map(|route| format!("route {route}")));
    if forwarding_is_accepted(identity) {
        left.push(format!("iptables rule for {}", identity.bridge()));
    }
    left
}

/// Hosts with Docker drop what they forward, also between two ports of a bridge. Then our bridge needs an exception.
fn accept_forwarding(identity: &Identity) -> Result<()> {
    let filters_bridges =
        fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables").is_ok_and(|text| text.trim() == "1");
    let drops = filters_bridges
        && run(&mut command("iptables", ["-w", "-S", "FORWARD"]))
            .is_ok_and(|rules| !rules.trim().ends_with("-P FORWARD ACCEPT"));
    if drops && !forwarding_is_accepted(identity) {
        iptables("-I", identity)?;
    }
    Ok(())
}

fn forwarding_is_accepted(identity: &Identity) -> bool {
    succeeds(command("iptables", ["-w", "-C", "FORWARD"]).args(forwarding_rule(identity)))
}

fn iptables(action: &str, identity: &Identity) -> Result<()> {
    run(command("iptables", ["-w", action, "FORWARD"]).args(forwarding_rule(identity))).map(drop)
}

fn forwarding_rule(identity: &Identity) -> [String; 6] {
    let bridge = identity.bridge();
    ["-i".into(), bridge.clone(), "-o".into(), bridge, "-j".into(), "ACCEPT".into()]
}

fn exists(link: &str) -> bool {
    Path::new("/sys/class/net").join(link).exists()
}

fn ip(arguments: &[&str]) -> Result<()> {
    run(&mut command("ip", arguments)).map(drop)
}
