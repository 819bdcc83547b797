//! What a framework says about itself.

use std::collections::BTreeSet;

use super::{Validity, braced, ensure, ids};
use crate::v1::framework_info::capability::Type as Capability;
use crate::v1::scheduler::OfferConstraints;
use crate::v1::{FrameworkInfo, OfferFilters};

/// Whether the framework says that it can cope with something.
#[must_use]
pub fn has_capability(framework: &FrameworkInfo, capability: Capability) -> bool {
    framework.capabilities.iter().any(|found| found.r#type() == capability)
}

/// The roles of a framework, from whichever field holds them.
#[must_use]
pub fn roles(framework: &FrameworkInfo) -> BTreeSet<&str> {
    if has_capability(framework, Capability::MultiRole) {
        framework.roles.iter().map(String::as_str).collect()
    } else {
        BTreeSet::from([framework.role()])
    }
}

/// Roles, ID, offer filters and failover timeout (Mesos: `framework::validate`).
pub fn validate(framework: &FrameworkInfo) -> Validity {
    validate_roles(framework)?;
    if let Some(id) = framework.id.as_ref().filter(|id| !id.value.is_empty()) {
        ids::id(&id.value)?;
    }
    framework.offer_filters.values().try_for_each(offer_filters)?;
    let timeout = framework.failover_timeout();
    // What fits 64 bits of nanoseconds.
    ensure(timeout.abs() <= 9_223_372_036.0, || format!("The framework failover_timeout ({timeout}) is invalid"))
}

fn validate_roles(framework: &FrameworkInfo) -> Validity {
    if !has_capability(framework, Capability::MultiRole) {
        ensure(framework.roles.is_empty(), || {
            "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable".to_owned()
        })?;
        return ids::role(framework.role()).map_err(|error| error.after("'FrameworkInfo.role' is not a valid role: "));
    }
    ensure(framework.role.is_none(), || {
        "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable".to_owned()
    })?;
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<&str> = framework.roles.iter().map(String::as_str).filter(|role| !seen.insert(*role)).collect();
    ensure(twice.is_empty(), || format!("'FrameworkInfo.roles' contains duplicate items: {}", braced(twice)))?;
    framework
        .roles
        .iter()
        .try_for_each(|role| ids::role(role))
        .map_err(|error| error.after("'FrameworkInfo.roles' contains invalid role: "))
}

fn offer_filters(filters: &OfferFilters) -> Validity {
    for quantities in filters.min_allocatable_resources.iter().flat_map(|minimum| &minimum.quantities) {
        ensure(!quantities.quantities.is_empty(), || {
            "Resource quantities must contain at least one quantity".to_owned()
        })?;
        for (name, quantity) in &quantities.quantities {
            input_scalar(quantity.value)
                .map_err(|error| error.after(&format!("Invalid resource quantity for '{name}': ")))?;
        }
    }
    Ok(())
}

/// An amount that came from outside (Mesos: `common::validation::validateInputScalarValue`).
pub fn input_scalar(value: f64) -> Validity {
    ensure(!value.is_infinite(), || "Infinite values not supported".to_owned())?;
    ensure(!value.is_nan(), || "NaN not supported".to_owned())?;
    ensure(!value.is_subnormal(), || "Subnormal values not supported".to_owned())?;
    ensure(value >= 0.0, || "Negative values not supported".to_owned())
}

/// What a framework may not change, by `UPDATE_FRAMEWORK` or a new SUBSCRIBE (Mesos: `framework::validateUpdate`).
pub fn validate_update(old: &FrameworkInfo, new: &FrameworkInfo) -> Validity {
    // The old principal is not told: whoever asks may be someone else.
    ensure(old.principal == new.principal, || "Changing framework's principal is not allowed.".to_owned())?;
    ensure(old.user == new.user, || {
        format!(
            "Updating 'FrameworkInfo.user' is unsupported; attempted to update from '{}' to '{}'",
            old.user, new.user
        )
    })?;
    ensure(old.checkpoint() == new.checkpoint(), || {
        format!(
            "Updating 'FrameworkInfo.checkpoint' is unsupported; attempted to update from '{}' to '{}'",
            old.checkpoint(),
            new.checkpoint()
        )
    })
}

/// Suppressed roles must be roles of the framework (Mesos: `framework::validateSuppressedRoles`).
pub fn suppressed_roles(framework: &FrameworkInfo, suppressed: &[String]) -> Validity {
    let roles = roles(framework);
    let others: BTreeSet<&str> = suppressed.iter().map(String::as_str).filter(|role| !roles.contains(role)).collect();
    ensure(others.is_empty(), || format!("Suppressed roles {} are not contained in the set of roles", braced(others)))
}

/// Offer constraints must be for roles of the framework (Mesos: `framework::validateOfferConstraintsRoles`).
pub fn offer_constraints_roles(framework: &FrameworkInfo, constraints: &OfferConstraints) -> Validity {
    let roles = roles(framework);
    constraints.role_constraints.keys().try_for_each(|role| {
        // The missing space is Mesos'.
        ensure(roles.contains(role.as_str()), || {
            format!("Offer constraints specify `role_constraints` for a role '{role}'not contained in the set of roles")
        })
    })
}
