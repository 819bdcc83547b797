//! Weights and quota of roles, as their objects say.

use crate::registry::{Entry, read_quota};
use proffer_crds::AllocationRole;
use proffer_master::Quota;
use proffer_resources::Quantities;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an operator gave to a role.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::http) struct RoleSettings {
    /// Name of the object that counts for it.
    pub(in crate::http) object: String,
    /// Its weight.
    pub(in crate::http) weight: f64,
    /// Its quota: the one in force, or one that was just set and that the master has not looked at yet.
    pub(in crate::http) quota: Quota,
    /// What counts against its quota, once the master has told.
    pub(in crate::http) consumed: Option<Quantities>,
}

/// Weights and quota by the role's name. Of two objects for one role the older counts, as for the master.
pub(in crate::http) fn role_settings(entries: &[Arc<Entry<AllocationRole>>]) -> BTreeMap<String, RoleSettings> {
    let mut entries: Vec<&Arc<Entry<AllocationRole>>> =
        entries.iter().filter(|entry| entry.meta().deletion_timestamp.is_none()).collect();
    entries.sort_by_key(|entry| (entry.meta().creation_timestamp.as_ref().map(|time| time.0), &entry.meta().name));
    let mut settings = BTreeMap::new();
    for entry in entries {
        let Ok(object) = entry.value() else { continue };
        settings.entry(object.spec.path.clone()).or_insert_with(|| RoleSettings {
            object: entry.meta().name.clone().unwrap_or_default(),
            weight: object.spec.weight,
            quota: quota(object, entry.meta().generation),
            consumed: object
                .status
                .as_ref()
                .and_then(|status| read_quota(&status.consumed, &BTreeMap::new()).ok())
                .map(|consumed| consumed.guarantees),
        });
    }
    settings
}

fn quota(object: &AllocationRole, generation: Option<i64>) -> Quota {
    let seen = object.status.as_ref().filter(|status| status.observed_generation >= generation.or(Some(0)));
    let read = match (seen, &object.spec.quota) {
        (Some(status), _) => status.quota.as_ref().map(|quota| read_quota(&quota.guarantees, &quota.limits)),
        (None, quota) => quota.as_ref().map(|quota| read_quota(&quota.guarantees.0, &quota.limits.0)),
    };
    // What cannot be read is in force nowhere: the object's status tells so.
    read.and_then(Result::ok).unwrap_or_default()
}
