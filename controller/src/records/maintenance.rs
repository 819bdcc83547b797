//! A maintenance's record as the status of its Maintenance, and an agent's window as offers show it.

use super::{condition, count, epoch_number};
use crate::clock::to_text;
use k8s_openapi::jiff::Timestamp;
use proffer_crds::{
    AgentInMaintenance, FrameworkInMaintenance, MaintenancePhase, MaintenanceReply, MaintenanceStatus, Window,
};
use proffer_master::{
    FrameworkInMaintenance as Said, InverseReply, MaintenancePhase as Phase, MaintenanceRecord, Unavailability,
};

/// Frameworks that a status names at most, for each agent.
const MOST_FRAMEWORKS: usize = 100;

/// The status that says what `record` says. `before` is the status so far.
#[must_use]
pub fn status(record: &MaintenanceRecord, before: Option<&MaintenanceStatus>, now: Timestamp) -> MaintenanceStatus {
    let mut conditions = before.map(|status| status.conditions.clone()).unwrap_or_default();
    condition(&mut conditions, "Accepted", &record.accepted, record.generation, now);
    condition(&mut conditions, "Drained", &record.drained, record.generation, now);
    let agents = record.agents.iter().map(|(agent, its)| AgentInMaintenance {
        name: agent.0.clone(),
        known: its.known,
        tasks: count(its.tasks),
        frameworks: its
            .frameworks
            .iter()
            .take(MOST_FRAMEWORKS)
            .map(|(key, said)| FrameworkInMaintenance { name: key.to_string(), reply: reply(*said) })
            .collect(),
    });
    MaintenanceStatus {
        observed_generation: Some(record.generation),
        master_epoch: epoch_number(record.epoch),
        phase: Some(match record.phase {
            Phase::Up => MaintenancePhase::Up,
            Phase::Draining => MaintenancePhase::Draining,
            Phase::Down => MaintenancePhase::Down,
        }),
        agents: agents.collect(),
        conditions,
    }
}

/// A window as objects write it.
#[must_use]
pub fn window(unavailability: &Unavailability) -> Window {
    let seconds = unavailability.duration.map(|duration| format!("{}s", duration.as_secs()));
    Window { start: to_text(unavailability.start), duration: seconds }
}

fn reply(said: Said) -> MaintenanceReply {
    match said {
        Said::Asked => MaintenanceReply::Asked,
        Said::Answered(InverseReply::Accepted) => MaintenanceReply::Accepted,
        Said::Answered(InverseReply::Declined) => MaintenanceReply::Declined,
        Said::NotAsked => MaintenanceReply::NotAsked,
    }
}
