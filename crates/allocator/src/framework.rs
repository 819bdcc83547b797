//! Frameworks, and frameworks in their roles: the clients of the allocator.

use crate::Constraints;
use crate::bits::AgentSet;
use crate::filter::Refusals;
use crate::order::Key;
use crate::roles::NodeId;
use proffer_resources::{Quantities, Role};
use std::collections::{BTreeMap, BTreeSet};

/// What a framework says it knows of (Mesos: `FrameworkInfo.Capability`). Without, it is not offered such things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Mesos' own list
pub struct Capabilities {
    /// `REVOCABLE_RESOURCES`: resources that may be taken back.
    pub revocable: bool,
    /// `GPU_RESOURCES`: agents with GPUs.
    pub gpus: bool,
    /// `SHARED_RESOURCES`: shared volumes.
    pub shared: bool,
    /// `RESERVATION_REFINEMENT`: resources with more than one reservation.
    pub refinement: bool,
    /// `REGION_AWARE`: agents in other regions than the master's.
    pub region_aware: bool,
}

/// How a framework takes resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Taking {
    /// It gets offers.
    #[default]
    Offers,
    /// The built-in scheduler places its tasks: it gets turns ([`crate::Turn::Place`]).
    Placement,
}

/// What is known of a framework.
#[derive(Clone, Debug, Default)]
pub struct FrameworkInfo {
    /// Its roles.
    pub roles: BTreeSet<Role>,
    /// Those of them in which it wants no offers now.
    pub suppressed: BTreeSet<Role>,
    /// What it knows of.
    pub capabilities: Capabilities,
    /// How it takes resources.
    pub taking: Taking,
    /// Which agents it wants, by role.
    pub constraints: BTreeMap<Role, Constraints>,
    /// Its own `min_allocatable`, by role (Mesos: `FrameworkInfo.offer_filters`).
    pub min_allocatable: BTreeMap<Role, Vec<Quantities>>,
    /// The most offers that it may have at a time.
    pub max_offers: Option<usize>,
}

/// A framework.
#[derive(Clone, Debug)]
pub(crate) struct Framework<F> {
    /// Its name.
    pub(crate) name: F,
    /// What it told.
    pub(crate) info: FrameworkInfo,
    /// Whether it is connected, so that offers reach it.
    pub(crate) active: bool,
    /// Itself in each of its roles, also in those in which it only holds something.
    pub(crate) clients: BTreeMap<Role, ClientId>,
    /// What it holds and is offered.
    pub(crate) claim: Quantities,
    /// What of that is left of its live offers.
    pub(crate) offered: Quantities,
    /// Its live offers.
    pub(crate) offers: usize,
    /// Whether it was left without an offer because it has as many as it may have. Its clients are out of the order then,
    /// until one of its offers ends.
    pub(crate) capped: bool,
    /// Whether it told, as one of the built-in scheduler, that no task of it waits.
    pub(crate) idle: bool,
}

impl<F> Framework<F> {
    /// Whether it gets turns to place tasks.
    pub(crate) fn places(&self) -> bool {
        self.info.taking == Taking::Placement && !self.idle
    }

    /// Whether it gets no turns, as it has nothing to place.
    pub(crate) fn rests(&self) -> bool {
        self.info.taking == Taking::Placement && self.idle
    }
}

/// The number of a client.
pub(crate) type ClientId = u32;

/// A framework in one role.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Number of its framework.
    pub(crate) framework: u32,
    /// Its role.
    pub(crate) role: Role,
    /// The role in the tree.
    pub(crate) node: NodeId,
    /// Whether the framework wants offers in this role at all, now or later.
    pub(crate) subscribed: bool,
    /// Whether it wants none now.
    pub(crate) suppressed: bool,
    /// What it holds and is offered.
    pub(crate) claim: Quantities,
    /// How often it was given something; of equal shares, who was given less often comes first.
    pub(crate) served: u64,
    /// Its place in the order, while it is in it.
    pub(crate) key: Option<Key>,
    /// Its place in the random order while it is not in it.
    pub(crate) clock: u128,
    /// Which agents it wants.
    pub(crate) constraints: Constraints,
    /// Its own least offer.
    pub(crate) min_allocatable: Option<Vec<Quantities>>,
    /// Shapes of which an offer must hold one (Mesos: REQUEST). Empty: any offer will do.
    pub(crate) requests: Vec<Quantities>,
    /// Shapes that it wants all at once, or not at all.
    pub(crate) gang: Vec<Quantities>,
    /// What it refused.
    pub(crate) refusals: BTreeMap<u32, Refusals>,
    /// Agents that have nothing for it, and will not have until what tasks leave of them grows.
    pub(crate) settled: AgentSet,
    /// Agents that it can never be offered as both are.
    pub(crate) excluded: AgentSet,
    /// Whether it looks at all agents in the next run, not only at those that changed.
    pub(crate) eager: bool,
    /// Where its way through the agents stands in this run.
    pub(crate) cursor: Cursor,
}

/// A way through all agents, in words of 64, once round.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    /// The run, and the stage of it, that this is about.
    pub(crate) run: u64,
    /// The word where it began.
    pub(crate) start: usize,
    /// How many words are behind it.
    pub(crate) passed: usize,
    /// The bits of the present word that are behind it.
    pub(crate) seen: u64,
}

impl Client {
    /// A client that holds nothing and wants nothing.
    pub(crate) fn new(framework: u32, role: Role, node: NodeId) -> Self {
        Self {
            framework,
            role,
            node,
            subscribed: false,
            suppressed: false,
            claim: Quantities::default(),
            served: 0,
            key: None,
            clock: 0,
            constraints: Constraints::default(),
            min_allocatable: None,
            requests: Vec::new(),
            gang: Vec::new(),
            refusals: BTreeMap::new(),
            settled: AgentSet::default(),
            excluded: AgentSet::default(),
            eager: false,
            cursor: Cursor::default(),
        }
    }
}
