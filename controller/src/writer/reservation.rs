//! Writes to Reservation objects. What an operation reserves counts once its object says so: the answer to such a write
//! comes after the object as it is then.

use super::backoff::{Backoff, Failure, request};
use super::execute::Executor;
use crate::records;
use crate::registry::{Entry, Guarded};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use proffer_crds::{RESERVATION_FINALIZER, Reservation};
use proffer_master::{NewReservation, ObjectKey, ReservationRecord, WriteOutcome};
use proffer_resources::ResourceBag;
use serde_json::{Value, json};
use std::sync::Arc;

impl Executor {
    fn reservations(&self) -> Api<Guarded<Reservation>> {
        Api::all(self.client.clone())
    }

    /// The newest known version of a reservation; `None` if it is gone, or another one by now.
    fn known_reservation(&self, name: &str, uid: Option<&str>) -> Option<Arc<Entry<Reservation>>> {
        let entry = self.registry.get::<Reservation>(&ObjectKey::new("", name))?;
        uid.is_none_or(|uid| entry.meta().uid.as_deref() == Some(uid)).then_some(entry)
    }

    /// Makes a reservation's object.
    pub(super) async fn create_reservation(&self, new: &NewReservation) -> WriteOutcome {
        let object = match records::reservation::object(new) {
            Ok(object) => Guarded(Ok(object)),
            Err(why) => return WriteOutcome::Refused(why),
        };
        let mut backoff = Backoff::default();
        loop {
            self.guard.check();
            match request(self.reservations().create(&PostParams::default(), &object)).await {
                Ok(written) => {
                    self.registry.observe(Entry::new(written));
                    return WriteOutcome::Done;
                }
                // Names are unique over all epochs: it is ours, and the answer to an earlier try was lost.
                Err(Failure::AlreadyExists | Failure::Conflict) => {
                    return match self.look::<Reservation>("", &new.name, &mut backoff).await {
                        Ok(Some(())) => WriteOutcome::Done,
                        Ok(None) => WriteOutcome::Gone,
                        Err(why) => WriteOutcome::Refused(why),
                    };
                }
                Err(Failure::NotFound) => return WriteOutcome::Gone,
                Err(Failure::Again(why)) => {
                    if let Err(why) = backoff.wait("reservation creation", &why).await {
                        return WriteOutcome::Refused(why);
                    }
                }
                Err(Failure::Refused(why)) => return WriteOutcome::Refused(why),
            }
        }
    }

    /// Makes a reservation's object ask for something else.
    pub(super) async fn change_reservation(&self, name: &str, uid: &str, resources: &ResourceBag) -> WriteOutcome {
        let mut backoff = Backoff::default();
        loop {
            let Some(entry) = self.known_reservation(name, Some(uid)) else { return WriteOutcome::Gone };
            let Ok(known) = entry.value() else {
                return WriteOutcome::Refused("the object does not have a Reservation's form".to_owned());
            };
            let spec = match records::reservation::spec(&known.spec.agent, resources) {
                Ok(spec) => spec,
                Err(why) => return WriteOutcome::Refused(why),
            };
            if known.spec == spec {
                return WriteOutcome::Done;
            }
            let object = Guarded(Ok(Reservation { spec, ..known.clone() }));
            self.guard.check();
            match request(self.reservations().replace(name, &PostParams::default(), &object)).await {
                Ok(written) => {
                    self.registry.observe(Entry::new(written));
                    return WriteOutcome::Done;
                }
                Err(failure) => {
                    if let Some(outcome) = self.after_failure(name, failure, &mut backoff).await {
                        return outcome;
                    }
                }
            }
        }
    }

    /// Deletes a reservation's object; it stays, marked, until nothing is reserved by it.
    pub(super) async fn delete_reservation(&self, name: &str, uid: &str) -> WriteOutcome {
        let params = DeleteParams::background()
            .preconditions(Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        let mut backoff = Backoff::default();
        loop {
            self.guard.check();
            match request(self.reservations().delete(name, &params)).await {
                Ok(answer) => {
                    if let Some(object) = answer.left() {
                        self.registry.observe(Entry::new(object));
                    }
                    return WriteOutcome::Done;
                }
                // Of another UID: the one that was meant is gone.
                Err(Failure::NotFound | Failure::Conflict | Failure::AlreadyExists) => return WriteOutcome::Gone,
                Err(Failure::Again(why)) => {
                    if let Err(why) = backoff.wait("reservation deletion", &why).await {
                        return WriteOutcome::Refused(why);
                    }
                }
                Err(Failure::Refused(why)) => return WriteOutcome::Refused(why),
            }
        }
    }

    /// Puts the finalizer on a reservation, if it may hold anything, and writes its status. Nothing is decided by it, so the
    /// newest of this epoch simply wins.
    pub(super) async fn reservation_status(&self, record: &ReservationRecord) -> WriteOutcome {
        let held = self.patch_reservation(&record.name, Some(&record.uid), |entry| {
            let meta = entry.meta();
            let mut finalizers = meta.finalizers.clone().unwrap_or_default();
            // Nothing new can be put on an object that is being deleted.
            if meta.deletion_timestamp.is_some() || finalizers.iter().any(|one| one == RESERVATION_FINALIZER) {
                return None;
            }
            finalizers.push(RESERVATION_FINALIZER.to_owned());
            Some(json!({"finalizers": finalizers}))
        });
        match held.await {
            WriteOutcome::Done => {}
            failed => return failed,
        }
        let mut backoff = Backoff::default();
        loop {
            let Some(entry) = self.known_reservation(&record.name, Some(&record.uid)) else {
                return WriteOutcome::Gone;
            };
            let Ok(known) = entry.value() else {
                return WriteOutcome::Refused("the object does not have a Reservation's form".to_owned());
            };
            let before = known.status.as_ref();
            if before.and_then(|status| status.master_epoch) > records::epoch_number(self.guard.epoch()) {
                return WriteOutcome::Conflict;
            }
            let wanted = records::reservation::status(record, before, Timestamp::now());
            if before == Some(&wanted) {
                return WriteOutcome::Done;
            }
            let object = Guarded(Ok(Reservation { status: Some(wanted), ..known.clone() }));
            self.guard.check();
            match request(self.reservations().replace_status(&record.name, &PostParams::default(), &object)).await {
                Ok(written) => {
                    // Its spec may ask for something by now that nobody was told of.
                    self.registry.observe(Entry::new(written));
                    return WriteOutcome::Done;
                }
                Err(failure) => {
                    if let Some(outcome) = self.after_failure(&record.name, failure, &mut backoff).await {
                        return outcome;
                    }
                }
            }
        }
    }

    /// Takes the finalizer off a reservation.
    pub(super) async fn release_reservation(&self, name: &str) -> WriteOutcome {
        self.patch_reservation(name, None, |entry| {
            let finalizers = entry.meta().finalizers.clone().unwrap_or_default();
            let kept: Vec<&String> = finalizers.iter().filter(|one| *one != RESERVATION_FINALIZER).collect();
            (kept.len() < finalizers.len()).then(|| json!({"finalizers": kept}))
        })
        .await
    }

    /// Patches a reservation's metadata as `change` says, on top of the newest version.
    async fn patch_reservation(
        &self,
        name: &str,
        uid: Option<&str>,
        change: impl Fn(&Entry<Reservation>) -> Option<Value>,
    ) -> WriteOutcome {
        let mut backoff = Backoff::default();
        loop {
            let Some(entry) = self.known_reservation(name, uid) else { return WriteOutcome::Gone };
            let Some(mut metadata) = change(&entry) else { return WriteOutcome::Done };
            metadata["resourceVersion"] = json!(entry.meta().resource_version);
            metadata["uid"] = json!(entry.meta().uid);
            let patch = json!({"metadata": metadata});
            self.guard.check();
            match request(self.reservations().patch(name, &PatchParams::default(), &Patch::Merge(patch))).await {
                Ok(object) => {
                    self.registry.observe(Entry::new(object));
                    return WriteOutcome::Done;
                }
                Err(failure) => {
                    if let Some(outcome) = self.after_failure(name, failure, &mut backoff).await {
                        return outcome;
                    }
                }
            }
        }
    }

    /// What a failed write of a reservation comes to; `None` to try again, on what is known by then.
    async fn after_failure(&self, name: &str, failure: Failure, backoff: &mut Backoff) -> Option<WriteOutcome> {
        let again = match failure {
            Failure::NotFound => return Some(WriteOutcome::Gone),
            Failure::Conflict | Failure::AlreadyExists => match self.look::<Reservation>("", name, backoff).await {
                Ok(Some(())) => Ok(()),
                Ok(None) => return Some(WriteOutcome::Gone),
                Err(why) => Err(why),
            },
            Failure::Again(why) => backoff.wait("reservation", &why).await,
            Failure::Refused(why) => Err(why),
        };
        again.err().map(WriteOutcome::Refused)
    }
}
