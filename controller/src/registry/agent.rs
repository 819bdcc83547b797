//! Agent objects to the master's events: how an operator wants an agent to be.

use super::shelf::{Entry, object_key};
use proffer_crds::Agent;
use proffer_master::{AgentName, Epoch, Event};
use std::collections::BTreeMap;

/// What an Agent object that is there tells the master. Of one that cannot be read, nothing is offered.
pub(super) fn applied(entry: &Entry<Agent>) -> Event {
    let agent = AgentName(object_key(entry).name);
    match entry.value() {
        Ok(object) => {
            let status = object.status.as_ref();
            Event::AgentApplied {
                agent,
                attributes: object.spec.attributes.clone(),
                deactivated: object.spec.deactivated,
                agent_id: status.and_then(|status| status.agent_id.clone()),
                epoch: status.and_then(|status| status.master_epoch).and_then(|n| u64::try_from(n).ok()).map(Epoch),
            }
        }
        Err(_) => {
            Event::AgentApplied { agent, attributes: BTreeMap::new(), deactivated: true, agent_id: None, epoch: None }
        }
    }
}

/// What an Agent object that is gone tells the master.
pub(super) fn deleted(entry: &Entry<Agent>) -> Event {
    Event::AgentDeleted(AgentName(object_key(entry).name))
}
