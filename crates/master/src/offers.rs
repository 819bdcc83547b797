//! Offers are made, answered, taken back and forgotten.

use crate::event::OfferReply;
use crate::ids::{AgentName, ObjectKey, OfferId};
use crate::master::Master;
use crate::planted::Planted;
use crate::record::{NoticeAbout, OfferEnd, OfferRecord};
use crate::state::{Offer, OfferPhase};
use crate::timers::Timer;
use proffer_allocator::{DEFAULT_REFUSE, MAX_REFUSE};
use std::time::Duration;

/// Offers that one framework may have at a time (Mesos: `MAX_OFFERS_PER_FRAMEWORK`).
pub(crate) const MAX_OFFERS_PER_FRAMEWORK: usize = 50;

impl Master {
    /// Makes an offer that the allocator booked.
    pub(crate) fn make_offer(&mut self, booked: &proffer_allocator::Offer<AgentName, ObjectKey>) {
        let (key, agent) = (&booked.framework, &booked.agent);
        let place = self.place_on(agent);
        let attributes = self.agents.get(agent).map(|known| known.attributes.clone()).unwrap_or_default();
        let object = self.frameworks.get(key).and_then(|framework| framework.object.as_ref());
        let (Some(object), Some(delivery)) = (object, self.delivery_to(key)) else {
            self.allocator.rescind(booked.number);
            return;
        };
        self.last_offer += 1;
        let name = format!("{}-{:x}-{}", key.name, self.config.epoch.0, self.last_offer);
        let id = OfferId(ObjectKey::new(key.namespace.clone(), name));
        let expires_at = self.now.after(object.offer_timeout.unwrap_or(self.config.offer_timeout));
        let record = OfferRecord {
            id: id.clone(),
            framework: key.clone(),
            framework_uid: object.uid.clone(),
            role: booked.role.clone(),
            agent: place,
            attributes,
            resources: booked.resources.clone(),
            unavailability: self.allocator.agent(agent).and_then(proffer_allocator::AgentBooks::unavailability),
            inverse: false,
            expires_at,
            epoch: self.epoch(),
        };
        let creation = self.deliver_offer(delivery, record);
        self.framework_mut(key).offers.insert(id.clone());
        if let Some(known) = self.agents.get_mut(agent) {
            known.offers.insert(id.clone());
        }
        self.timers.set(Timer::OfferExpires(id.clone()), expires_at);
        self.changed_frameworks.insert(key.clone());
        self.changed_agents.insert(agent.clone());
        let offer = Offer {
            framework: key.clone(),
            role: booked.role.clone(),
            delivery,
            agent: agent.clone(),
            number: booked.number,
            resources: booked.resources.clone(),
            created: self.now,
            creation,
            phase: OfferPhase::Outstanding,
        };
        self.offers.insert(id, offer);
    }

    /// The object of an offer is there.
    pub(crate) fn offer_created(&mut self, id: &OfferId) {
        let Some(offer) = self.offers.get_mut(id) else { return };
        offer.creation = None;
        let number = offer.number;
        if self.has(Planted::OffersTwice) {
            self.allocator.rescind(number);
        }
        let Some(offer) = self.offers.get(id) else { return };
        if let OfferPhase::Ended(end) = offer.phase.clone() {
            self.deliver_end(id, end);
        }
    }

    /// The object of an offer could not be made.
    pub(crate) fn offer_not_created(&mut self, id: &OfferId, why: &str) {
        let Some(offer) = self.offers.get(id) else { return };
        if offer.is_live() {
            // Not again at once: what was refused now is likely to be refused again.
            let (framework, agent) = (offer.framework.clone(), offer.agent.clone());
            self.refuse(id, None);
            if let Some(uid) = self.frameworks.get(&framework).and_then(|known| known.uid().map(ToOwned::to_owned)) {
                let message = format!("an offer of agent {agent} could not be made: {why}");
                self.warn(NoticeAbout::Framework(framework, uid), "OfferNotCreated", message);
            }
            self.let_go_of_offer(id);
        }
        self.offers.remove(id);
    }

    /// A framework set the reply of an offer.
    pub(crate) fn offer_replied(&mut self, id: &OfferId, reply: OfferReply) {
        if self.inverse_offer_replied(id, &reply) {
            return;
        }
        // Ended or unknown: the object says so already, or its deletion is on the way.
        let Some(offer) = self.offers.get_mut(id) else { return };
        if !matches!(offer.phase, OfferPhase::Outstanding) {
            return;
        }
        match reply {
            OfferReply::Decline { refuse } => {
                self.refuse(id, refuse);
                self.end_offer(id, OfferEnd::Declined, "declined by the framework".to_owned());
            }
            accept @ OfferReply::Accept { .. } => {
                offer.phase = OfferPhase::Replied(accept);
                self.consider_reply(id);
            }
        }
    }

    /// The object of an offer was deleted by somebody else.
    pub(crate) fn offer_deleted(&mut self, id: &OfferId) {
        if self.inverse_offer_deleted(id) {
            return;
        }
        if self.closed.remove(id) {
            return;
        }
        let Some(offer) = self.offers.get(id) else { return };
        if offer.is_live() {
            self.let_go_of_offer(id);
        }
        if let Some(write) = self.offers.remove(id).and_then(|offer| offer.creation) {
            self.writes.remove(&write);
        }
    }

    /// An offer was not answered in time: as declined with the default filter.
    pub(crate) fn offer_expired(&mut self, id: &OfferId) {
        if !self.offers.get(id).is_some_and(Offer::is_live) {
            return;
        }
        self.refuse(id, None);
        self.end_offer(id, OfferEnd::Expired, "was not answered in time".to_owned());
    }

    /// Takes an offer back.
    pub(crate) fn rescind(&mut self, id: &OfferId, why: String) {
        if self.has(Planted::ForgetsRescind) {
            self.let_go_of_offer(id);
            self.offers.remove(id);
            return;
        }
        self.end_offer(id, OfferEnd::Rescinded, why);
    }

    /// Takes an offer back whose framework is gone: nobody will look at it any more.
    pub(crate) fn drop_offer(&mut self, id: &OfferId) {
        self.let_go_of_offer(id);
        self.finish_offer(id, None);
    }

    /// An offer ends, and what is left of it is free.
    pub(crate) fn end_offer(&mut self, id: &OfferId, end: OfferEnd, message: String) {
        self.let_go_of_offer(id);
        self.finish_offer(id, Some((end, message)));
    }

    /// A framework does not want what is left of an offer for a while: for 5 s if it does not say, as in Mesos.
    pub(crate) fn refuse(&mut self, id: &OfferId, refuse: Option<Duration>) {
        let refuse = refuse.unwrap_or(DEFAULT_REFUSE).min(MAX_REFUSE);
        let Some(offer) = self.offers.get(id) else { return };
        if refuse.is_zero() || offer.resources.is_empty() {
            return;
        }
        let until = self.now.after(refuse);
        self.allocator.refuse(&offer.agent, &offer.framework, &offer.role, &offer.resources, until, self.now);
    }

    /// A live offer is being accepted: from now on, what it offered is in a pool.
    pub(crate) fn take_offer(&mut self, id: &OfferId) {
        self.forget_live(id);
        if let Some(offer) = self.offers.get_mut(id) {
            offer.phase = OfferPhase::Taken;
        }
    }

    /// What is left of a live offer is free again.
    fn let_go_of_offer(&mut self, id: &OfferId) {
        let Some(number) = self.offers.get(id).filter(|offer| offer.is_live()).map(|offer| offer.number) else {
            return;
        };
        if !self.has(Planted::KeepsOffered) {
            self.allocator.rescind(number);
        }
        self.forget_live(id);
    }

    /// An offer is not live any more.
    fn forget_live(&mut self, id: &OfferId) {
        let Some(offer) = self.offers.get(id) else { return };
        let (key, agent) = (offer.framework.clone(), offer.agent.clone());
        if let Some(known) = self.agents.get_mut(&agent) {
            known.offers.remove(id);
        }
        self.framework_mut(&key).offers.remove(id);
        self.timers.clear(&Timer::OfferExpires(id.clone()));
        if self.parked_replies.remove(id) {
            self.timers.clear(&Timer::ReplyDue(id.clone()));
        }
        self.changed_frameworks.insert(key);
        self.changed_agents.insert(agent);
    }

    /// Says how an offer ended that holds nothing any more.
    pub(crate) fn finish_offer(&mut self, id: &OfferId, end: Option<(OfferEnd, String)>) {
        let ended = |offer: &Offer| matches!(offer.phase, OfferPhase::Ended(_));
        let Some(offer) = self.offers.get_mut(id).filter(|offer| !ended(offer)) else { return };
        offer.phase = OfferPhase::Ended(end.clone());
        // An object that may not be there yet is closed once it is.
        if offer.creation.is_none() {
            self.deliver_end(id, end);
        }
    }
}
