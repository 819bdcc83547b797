//! A reservation: what its object asks for, and what of that is so.

use crate::ids::{AgentName, WriteId};
use crate::record::ReservationRecord;
use proffer_resources::{Resource, ResourceBag, Role};
use std::collections::BTreeMap;

/// A reservation. It is known while it has an object, or something is reserved for it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that are independent of each other")]
pub(crate) struct Reservation {
    /// UID of its object; empty until that was told.
    pub(crate) uid: String,
    /// Generation of its object's spec.
    pub(crate) generation: i64,
    /// The agent whose resources it reserves.
    pub(crate) agent: AgentName,
    /// What its object asks for, or what is wrong with it.
    pub(crate) wanted: Result<ResourceBag, String>,
    /// What is reserved: part of what its agent has.
    pub(crate) reserved: ResourceBag,
    /// Volumes that nobody can use any more and whose data its agent is to remove. Until then their disk is nobody's.
    pub(crate) destroying: BTreeMap<VolumeId, Resource>,
    /// The principal that made it, if it had one.
    pub(crate) principal: Option<String>,
    /// Whether its object is being deleted.
    pub(crate) deleting: bool,
    /// Whether its object is gone.
    pub(crate) gone: bool,
    /// Whether its object holds our finalizer.
    pub(crate) finalizer: bool,
    /// Whether an operation works on it: until that is done, what its object says is not acted on.
    pub(crate) busy: bool,
    /// The write of its object that is under way, and what it makes the object ask for.
    pub(crate) write: Option<(WriteId, ResourceBag)>,
    /// What a person is told: what it waits for.
    pub(crate) waits_for: Option<String>,
    /// Whether its finalizer was asked to be taken off.
    pub(crate) release_asked: bool,
    /// What was last written of it.
    pub(crate) written: Option<ReservationRecord>,
}

/// A persistent volume of an agent: its role and its persistence ID.
pub(crate) type VolumeId = (Role, String);

impl Reservation {
    /// One of which nothing is reserved yet.
    pub(crate) fn new(agent: AgentName, wanted: Result<ResourceBag, String>, principal: Option<String>) -> Self {
        Self {
            uid: String::new(),
            generation: 0,
            agent,
            wanted,
            reserved: ResourceBag::new(),
            destroying: BTreeMap::new(),
            principal,
            deleting: false,
            gone: false,
            finalizer: false,
            busy: false,
            write: None,
            waits_for: None,
            release_asked: false,
            written: None,
        }
    }

    /// What should be reserved: nothing of one that is being deleted. `None` if what it asks for makes no sense.
    pub(crate) fn target(&self) -> Option<ResourceBag> {
        if self.deleting || self.gone {
            return Some(ResourceBag::new());
        }
        self.wanted.as_ref().ok().cloned()
    }
}

/// The volume that a resource is, if it is one.
pub(crate) fn volume_id(resource: &Resource) -> Option<VolumeId> {
    let persistence = resource.disk.as_ref()?.persistence.as_ref()?;
    Some((resource.reserved_for().cloned().unwrap_or_else(Role::any), persistence.id.clone()))
}
