//! How offers reach frameworks: the one place where an offer is handed out, and where its end is told.

use crate::effect::Effect;
use crate::event::{Delivery, SchedulerKind};
use crate::ids::{ObjectKey, OfferId, WriteId};
use crate::master::Master;
use crate::record::{OfferEnd, OfferRecord};
use crate::state::Write;

impl Master {
    /// How offers reach a framework; `None` if it takes none.
    pub(crate) fn delivery_to(&self, framework: &ObjectKey) -> Option<Delivery> {
        match self.scheduler_of(framework)? {
            SchedulerKind::External(delivery) => Some(delivery),
            SchedulerKind::BuiltIn(_) => None,
        }
    }

    /// Hands an offer out. The write that it is not there before, if there is one.
    #[allow(clippy::unnecessary_wraps, reason = "of what is not delivered as objects, nothing is written")]
    pub(crate) fn deliver_offer(&mut self, delivery: Delivery, record: OfferRecord) -> Option<WriteId> {
        match delivery {
            Delivery::Objects => {
                let write = self.new_write();
                self.writes.insert(write, Write::Offer(record.id.clone()));
                self.push(Effect::CreateOffer { write, offer: Box::new(record) });
                Some(write)
            }
            Delivery::Stream => {
                self.offer_over_stream(&record);
                None
            }
        }
    }

    /// Tells how an offer ended that had been handed out; without an end, nobody is left to be told.
    pub(crate) fn deliver_end(&mut self, id: &OfferId, end: Option<(OfferEnd, String)>) {
        let Some(delivery) = self.offers.get(id).map(|offer| offer.delivery) else { return };
        match (delivery, end) {
            (Delivery::Objects, Some((end, message))) => {
                self.offers.remove(id);
                self.push(Effect::CloseOffer { offer: id.clone(), end, message });
                self.closed.add(id.clone(), self.now.after(self.config.offer_retention));
            }
            (Delivery::Objects, None) => {
                self.offers.remove(id);
                self.push(Effect::DeleteOffer(id.clone()));
            }
            (Delivery::Stream, end) => self.end_over_stream(id, end.map(|(end, _)| end)),
        }
    }
}
