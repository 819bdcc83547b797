//! An agent: what it told, what its slot is, how it is reached.

use crate::event::{Slot, StatusUpdate};
use crate::ids::{OfferId, Session, TaskId, Time};
use crate::operator_objects::AgentOrders;
use crate::record::AgentRecord;
use proffer_resources::{Ranges, Resource, ResourceBag, ResourceName, Role, Value};
use std::collections::{BTreeMap, BTreeSet};

/// An agent.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    /// Its ID, from its own checkpoint; before it registered, from its object.
    pub(crate) id: Option<String>,
    /// Version of its program.
    pub(crate) version: String,
    /// Attributes for offers.
    pub(crate) attributes: BTreeMap<String, String>,
    /// What an operator wants of it.
    pub(crate) orders: AgentOrders,
    /// Whether it was emptied as ordered.
    pub(crate) drained: bool,
    /// Whether it has an Agent object.
    pub(crate) object: AgentObject,
    /// Its slot.
    pub(crate) slot: Option<Slot>,
    /// What it has beside the cores and the memory of its slot, and what of the slot's is reserved in its settings.
    pub(crate) capacity: ResourceBag,
    /// How it is reached.
    pub(crate) liveness: Liveness,
    /// Whether the leader before took it for unreachable.
    pub(crate) was_unreachable: bool,
    /// Its newest connection, ended or not.
    pub(crate) newest_session: Option<Session>,
    /// Whether it has this leader's epoch on its disk.
    pub(crate) epoch_confirmed: bool,
    /// UID of the slot pod in which it can launch.
    pub(crate) attached: Option<String>,
    /// Why it cannot launch in its slot.
    pub(crate) attach_problem: Option<String>,
    /// Tasks with an object that hold its resources.
    pub(crate) tasks: BTreeSet<TaskId>,
    /// Tasks that it has to be sent (again) as soon as it can launch.
    pub(crate) to_launch: BTreeSet<TaskId>,
    /// What runs there and should not.
    pub(crate) strays: BTreeMap<TaskId, Stray>,
    /// Offers of it that wait for a reply.
    pub(crate) offers: BTreeSet<OfferId>,
    /// Reservations of its resources.
    pub(crate) reservations: BTreeSet<String>,
    /// Volumes whose data it was asked to remove, over which connection.
    pub(crate) asked_to_destroy: BTreeSet<(Role, String, Session)>,
    /// What was last written of it.
    pub(crate) written: Option<AgentRecord>,
}

/// Whether an agent has an Agent object. When its node is removed from the cluster, the object goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgentObject {
    /// None was seen so far.
    NotSeen,
    /// It is there.
    Exists,
    /// It was there, and went.
    Deleted,
}

/// How an agent is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// It has not come to this leader yet.
    Expected,
    /// It is connected.
    Connected {
        /// The connection.
        session: Session,
        /// The number of the last ping.
        ping: u64,
        /// Whether nothing was heard since the last ping.
        silent: bool,
        /// How many pings in a row had no answer.
        missed: u32,
    },
    /// Its connection ended then.
    Disconnected(Time),
    /// It has been away for too long.
    Unreachable,
}

/// A task on an agent that should not be there: its object is gone, or it runs elsewhere, or nothing is known of it.
/// It holds its resources until it has ended.
#[derive(Clone, Debug)]
pub(crate) struct Stray {
    /// Name of its framework.
    pub(crate) framework: String,
    /// The role for which it holds it.
    pub(crate) role: Role,
    /// What it holds.
    pub(crate) held: ResourceBag,
    /// What its agent said last, if no object of it was ever seen here: that may still come.
    pub(crate) orphan: Option<StatusUpdate>,
}

impl Agent {
    /// An agent that has not come to this leader yet.
    pub(crate) fn expected() -> Self {
        Self {
            id: None,
            version: String::new(),
            attributes: BTreeMap::new(),
            orders: AgentOrders::default(),
            drained: false,
            object: AgentObject::NotSeen,
            slot: None,
            capacity: ResourceBag::new(),
            liveness: Liveness::Expected,
            was_unreachable: false,
            newest_session: None,
            epoch_confirmed: false,
            attached: None,
            attach_problem: None,
            tasks: BTreeSet::new(),
            to_launch: BTreeSet::new(),
            strays: BTreeMap::new(),
            offers: BTreeSet::new(),
            reservations: BTreeSet::new(),
            asked_to_destroy: BTreeSet::new(),
            written: None,
        }
    }

    /// Its connection, if it is connected.
    pub(crate) fn session(&self) -> Option<Session> {
        match self.liveness {
            Liveness::Connected { session, .. } => Some(session),
            _ => None,
        }
    }

    /// What it has before reservations that are objects: cores and memory of its slot, and all else as it told it. What it
    /// told of cores and memory itself, as reserved in its settings, is part of the slot's.
    pub(crate) fn capacity(&self) -> ResourceBag {
        let slot = self.slot.as_ref().map(|slot| slot.resources.without_ports()).unwrap_or_default();
        // Its node's cores and memory are not what tasks may use: those are the slot's.
        let of_node = |resource: &Resource| {
            matches!(resource.name, ResourceName::Cpus | ResourceName::Mem)
                && resource.reserved_for().is_none()
                && !resource.revocable
        };
        let told = self.capacity.filter(|resource| !of_node(resource));
        let special = told.quantities_of(|resource| !resource.revocable);
        let mut total = ResourceBag::new();
        for (name, has, reserved) in
            [(ResourceName::Cpus, slot.cpus, special.cpus), (ResourceName::Mem, slot.mem, special.mem)]
        {
            total.add_one(Resource::scalar(name, has.saturating_minus(reserved)));
        }
        total.add(&told.map(with_usable_ports));
        total
    }

    /// Whether it can be told to launch something.
    pub(crate) fn can_launch(&self) -> bool {
        self.session().is_some()
            && self.epoch_confirmed
            && self.slot.as_ref().is_some_and(|slot| slot.running && self.attached.as_ref() == Some(&slot.uid))
    }
}

/// Ports that can be bound.
fn with_usable_ports(mut resource: Resource) -> Resource {
    if let (ResourceName::Ports, Value::Ranges(ports)) = (&resource.name, &mut resource.value) {
        *ports = ports.intersection(&Ranges::span(1, 65_535));
    }
    resource
}
