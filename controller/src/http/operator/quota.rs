//! Quota of roles (Mesos: `QuotaHandler`).

use super::roles::Gets;
use super::{Operator, bad, done};
use crate::auth::{Action, Object};
use crate::http::answer::text;
use crate::http::view::{AgentView, ByRole, Membership, RoleSettings};
use axum::http::StatusCode;
use axum::response::Response;
use proffer_crds::{Agent, QuantityMap, QuantityText, QuotaSpec};
use proffer_master::{Quota, RoleTerms, Weight, quota_problem};
use proffer_mesos_api::json;
use proffer_mesos_api::v1::Resource;
use proffer_mesos_api::v1::master::call::UpdateQuota;
use proffer_mesos_api::v1::quota::{QuotaConfig, QuotaInfo, QuotaRequest, QuotaStatus};
use proffer_mesos_api::v1::value::{Scalar, Type};
use proffer_mesos_api::validation::framework::input_scalar;
use proffer_mesos_api::validation::{ids, resource};
use proffer_resources::{Amount, Quantities, ResourceName, Role, quantity};
use std::collections::{BTreeMap, BTreeSet};

/// The most that Mesos takes of `mem` and `disk`, in MiB: an exabyte.
const EXABYTE: f64 = 1_099_511_627_776.0;
/// The most that it takes of anything else.
const TRILLION: f64 = 1e12;

impl Operator {
    /// The quota of roles, as far as the caller may see it.
    pub(super) async fn quota(&self) -> Result<QuotaStatus, Response> {
        let set = self.settings().into_iter().filter(|(_, settings)| settings.quota != Quota::default()).collect();
        let seen = self.may_with(Action::GetQuotas, set, |(_, settings)| &settings.object).await?;
        let scalar = |amount: Amount| Scalar { value: amount.to_float() };
        let info = |(role, settings): &(String, RoleSettings)| QuotaInfo {
            role: Some(role.clone()),
            guarantee: settings
                .quota
                .guarantees
                .iter()
                .map(|(name, amount)| Resource {
                    name: name.as_str().to_owned(),
                    r#type: Type::Scalar.into(),
                    scalar: Some(scalar(amount)),
                    ..Resource::default()
                })
                .collect(),
            ..QuotaInfo::default()
        };
        let config = |(role, settings): &(String, RoleSettings)| QuotaConfig {
            role: role.clone(),
            guarantees: settings
                .quota
                .guarantees
                .iter()
                .map(|(name, amount)| (name.as_str().to_owned(), scalar(amount)))
                .collect(),
            limits: settings
                .quota
                .limits
                .iter()
                .map(|(name, amount)| (name.as_str().to_owned(), scalar(amount)))
                .collect(),
        };
        #[allow(deprecated, reason = "Mesos tells it in both forms")]
        Ok(QuotaStatus { infos: seen.iter().map(info).collect(), configs: seen.iter().map(config).collect() })
    }

    /// `UPDATE_QUOTA`: all that are named, or none if one of them cannot be.
    pub(super) async fn update_quota(&self, call: &UpdateQuota) -> Result<Response, Response> {
        let invalid = |why: &str| bad(format!("Invalid QuotaConfig: {why}"));
        let mut wanted: BTreeMap<String, Quota> = BTreeMap::new();
        for config in &call.quota_configs {
            if config.role.contains('/') {
                return Err(bad(format!("Updating quota on nested role '{}' is not supported yet", config.role)));
            }
            wanted.insert(config.role.clone(), read(config).map_err(|why| invalid(&why))?);
        }
        let _turn = self.master.operators.turn().await;
        let settings = self.settings();
        if !call.force() {
            for (role, quota) in &wanted {
                let consumed = settings.get(role).and_then(|settings| settings.consumed.clone()).unwrap_or_default();
                if !quota.limits.allow(&consumed) {
                    return Err(invalid(&format!(
                        "Role '{role}' is already consuming '{}'; this is more than the requested limits '{}' (use \
                         'force' flag to bypass this check)",
                        told(consumed.iter()),
                        told(quota.limits.iter().map(|(name, amount)| (name.clone(), amount)))
                    )));
                }
            }
        }
        let total = guaranteed(&settings, &wanted);
        let capacity = self.capacity();
        if !call.force() && !capacity.contains(&total) {
            return Err(invalid(&format!(
                "total quota guarantees '{}' exceed cluster capacity '{}' (use 'force' flag to bypass this check)",
                told(total.iter()),
                told(capacity.iter())
            )));
        }
        for (role, quota) in &wanted {
            never(role, quota).map_err(|why| invalid(&why))?;
        }
        if wanted.is_empty() {
            self.may(Action::UpdateQuotas, Object::CLUSTER).await?;
        }
        for role in wanted.keys() {
            self.may(Action::UpdateQuotas, Object::cluster(&self.name_of(&settings, role))).await?;
        }
        for (role, quota) in &wanted {
            self.give(role, &Gets::Quota(written(quota, call.force()))).await?;
        }
        Ok(done())
    }

    /// POST of `/quota`.
    pub(super) async fn post_quota(&self, body: &[u8]) -> Result<Response, Response> {
        let request: QuotaRequest = json::decode(body).map_err(|error| {
            let text = String::from_utf8_lossy(body);
            bad(match error {
                json::Error::Syntax(_) => format!("Failed to parse set quota request JSON '{text}': {error}"),
                _ => format!("Failed to validate set quota request JSON '{text}': {error}"),
            })
        })?;
        self.set_quota(request).await
    }

    /// `SET_QUOTA`: a role that has none gets guarantees, which are its limits, too.
    pub(super) async fn set_quota(&self, mut request: QuotaRequest) -> Result<Response, Response> {
        let failed = |why: &str| bad(format!("Failed to validate set quota request: {why}"));
        resource::validate_each(&request.guarantee)
            .map_err(|invalid| failed(&format!("QuotaInfo with invalid resource: {invalid}")))?;
        request.guarantee.iter_mut().for_each(resource::upgrade);
        let quota = guarantee(&request).map_err(|why| failed(&why))?;
        let role = request.role().to_owned();
        let _turn = self.master.operators.turn().await;
        let settings = self.settings();
        if settings.get(&role).is_some_and(|settings| settings.quota != Quota::default()) {
            return Err(failed(&format!("Cannot set quota for role '{role}' which already has quota")));
        }
        if role.contains('/') {
            return Err(bad(format!("Setting quota on nested role '{role}' is not supported yet")));
        }
        never(&role, &quota).map_err(|why| failed(&why))?;
        self.may(Action::UpdateQuotas, Object::cluster(&self.name_of(&settings, &role))).await?;
        let total = guaranteed(&settings, &BTreeMap::from([(role.clone(), quota.clone())]));
        let capacity = self.capacity();
        if !request.force() && !capacity.contains(&total) {
            return Err(text(
                StatusCode::CONFLICT,
                format!(
                    "Quota guarantees overcommit the cluster (use 'force' to bypass this check): Total quota guarantees \
                     '{}' exceed cluster capacity '{}'",
                    told(total.iter()),
                    told(capacity.iter())
                ),
            ));
        }
        self.give(&role, &Gets::Quota(written(&quota, request.force()))).await?;
        Ok(done())
    }

    /// DELETE of `/quota/ROLE`.
    pub(super) async fn delete_quota(&self, path: &str) -> Result<Response, Response> {
        // Mesos sees every path below its own name.
        let path = if path.starts_with("/master/") { path.to_owned() } else { format!("/master{path}") };
        let role = path.splitn(4, '/').nth(3).filter(|role| !role.is_empty());
        let role = role.ok_or_else(|| {
            bad(format!("Failed to parse remove quota request for path '{path}': expected 3 tokens, found 2 tokens"))
        })?;
        self.remove_quota(role, Some(&path)).await
    }

    /// `REMOVE_QUOTA`.
    pub(super) async fn remove_quota(&self, role: &str, path: Option<&str>) -> Result<Response, Response> {
        let _turn = self.master.operators.turn().await;
        let settings = self.settings();
        let known = settings.get(role).filter(|settings| settings.quota != Quota::default());
        let Some(known) = known else {
            let at = path.map(|path| format!(" for path '{path}'")).unwrap_or_default();
            return Err(bad(format!("Failed to remove quota{at}: Role '{role}' has no quota set")));
        };
        self.may(Action::UpdateQuotas, Object::cluster(&known.object)).await?;
        self.give(role, &Gets::Quota(QuotaSpec::default())).await?;
        Ok(done())
    }

    /// What all registered agents have.
    fn capacity(&self) -> Quantities {
        let agents = self.master.registry.all::<Agent>();
        let views = agents.iter().filter_map(|entry| AgentView::new(entry, ByRole::default(), ByRole::default()));
        let registered = views.filter(|agent| agent.membership == Membership::Registered);
        registered.fold(Quantities::default(), |sum, agent| sum.plus(&Quantities::from(&agent.total)))
    }
}

/// What all roles would be guaranteed.
fn guaranteed(settings: &BTreeMap<String, RoleSettings>, wanted: &BTreeMap<String, Quota>) -> Quantities {
    let others = settings.iter().filter(|(role, _)| !wanted.contains_key(*role)).map(|(_, settings)| &settings.quota);
    others.chain(wanted.values()).fold(Quantities::default(), |sum, quota| sum.plus(&quota.guarantees))
}

/// Why the kind takes no such quota, whatever the cluster has.
fn never(role: &str, quota: &Quota) -> Result<(), String> {
    let role = Role::new(role).map_err(|error| error.to_string())?;
    let terms = RoleTerms { role, weight: Weight::ONE, quota: quota.clone(), force: true };
    let none = Quantities::default();
    quota_problem(&terms, None, &none, &none).map_or(Ok(()), |(_, why)| Err(why))
}

/// Checks a config (Mesos: `quota::validate`).
fn read(config: &QuotaConfig) -> Result<Quota, String> {
    ids::role(&config.role).map_err(|invalid| format!("Invalid 'QuotaConfig.role': {invalid}"))?;
    for (amounts, field) in [(&config.guarantees, "guarantees"), (&config.limits, "limits")] {
        for (name, amount) in amounts {
            let (most, unit, number) = match name.as_str() {
                "mem" | "disk" => (EXABYTE, "1 exabyte", "1099511627776"),
                _ => (TRILLION, "1 trillion", "1000000000000"),
            };
            if amount.value > most {
                return Err(format!(
                    "Invalid 'QuotaConfig.{field}': {{'{name}': {}}} is invalid: values greater than {unit} ({number}) \
                     are not supported",
                    amount.value
                ));
            }
        }
    }
    let read = |amounts: &BTreeMap<String, Scalar>, which: &str| {
        let one = |(name, amount): (&String, &Scalar)| {
            let wrong = |why: &str| format!("Invalid {which} configuration {{'{name}': {}}}: {why}", amount.value);
            input_scalar(amount.value).map_err(|invalid| wrong(&invalid.to_string()))?;
            let read = Amount::from_float(amount.value).ok_or_else(|| wrong("it is no amount"))?;
            Ok((ResourceName::from(name.as_str()), read))
        };
        amounts.iter().map(one).collect::<Result<Vec<_>, String>>()
    };
    let guarantees: Quantities = read(&config.guarantees, "guarantee")?.into_iter().collect();
    let limits: Vec<(ResourceName, Amount)> = read(&config.limits, "limit")?;
    if limits.iter().any(|(name, limit)| guarantees.get(name) > *limit) {
        let map = |amounts: &BTreeMap<String, Scalar>| {
            let all: Vec<String> = amounts.iter().map(|(name, amount)| format!("{name}: {}", amount.value)).collect();
            format!("{{{}}}", all.join(", "))
        };
        return Err(format!(
            "'QuotaConfig.guarantees' {} is not contained within the 'QuotaConfig.limits' {}",
            map(&config.guarantees),
            map(&config.limits)
        ));
    }
    Ok(Quota { guarantees, limits: limits.into_iter().collect() })
}

/// Checks a request of the older form (Mesos: `quota::validation::quotaInfo`).
fn guarantee(request: &QuotaRequest) -> Result<Quota, String> {
    let role = request.role.as_deref().ok_or("QuotaInfo must specify a role")?;
    ids::role(role).map_err(|invalid| format!("QuotaInfo with invalid role: {invalid}"))?;
    if request.guarantee.is_empty() {
        return Err("QuotaInfo with empty 'guarantee'".to_owned());
    }
    let mut names = BTreeSet::new();
    let mut amounts: Vec<(ResourceName, Amount)> = Vec::new();
    for resource in &request.guarantee {
        if !resource.reservations.is_empty() {
            return Err("QuotaInfo must not contain any ReservationInfo".to_owned());
        }
        if resource.disk.is_some() {
            return Err("QuotaInfo must not contain DiskInfo".to_owned());
        }
        if resource.revocable.is_some() {
            return Err("QuotaInfo must not contain RevocableInfo".to_owned());
        }
        let Some(scalar) = resource.scalar.as_ref().filter(|_| resource.r#type() == Type::Scalar) else {
            return Err("QuotaInfo must not include non-scalar resources".to_owned());
        };
        if !names.insert(&resource.name) {
            return Err(format!("QuotaInfo contains duplicate resource name '{}'", resource.name));
        }
        let amount = Amount::from_float(scalar.value).ok_or_else(|| format!("{} is no amount", scalar.value))?;
        amounts.push((ResourceName::from(resource.name.as_str()), amount));
    }
    Ok(Quota { guarantees: amounts.iter().cloned().collect(), limits: amounts.into_iter().collect() })
}

/// A quota as objects have it.
fn written(quota: &Quota, force: bool) -> QuotaSpec {
    if *quota == Quota::default() {
        return QuotaSpec::default();
    }
    let amount = |name: &ResourceName, amount: Amount| -> (String, QuantityText) {
        let (name, text) = match name {
            ResourceName::Cpus => ("cpu", quantity::format_cpu(amount)),
            ResourceName::Mem => ("memory", quantity::format_mib(amount)),
            ResourceName::Disk => ("disk", quantity::format_mib(amount)),
            other => (other.as_str(), quantity::format_cpu(amount)),
        };
        (name.to_owned(), text.into())
    };
    QuotaSpec {
        guarantees: QuantityMap(quota.guarantees.iter().map(|(name, of)| amount(&name, of)).collect()),
        limits: QuantityMap(quota.limits.iter().map(|(name, of)| amount(name, of)).collect()),
        force,
    }
}

/// Amounts as Mesos prints them: `cpus:1; mem:512`; `{}`.
fn told(amounts: impl Iterator<Item = (ResourceName, Amount)>) -> String {
    let all: Vec<String> = amounts.map(|(name, amount)| format!("{name}:{amount}")).collect();
    if all.is_empty() { "{}".to_owned() } else { all.join("; ") }
}
