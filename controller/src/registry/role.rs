//! `AllocationRole` objects to the master's events.

use super::shelf::{Entry, object_key, uid_of};
use crate::clock::from_kubernetes;
use proffer_crds::{AllocationRole, AllocationRoleSpec, QuantityText};
use proffer_master::{Event, Quota, RoleObject, RoleTerms, Weight};
use proffer_resources::quantity::{QuantityError, parse_bytes_as_mib, parse_cpu};
use proffer_resources::{Amount, Quantities, ResourceName, Role};
use std::collections::BTreeMap;

/// What an `AllocationRole` object that is there tells the master.
pub(super) fn applied(entry: &Entry<AllocationRole>) -> Event {
    let meta = entry.meta();
    let name = object_key(entry).name;
    if meta.deletion_timestamp.is_some() {
        return Event::RoleDeleted { name, uid: uid_of(entry) };
    }
    let in_force = |object: &AllocationRole| {
        let quota = object.status.as_ref()?.quota.as_ref()?;
        read_quota(&quota.guarantees, &quota.limits).ok()
    };
    Event::RoleApplied(RoleObject {
        name,
        uid: uid_of(entry),
        generation: meta.generation.unwrap_or_default(),
        created: from_kubernetes(meta.creation_timestamp.as_ref()),
        terms: match entry.value() {
            Ok(object) => terms(&object.spec),
            Err(problem) => Err(format!("the object does not have an AllocationRole's form: {problem}")),
        },
        quota_in_force: entry.value().ok().and_then(in_force),
    })
}

/// What an `AllocationRole` object that is gone tells the master.
pub(super) fn deleted(entry: &Entry<AllocationRole>) -> Event {
    Event::RoleDeleted { name: object_key(entry).name, uid: uid_of(entry) }
}

fn terms(spec: &AllocationRoleSpec) -> Result<RoleTerms, String> {
    let none = proffer_crds::QuotaSpec::default();
    let quota = spec.quota.as_ref().unwrap_or(&none);
    Ok(RoleTerms {
        role: Role::new(&spec.path).map_err(|error| error.to_string())?,
        weight: weight(spec.weight)?,
        quota: read_quota(&quota.guarantees.0, &quota.limits.0).map_err(|error| error.to_string())?,
        force: quota.force,
    })
}

/// A weight in thousandths; the schema has its bounds.
fn weight(weight: f64) -> Result<Weight, String> {
    let thousandths = (weight * 1000.0).round();
    if !(1.0..=1e9).contains(&thousandths) {
        return Err(format!("the weight {weight} is not from 0.001 to 1000000: write 1 for an ordinary role"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "its bounds were checked")]
    Ok(Weight::from_thousandths(thousandths as u32))
}

/// Quantities and limits by the names that objects give to resources.
pub(crate) fn read_quota(
    guarantees: &BTreeMap<String, QuantityText>,
    limits: &BTreeMap<String, QuantityText>,
) -> Result<Quota, QuantityError> {
    let read = |amounts: &BTreeMap<String, QuantityText>| {
        amounts.iter().map(|(name, text)| amount(name, &text.0)).collect::<Result<Vec<_>, _>>()
    };
    let guarantees = read(guarantees)?.into_iter().filter(|(_, amount)| !amount.is_zero());
    Ok(Quota { guarantees: guarantees.collect::<Quantities>(), limits: read(limits)?.into_iter().collect() })
}

fn amount(name: &str, text: &str) -> Result<(ResourceName, Amount), QuantityError> {
    Ok(match name {
        "cpu" => (ResourceName::Cpus, parse_cpu(text)?),
        "memory" => (ResourceName::Mem, parse_bytes_as_mib(text)?),
        "disk" => (ResourceName::Disk, parse_bytes_as_mib(text)?),
        name => (ResourceName::from(name), parse_cpu(text)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(spec: &Value, status: &Value) -> RoleObject {
        let object = json!({
            "apiVersion": "proffer.dev/v1alpha1",
            "kind": "AllocationRole",
            "metadata": {"name": "eng", "uid": "u1", "generation": 2, "creationTimestamp": "2026-11-22T15:40:00Z"},
            "spec": spec,
            "status": status,
        });
        match applied(&Entry::new(serde_json::from_value(object).unwrap())) {
            Event::RoleApplied(object) => object,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_people_write_is_read() {
        let spec = json!({
            "path": "eng", "weight": 2.5,
            "quota": {"guarantees": {"cpu": "500m", "memory": "1Gi"}, "limits": {"disk": "10Mi", "gpus": 1}, "force": true},
        });
        let object = event(&spec, &json!({"quota": {"limits": {"cpu": "3"}}}));
        let terms = object.terms.unwrap();
        assert_eq!((terms.role.as_str(), terms.weight, terms.force), ("eng", Weight::from_thousandths(2500), true));
        assert_eq!(terms.quota.guarantees.to_string(), "cpus:0.5;mem:1024");
        assert_eq!(terms.quota.limits.get(&ResourceName::Disk), Some(Amount::from_units(10)));
        assert_eq!(terms.quota.limits.get(&ResourceName::Gpus), Some(Amount::from_units(1)));
        assert_eq!(object.quota_in_force.unwrap().limits.get(&ResourceName::Cpus), Some(Amount::from_units(3)));
        assert_eq!(object.created.to_string(), "2026-11-22T15:40:00Z");
    }

    #[test]
    fn what_the_schema_would_have_refused_is_told() {
        for (spec, expected) in [
            (json!({"path": "-x"}), "role \"-x\" has a part that begins with -: write a role as eng or eng/analytics"),
            (
                json!({"path": "x", "weight": 0}),
                "the weight 0 is not from 0.001 to 1000000: write 1 for an ordinary role",
            ),
            (
                json!({"path": "x", "quota": {"limits": {"cpu": "-1"}}}),
                "\"-1\" is negative: write a quantity above zero",
            ),
        ] {
            assert_eq!(event(&spec, &json!({})).terms, Err(expected.to_owned()), "{spec}");
        }
    }
}
