//! An agent's record as the status of its Agent.

use super::{allocated, condition, count, epoch_number};
use k8s_openapi::jiff::Timestamp;
use proffer_crds::{Agent, AgentMode, AgentSpec, AgentStatus, SlotStatus};
use proffer_master::{AgentRecord, AgentUse, Readiness};
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
    condition(&mut conditions, "Ready", &record.ready, generation, now);
    match record.usage {
        AgentUse::Draining | AgentUse::Drained | AgentUse::Down => {
            let ready = record.tasks == 0 && record.usage != AgentUse::Draining;
            let reason = if ready { "Drained" } else { "Draining" };
            let drained = Readiness { ready, reason, message: record.ready.message.clone() };
            condition(&mut conditions, "Drained", &drained, generation, now);
        }
        _ => conditions.retain(|condition| condition.type_ != "Drained"),
    }
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
        mode: Some(mode(record.usage)),
        maintenance: record.maintenance.clone(),
        conditions,
    }
}

fn mode(usage: AgentUse) -> AgentMode {
    match usage {
        AgentUse::Active => AgentMode::Active,
        AgentUse::Deactivated => AgentMode::Deactivated,
        AgentUse::Draining => AgentMode::Draining,
        AgentUse::Drained => AgentMode::Drained,
        AgentUse::Down => AgentMode::Down,
        AgentUse::Gone => AgentMode::Gone,
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
