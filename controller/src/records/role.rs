//! A role's record as the status of its `AllocationRole`.

use super::{condition, epoch_number};
use k8s_openapi::jiff::Timestamp;
use proffer_crds::{AllocationRoleStatus, QuantityText, QuotaInForce};
use proffer_master::RoleRecord;
use proffer_resources::{Amount, Quantities, ResourceName, quantity};
use std::collections::BTreeMap;

/// Frameworks that a status names at most.
const MOST_FRAMEWORKS: usize = 100;

/// The status that says what `record` says. `before` is the status so far.
#[must_use]
pub fn status(record: &RoleRecord, before: Option<&AllocationRoleStatus>, now: Timestamp) -> AllocationRoleStatus {
    let mut conditions = before.map(|status| status.conditions.clone()).unwrap_or_default();
    condition(&mut conditions, "Accepted", &record.accepted, record.generation, now);
    let quota = record.quota.as_ref().map(|quota| QuotaInForce {
        guarantees: quantities(&quota.guarantees),
        limits: quota.limits.iter().map(|(name, amount)| text(name, amount)).collect(),
    });
    AllocationRoleStatus {
        observed_generation: Some(record.generation),
        master_epoch: epoch_number(record.epoch),
        dominant_share: record.quota.as_ref().map(|_| per_cent(record.dominant_share)),
        quota,
        allocated: quantities(&record.allocated),
        offered: quantities(&record.offered),
        consumed: quantities(&record.consumed),
        frameworks: record.frameworks.iter().take(MOST_FRAMEWORKS).map(ToString::to_string).collect(),
        conditions,
    }
}

/// Amounts by the names that objects give to resources.
fn quantities(amounts: &Quantities) -> BTreeMap<String, QuantityText> {
    amounts.iter().map(|(name, amount)| text(&name, amount)).collect()
}

fn text(name: &ResourceName, amount: Amount) -> (String, QuantityText) {
    let (name, text) = match name {
        ResourceName::Cpus => ("cpu", quantity::format_cpu(amount)),
        ResourceName::Mem => ("memory", quantity::format_mib(amount)),
        ResourceName::Disk => ("disk", quantity::format_mib(amount)),
        name => (name.as_str(), quantity::format_cpu(amount)),
    };
    (name.to_owned(), text.into())
}

fn per_cent(thousandths: u64) -> String {
    format!("{}.{}%", thousandths / 10, thousandths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_master::{Epoch, ObjectKey, Quota, Readiness, Weight};
    use serde_json::json;

    #[test]
    fn the_status_says_what_the_record_says() {
        let cpus = Quantities::default().with(&ResourceName::Cpus, Amount::from_thousandths(1500));
        let record = RoleRecord {
            name: "eng".to_owned(),
            uid: "u1".to_owned(),
            generation: 2,
            accepted: Readiness { ready: true, reason: "Accepted", message: "in force".to_owned() },
            weight: Weight::ONE,
            quota: Some(Quota {
                guarantees: Quantities::default(),
                limits: [(ResourceName::Mem, Amount::from_units(64)), (ResourceName::Gpus, Amount::ZERO)]
                    .into_iter()
                    .collect(),
            }),
            allocated: cpus.clone(),
            offered: Quantities::default(),
            consumed: cpus,
            dominant_share: 375,
            frameworks: [ObjectKey::new("default", "hello")].into(),
            epoch: Epoch(4),
        };
        let now = Timestamp::from_second(1_795_362_000).unwrap();
        assert_eq!(
            serde_json::to_value(status(&record, None, now)).unwrap(),
            json!({
                "observedGeneration": 2,
                "masterEpoch": 4,
                "quota": {"limits": {"memory": "64Mi", "gpus": "0"}},
                "allocated": {"cpu": "1500m"},
                "offered": {},
                "consumed": {"cpu": "1500m"},
                "dominantShare": "37.5%",
                "frameworks": ["default/hello"],
                "conditions": [{
                    "type": "Accepted", "status": "True", "reason": "Accepted", "message": "in force",
                    "lastTransitionTime": "2026-11-22T15:40:00Z", "observedGeneration": 2,
                }],
            })
        );
    }
}
