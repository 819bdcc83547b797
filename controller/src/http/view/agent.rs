//! An agent as Mesos' API tells it.

use super::super::about::seconds;
use super::{ByRole, created};
use crate::clock::from_text;
use crate::registry::Entry;
use proffer_crds::{Agent, AgentMode, AgentStatus, ConditionStatus, DrainSpec};
use proffer_mesos_api::v1::DrainState;
use proffer_resources::quantity::{parse_bytes_as_mib, parse_cpu};
use proffer_resources::{ResourceBag, Resources};

/// Mesos' port of an agent. Nothing of ours listens there for others yet: sandboxes are read from the master.
pub(in crate::http) const AGENT_PORT: u16 = 5051;
/// What an agent can do, in Mesos' names.
pub(in crate::http) const AGENT_CAPABILITIES: [&str; 2] = ["MULTI_ROLE", "TASK_RESOURCE_LIMITS"];

/// Where an agent stands with the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Membership {
    /// It registered.
    Registered,
    /// An earlier leader knew it, and it has not come to this one yet.
    Recovered,
    /// It was not heard from for too long.
    Unreachable,
    /// An operator said that it never comes back. Nothing tells of it any more.
    Gone,
}

/// An agent that once registered.
pub(in crate::http) struct AgentView<'a> {
    /// Its ID in Mesos' API.
    pub(in crate::http) id: &'a str,
    /// Its name, which is its node's.
    pub(in crate::http) name: &'a str,
    /// Its object.
    pub(in crate::http) object: &'a Agent,
    /// Where it stands.
    pub(in crate::http) membership: Membership,
    /// Whether it may be offered.
    pub(in crate::http) active: bool,
    /// When it first registered: when its object was made, in seconds since 1970.
    pub(in crate::http) registered: f64,
    /// What it has for tasks.
    pub(in crate::http) total: Resources,
    /// What tasks hold of it.
    pub(in crate::http) used: ByRole<'a>,
    /// What is offered of it, in objects.
    pub(in crate::http) offered: ByRole<'a>,
    /// What of it is kept for roles, volumes among it.
    pub(in crate::http) reserved: ResourceBag,
    status: &'a AgentStatus,
}

impl<'a> AgentView<'a> {
    /// The agent of an object; nothing if it never registered.
    pub(in crate::http) fn new(entry: &'a Entry<Agent>, used: ByRole<'a>, offered: ByRole<'a>) -> Option<Self> {
        let (object, meta) = (entry.value().ok()?, entry.meta());
        let status = object.status.as_ref()?;
        let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
        // The reasons are those that the master gives (its `readiness`).
        let membership = match ready.map(|ready| ready.reason.as_str()) {
            _ if object.spec.gone => Membership::Gone,
            Some("Unreachable") => Membership::Unreachable,
            Some("NotRegistered") | None => Membership::Recovered,
            Some(_) => Membership::Registered,
        };
        let slot = status.slot.as_ref();
        let total = Resources {
            ports: status.ports.as_deref().and_then(|ports| ports.parse().ok()).unwrap_or_default(),
            ..Resources::of(
                slot.and_then(|slot| parse_cpu(&slot.cpu).ok()).unwrap_or_default(),
                slot.and_then(|slot| parse_bytes_as_mib(&slot.memory).ok()).unwrap_or_default(),
            )
        };
        Some(Self {
            id: status.agent_id.as_deref()?,
            name: meta.name.as_deref()?,
            object,
            membership,
            active: ready.is_some_and(|ready| ready.status == ConditionStatus::True)
                && !object.spec.deactivated
                && object.spec.drain.is_none(),
            registered: created(meta),
            total,
            used,
            offered,
            reserved: ResourceBag::new(),
            status,
        })
    }

    /// The same, with what of it is kept for roles. Disk is known only by that.
    pub(super) fn reserving(mut self, reserved: ResourceBag) -> Self {
        self.total.disk = self.total.disk.max(reserved.to_resources().disk);
        self.reserved = reserved;
        self
    }

    /// What of it is kept for nobody.
    pub(in crate::http) fn unreserved(&self) -> Resources {
        self.total.saturating_minus(&self.reserved.to_resources())
    }

    /// Whether an operator keeps it from being offered: that is so of one that is drained, too.
    pub(in crate::http) fn deactivated(&self) -> bool {
        self.object.spec.deactivated || self.object.spec.drain.is_some()
    }

    /// How it is drained, and whether that is done; nothing if it is not.
    pub(in crate::http) fn drain(&self) -> Option<(&'a DrainSpec, DrainState)> {
        let spec = self.object.spec.drain.as_ref()?;
        let drained = self.status.mode == Some(AgentMode::Drained);
        Some((spec, if drained { DrainState::Drained } else { DrainState::Draining }))
    }

    /// Since when it is drained, in seconds since 1970, as long as that is not done.
    pub(in crate::http) fn draining_since(&self) -> Option<f64> {
        let (_, DrainState::Draining) = self.drain()? else { return None };
        let drained = self.status.conditions.iter().find(|condition| condition.type_ == "Drained")?;
        from_text(&drained.last_transition_time).map(seconds)
    }

    /// The address at which its tasks are reached.
    pub(in crate::http) fn address(&self) -> Option<&'a str> {
        self.status.slot.as_ref()?.address.as_deref()
    }

    /// Its address as Mesos writes it: `slave(1)@IP:PORT`, the IP being that at which its tasks are reached. Its name
    /// stands in for an address that is not known.
    pub(in crate::http) fn pid(&self) -> String {
        let address = self.address().unwrap_or(self.name);
        if address.contains(':') {
            format!("slave(1)@[{address}]:{AGENT_PORT}")
        } else {
            format!("slave(1)@{address}:{AGENT_PORT}")
        }
    }

    /// The version of its program; empty if it did not say.
    pub(in crate::http) fn version(&self) -> &'a str {
        self.status.version.as_deref().unwrap_or_default()
    }
}
