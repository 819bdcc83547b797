//! The tree of roles: weights, quota, and what is claimed and reserved below each.

use crate::framework::ClientId;
use crate::order::{Key, Member, generator};
use crate::random::Random;
use crate::settings::Settings;
use crate::{Sorter, Weight};
use proffer_resources::{Limits, Quantities, ResourceBag, ResourceName, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The number of a role in the tree.
pub(crate) type NodeId = u32;

/// What is above the roles at the top.
pub(crate) const ROOT: NodeId = 0;

/// A role's quota (Mesos: `Quota`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// What is kept free for the role as long as it has less. Roles at the top only.
    pub guarantees: Quantities,
    /// What the role and all below it may have at most.
    pub limits: Limits,
}

/// Why a quota cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuotaError {
    /// Only roles at the top can be guaranteed something.
    GuaranteeBelowTop(Role),
    /// More is guaranteed than allowed.
    GuaranteeAboveLimit(ResourceName),
}

impl fmt::Display for QuotaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GuaranteeBelowTop(role) => {
                write!(
                    f,
                    "role {role} is not at the top, so it can have limits but no guarantees: guarantee it to {}",
                    role.top()
                )
            }
            Self::GuaranteeAboveLimit(name) => write!(f, "more {name} is guaranteed than the limit allows"),
        }
    }
}

impl std::error::Error for QuotaError {}

/// A role, or the root.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The role; `None` for the root.
    pub(crate) role: Option<Role>,
    pub(crate) parent: Option<NodeId>,
    pub(crate) weight: Weight,
    pub(crate) quota: Quota,
    /// What frameworks in this role and below hold and are offered.
    pub(crate) claimed: Quantities,
    /// What frameworks in this very role do.
    pub(crate) own_claimed: Quantities,
    /// What counts against the quota: all reservations for this role and below, used or not, and what is claimed of the
    /// unreserved and not revocable.
    pub(crate) consumed: Quantities,
    /// How often somebody in this role or below was given something.
    pub(crate) served: u64,
    /// How often somebody in this very role was.
    pub(crate) own_served: u64,
    /// Who below can be served, in order.
    pub(crate) members: BTreeSet<(Key, Member)>,
    /// Which frameworks in this very role can be served, in order.
    pub(crate) clients: BTreeSet<(Key, ClientId)>,
    /// The place of this role among its parent's members, while it is there.
    pub(crate) key: Option<Key>,
    /// The place of its own frameworks among its members, while they are there.
    pub(crate) own_key: Option<Key>,
    /// When chance calls this role.
    pub(crate) clock: u128,
    /// When chance calls its own frameworks.
    pub(crate) own_clock: u128,
}

/// The tree of roles.
#[derive(Clone, Debug)]
pub(crate) struct RoleTree {
    pub(crate) nodes: Vec<Node>,
    by_role: BTreeMap<Role, NodeId>,
    /// All scalars of all agents: what shares are shares of.
    pub(crate) total: Quantities,
    /// The same as it was when the order was made: by this the shares in the order are measured.
    pub(crate) measure: Quantities,
    /// What shares do not count.
    pub(crate) excluded: BTreeSet<ResourceName>,
    /// Whether `total` changed since the order was made.
    pub(crate) stale: bool,
    pub(crate) role_sorter: Sorter,
    pub(crate) framework_sorter: Sorter,
    pub(crate) random: Random,
    /// Sum over the roles at the top of what they are guaranteed and do not have yet.
    pub(crate) required: Quantities,
    /// Whether any role has a limit.
    pub(crate) limited: bool,
}

impl RoleTree {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            nodes: vec![node(None, None)],
            by_role: BTreeMap::new(),
            total: Quantities::default(),
            measure: Quantities::default(),
            excluded: settings.excluded_from_shares.clone(),
            stale: false,
            role_sorter: settings.role_sorter,
            framework_sorter: settings.framework_sorter,
            random: generator(settings.seed),
            required: Quantities::default(),
            limited: false,
        }
    }

    /// The role's number, if it is known.
    pub(crate) fn find(&self, role: &Role) -> Option<NodeId> {
        self.by_role.get(role).copied()
    }

    /// The role's number; it and those above become known.
    pub(crate) fn node(&mut self, role: &Role) -> NodeId {
        if let Some(node) = self.find(role) {
            return node;
        }
        let parent = role.parent().map_or(ROOT, |parent| self.node(&parent));
        // Numbers are bounded by the names that people gave; 2^32 of them do not fit in memory.
        let id = NodeId::try_from(self.nodes.len()).unwrap_or(NodeId::MAX);
        self.nodes.push(node(Some(role.clone()), Some(parent)));
        self.by_role.insert(role.clone(), id);
        id
    }

    /// Known roles with their numbers.
    pub(crate) fn roles(&self) -> impl Iterator<Item = (&Role, NodeId)> {
        self.by_role.iter().map(|(role, node)| (role, *node))
    }

    /// The role and those above it, without the root.
    pub(crate) fn path(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(Some(node), |at| self.nodes[*at as usize].parent).take_while(|at| *at != ROOT)
    }

    /// The role at the top above `node`.
    pub(crate) fn top(&self, node: NodeId) -> NodeId {
        self.path(node).last().unwrap_or(node)
    }

    /// Sets the weight of a role.
    pub(crate) fn set_weight(&mut self, role: &Role, weight: Weight) {
        let node = self.node(role);
        self.nodes[node as usize].weight = weight;
        self.reorder_up(node);
    }

    /// Sets the quota of a role.
    pub(crate) fn set_quota(&mut self, role: &Role, quota: Quota) -> Result<(), QuotaError> {
        if role.parent().is_some() && !quota.guarantees.is_empty() {
            return Err(QuotaError::GuaranteeBelowTop(role.clone()));
        }
        for (name, limit) in quota.limits.iter() {
            if quota.guarantees.get(name) > limit {
                return Err(QuotaError::GuaranteeAboveLimit(name.clone()));
            }
        }
        let node = self.node(role);
        let before = self.unsatisfied(node);
        self.nodes[node as usize].quota = quota;
        self.required.subtract(&before);
        self.required.add(&self.unsatisfied(node));
        self.limited = self.nodes.iter().any(|node| !node.quota.limits.is_empty());
        Ok(())
    }

    /// What a role is guaranteed and does not have yet.
    pub(crate) fn unsatisfied(&self, node: NodeId) -> Quantities {
        let node = &self.nodes[node as usize];
        if node.quota.guarantees.is_empty() {
            return Quantities::default();
        }
        node.quota.guarantees.saturating_minus(&node.consumed)
    }

    /// As much of `wanted` as the limits of a role and those above it allow, and the role that allows least of it.
    pub(crate) fn cut(&self, node: NodeId, wanted: Quantities) -> (Quantities, Option<NodeId>) {
        if !self.limited {
            return (wanted, None);
        }
        let (mut cut, mut by) = (wanted, None);
        for at in self.path(node) {
            let known = &self.nodes[at as usize];
            if !known.quota.limits.is_empty() {
                let less = known.quota.limits.cut(&cut, &known.consumed);
                if less != cut {
                    (cut, by) = (less, Some(at));
                }
            }
        }
        (cut, by)
    }

    /// Changes what counts against the quota of a role and those above it.
    pub(crate) fn consume(&mut self, node: NodeId, amount: &Quantities, more: bool) {
        if amount.is_empty() {
            return;
        }
        let mut at = node;
        while at != ROOT {
            let guaranteed = !self.nodes[at as usize].quota.guarantees.is_empty();
            if guaranteed {
                let before = self.unsatisfied(at);
                self.required.subtract(&before);
            }
            let known = &mut self.nodes[at as usize];
            if more {
                known.consumed.add(amount);
            } else {
                known.consumed.subtract(amount);
            }
            let parent = known.parent.unwrap_or(ROOT);
            if guaranteed {
                let after = self.unsatisfied(at);
                self.required.add(&after);
            }
            at = parent;
        }
    }

    /// Changes what frameworks in a role claim.
    pub(crate) fn claim(&mut self, node: NodeId, amount: &Quantities, more: bool) {
        let change = |sum: &mut Quantities| if more { sum.add(amount) } else { sum.subtract(amount) };
        change(&mut self.nodes[node as usize].own_claimed);
        let mut at = Some(node);
        while let Some(id) = at {
            change(&mut self.nodes[id as usize].claimed);
            at = self.nodes[id as usize].parent;
        }
    }

    /// Counts the reservations of an agent's total.
    pub(crate) fn count_reservations(&mut self, total: &ResourceBag, more: bool) {
        for resource in total.iter() {
            if let Some(role) = resource.reserved_for() {
                let node = self.node(&role.clone());
                let amount = Quantities::default().with(&resource.name, resource.amount());
                self.consume(node, &amount, more);
            }
        }
    }
}

fn node(role: Option<Role>, parent: Option<NodeId>) -> Node {
    Node {
        role,
        parent,
        weight: Weight::ONE,
        quota: Quota::default(),
        claimed: Quantities::default(),
        own_claimed: Quantities::default(),
        consumed: Quantities::default(),
        served: 0,
        own_served: 0,
        members: BTreeSet::new(),
        clients: BTreeSet::new(),
        key: None,
        own_key: None,
        clock: 0,
        own_clock: 0,
    }
}
