//! The cluster's DNS server.

use std::time::Duration;

use anyhow::Result;

use crate::kubectl::Kubectl;

use super::identity::Identity;

/// Installs `CoreDNS`.
pub(super) fn install(kubectl: &Kubectl, identity: &Identity) -> Result<()> {
    let manifest = include_str!("coredns.yaml").replace("DNS_ADDRESS", &identity.dns_address().to_string());
    kubectl.apply(&manifest).map(drop)
}

/// Waits until it answers.
pub(super) fn wait_ready(kubectl: &Kubectl) -> Result<()> {
    kubectl.in_namespace("kube-system").wait("condition=Available", "deployment/coredns", Duration::from_secs(90))
}
