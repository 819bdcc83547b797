//! Writes to Framework objects.

use super::backoff::{Backoff, Failure, request};
use super::execute::Executor;
use crate::records;
use crate::registry::{Entry, Guarded};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use proffer_crds::Framework;
use proffer_master::{FrameworkRecord, WriteOutcome};

impl Executor {
    /// Writes a framework's status. Nothing is decided by it, so the newest of this epoch simply wins.
    pub(super) async fn framework_status(&self, record: &FrameworkRecord) -> WriteOutcome {
        let api: Api<Guarded<Framework>> = Api::namespaced(self.client.clone(), &record.key.namespace);
        let mut backoff = Backoff::default();
        loop {
            let Some(entry) = self.registry.get::<Framework>(&record.key) else { return WriteOutcome::Gone };
            if entry.meta().uid.as_deref() != Some(record.uid.as_str()) {
                return WriteOutcome::Gone;
            }
            let Ok(known) = entry.value() else {
                return WriteOutcome::Refused("the object does not have a Framework's form".to_owned());
            };
            let before = known.status.as_ref();
            if before.and_then(|status| status.master_epoch) > records::epoch_number(self.guard.epoch()) {
                return WriteOutcome::Conflict;
            }
            let wanted = records::framework::status(record, before, Timestamp::now());
            if before == Some(&wanted) {
                return WriteOutcome::Done;
            }
            let object = Guarded(Ok(Framework { status: Some(wanted), ..known.clone() }));
            self.guard.check();
            match request(api.replace_status(&record.key.name, &PostParams::default(), &object)).await {
                Ok(written) => {
                    self.registry.absorb(Entry::new(written));
                    return WriteOutcome::Done;
                }
                Err(Failure::NotFound) => return WriteOutcome::Gone,
                Err(Failure::Conflict | Failure::AlreadyExists) => {
                    match self.look::<Framework>(&record.key.namespace, &record.key.name, &mut backoff).await {
                        Ok(Some(())) => {}
                        Ok(None) => return WriteOutcome::Gone,
                        Err(why) => return WriteOutcome::Refused(why),
                    }
                }
                Err(Failure::Again(why)) => {
                    if let Err(why) = backoff.wait("framework status", &why).await {
                        return WriteOutcome::Refused(why);
                    }
                }
                Err(Failure::Refused(why)) => return WriteOutcome::Refused(why),
            }
        }
    }
}
