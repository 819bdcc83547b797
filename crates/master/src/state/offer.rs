//! An offer and what becomes of it.

use crate::event::{Delivery, OfferReply};
use crate::ids::{AgentName, ObjectKey, Time, WriteId};
use crate::record::OfferEnd;
use proffer_resources::{ResourceBag, Role};

/// An offer.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// The framework that it is made to.
    pub(crate) framework: ObjectKey,
    /// The role in which it is made.
    pub(crate) role: Role,
    /// How it reached the framework.
    pub(crate) delivery: Delivery,
    /// The agent whose resources it offers.
    pub(crate) agent: AgentName,
    /// Its number at the allocator.
    pub(crate) number: u64,
    /// What it offers; less, once tasks have been launched in it.
    pub(crate) resources: ResourceBag,
    /// When it was made.
    pub(crate) created: Time,
    /// The write that creates its object, while it is under way.
    pub(crate) creation: Option<WriteId>,
    /// Where it stands.
    pub(crate) phase: OfferPhase,
}

/// Where an offer stands.
#[derive(Clone, Debug)]
pub(crate) enum OfferPhase {
    /// It holds its resources and waits for a reply.
    Outstanding,
    /// It holds its resources; the reply names tasks that are not known yet.
    Replied(OfferReply),
    /// It is being accepted: what it offered is in a pool.
    Taken,
    /// It ended so, with a message, and holds nothing. `None`: its object is only to be deleted.
    Ended(Option<(OfferEnd, String)>),
}

impl Offer {
    /// Whether it holds its resources.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.phase, OfferPhase::Taken | OfferPhase::Ended(_))
    }
}
