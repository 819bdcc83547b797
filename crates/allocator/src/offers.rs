//! Live offers: made by a run, used up by tasks and operations, ended by a reply, a deadline or a rescission.

use crate::framework::ClientId;
use crate::{Allocator, Name, Time, Unavailability};
use proffer_resources::{Quantities, ResourceBag, Role};

/// An offer that a run made. Its resources are booked as offered until it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer<A, F> {
    /// Its number: never used again.
    pub number: u64,
    /// To whom it is made.
    pub framework: F,
    /// For which of its roles.
    pub role: Role,
    /// Whose resources it offers.
    pub agent: A,
    /// What it offers.
    pub resources: ResourceBag,
    /// When the agent will not be there, if that is planned.
    pub unavailability: Option<Unavailability>,
    /// The bundle that it is part of: offers that are accepted or declined as one.
    pub bundle: Option<u64>,
}

/// What is known of a live offer.
#[derive(Clone, Debug)]
pub(crate) struct LiveOffer {
    /// To whom it is made.
    pub(crate) client: ClientId,
    /// Whose resources it offers.
    pub(crate) agent: u32,
    /// What of it was not used yet.
    pub(crate) left: ResourceBag,
    /// When it was made.
    pub(crate) since: Time,
    /// Its bundle.
    pub(crate) bundle: Option<u64>,
}

/// Offers that are accepted or declined as one.
#[derive(Clone, Debug)]
pub(crate) struct Bundle {
    /// Who asked for it.
    pub(crate) client: ClientId,
    /// What was asked for: asked for again if the bundle is rescinded.
    pub(crate) shapes: Vec<Quantities>,
    /// Its live offers.
    pub(crate) offers: Vec<u64>,
    /// Whether something of it was used.
    pub(crate) used: bool,
}

impl<A: Name, F: Name> Allocator<A, F> {
    /// Books `resources` of `agent` as offered to a client.
    pub(crate) fn book_offer(
        &mut self,
        client: ClientId,
        agent: u32,
        resources: ResourceBag,
        now: Time,
        bundle: Option<u64>,
    ) -> Option<Offer<A, F>> {
        let known = self.clients[client as usize].as_ref()?;
        let (role, framework) = (known.role.clone(), known.framework);
        let framework = self.frameworks[framework as usize].as_mut()?;
        framework.offers += 1;
        framework.offered.add(&resources.quantities());
        let name = framework.name.clone();
        let agent_name = self.agent_names[agent as usize].clone()?;
        self.last_offer += 1;
        let number = self.last_offer;
        self.change(agent, |books| {
            books.offer(&resources);
            books.offers.push(number);
        });
        self.claim_change(client, &resources, true);
        if let Some(known) = self.clients[client as usize].as_mut() {
            self.roles.serve(client, known);
        }
        self.offers.insert(number, LiveOffer { client, agent, left: resources.clone(), since: now, bundle });
        let unavailability = self.agents[agent as usize].unavailability;
        Some(Offer { number, framework: name, role, agent: agent_name, resources, unavailability, bundle })
    }

    /// What of a live offer was not used yet.
    #[must_use]
    pub fn left_of(&self, offer: u64) -> Option<&ResourceBag> {
        self.offers.get(&offer).map(|live| &live.left)
    }

    /// Live offers with whom they are made to, whose resources they offer, and what is left of them.
    pub fn live_offers(&self) -> impl Iterator<Item = (u64, &F, &Role, &A, &ResourceBag)> {
        self.offers.iter().filter_map(|(number, live)| {
            let client = self.clients[live.client as usize].as_ref()?;
            let framework = self.frameworks[client.framework as usize].as_ref()?;
            let agent = self.agent_names[live.agent as usize].as_ref()?;
            Some((*number, &framework.name, &client.role, agent, &live.left))
        })
    }

    /// Two offers of the same agent to the same framework in the same role become one, the first (Mesos: several offers in
    /// one ACCEPT). `false`, and nothing changes, if they are not of that kind.
    pub fn merge_offers(&mut self, into: u64, other: u64) -> bool {
        let alike = |one: &LiveOffer, two: &LiveOffer| one.client == two.client && one.agent == two.agent;
        let (Some(first), Some(second)) = (self.offers.get(&into), self.offers.get(&other)) else { return false };
        if into == other || !alike(first, second) {
            return false;
        }
        let Some(LiveOffer { client, agent, left, bundle, .. }) = self.offers.remove(&other) else { return false };
        self.change_left(into, |first| first.add(&left));
        self.count_offered(client, &left.quantities(), &Quantities::default());
        self.agents[agent as usize].offers.retain(|number| *number != other);
        self.leave_bundle(other, bundle);
        self.count_ended_offer(client);
        true
    }

    /// A task takes `resources` out of an offer. `false`, and nothing changes, if that has no such resources left.
    pub fn launch_from(&mut self, offer: u64, resources: &ResourceBag) -> bool {
        let Some(live) = self.offers.get(&offer).filter(|live| live.left.contains(resources)) else { return false };
        let (client, agent, bundle) = (live.client, live.agent, live.bundle);
        self.change_left(offer, |left| left.subtract(resources));
        self.change(agent, |books| {
            books.take_back(resources);
            books.hold(client, resources);
        });
        // A shared volume stays in the offer's claim and in the task's; all else only changes hands.
        if let Some(bundle) = bundle.and_then(|bundle| self.bundles.get_mut(&bundle)) {
            bundle.used = true;
        }
        true
    }

    /// A part of an offer is free again. `false`, and nothing changes, if the offer has no such resources left.
    pub fn give_back(&mut self, offer: u64, resources: &ResourceBag) -> bool {
        let Some(live) = self.offers.get(&offer).filter(|live| live.left.contains(resources)) else { return false };
        let (client, agent) = (live.client, live.agent);
        self.change_left(offer, |left| left.subtract(resources));
        self.change(agent, |books| books.take_back(resources));
        self.claim_change(client, resources, false);
        self.touch(agent);
        true
    }

    /// An operation changes the kind of `before` in an offer to `after`: it reserves, unreserves, makes, destroys, grows or
    /// shrinks a volume (Mesos: `updateAllocation`). `false`, and nothing changes, if the offer has no such resources left.
    pub fn convert_in_offer(&mut self, offer: u64, before: &ResourceBag, after: &ResourceBag) -> bool {
        let Some(live) = self.offers.get(&offer).filter(|live| live.left.contains(before)) else { return false };
        let (client, agent) = (live.client, live.agent);
        self.change_left(offer, |left| {
            left.subtract(before);
            left.add(after);
        });
        self.claim_change(client, before, false);
        self.convert_total(agent, before, after);
        self.change(agent, |books| {
            books.offered.subtract(before);
            books.offered.add(after);
            books.refresh();
        });
        self.claim_change(client, after, true);
        self.unsettle_all(agent);
        true
    }

    /// An offer was accepted or declined: what is left of it is free again, and refused until `refuse` if that is later than
    /// `now`. Returns the offers that ended: this one, and if it is one of a bundle of which nothing was used, all of them.
    pub fn end_offer(&mut self, offer: u64, refuse: Option<Time>, now: Time) -> Vec<u64> {
        let Some(live) = self.offers.get(&offer) else { return Vec::new() };
        let bundle = live.bundle.and_then(|bundle| self.bundles.get(&bundle)).filter(|bundle| !bundle.used);
        let ending = bundle.map_or_else(|| vec![offer], |bundle| bundle.offers.clone());
        for number in &ending {
            if let (Some(until), Some(live)) = (refuse, self.offers.get(number)) {
                let (client, agent, left) = (live.client, live.agent, live.left.clone());
                // Back first: the filter looks at what of the agent can be offered.
                self.close_offer(*number);
                if let Some((framework, role)) = self.name_of(client)
                    && let Some(agent) = self.agent_names[agent as usize].clone()
                {
                    self.refuse(&agent, &framework, &role, &left, until, now);
                }
            } else {
                self.close_offer(*number);
            }
        }
        ending
    }

    /// An offer is taken back. Returns the offers that ended: this one, and those that are bundled with it; the bundle is
    /// asked for again.
    pub fn rescind(&mut self, offer: u64) -> Vec<u64> {
        let Some(live) = self.offers.get(&offer) else { return Vec::new() };
        let bundle = live.bundle.and_then(|number| self.bundles.get(&number)).filter(|bundle| !bundle.used).cloned();
        let Some(bundle) = bundle else {
            self.close_offer(offer);
            return vec![offer];
        };
        for number in &bundle.offers {
            self.close_offer(*number);
        }
        if let Some(client) = self.clients[bundle.client as usize].as_mut()
            && client.gang.is_empty()
        {
            client.gang = bundle.shapes;
        }
        self.make_eager(bundle.client);
        bundle.offers
    }

    /// What is left of an offer is free again.
    fn close_offer(&mut self, offer: u64) {
        let Some(LiveOffer { client, agent, left, bundle, .. }) = self.offers.remove(&offer) else { return };
        self.change(agent, |books| {
            books.take_back(&left);
            books.offers.retain(|number| *number != offer);
        });
        self.claim_change(client, &left, false);
        self.count_offered(client, &left.quantities(), &Quantities::default());
        self.touch(agent);
        self.leave_bundle(offer, bundle);
        self.count_ended_offer(client);
        self.drop_if_forgotten(client);
    }

    /// Changes what is left of a live offer.
    fn change_left(&mut self, offer: u64, change: impl FnOnce(&mut ResourceBag)) {
        let Some(live) = self.offers.get_mut(&offer) else { return };
        let before = live.left.quantities();
        change(&mut live.left);
        let (client, after) = (live.client, live.left.quantities());
        self.count_offered(client, &before, &after);
    }

    /// Counts for a client's framework that it is offered `after` instead of `before`.
    fn count_offered(&mut self, client: ClientId, before: &Quantities, after: &Quantities) {
        let framework = self.clients[client as usize].as_ref().map(|known| known.framework);
        if let Some(known) = framework.and_then(|number| self.frameworks[number as usize].as_mut()) {
            known.offered.subtract(before);
            known.offered.add(after);
        }
    }

    /// An offer that ended is not in its bundle any more.
    fn leave_bundle(&mut self, offer: u64, bundle: Option<u64>) {
        if let Some(number) = bundle
            && let Some(bundle) = self.bundles.get_mut(&number)
        {
            bundle.offers.retain(|other| *other != offer);
            if bundle.offers.is_empty() {
                self.bundles.remove(&number);
            }
        }
    }

    /// A client has one offer less; it may have had as many as it may have.
    fn count_ended_offer(&mut self, client: ClientId) {
        let framework = self.clients[client as usize].as_ref().map(|known| known.framework);
        if let Some(number) = framework
            && let Some(known) = self.frameworks[number as usize].as_mut()
        {
            known.offers = known.offers.saturating_sub(1);
            if std::mem::take(&mut known.capped) {
                for client in self.clients_of(number) {
                    if !self.run.as_ref().is_some_and(|run| run.is_parked(client)) {
                        self.list_if_wanted(client);
                    }
                    self.make_eager(client);
                }
            }
        }
    }

    /// The framework and the role of a client.
    pub(crate) fn name_of(&self, client: ClientId) -> Option<(F, Role)> {
        let client = self.clients[client as usize].as_ref()?;
        let framework = self.frameworks[client.framework as usize].as_ref()?;
        Some((framework.name.clone(), client.role.clone()))
    }
}
