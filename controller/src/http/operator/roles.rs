//! `AllocationRole` objects, as operators change them.

use super::Operator;
use super::write::{object_name, other_name};
use crate::http::view::{RoleSettings, role_settings};
use axum::response::Response;
use proffer_crds::{AllocationRole, AllocationRoleSpec, QuotaSpec};
use proffer_master::ObjectKey;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a role gets.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Gets {
    /// This weight.
    Weight(f64),
    /// This quota; none if it says nothing.
    Quota(QuotaSpec),
}

impl Operator {
    /// Weights and quota as they are now.
    pub(super) fn settings(&self) -> BTreeMap<String, RoleSettings> {
        role_settings(&self.master.registry.all::<AllocationRole>())
    }

    /// The name of a role's object: of the one there is, or of the one that would be made.
    pub(super) fn name_of(&self, settings: &BTreeMap<String, RoleSettings>, role: &str) -> String {
        if let Some(known) = settings.get(role) {
            return known.object.clone();
        }
        let name = object_name(role);
        let taken = self.master.registry.get::<AllocationRole>(&ObjectKey::new("", name.clone())).is_some();
        if taken { other_name(role) } else { name }
    }

    /// Gives something to a role. Only in one's turn.
    pub(super) async fn give(&self, role: &str, gets: &Gets) -> Result<(), Response> {
        let settings = self.settings();
        let name = self.name_of(&settings, role);
        if !settings.contains_key(role) {
            let mut spec = AllocationRoleSpec { path: role.to_owned(), weight: 1.0, quota: None };
            match gets {
                Gets::Weight(weight) => spec.weight = *weight,
                Gets::Quota(quota) => spec.quota = Some(quota.clone()).filter(|quota| *quota != QuotaSpec::default()),
            }
            return self.master.create(AllocationRole::new(&name, spec)).await;
        }
        let change = match gets {
            Gets::Weight(weight) => json!({"weight": weight}),
            Gets::Quota(quota) if *quota == QuotaSpec::default() => json!({"quota": null}),
            Gets::Quota(quota) => json!({"quota": self.replacing(&name, quota)}),
        };
        self.master.merge::<AllocationRole>(&name, &json!({"spec": change})).await
    }

    /// A quota that, merged into the object, leaves nothing of the one before.
    fn replacing(&self, name: &str, quota: &QuotaSpec) -> Value {
        let entry = self.master.registry.get::<AllocationRole>(&ObjectKey::new("", name));
        let before = entry.as_ref().and_then(|entry| entry.value().ok()?.spec.quota.as_ref());
        let amounts = |now: &proffer_crds::QuantityMap, before: Option<&proffer_crds::QuantityMap>| {
            let gone = before.into_iter().flat_map(|before| before.0.keys()).map(|name| (name.clone(), Value::Null));
            let now = now.0.iter().map(|(name, amount)| (name.clone(), json!(amount)));
            Value::Object(gone.chain(now).collect::<Map<_, _>>())
        };
        json!({
            "guarantees": amounts(&quota.guarantees, before.map(|before| &before.guarantees)),
            "limits": amounts(&quota.limits, before.map(|before| &before.limits)),
            "force": quota.force,
        })
    }
}
