//! The protocol between the controller and the agents: gRPC over TLS, one stream per agent, dialled by the agent.
//!
//! The messages stand in `proto/agent_link.proto`, with what holds for each field. This crate has them as Rust types
//! and turns resources into those of [`proffer_resources`]. Who may say what when is the business of the two state
//! machines, `proffer_master` and `proffer_agent`.

use proffer_resources::{Amount, Ranges};

/// Generated messages, client and server.
#[allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated; documented in the .proto file")]
pub mod v1 {
    tonic::include_proto!("proffer.agentlink.v1");
}

/// Audience of the service account's token by which an agent proves its node.
pub const TOKEN_AUDIENCE: &str = "proffer-agent-link";

/// Largest message either side accepts, in bytes: a registration with 100,000 tasks fits.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

impl From<&proffer_resources::Resources> for v1::Resources {
    fn from(resources: &proffer_resources::Resources) -> Self {
        Self {
            cpus_thousandths: resources.cpus.thousandths(),
            mem_thousandths: resources.mem.thousandths(),
            disk_thousandths: resources.disk.thousandths(),
            ports: resources.ports.as_pairs().iter().map(|&(begin, end)| v1::Range { begin, end }).collect(),
        }
    }
}

impl From<&v1::Resources> for proffer_resources::Resources {
    fn from(message: &v1::Resources) -> Self {
        Self {
            cpus: Amount::from_thousandths(message.cpus_thousandths),
            mem: Amount::from_thousandths(message.mem_thousandths),
            disk: Amount::from_thousandths(message.disk_thousandths),
            ports: message.ports.iter().map(|range| (range.begin, range.end)).collect::<Ranges>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_survive_the_link() {
        let sent = proffer_resources::Resources {
            cpus: Amount::from_thousandths(1500),
            mem: Amount::from_units(512),
            disk: Amount::ZERO,
            ports: Ranges::span(31_000, 31_010),
        };
        assert_eq!(proffer_resources::Resources::from(&v1::Resources::from(&sent)), sent);
    }
}
