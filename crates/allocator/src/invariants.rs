//! What always holds. Tests ask after every step, of the allocator alone and of the master round it.

use crate::framework::{Client, ClientId};
use crate::gate::Stage;
use crate::order::Member;
use crate::roles::{NodeId, ROOT};
use crate::{Allocator, Name, Offer, Share, Sorter, Taking, Time};
use proffer_resources::{Quantities, ResourceBag, ResourceName};
use std::collections::BTreeMap;

/// An error with what is wrong, unless `holds`.
fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl<A: Name, F: Name> Allocator<A, F> {
    /// All of the following but [`Allocator::check_quota`], which tasks that came with their agents may break.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.check_conservation()?;
        self.check_exclusive()?;
        self.check_claims()?;
        self.check_headroom()?;
        self.check_order()
    }

    /// On every agent, total = allocated + offered + free, reservation by reservation, unless more runs there than it has.
    pub fn check_conservation(&self) -> Result<(), String> {
        for (agent, books) in self.agents() {
            if books.is_overcommitted() {
                ensure(books.free().is_empty(), || format!("{agent} is overcommitted and has {} free", books.free()))?;
                continue;
            }
            let allocated = books.allocated().filter(|resource| !resource.shared);
            let sum = allocated.plus(books.offered()).plus(books.free());
            ensure(sum == *books.total(), || {
                format!(
                    "{agent} has {}, but {} is allocated, {} offered, {} free",
                    books.total(),
                    books.allocated(),
                    books.offered(),
                    books.free()
                )
            })?;
        }
        Ok(())
    }

    /// What is offered of an agent is the sum of the live offers, and nothing is in two of them.
    pub fn check_exclusive(&self) -> Result<(), String> {
        let mut offered: BTreeMap<u32, ResourceBag> = BTreeMap::new();
        for (number, live) in &self.offers {
            let sum = offered.entry(live.agent).or_default();
            let ports = sum.ranges(&ResourceName::Ports);
            ensure(!ports.intersects(&live.left.ranges(&ResourceName::Ports)), || {
                format!("offer {number} has ports that another one has: {}", live.left)
            })?;
            sum.add(&live.left);
            ensure(self.agents[live.agent as usize].offers.contains(number), || format!("offer {number} is lost"))?;
        }
        for (agent, number) in &self.agent_numbers {
            let books = &self.agents[*number as usize];
            let sum = offered.remove(number).unwrap_or_default();
            ensure(sum == *books.offered(), || format!("{agent}: {} is offered, {sum} is in offers", books.offered()))?;
            let ready = books.is_ready();
            ensure(self.offerable.contains(*number) == (ready && !books.free().is_empty()), || {
                format!("{agent} is missing from those that can be offered, or is not one")
            })?;
            let special = self.offerable.contains(*number) && !books.free_is_plain();
            ensure(self.special.contains(*number) == special, || format!("{agent} is special, or is not"))?;
            ensure(self.by_fullness.contains(&(books.fullness(), *number)) == ready, || {
                format!("{agent} is not where it should be by its fullness")
            })?;
        }
        ensure(offered.is_empty(), || "offers of agents that are gone".to_owned())
    }

    /// What clients, frameworks and roles claim is what their tasks hold and their offers offer.
    pub fn check_claims(&self) -> Result<(), String> {
        let mut clients: BTreeMap<ClientId, Quantities> = BTreeMap::new();
        for number in self.agent_numbers.values() {
            for (client, holds) in &self.agents[*number as usize].holders {
                clients.entry(*client).or_default().add(holds);
            }
        }
        for live in self.offers.values() {
            clients.entry(live.client).or_default().add(&live.left.quantities());
        }
        let mut frameworks: BTreeMap<u32, Quantities> = BTreeMap::new();
        let mut roles: BTreeMap<NodeId, Quantities> = BTreeMap::new();
        for (id, client) in self.clients() {
            let sum = clients.remove(&id).unwrap_or_default();
            ensure(sum == client.claim, || format!("client {id} claims {}, but has {sum}", client.claim))?;
            frameworks.entry(client.framework).or_default().add(&sum);
            for node in self.roles.path(client.node).chain([ROOT]) {
                roles.entry(node).or_default().add(&sum);
            }
        }
        ensure(clients.is_empty(), || format!("{clients:?} belong to nobody"))?;
        for (number, framework) in (0u32..).zip(&self.frameworks) {
            let Some(framework) = framework else { continue };
            let sum = frameworks.remove(&number).unwrap_or_default();
            ensure(sum == framework.claim, || {
                format!("framework {} claims {}, but has {sum}", framework.name, framework.claim)
            })?;
            let offers = self.offers.values().filter(|live| self.framework_of(live.client) == Some(number)).count();
            ensure(offers == framework.offers, || format!("framework {} has {offers} offers", framework.name))?;
            let offered = self.offers.values().filter(|live| self.framework_of(live.client) == Some(number));
            let offered = offered.fold(Quantities::default(), |sum, live| sum.plus(&live.left.quantities()));
            ensure(offered == framework.offered, || {
                format!("framework {} is offered {offered}, {} is counted", framework.name, framework.offered)
            })?;
        }
        for (node, known) in (0u32..).zip(&self.roles.nodes) {
            let sum = roles.remove(&node).unwrap_or_default();
            ensure(sum == known.claimed, || format!("role {:?} claims {}, but has {sum}", known.role, known.claimed))?;
        }
        Ok(())
    }

    /// What quota is counted by is what agents and tasks say.
    pub fn check_headroom(&self) -> Result<(), String> {
        let mut headroom = Quantities::default();
        let mut total = Quantities::default();
        let mut consumed: BTreeMap<NodeId, Quantities> = BTreeMap::new();
        for (_, books) in self.agents() {
            total.add(&books.total().quantities());
            if books.is_ready() {
                headroom.add(&books.free().quantities_of(crate::agent::is_plain));
            }
            for resource in books.total().iter() {
                let node = resource.reserved_for().and_then(|role| self.roles.find(role));
                for node in node.iter().flat_map(|node| self.roles.path(*node)) {
                    consumed.entry(node).or_default().add_one(&resource.name, resource.amount());
                }
            }
        }
        ensure(headroom == self.headroom, || format!("{headroom} is free, {} is counted", self.headroom))?;
        ensure(total == self.roles.total, || format!("{total} is there, {} is counted", self.roles.total))?;
        let mut required = Quantities::default();
        for node in self.roles.nodes.iter().filter(|node| !node.quota.guarantees.is_empty()) {
            required.add(&node.quota.guarantees.saturating_minus(&node.consumed));
        }
        ensure(required == self.roles.required, || format!("{required} is required, {} counted", self.roles.required))?;
        for (node, known) in (0u32..).zip(&self.roles.nodes).skip(1) {
            // Reservations at least; what is claimed beside them comes on top.
            let reserved = consumed.remove(&node).unwrap_or_default();
            ensure(known.consumed.contains(&reserved), || format!("role {:?} consumes too little", known.role))?;
        }
        Ok(())
    }

    /// No role has more than its limit.
    pub fn check_quota(&self) -> Result<(), String> {
        for node in &self.roles.nodes {
            ensure(node.quota.limits.allow(&node.consumed), || {
                format!("role {:?} has {} of {:?}", node.role, node.consumed, node.quota.limits)
            })?;
        }
        Ok(())
    }

    /// Exactly those are in the order that can be served, each in its place.
    pub fn check_order(&self) -> Result<(), String> {
        if self.run.is_some() {
            return Ok(());
        }
        for (id, client) in self.clients() {
            let framework = self.frameworks[client.framework as usize].as_ref();
            let gets_turns = framework.is_some_and(|known| known.active && !known.rests());
            let wants = gets_turns && client.subscribed && !client.suppressed;
            // Who has as many offers as it may have is out as soon as it was passed over for that.
            let capped = framework.is_some_and(|known| known.capped);
            let right = wants == client.key.is_some() || wants && capped;
            ensure(right, || format!("client {id} is out of the order, or should be"))?;
            let full = framework.is_some_and(|known| known.info.max_offers.is_some_and(|most| known.offers >= most));
            ensure(full || !capped, || format!("client {id} counts as having too many offers"))?;
            if let Some(key) = client.key {
                let there = self.roles.nodes[client.node as usize].clients.contains(&(key, id));
                ensure(there, || format!("client {id} is not where it says"))?;
            }
        }
        for (node, known) in (0u32..).zip(&self.roles.nodes) {
            ensure(known.own_key.is_some() != known.clients.is_empty(), || {
                format!("role {:?} lost its own", known.role)
            })?;
            if node != ROOT {
                ensure(known.key.is_some() != known.members.is_empty(), || format!("role {:?} is lost", known.role))?;
            }
            let shares: Vec<Share> = known.members.iter().map(|(_, member)| self.member_share(node, *member)).collect();
            ensure(self.unordered() || shares.is_sorted(), || format!("below {:?}: {shares:?}", known.role))?;
        }
        Ok(())
    }

    /// Whether a turn that was taken from these books, as they were before it, was in order: nobody who has less could have
    /// been offered anything, and no surplus is given while a guarantee could have been met.
    pub fn check_turn(&self, offer: &Offer<A, F>, now: Time) -> Result<(), String> {
        let (Some(served), Some(agent)) =
            (self.client_of(&offer.framework, &offer.role), self.agent_number(&offer.agent))
        else {
            return Err("an offer to somebody unknown".to_owned());
        };
        if offer.bundle.is_some() {
            return Ok(());
        }
        let guaranteed = self.can_have(served, agent, Stage::Guarantees, now);
        ensure(guaranteed || self.can_have(served, agent, Stage::Surplus, now), || {
            format!("{} could not be offered {}", offer.framework, offer.agent)
        })?;
        for (other, client) in self.clients() {
            let framework = self.frameworks[client.framework as usize].as_ref();
            let takes = framework.is_some_and(|known| known.info.taking == Taking::Offers) && client.gang.is_empty();
            // Who has just got a bundle waits for the next run.
            let bundled = self.bundles.values().any(|bundle| bundle.client == other);
            if other == served || !takes || bundled || self.may_be_served(other).is_err() {
                continue;
            }
            let any = |stage| self.agent_numbers.values().any(|agent| self.can_have(other, *agent, stage, now));
            let before = !self.unordered() && self.precedes(other, served);
            let (who, its) = (self.name_of(other), &offer.framework);
            if any(Stage::Guarantees) {
                ensure(guaranteed, || format!("{its} got surplus before the guarantee of {who:?} was met"))?;
                ensure(!before, || format!("{its} came before {who:?} within the guarantees"))?;
            } else if !guaranteed && before {
                ensure(!any(Stage::Surplus), || format!("{its} came before {who:?}, who has less"))?;
            }
        }
        Ok(())
    }

    fn can_have(&self, client: ClientId, agent: u32, stage: Stage, now: Time) -> bool {
        self.gate(client, agent, stage, now).is_ok()
    }

    fn unordered(&self) -> bool {
        self.roles.stale || self.roles.role_sorter == Sorter::Random || self.roles.framework_sorter == Sorter::Random
    }

    /// Whether a client comes strictly before another by their shares, level by level.
    fn precedes(&self, one: ClientId, other: ClientId) -> bool {
        let (Some(first), Some(second)) = (&self.clients[one as usize], &self.clients[other as usize]) else {
            return false;
        };
        if first.node == second.node {
            return self.roles.client_share(first) < self.roles.client_share(second);
        }
        let down = |client: &Client| {
            let mut path: Vec<NodeId> = self.roles.path(client.node).collect();
            path.reverse();
            path
        };
        let (mine, theirs) = (down(first), down(second));
        let common = mine.iter().zip(&theirs).take_while(|(one, other)| one == other).count();
        let at = if common == 0 { ROOT } else { mine[common - 1] };
        let member = |path: &[NodeId]| path.get(common).map_or(Member::Own, |child| Member::Child(*child));
        self.member_share(at, member(&mine)) < self.member_share(at, member(&theirs))
    }

    fn member_share(&self, node: NodeId, member: Member) -> Share {
        match member {
            Member::Own => self.share_of(&self.roles.nodes[node as usize].own_claimed),
            Member::Child(child) => self.roles.node_share(child),
        }
    }

    fn clients(&self) -> impl Iterator<Item = (ClientId, &Client)> {
        (0u32..).zip(&self.clients).filter_map(|(id, client)| Some((id, client.as_ref()?)))
    }

    pub(crate) fn framework_of(&self, client: ClientId) -> Option<u32> {
        self.clients[client as usize].as_ref().map(|client| client.framework)
    }
}
