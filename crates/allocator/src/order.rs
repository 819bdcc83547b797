//! The order in which roles and frameworks are served, kept up to date change by change.
//!
//! Every role keeps two ordered sets: its members (roles below it, and itself if frameworks are in it directly) and those
//! frameworks. Only who may be served is in them, so the first is found by going down from the root, and a change of one
//! claim moves one entry per level. This is Mesos' sorter without its sorting.

use crate::Weight;
use crate::framework::{Client, ClientId};
use crate::random::Random;
use crate::roles::{NodeId, ROOT, RoleTree};
use crate::settings::Sorter;
use crate::share::Share;
use proffer_resources::{Amount, Quantities, ResourceName};

/// A place in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The weighted share, or the time at which chance calls.
    rank: u128,
    /// How often it was served.
    served: u64,
    /// Who came first, comes first.
    serial: u32,
}

/// What is in the order of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Member {
    /// The frameworks that have this very role.
    Own,
    /// A role below.
    Child(NodeId),
}

impl RoleTree {
    /// The share of a client, without weight.
    pub(crate) fn client_share(&self, client: &Client) -> Share {
        Share::dominant_but(&client.claim, &self.measure, &self.excluded)
    }

    /// The weighted share of a role and all below it.
    pub(crate) fn node_share(&self, node: NodeId) -> Share {
        let node = &self.nodes[node as usize];
        Share::dominant_but(&node.claimed, &self.measure, &self.excluded).weighted(node.weight)
    }

    fn client_key(&self, id: ClientId, client: &Client) -> Key {
        match self.framework_sorter {
            Sorter::Drf => Key { rank: self.client_share(client).bits(), served: client.served, serial: id },
            Sorter::Random => Key { rank: client.clock, served: 0, serial: id },
        }
    }

    fn member_key(&self, node: NodeId, member: Member) -> Key {
        let known = &self.nodes[node as usize];
        let (rank, served, serial) = match (self.role_sorter, member) {
            (Sorter::Random, Member::Own) => (known.own_clock, 0, node),
            (Sorter::Random, Member::Child(child)) => (self.nodes[child as usize].clock, 0, child),
            (Sorter::Drf, Member::Own) => {
                let share = Share::dominant_but(&known.own_claimed, &self.measure, &self.excluded);
                (share.bits(), known.own_served, node)
            }
            (Sorter::Drf, Member::Child(child)) => {
                (self.node_share(child).bits(), self.nodes[child as usize].served, child)
            }
        };
        Key { rank, served, serial }
    }

    /// The first in the order below `node`.
    pub(crate) fn first_below(&self, node: NodeId) -> Option<ClientId> {
        let mut at = node;
        loop {
            let known = &self.nodes[at as usize];
            match known.members.first()?.1 {
                Member::Own => return known.clients.first().map(|(_, client)| *client),
                Member::Child(child) => at = child,
            }
        }
    }

    /// The first in the order below `node` of those whom `wanted` wants.
    pub(crate) fn first_wanted(&self, node: NodeId, wanted: &dyn Fn(ClientId) -> bool) -> Option<ClientId> {
        let known = &self.nodes[node as usize];
        known.members.iter().find_map(|(_, member)| match member {
            Member::Own => known.clients.iter().map(|(_, client)| *client).find(|client| wanted(*client)),
            Member::Child(child) => self.first_wanted(*child, wanted),
        })
    }

    /// The roles at the top that have somebody to serve, in their order.
    pub(crate) fn tops(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes[ROOT as usize].members.iter().filter_map(|(_, member)| match member {
            Member::Child(child) => Some(*child),
            Member::Own => None,
        })
    }

    /// The place of a role at the top among the others.
    pub(crate) fn top_key(&self, top: NodeId) -> Key {
        self.member_key(ROOT, Member::Child(top))
    }

    /// Whether somebody below `node` can be served.
    pub(crate) fn has_listed(&self, node: NodeId) -> bool {
        !self.nodes[node as usize].members.is_empty()
    }

    /// Puts a client into the order.
    pub(crate) fn list(&mut self, id: ClientId, client: &mut Client) {
        if client.key.is_some() {
            return;
        }
        if self.framework_sorter == Sorter::Random {
            // Who comes late does not come before those who have waited.
            let now = self.nodes[client.node as usize].clients.first().map_or(0, |(key, _)| key.rank);
            if client.clock < now {
                client.clock = now.saturating_add(self.random.wait());
            }
        }
        let key = self.client_key(id, client);
        client.key = Some(key);
        self.nodes[client.node as usize].clients.insert((key, id));
        self.list_member(client.node, Member::Own);
    }

    fn list_member(&mut self, node: NodeId, member: Member) {
        let listed = match member {
            Member::Own => self.nodes[node as usize].own_key,
            Member::Child(child) => self.nodes[child as usize].key,
        };
        if listed.is_some() {
            return;
        }
        if self.role_sorter == Sorter::Random {
            let now = self.nodes[node as usize].members.first().map_or(0, |(key, _)| key.rank);
            let (clock, weight) = self.clock_mut(node, member);
            if *clock < now {
                let wait = now.saturating_add(self.random.wait() * 1000 / u128::from(weight.thousandths()));
                *self.clock_mut(node, member).0 = wait;
            }
        }
        let key = self.member_key(node, member);
        self.set_member_key(node, member, Some(key));
        self.nodes[node as usize].members.insert((key, member));
        if let Some(parent) = self.nodes[node as usize].parent {
            self.list_member(parent, Member::Child(node));
        }
    }

    /// Takes a client out of the order.
    pub(crate) fn unlist(&mut self, id: ClientId, client: &mut Client) {
        let Some(key) = client.key.take() else { return };
        let node = client.node;
        let clients = &mut self.nodes[node as usize].clients;
        clients.remove(&(key, id));
        if clients.is_empty() {
            self.unlist_member(node, Member::Own);
        }
    }

    fn unlist_member(&mut self, node: NodeId, member: Member) {
        let key = match member {
            Member::Own => self.nodes[node as usize].own_key.take(),
            Member::Child(child) => self.nodes[child as usize].key.take(),
        };
        let Some(key) = key else { return };
        let known = &mut self.nodes[node as usize];
        known.members.remove(&(key, member));
        if known.members.is_empty()
            && let Some(parent) = known.parent
        {
            self.unlist_member(parent, Member::Child(node));
        }
    }

    /// A client's claim changed: it, its role and those above find their new places.
    pub(crate) fn reorder(&mut self, id: ClientId, client: &mut Client) {
        if self.framework_sorter == Sorter::Drf
            && let Some(before) = client.key
        {
            let key = self.client_key(id, client);
            if key != before {
                client.key = Some(key);
                let clients = &mut self.nodes[client.node as usize].clients;
                clients.remove(&(before, id));
                clients.insert((key, id));
            }
        }
        if self.role_sorter == Sorter::Drf {
            self.reorder_member(client.node, Member::Own);
            self.reorder_up(client.node);
        }
    }

    /// A role's share or weight changed: it and those above find their new places.
    pub(crate) fn reorder_up(&mut self, node: NodeId) {
        let mut at = node;
        while let Some(parent) = self.nodes[at as usize].parent {
            self.reorder_member(parent, Member::Child(at));
            at = parent;
        }
    }

    fn reorder_member(&mut self, node: NodeId, member: Member) {
        let before = match member {
            Member::Own => self.nodes[node as usize].own_key,
            Member::Child(child) => self.nodes[child as usize].key,
        };
        let Some(before) = before else { return };
        let key = self.member_key(node, member);
        if key != before {
            self.set_member_key(node, member, Some(key));
            let members = &mut self.nodes[node as usize].members;
            members.remove(&(before, member));
            members.insert((key, member));
        }
    }

    /// A client was given something.
    pub(crate) fn serve(&mut self, id: ClientId, client: &mut Client) {
        client.served += 1;
        if self.framework_sorter == Sorter::Random {
            client.clock = client.clock.saturating_add(self.random.wait());
            if let Some(before) = client.key {
                let key = self.client_key(id, client);
                client.key = Some(key);
                let clients = &mut self.nodes[client.node as usize].clients;
                clients.remove(&(before, id));
                clients.insert((key, id));
            }
        }
        self.nodes[client.node as usize].own_served += 1;
        self.serve_member(client.node, Member::Own);
        let mut at = client.node;
        while let Some(parent) = self.nodes[at as usize].parent {
            self.nodes[at as usize].served += 1;
            self.serve_member(parent, Member::Child(at));
            at = parent;
        }
        self.reorder(id, client);
    }

    fn serve_member(&mut self, node: NodeId, member: Member) {
        if self.role_sorter == Sorter::Random {
            let wait = self.random.wait();
            let (clock, weight) = self.clock_mut(node, member);
            *clock = clock.saturating_add(wait * 1000 / u128::from(weight.thousandths()));
            self.reorder_member(node, member);
        }
    }

    /// Everybody finds the right place: the size of the cluster changed, and with it every share.
    pub(crate) fn reorder_all(&mut self, clients: &mut [Option<Client>]) {
        if !std::mem::take(&mut self.stale) || is_close(&self.measure, &self.total) {
            return;
        }
        self.measure = self.total.clone();
        for (id, client) in (0u32..).zip(clients.iter_mut()) {
            if let Some(client) = client
                && client.key.is_some()
            {
                self.reorder(id, client);
            }
        }
    }

    fn clock_mut(&mut self, node: NodeId, member: Member) -> (&mut u128, Weight) {
        match member {
            Member::Own => (&mut self.nodes[node as usize].own_clock, Weight::ONE),
            Member::Child(child) => {
                let child = &mut self.nodes[child as usize];
                (&mut child.clock, child.weight)
            }
        }
    }

    fn set_member_key(&mut self, node: NodeId, member: Member, key: Option<Key>) {
        match member {
            Member::Own => self.nodes[node as usize].own_key = key,
            Member::Child(child) => self.nodes[child as usize].key = key,
        }
    }
}

/// Whether the size of the cluster is so nearly what shares are measured by that their order is as good as right: when
/// the agents of a large cluster come one by one, not every one of them is worth a new order.
fn is_close(measure: &Quantities, total: &Quantities) -> bool {
    let less = measure.saturating_minus(total);
    let more = total.saturating_minus(measure);
    let small = |(name, amount): (ResourceName, Amount)| amount.thousandths() <= measure.get(&name).thousandths() / 256;
    less.iter().all(small) && more.iter().all(small)
}

/// A generator for a tree.
pub(crate) fn generator(seed: Option<u64>) -> Random {
    Random::new(seed.unwrap_or(0))
}
