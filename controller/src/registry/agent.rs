//! Agent objects to the master's events: how an operator wants an agent to be.

use super::shelf::{Entry, object_key};
use proffer_crds::{Agent, AgentMode, AgentSpec, AgentStatus};
use proffer_master::{AgentName, AgentOrders, DrainOrder, Epoch, Event};
use std::collections::BTreeMap;
use std::time::Duration;

/// What an Agent object that is there tells the master. Of one that cannot be read, nothing is offered.
pub(super) fn applied(entry: &Entry<Agent>) -> Event {
    let agent = AgentName(object_key(entry).name);
    match entry.value() {
        Ok(object) => {
            let status = object.status.as_ref();
            Event::AgentApplied {
                agent,
                attributes: object.spec.attributes.clone(),
                orders: orders(&object.spec),
                was_drained: status.is_some_and(|status| status.mode == Some(AgentMode::Drained)),
                was_unreachable: status.is_some_and(was_unreachable),
                agent_id: status.and_then(|status| status.agent_id.clone()),
                epoch: status.and_then(|status| status.master_epoch).and_then(|n| u64::try_from(n).ok()).map(Epoch),
            }
        }
        Err(_) => Event::AgentApplied {
            agent,
            attributes: BTreeMap::new(),
            orders: AgentOrders { deactivated: true, ..AgentOrders::default() },
            was_drained: false,
            was_unreachable: false,
            agent_id: None,
            epoch: None,
        },
    }
}

/// Whether the leader before took it for unreachable.
fn was_unreachable(status: &AgentStatus) -> bool {
    status.conditions.iter().any(|condition| condition.type_ == "Ready" && condition.reason == "Unreachable")
}

/// What an operator wants of an agent.
fn orders(spec: &AgentSpec) -> AgentOrders {
    let drain = spec.drain.as_ref().map(|drain| DrainOrder {
        max_grace: drain
            .max_grace_period_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(Duration::from_secs),
        mark_gone: drain.mark_gone,
    });
    AgentOrders { deactivated: spec.deactivated, drain, gone: spec.gone }
}

/// What an Agent object that is gone tells the master.
pub(super) fn deleted(entry: &Entry<Agent>) -> Event {
    Event::AgentDeleted(AgentName(object_key(entry).name))
}
