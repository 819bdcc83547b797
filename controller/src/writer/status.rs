//! Statuses by which nothing is decided: the newest of this epoch simply wins.

use super::backoff::{Backoff, Failure, request};
use super::execute::Executor;
use crate::records::{self, epoch_number};
use crate::registry::{Entry, Guarded, Kind};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use proffer_crds::{AllocationRole, Framework, Maintenance};
use proffer_master::{FrameworkRecord, MaintenanceRecord, ObjectKey, RoleRecord, WriteOutcome};
use serde::Serialize;

impl Executor {
    /// Writes a framework's status.
    pub(super) async fn framework_status(&self, record: &FrameworkRecord) -> WriteOutcome {
        self.newest_status::<Framework>(&record.key, &record.uid, |known| {
            let wanted = records::framework::status(record, known.status.as_ref(), Timestamp::now());
            (known.status.as_ref() != Some(&wanted)).then(|| Framework { status: Some(wanted), ..known.clone() })
        })
        .await
    }

    /// Writes a role's status.
    pub(super) async fn role_status(&self, record: &RoleRecord) -> WriteOutcome {
        let key = ObjectKey::new("", record.name.clone());
        self.newest_status::<AllocationRole>(&key, &record.uid, |known| {
            let wanted = records::role::status(record, known.status.as_ref(), Timestamp::now());
            (known.status.as_ref() != Some(&wanted)).then(|| AllocationRole { status: Some(wanted), ..known.clone() })
        })
        .await
    }

    /// Writes a maintenance's status.
    pub(super) async fn maintenance_status(&self, record: &MaintenanceRecord) -> WriteOutcome {
        let key = ObjectKey::new("", record.name.clone());
        self.newest_status::<Maintenance>(&key, &record.uid, |known| {
            let wanted = records::maintenance::status(record, known.status.as_ref(), Timestamp::now());
            (known.status.as_ref() != Some(&wanted)).then(|| Maintenance { status: Some(wanted), ..known.clone() })
        })
        .await
    }

    /// Writes the status that `change` puts into the newest known version of an object; `None` if it has it already.
    async fn newest_status<K: Kind + Serialize>(
        &self,
        key: &ObjectKey,
        uid: &str,
        change: impl Fn(&K) -> Option<K>,
    ) -> WriteOutcome {
        let api = K::within(&self.client, &key.namespace);
        let mut backoff = Backoff::default();
        loop {
            let Some(entry) = self.registry.get::<K>(key) else { return WriteOutcome::Gone };
            if entry.meta().uid.as_deref() != Some(uid) {
                return WriteOutcome::Gone;
            }
            let Ok(known) = entry.value() else {
                return WriteOutcome::Refused(format!("the object does not have the form of its kind {}", K::NAME));
            };
            if known.epoch() > epoch_number(self.guard.epoch()) {
                return WriteOutcome::Conflict;
            }
            let Some(changed) = change(known) else { return WriteOutcome::Done };
            self.guard.check();
            match request(api.replace_status(&key.name, &PostParams::default(), &Guarded(Ok(changed)))).await {
                Ok(written) => {
                    self.registry.absorb(Entry::new(written));
                    return WriteOutcome::Done;
                }
                Err(Failure::NotFound) => return WriteOutcome::Gone,
                Err(Failure::Conflict | Failure::AlreadyExists) => {
                    match self.look::<K>(&key.namespace, &key.name, &mut backoff).await {
                        Ok(Some(())) => {}
                        Ok(None) => return WriteOutcome::Gone,
                        Err(why) => return WriteOutcome::Refused(why),
                    }
                }
                Err(Failure::Again(why)) => {
                    if let Err(why) = backoff.wait(K::NAME, &why).await {
                        return WriteOutcome::Refused(why);
                    }
                }
                Err(Failure::Refused(why)) => return WriteOutcome::Refused(why),
            }
        }
    }
}
