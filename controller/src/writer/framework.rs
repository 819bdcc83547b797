//! Writes to the specs of Framework objects, for frameworks of the scheduler API.

use super::backoff::{Backoff, Failure, request};
use super::execute::Executor;
use crate::records;
use crate::registry::{Entry, Guarded};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, PostParams, Preconditions};
use proffer_crds::{Framework, FrameworkSpec, Scheduler};
use proffer_master::{FrameworkSpecRecord, ObjectKey, WriteOutcome};

impl Executor {
    /// Makes the object of a framework that subscribes, or writes into it what its scheduler says of it now. The master is
    /// told of the object before it is told that it is written.
    pub(super) async fn framework_spec(&self, record: &FrameworkSpecRecord) -> WriteOutcome {
        let api: Api<Guarded<Framework>> = Api::namespaced(self.client.clone(), &record.key.namespace);
        let mut backoff = Backoff::default();
        loop {
            let written = match &record.uid {
                None => {
                    let mut framework = Framework::new(&record.key.name, FrameworkSpec::default());
                    framework.spec.scheduler = Scheduler { built_in: None, external: None };
                    if let Err(why) = records::stream::write_framework(&mut framework.spec, record) {
                        return WriteOutcome::Refused(why);
                    }
                    self.guard.check();
                    request(api.create(&PostParams::default(), &Guarded(Ok(framework)))).await
                }
                Some(uid) => {
                    let Some(entry) = self.registry.get::<Framework>(&record.key) else { return WriteOutcome::Gone };
                    if entry.meta().uid.as_ref() != Some(uid) {
                        return WriteOutcome::Gone;
                    }
                    let Ok(known) = entry.value() else {
                        return WriteOutcome::Refused("the object does not have a Framework's form".to_owned());
                    };
                    let mut framework = known.clone();
                    if let Err(why) = records::stream::write_framework(&mut framework.spec, record) {
                        return WriteOutcome::Refused(why);
                    }
                    self.guard.check();
                    request(api.replace(&record.key.name, &PostParams::default(), &Guarded(Ok(framework)))).await
                }
            };
            match written {
                Ok(written) => {
                    self.registry.observe(Entry::new(written));
                    return WriteOutcome::Done;
                }
                Err(Failure::NotFound) => return WriteOutcome::Gone,
                Err(Failure::Conflict | Failure::AlreadyExists) => {
                    let found = self.look::<Framework>(&record.key.namespace, &record.key.name, &mut backoff).await;
                    match found {
                        Ok(Some(())) if self.is_made_by(record) => return WriteOutcome::Done,
                        Ok(Some(())) if record.uid.is_none() => return WriteOutcome::Conflict,
                        Ok(Some(())) => {}
                        Ok(None) => return WriteOutcome::Gone,
                        Err(why) => return WriteOutcome::Refused(why),
                    }
                }
                Err(Failure::Again(why)) => {
                    if let Err(why) = backoff.wait("framework spec", &why).await {
                        return WriteOutcome::Refused(why);
                    }
                }
                Err(Failure::Refused(why)) => return WriteOutcome::Refused(why),
            }
        }
    }

    /// Deletes a framework's object.
    pub(super) async fn delete_framework(&self, key: &ObjectKey, uid: String) -> WriteOutcome {
        let params = DeleteParams::background().preconditions(Preconditions { uid: Some(uid), resource_version: None });
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &key.namespace, &ApiResource::erase::<Framework>(&()));
        let mut backoff = Backoff::default();
        loop {
            self.guard.check();
            match request(api.delete(&key.name, &params)).await {
                Ok(_) => return WriteOutcome::Done,
                // Of another UID: the one that was meant is gone.
                Err(Failure::NotFound | Failure::Conflict | Failure::AlreadyExists) => return WriteOutcome::Gone,
                Err(Failure::Again(why)) => {
                    if let Err(why) = backoff.wait("framework deletion", &why).await {
                        return WriteOutcome::Refused(why);
                    }
                }
                Err(Failure::Refused(why)) => return WriteOutcome::Refused(why),
            }
        }
    }

    /// Whether an object is the one that an earlier try of this very creation made, whose answer was lost.
    fn is_made_by(&self, record: &FrameworkSpecRecord) -> bool {
        record.uid.is_none()
            && self.registry.get::<Framework>(&record.key).is_some_and(|entry| {
                let external = entry.value().ok().and_then(|framework| framework.spec.scheduler.external.as_ref());
                external.is_some_and(|external| external.framework_id.as_deref() == Some(record.framework_id.as_str()))
            })
    }
}
