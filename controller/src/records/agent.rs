//! An agent's record as the status of its Agent.

use super::framework::set_ready;
use super::{allocated, count, epoch_number};
use k8s_openapi::jiff::Timestamp;
use proffer_crds::{Agent, AgentSpec, AgentStatus, SlotStatus};
use proffer_master::AgentRecord;
use proffer_resources::{ResourceName, quantity};

/// The status that says what `record` says. `before` is the status so far.
#[must_use]
pub fn status(
    record: &AgentRecord,
    generation: Option<i64>,
    before: Option<&AgentStatus>,
    now: Timestamp,
) -> AgentStatus {
    let mut conditions = before.map(|status| status.conditions.clone()).unwrap_or_default();
    set_ready(&mut conditions, &record.ready, generation, now);
    AgentStatus {
        observed_generation: generation,
        master_epoch: epoch_number(record.epoch),
        agent_id: Some(record.agent_id.clone()).filter(|id| !id.is_empty()),
        version: Some(record.version.clone()).filter(|version| !version.is_empty()),
        slot: record.slot.as_ref().map(|slot| SlotStatus {
            pod: slot.pod.clone(),
            uid: slot.uid.clone(),
            address: slot.address.clone(),
            cpu: quantity::format_cpu(slot.resources.cpus),
            memory: quantity::format_mib(slot.resources.mem),
        }),
        ports: Some(record.total.ranges(&ResourceName::Ports).to_string()),
        allocated: allocated(&record.allocated.quantities()),
        offered: allocated(&record.offered.quantities()),
        tasks: count(record.tasks),
        conditions,
    }
}

/// A new Agent object for the node of this name and UID, which owns it.
#[must_use]
pub fn object(name: &str, node_uid: &str) -> Agent {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
    let mut agent = Agent::new(name, AgentSpec::default());
    agent.metadata.owner_references = Some(vec![OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: name.to_owned(),
        uid: node_uid.to_owned(),
        controller: None,
        block_owner_deletion: None,
    }]);
    agent
}
