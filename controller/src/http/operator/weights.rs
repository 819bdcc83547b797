//! Weights (Mesos: `WeightsHandler`).

use super::roles::Gets;
use super::{Operator, bad, done, list};
use crate::auth::{Action, Object};
use axum::response::Response;
use proffer_mesos_api::v1::WeightInfo;
use proffer_mesos_api::validation::ids;
use std::collections::BTreeMap;

/// The weights that an object can have.
const POSSIBLE: std::ops::RangeInclusive<f64> = 0.001..=1_000_000.0;

impl Operator {
    /// The weights that were set, as far as the caller may see them.
    pub(super) async fn weights(&self) -> Result<Vec<WeightInfo>, Response> {
        let settings = self.settings().into_iter().collect();
        let seen = self.may_with(Action::ViewRoles, settings, |(_, settings)| &settings.object).await?;
        let info = |(role, settings): (String, crate::http::view::RoleSettings)| WeightInfo {
            weight: settings.weight,
            role: Some(role),
        };
        Ok(seen.into_iter().map(info).collect())
    }

    /// PUT of `/weights`.
    pub(super) async fn put_weights(&self, body: &[u8]) -> Result<Response, Response> {
        let text = || String::from_utf8_lossy(body).into_owned();
        if !serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|body| body.is_array()) {
            let why = serde_json::from_slice::<Vec<serde_json::Value>>(body).err().map(|error| error.to_string());
            let why = why.unwrap_or_default();
            return Err(bad(format!("Failed to parse update weights request JSON '{}': {why}", text())));
        }
        let infos = list(body)
            .map_err(|why| bad(format!("Failed to convert weights JSON array to protobuf '{}': {why}", text())))?;
        self.update_weights(infos).await
    }

    /// Sets weights: all that are named, or none if one of them cannot be. Where the API server fails in between, those
    /// before are set.
    pub(super) async fn update_weights(&self, infos: Vec<WeightInfo>) -> Result<Response, Response> {
        let mut wanted: BTreeMap<String, f64> = BTreeMap::new();
        for info in infos {
            let role = info.role().trim().to_owned();
            ids::role(&role).map_err(|invalid| {
                bad(format!("Failed to validate update weights request JSON: Invalid role '{role}': {invalid}"))
            })?;
            let refused = |why: &str| {
                bad(format!(
                    "Failed to validate update weights request JSON for role '{role}': Invalid weight '{}': {why}",
                    info.weight
                ))
            };
            if info.weight <= 0.0 {
                return Err(refused("Weights must be positive"));
            }
            if !POSSIBLE.contains(&info.weight) {
                return Err(refused("Weights must be from 0.001 to 1000000"));
            }
            wanted.insert(role, info.weight);
        }
        let settings = self.settings();
        if wanted.is_empty() {
            self.may(Action::UpdateWeights, Object::CLUSTER).await?;
        }
        for role in wanted.keys() {
            self.may(Action::UpdateWeights, Object::cluster(&self.name_of(&settings, role))).await?;
        }
        let _turn = self.master.operators.turn().await;
        for (role, weight) in wanted {
            self.give(&role, &Gets::Weight(weight)).await?;
        }
        Ok(done())
    }
}
