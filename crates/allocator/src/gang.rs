//! Bundles: several offers for one framework that are accepted or declined as one.

use crate::framework::ClientId;
use crate::gate::Stage;
use crate::offers::Bundle;
use crate::{Allocator, Name, Time};
use proffer_resources::{Quantities, Resource, ResourceBag};
use std::collections::BTreeMap;

impl<A: Name, F: Name> Allocator<A, F> {
    /// Agents that together hold all shapes that a client asks for at once, and what each gives; `None` if they do not fit.
    ///
    /// The largest shapes choose first, each the first agent that has room, those already in the bundle before others.
    pub(crate) fn find_gang(&self, client: ClientId, now: Time) -> Option<BTreeMap<u32, ResourceBag>> {
        let known = self.clients[client as usize].as_ref()?;
        let mut shapes: Vec<&Quantities> = known.gang.iter().collect();
        shapes.sort_by_key(|shape| std::cmp::Reverse(self.share_of(shape)));
        let wanted = shapes.iter().fold(Quantities::default(), |sum, shape| sum.plus(shape));
        let (allowed, _) = self.allowed(known, &wanted, Stage::Surplus);
        if !allowed.contains(&wanted) {
            return None;
        }
        let mut room: BTreeMap<u32, ResourceBag> = BTreeMap::new();
        let mut taken: BTreeMap<u32, ResourceBag> = BTreeMap::new();
        let mut untried = self.offerable.iter();
        for shape in shapes {
            let has_room = |free: &ResourceBag| free.quantities().contains(shape);
            let mut at = room.iter().find(|(_, free)| has_room(free)).map(|(agent, _)| *agent);
            while at.is_none() {
                let agent = untried.next()?;
                if let Ok(free) = self.gate(client, agent, Stage::Surplus, now) {
                    let divisible = free.filter(|resource| !resource.revocable && resource.is_divisible());
                    at = has_room(&divisible).then_some(agent);
                    room.insert(agent, divisible);
                }
            }
            let agent = at?;
            let free = room.get_mut(&agent)?;
            // Reserved before unreserved: what others cannot use anyway.
            let reserved = free.filter(|resource: &Resource| resource.reserved_for().is_some()).shrink(shape);
            let missing = shape.saturating_minus(&reserved.quantities());
            let part = reserved.plus(&free.unreserved().shrink(&missing));
            free.subtract(&part);
            taken.entry(agent).or_default().add(&part);
        }
        Some(taken)
    }

    /// Offers a client the bundle that it asks for, if that fits.
    pub(crate) fn offer_gang(&mut self, client: ClientId, now: Time) {
        let Some(parts) = self.find_gang(client, now) else { return };
        let number = self.last_offer + 1;
        let mut offers = Vec::new();
        for (agent, part) in parts {
            offers.extend(self.book_offer(client, agent, part, now, Some(number)).map(|offer| offer.number));
        }
        self.tell_next(&offers);
        let shapes = self.clients[client as usize].as_mut().map(|known| std::mem::take(&mut known.gang));
        let bundle = Bundle { client, shapes: shapes.unwrap_or_default(), offers, used: false };
        self.bundles.insert(number, bundle);
    }
}
