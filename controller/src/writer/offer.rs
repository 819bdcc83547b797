//! Writes to Offer objects.

use super::backoff::{Backoff, Failure, request};
use super::execute::Executor;
use crate::records;
use crate::registry::{Entry, Guarded};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use proffer_crds::{Offer, OfferStatus};
use proffer_master::{OfferEnd, OfferId, OfferRecord, WriteOutcome};

impl Executor {
    fn offers(&self, offer: &OfferId) -> Api<Guarded<Offer>> {
        Api::namespaced(self.client.clone(), &offer.0.namespace)
    }

    /// Makes the object of an offer.
    pub(super) async fn create_offer(&self, record: &OfferRecord) -> WriteOutcome {
        let object = Guarded(Ok(records::offer::object(record)));
        let api = self.offers(&record.id);
        let mut backoff = Backoff::default();
        loop {
            self.guard.check();
            match request(api.create(&PostParams::default(), &object)).await {
                Ok(written) => {
                    self.registry.absorb(Entry::new(written));
                    return WriteOutcome::Done;
                }
                // Names are unique over all epochs: it is ours, and the answer to an earlier try was lost.
                Err(Failure::AlreadyExists | Failure::Conflict) => {
                    return match self.look::<Offer>(&record.id.0.namespace, &record.id.0.name, &mut backoff).await {
                        Ok(Some(())) => WriteOutcome::Done,
                        Ok(None) => WriteOutcome::Gone,
                        Err(why) => WriteOutcome::Refused(why),
                    };
                }
                // Its namespace is gone.
                Err(Failure::NotFound) => return WriteOutcome::Gone,
                Err(Failure::Again(why)) => {
                    if let Err(why) = backoff.wait("offer creation", &why).await {
                        return WriteOutcome::Refused(why);
                    }
                }
                Err(Failure::Refused(why)) => return WriteOutcome::Refused(why),
            }
        }
    }

    /// Says of a new offer that it is outstanding.
    pub(super) async fn open_offer(&self, record: &OfferRecord) {
        let status = records::offer::outstanding(record.epoch);
        self.offer_status(&record.id, |before| {
            before.is_none_or(|before| before.phase.is_none()).then(|| status.clone())
        })
        .await;
    }

    /// Writes how an offer ended.
    pub(super) async fn close_offer(&self, offer: &OfferId, end: OfferEnd, message: &str) -> WriteOutcome {
        self.offer_status(offer, |before| {
            Some(records::offer::closed(end, message, self.guard.epoch(), before, Timestamp::now()))
        })
        .await
    }

    async fn offer_status(
        &self,
        offer: &OfferId,
        wanted: impl Fn(Option<&OfferStatus>) -> Option<OfferStatus>,
    ) -> WriteOutcome {
        let api = self.offers(offer);
        let mut backoff = Backoff::default();
        loop {
            let Some(entry) = self.registry.get::<Offer>(&offer.0) else { return WriteOutcome::Gone };
            let Ok(known) = entry.value() else {
                return WriteOutcome::Refused("the object does not have an Offer's form".to_owned());
            };
            let Some(status) = wanted(known.status.as_ref()) else { return WriteOutcome::Done };
            let object = Guarded(Ok(Offer { status: Some(status), ..known.clone() }));
            self.guard.check();
            match request(api.replace_status(&offer.0.name, &PostParams::default(), &object)).await {
                Ok(written) => {
                    // Its spec may have a reply by now that nobody was told of.
                    self.registry.observe(Entry::new(written));
                    return WriteOutcome::Done;
                }
                Err(Failure::NotFound) => return WriteOutcome::Gone,
                Err(Failure::Conflict | Failure::AlreadyExists) => {
                    match self.look::<Offer>(&offer.0.namespace, &offer.0.name, &mut backoff).await {
                        Ok(Some(())) => {}
                        Ok(None) => return WriteOutcome::Gone,
                        Err(why) => return WriteOutcome::Refused(why),
                    }
                }
                Err(Failure::Again(why)) => {
                    if let Err(why) = backoff.wait("offer status", &why).await {
                        return WriteOutcome::Refused(why);
                    }
                }
                Err(Failure::Refused(why)) => return WriteOutcome::Refused(why),
            }
        }
    }

    /// Deletes an offer's object.
    pub(super) async fn delete_offer(&self, offer: &OfferId) -> WriteOutcome {
        let api = self.offers(offer);
        let mut backoff = Backoff::default();
        loop {
            self.guard.check();
            match request(api.delete(&offer.0.name, &DeleteParams::background())).await {
                Ok(_) => return WriteOutcome::Done,
                Err(Failure::NotFound | Failure::Conflict | Failure::AlreadyExists) => return WriteOutcome::Gone,
                Err(Failure::Again(why)) => {
                    if let Err(why) = backoff.wait("offer deletion", &why).await {
                        return WriteOutcome::Refused(why);
                    }
                }
                Err(Failure::Refused(why)) => return WriteOutcome::Refused(why),
            }
        }
    }
}
