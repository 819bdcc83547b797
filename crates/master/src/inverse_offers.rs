//! Frameworks are asked to leave agents in time (Mesos: `INVERSE_OFFERS`). A framework that takes Offer objects gets an
//! Offer without resources, which it accepts or declines; others are asked over their streams (`stream/inverse.rs`).

use crate::effect::Effect;
use crate::event::{Delivery, OfferReply, WriteOutcome};
use crate::ids::{AgentName, ObjectKey, OfferId, WriteId};
use crate::master::Master;
use crate::record::{OfferEnd, OfferRecord};
use crate::state::Write;
use crate::timers::Timer;
use proffer_allocator::{InverseReply, MAX_REFUSE};
use proffer_resources::ResourceBag;
use std::collections::BTreeMap;

/// The inverse offers that wait for an answer, and those whose object is still there.
pub(crate) type InverseOffers = BTreeMap<OfferId, InverseOffer>;

/// An inverse offer.
#[derive(Clone, Debug)]
pub(crate) struct InverseOffer {
    /// Who is asked.
    framework: ObjectKey,
    /// Which agent is to be left.
    agent: AgentName,
    /// How it reached the framework.
    delivery: Delivery,
    /// The write that creates its object, while it is under way.
    creation: Option<WriteId>,
    /// How it ended, with a message, if it did.
    end: Option<(OfferEnd, String)>,
}

impl Master {
    /// Asks whoever is to be asked and was not.
    pub(crate) fn make_inverse_offers(&mut self) {
        for asked in self.allocator.inverse_offers(self.now) {
            let key = asked.framework;
            // The built-in scheduler has no other place in mind for its tasks: they go on until the maintenance starts.
            let Some(delivery) = self.delivery_to(&key) else { continue };
            let Some(uid) = self.frameworks.get(&key).and_then(|framework| framework.uid().map(str::to_owned)) else {
                continue;
            };
            self.last_offer += 1;
            let name = format!("{}-{:x}-{}", key.name, self.config.epoch.0, self.last_offer);
            let id = OfferId(ObjectKey::new(key.namespace.clone(), name));
            if delivery == Delivery::Stream {
                if self.inverse_offer_over_stream(&id, &key, &asked.agent, asked.unavailability) {
                    let offer =
                        InverseOffer { framework: key, agent: asked.agent, delivery, creation: None, end: None };
                    self.maintenance.inverse_offers.insert(id, offer);
                } else {
                    self.allocator.forget_inverse_offer(&asked.agent, &key);
                }
                continue;
            }
            let record = OfferRecord {
                id: id.clone(),
                framework: key.clone(),
                framework_uid: uid,
                role: self.role_of(&key),
                agent: self.place_on(&asked.agent),
                attributes: self.agents.get(&asked.agent).map(|known| known.attributes.clone()).unwrap_or_default(),
                resources: ResourceBag::default(),
                unavailability: Some(asked.unavailability),
                inverse: true,
                expires_at: asked.unavailability.start,
                epoch: self.epoch(),
            };
            let write = self.new_write();
            self.writes.insert(write, Write::InverseOffer(id.clone()));
            self.push(Effect::CreateOffer { write, offer: Box::new(record) });
            let offer = InverseOffer { framework: key, agent: asked.agent, delivery, creation: Some(write), end: None };
            self.maintenance.inverse_offers.insert(id, offer);
        }
        let left: Vec<OfferId> = self
            .maintenance
            .inverse_offers
            .iter()
            .filter(|(_, offer)| offer.end.is_none() && !self.has_something_on(&offer.framework, &offer.agent))
            .map(|(id, _)| id.clone())
            .collect();
        for id in left {
            self.end_inverse_offer(&id, OfferEnd::Rescinded, "the framework has nothing there any more".to_owned());
        }
    }

    /// Whether a framework waits for to be answered about an agent.
    pub(crate) fn is_asked(&self, framework: &ObjectKey, agent: &AgentName) -> bool {
        let about =
            |offer: &InverseOffer| offer.end.is_none() && offer.framework == *framework && offer.agent == *agent;
        self.maintenance.inverse_offers.values().any(about)
    }

    /// Whether an ID is that of a framework's inverse offer that waits for an answer.
    pub(crate) fn is_inverse_offer_of(&self, id: &OfferId, framework: &ObjectKey) -> bool {
        let offer = self.maintenance.inverse_offers.get(id);
        offer.is_some_and(|offer| offer.end.is_none() && offer.framework == *framework)
    }

    /// The reply to an inverse offer. `false` if the offer is none.
    pub(crate) fn inverse_offer_replied(&mut self, id: &OfferId, reply: &OfferReply) -> bool {
        let Some(offer) = self.maintenance.inverse_offers.get(id) else { return false };
        if offer.end.is_some() {
            return true;
        }
        let (key, agent) = (offer.framework.clone(), offer.agent.clone());
        let (answer, end, message, refuse) = match reply {
            OfferReply::Accept { refuse, .. } => {
                (InverseReply::Accepted, OfferEnd::Accepted, "it will have left in time", refuse)
            }
            OfferReply::Decline { refuse } => {
                (InverseReply::Declined, OfferEnd::Declined, "it will not have left in time", refuse)
            }
        };
        // An object that comes back every five seconds helps nobody: without a filter, one answer is enough.
        let until = self.now.after(refuse.unwrap_or(MAX_REFUSE).min(MAX_REFUSE));
        self.allocator.answer_inverse_offer(&agent, &key, answer, until);
        self.end_inverse_offer(id, end, message.to_owned());
        self.maintenance_concerned();
        true
    }

    /// The object of an inverse offer was deleted: as declined. `false` if the offer is none.
    pub(crate) fn inverse_offer_deleted(&mut self, id: &OfferId) -> bool {
        let Some(offer) = self.maintenance.inverse_offers.remove(id) else { return false };
        self.timers.clear(&Timer::OfferForgotten(id.clone()));
        if let Some(write) = offer.creation {
            self.writes.remove(&write);
        }
        if offer.end.is_none() {
            let until = self.now.after(MAX_REFUSE);
            self.allocator.answer_inverse_offer(&offer.agent, &offer.framework, InverseReply::Declined, until);
        }
        true
    }

    /// The creation of an inverse offer's object ended.
    pub(crate) fn inverse_offer_written(&mut self, id: &OfferId, outcome: &WriteOutcome) {
        let Some(offer) = self.maintenance.inverse_offers.get_mut(id) else { return };
        offer.creation = None;
        if *outcome != WriteOutcome::Done {
            self.maintenance.inverse_offers.remove(id);
            return;
        }
        if let Some((end, message)) = offer.end.clone() {
            self.close_inverse_offer(id, end, message);
        }
    }

    /// Takes back the inverse offers to some frameworks about some agents.
    pub(crate) fn rescind_inverse_offers(&mut self, which: impl Fn(&ObjectKey, &AgentName) -> bool, why: &str) {
        let offers = self.maintenance.inverse_offers.iter();
        let offers: Vec<OfferId> = offers
            .filter(|(_, offer)| offer.end.is_none() && which(&offer.framework, &offer.agent))
            .map(|(id, _)| id.clone())
            .collect();
        for id in offers {
            self.end_inverse_offer(&id, OfferEnd::Rescinded, why.to_owned());
        }
    }

    /// A framework is gone, and nobody will look at its inverse offers any more.
    pub(crate) fn drop_inverse_offers(&mut self, framework: &ObjectKey) {
        let offers = self.maintenance.inverse_offers.iter();
        let offers: Vec<OfferId> =
            offers.filter(|(_, offer)| offer.framework == *framework).map(|(id, _)| id.clone()).collect();
        for id in offers {
            let objects =
                self.maintenance.inverse_offers.get(&id).is_some_and(|offer| offer.delivery == Delivery::Objects);
            self.inverse_offer_deleted(&id);
            if objects {
                self.push(Effect::DeleteOffer(id));
            }
        }
    }

    /// Deletes the object of an inverse offer that ended long enough ago.
    pub(crate) fn forget_inverse_offer(&mut self, id: &OfferId) {
        if self.maintenance.inverse_offers.remove(id).is_some() {
            self.push(Effect::DeleteOffer(id.clone()));
        }
    }

    fn end_inverse_offer(&mut self, id: &OfferId, end: OfferEnd, message: String) {
        let Some(offer) = self.maintenance.inverse_offers.get_mut(id) else { return };
        offer.end = Some((end, message.clone()));
        if end == OfferEnd::Rescinded {
            let (agent, key) = (offer.agent.clone(), offer.framework.clone());
            self.allocator.forget_inverse_offer(&agent, &key);
        }
        if let Some(offer) = self.maintenance.inverse_offers.get(id).filter(|offer| offer.delivery == Delivery::Stream)
        {
            let key = offer.framework.clone();
            self.maintenance.inverse_offers.remove(id);
            if end == OfferEnd::Rescinded {
                self.rescind_inverse_over_stream(id, &key);
            }
            return;
        }
        // An object that may not be there yet is closed once it is.
        if self.maintenance.inverse_offers.get(id).is_some_and(|offer| offer.creation.is_none()) {
            self.close_inverse_offer(id, end, message);
        }
    }

    fn close_inverse_offer(&mut self, id: &OfferId, end: OfferEnd, message: String) {
        self.push(Effect::CloseOffer { offer: id.clone(), end, message });
        self.timers.set(Timer::OfferForgotten(id.clone()), self.now.after(self.config.offer_retention));
    }

    fn has_something_on(&self, framework: &ObjectKey, agent: &AgentName) -> bool {
        let tasks = self.agents.get(agent).map(|known| &known.tasks);
        tasks.into_iter().flatten().filter_map(|id| self.tasks.get(id)).any(|task| task.framework == *framework)
    }
}
