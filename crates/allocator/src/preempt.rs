//! Fair shares by preemption: offers that one framework sits on while another has less.

use crate::framework::{Client, ClientId};
use crate::gate::{Stage, usable};
use crate::{Allocator, Name, Share, Taking, Time};
use std::collections::BTreeSet;

/// How many offers are looked at for one framework that waits, so that a run's cost stays bounded.
const OFFERS_PER_CLIENT: usize = 256;

impl<A: Name, F: Name> Allocator<A, F> {
    /// Live offers that should be rescinded so that frameworks that have less get something: offers of revocable resources
    /// at once, others once they were held for `min_hold`.
    ///
    /// An offer is taken only from somebody who has, even without it, at least as much as the one who waits; so nobody
    /// loses more than fairness asks for. Offers of bundles are left alone: they end as one.
    #[must_use]
    pub fn preemptible(&self, now: Time) -> Vec<u64> {
        let waiting = self.waiting_clients();
        if waiting.is_empty() {
            return Vec::new();
        }
        let mut mature: Vec<(Share, Time, u64)> = Vec::new();
        for (number, live) in &self.offers {
            let revocable = live.left.iter().all(|resource| resource.revocable);
            if live.bundle.is_none() && (revocable || live.since.after(self.settings.min_hold) <= now) {
                let share = self.clients[live.client as usize].as_ref().map(|client| self.compared(client));
                mature.push((share.unwrap_or_default(), live.since, *number));
            }
        }
        // From who has most, the oldest first.
        mature.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)).then(one.2.cmp(&other.2)));
        let mut chosen: BTreeSet<u64> = BTreeSet::new();
        let mut robbed: BTreeSet<ClientId> = BTreeSet::new();
        for (share, client) in waiting {
            let found = mature.iter().take(OFFERS_PER_CLIENT).find(|(_, _, number)| {
                !chosen.contains(number)
                    && self.offers.get(number).is_some_and(|live| !robbed.contains(&live.client))
                    && self.would_help(*number, client, share, now)
            });
            if let Some((_, _, number)) = found {
                chosen.insert(*number);
                // One at a time from each: its share is another then.
                robbed.extend(self.offers.get(number).map(|live| live.client));
            }
        }
        chosen.into_iter().collect()
    }

    /// When [`Allocator::preemptible`] may have something new to say because an offer has been held long enough.
    #[must_use]
    pub fn next_preemption(&self, now: Time) -> Option<Time> {
        if self.waiting_clients().is_empty() {
            return None;
        }
        let mature = self.offers.values().map(|live| live.since.after(self.settings.min_hold));
        mature.filter(|at| *at > now).min()
    }

    /// Clients that want offers and have none out, those with the smallest shares first.
    fn waiting_clients(&self) -> Vec<(Share, ClientId)> {
        let mut waiting: Vec<(Share, ClientId)> = Vec::new();
        for (id, client) in (0u32..).zip(&self.clients) {
            let Some(client) = client else { continue };
            let Some(framework) = self.frameworks[client.framework as usize].as_ref() else { continue };
            let wants = framework.active && client.subscribed && !client.suppressed;
            if wants && framework.offers == 0 && framework.info.taking == Taking::Offers {
                waiting.push((self.compared(client), id));
            }
        }
        waiting.sort_unstable();
        waiting
    }

    /// The share by which clients of any role are compared: that of its part of its role, as the role's weight counts it.
    fn compared(&self, client: &Client) -> Share {
        let weight = self.roles.nodes[client.node as usize].weight;
        self.roles.client_share(client).weighted(weight)
    }

    fn would_help(&self, number: u64, client: ClientId, share: Share, now: Time) -> bool {
        let (Some(live), Some(known)) = (self.offers.get(&number), self.clients[client as usize].as_ref()) else {
            return false;
        };
        let Some(holder) = self.clients[live.client as usize].as_ref() else { return false };
        if live.client == client || holder.framework == known.framework {
            return false;
        }
        let weight = self.roles.nodes[holder.node as usize].weight;
        let left = self.compared(holder).minus(self.share_of(&live.left.quantities()).weighted(weight));
        if self.compared(holder) <= share || left < share {
            return false;
        }
        let books = &self.agents[live.agent as usize];
        if usable(books).is_err() || self.suits(known, books).is_err() {
            return false;
        }
        let free = books.free().plus(&live.left);
        let plain = books.free_is_plain() && live.left.iter().all(|r| r.reserved_for().is_none() && !r.revocable);
        self.gate_resources(known, live.agent, &free, plain, Stage::Surplus, now).is_ok()
    }
}
