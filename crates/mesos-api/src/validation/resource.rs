//! Resources by themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::resource_text::{Text, labels};
use super::{Validity, ensure, ids, refuse};
use crate::v1::Resource;
use crate::v1::resource::disk_info::source::Type as SourceType;
use crate::v1::resource::reservation_info::Type as ReservationType;
use crate::v1::resource::{DiskInfo, ReservationInfo};
use crate::v1::value::Type;
use crate::v1::volume::Mode;

/// A scalar in thousandths, as Mesos compares it. What has none, being too large or no number, is the lowest.
#[must_use]
pub fn fixed(value: f64) -> i64 {
    let scaled = (value * 1000.0).round();
    #[allow(clippy::cast_possible_truncation, reason = "in range by the condition")]
    if scaled.abs() < 9.2e18 { scaled as i64 } else { i64::MIN }
}

/// One resource (Mesos: `Resources::validate`), in any form of reservation.
pub fn validate_one(resource: &Resource) -> Validity {
    ensure(!resource.name.is_empty(), || "Empty resource name".to_owned())?;
    match Type::try_from(resource.r#type) {
        Err(_) => return refuse("Invalid resource type"),
        Ok(Type::Scalar) => scalar(resource)?,
        Ok(Type::Ranges) => ranges(resource)?,
        Ok(Type::Set) => set(resource)?,
        Ok(Type::Text) => return refuse("Unsupported resource type"),
    }
    if let Some(info) = &resource.disk {
        disk_source(resource, info)?;
    }
    if resource.reservations.is_empty() {
        unrefined(resource)?;
    } else {
        refined(resource)?;
    }
    if resource.shared.is_some() {
        ensure(resource.name == "disk", || format!("Resource {} cannot be shared", resource.name))?;
        ensure(is_persistent_volume(resource), || "Only persistent volumes can be shared".to_owned())?;
    }
    Ok(())
}

fn scalar(resource: &Resource) -> Validity {
    let Some(scalar) = resource.scalar.as_ref().filter(|_| resource.ranges.is_none() && resource.set.is_none()) else {
        return refuse("Invalid scalar resource");
    };
    // Neither negative nor so small that it would be none.
    ensure(scalar.value == 0.0 || fixed(scalar.value) > 0, || "Invalid scalar resource: value <= 0".to_owned())
}

fn ranges(resource: &Resource) -> Validity {
    let Some(ranges) = resource.ranges.as_ref().filter(|_| resource.scalar.is_none() && resource.set.is_none()) else {
        return refuse("Invalid ranges resource");
    };
    ensure(ranges.range.iter().all(|range| range.begin <= range.end), || {
        "Invalid ranges resource: begin > end".to_owned()
    })?;
    let mut sorted: Vec<(u64, u64)> = ranges.range.iter().map(|range| (range.begin, range.end)).collect();
    sorted.sort_unstable();
    ensure(sorted.windows(2).all(|pair| pair[0].1 < pair[1].0), || {
        "Invalid ranges resource: overlapping ranges".to_owned()
    })
}

fn set(resource: &Resource) -> Validity {
    let Some(set) = resource.set.as_ref().filter(|_| resource.scalar.is_none() && resource.ranges.is_none()) else {
        return refuse("Invalid set resource");
    };
    let items: BTreeSet<&String> = set.item.iter().collect();
    ensure(items.len() == set.item.len(), || "Invalid set resource: duplicated elements".to_owned())
}

fn disk_source(resource: &Resource, disk: &DiskInfo) -> Validity {
    ensure(resource.name == "disk", || format!("DiskInfo should not be set for {} resource", resource.name))?;
    let Some(source) = &disk.source else { return Ok(()) };
    match source.r#type() {
        SourceType::Path | SourceType::Mount => Ok(()),
        kind @ (SourceType::Block | SourceType::Raw) => {
            let kind = kind.as_str_name();
            ensure(source.mount.is_none(), || format!("Mount should not be set for {kind} disk source"))?;
            ensure(source.path.is_none(), || format!("Path should not be set for {kind} disk source"))
        }
        SourceType::Unknown => refuse("Unsupported 'DiskInfo.Source.Type' in 'UNKNOWN'"),
    }
}

/// The form of reservations before refinement: a role, and a reservation if it was made at run time.
fn unrefined(resource: &Resource) -> Validity {
    ids::role(resource.role())?;
    let Some(reservation) = &resource.reservation else { return Ok(()) };
    ensure(reservation.r#type.is_none(), || {
        "'Resource.ReservationInfo.type' must not be set for the 'Resource.reservation' field".to_owned()
    })?;
    ensure(reservation.role.is_none(), || {
        "'Resource.ReservationInfo.role' must not be set for the 'Resource.reservation' field".to_owned()
    })?;
    ensure(resource.role() != "*", || "Invalid reservation: role \"*\" cannot be dynamically reserved".to_owned())
}

fn refined(resource: &Resource) -> Validity {
    for reservation in &resource.reservations {
        ensure(reservation.r#type.is_some(), || {
            "Invalid reservation: 'Resource.ReservationInfo.type' field must be set.".to_owned()
        })?;
        let Some(role) = &reservation.role else {
            return refuse("Invalid reservation: 'Resource.ReservationInfo.role' field must be set.");
        };
        ids::role(role)?;
        ensure(role != "*", || "Invalid reservation: role \"*\" cannot be reserved".to_owned())?;
    }
    for pair in resource.reservations.windows(2) {
        ensure(pair[1].r#type() != ReservationType::Static, || {
            "Invalid refined reservation: A refined reservation cannot be STATIC".to_owned()
        })?;
        let (ancestor, descendant) = (pair[0].role(), pair[1].role());
        ensure(ids::is_strict_subrole_of(descendant, ancestor), || {
            format!("Invalid refined reservation: role '{descendant}' is not a refinement of '{ancestor}'")
        })?;
    }
    if let [only] = resource.reservations.as_slice() {
        return both_forms(resource, only);
    }
    ensure(resource.role.is_none(), || {
        "Invalid resource format: 'Resource.role' must not be set if there is more than one reservation in \
         'Resource.reservations'"
            .to_owned()
    })?;
    ensure(resource.reservation.is_none(), || {
        "Invalid resource format: 'Resource.reservation' must not be set if there is more than one reservation in \
         'Resource.reservations'"
            .to_owned()
    })
}

/// Both forms at once must say the same.
fn both_forms(resource: &Resource, only: &ReservationInfo) -> Validity {
    ensure(resource.role.as_ref().is_none_or(|role| role == only.role()), || {
        format!(
            "Invalid resource format: 'Resource.role' field with '{}' does not match the role '{}' in \
             'Resource.reservations'",
            resource.role(),
            only.role()
        )
    })?;
    match only.r#type() {
        ReservationType::Unknown => refuse("Unsupported 'Resource.ReservationInfo.Type'"),
        ReservationType::Static => ensure(resource.reservation.is_none(), || {
            "Invalid resource format: 'Resource.reservation' must not be set if the single reservation in \
             'Resource.reservations' is STATIC"
                .to_owned()
        }),
        ReservationType::Dynamic => {
            ensure(resource.role.is_some() == resource.reservation.is_some(), || {
                "Invalid resource format: 'Resource.role' and 'Resource.reservation' must either be both set or both \
                 not set if the single reservation in 'Resource.reservations' is DYNAMIC"
                    .to_owned()
            })?;
            let Some(older) = &resource.reservation else { return Ok(()) };
            ensure(older.principal() == only.principal(), || {
                format!(
                    "Invalid resource format: 'Resource.reservation.principal' field with '{}' does not match the \
                     principal '{}' in 'Resource.reservations'",
                    older.principal(),
                    only.principal()
                )
            })?;
            let of = |reservation: &ReservationInfo| reservation.labels.clone().unwrap_or_default();
            ensure(of(older) == of(only), || {
                format!(
                    "Invalid resource format: 'Resource.reservation.labels' field with '{}' does not match the labels \
                     '{}' in 'Resource.reservations'",
                    labels(&of(older)),
                    labels(&of(only))
                )
            })
        }
    }
}

/// Several resources, each by itself (Mesos: `Resources::validate` of a list).
pub fn validate_each(resources: &[Resource]) -> Validity {
    resources.iter().try_for_each(|resource| {
        validate_one(resource).map_err(|error| error.after(&format!("Resource '{}' is invalid: ", Text(resource))))
    })
}

/// Brings reservations into the one form that all code after this sees: a list, outermost first, empty if unreserved
/// (Mesos: `upgradeResource`). For resources that passed [`validate_one`].
pub fn upgrade(resource: &mut Resource) {
    let role = resource.role.take();
    let reservation = resource.reservation.take();
    let role = role.unwrap_or_else(|| "*".to_owned());
    if !resource.reservations.is_empty() || role == "*" {
        return;
    }
    let kind = if reservation.is_some() { ReservationType::Dynamic } else { ReservationType::Static };
    resource.reservations.push(ReservationInfo {
        r#type: Some(kind.into()),
        role: Some(role),
        ..reservation.unwrap_or_default()
    });
}

/// The role that a resource is reserved for; `*` if for none.
#[must_use]
pub fn reservation_role(resource: &Resource) -> &str {
    resource.reservations.last().map_or("*", ReservationInfo::role)
}

/// Whether the resource was reserved at run time.
#[must_use]
pub fn is_dynamically_reserved(resource: &Resource) -> bool {
    resource.reservations.last().is_some_and(|last| last.r#type() == ReservationType::Dynamic)
}

/// Whether the resource is a persistent volume.
#[must_use]
pub fn is_persistent_volume(resource: &Resource) -> bool {
    resource.disk.as_ref().is_some_and(|disk| disk.persistence.is_some())
}

/// What a task, an executor or an operation uses (Mesos: `resource::validate`).
pub fn validate(resources: &[Resource]) -> Validity {
    validate_each(resources).map_err(|error| error.after("Invalid resources: "))?;
    gpus(resources).map_err(|error| error.after("Invalid 'gpus' resource: "))?;
    resources.iter().try_for_each(disk_info).map_err(|error| error.after("Invalid DiskInfo: "))?;
    let revocable = resources.iter().find(|found| is_dynamically_reserved(found) && found.revocable.is_some());
    match revocable {
        Some(found) => refuse(format!(
            "Invalid ReservationInfo: Dynamically reserved resource {} cannot be created from revocable resources",
            Text(found)
        )),
        None => Ok(()),
    }
}

/// GPUs come whole (Mesos: `common::validation::validateGpus`).
pub fn gpus(resources: &[Resource]) -> Validity {
    let all = resources.iter().filter(|resource| resource.name == "gpus");
    let sum =
        all.filter_map(|resource| resource.scalar.as_ref()).map(|scalar| i128::from(fixed(scalar.value))).sum::<i128>();
    ensure(sum % 1000 == 0, || "The 'gpus' resource must be an unsigned integer".to_owned())
}

fn disk_info(resource: &Resource) -> Validity {
    let Some(disk) = &resource.disk else { return Ok(()) };
    let Some(persistence) = &disk.persistence else {
        ensure(disk.volume.is_none(), || "Non-persistent volume not supported".to_owned())?;
        return ensure(disk.source.is_some(), || "DiskInfo is set but empty".to_owned());
    };
    ensure(resource.revocable.is_none(), || {
        "Persistent volumes cannot be created from revocable resources".to_owned()
    })?;
    ensure(!resource.reservations.is_empty(), || {
        "Persistent volumes cannot be created from unreserved resources".to_owned()
    })?;
    let Some(volume) = &disk.volume else {
        return refuse("Expecting 'volume' to be set for persistent volume");
    };
    ensure(volume.host_path.is_none(), || "Expecting 'host_path' to be unset for persistent volume".to_owned())?;
    ids::id(&persistence.id).map_err(|error| error.after("Invalid persistence ID for persistent volume: "))
}

/// Persistence IDs are unique per role (Mesos: `resource::validateUniquePersistenceID`).
pub fn unique_persistence_ids<'a>(resources: impl IntoIterator<Item = &'a Resource>) -> Validity {
    let mut found: BTreeMap<(&str, &str), &Resource> = BTreeMap::new();
    for resource in resources {
        let Some(persistence) = resource.disk.as_ref().and_then(|disk| disk.persistence.as_ref()) else { continue };
        match found.insert((reservation_role(resource), &persistence.id), resource) {
            // Several uses of a shared volume are one volume.
            Some(earlier) if earlier.shared.is_none() || earlier != resource => {
                return refuse(format!("Persistence ID '{}' is not unique", persistence.id));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Revocable and other resources of one name do not mix (Mesos: `validateRevocableAndNonRevocableResources`).
pub fn not_mixed<'a>(resources: impl IntoIterator<Item = &'a Resource>) -> Validity {
    let mut found: BTreeMap<&str, bool> = BTreeMap::new();
    for resource in resources {
        let revocable = resource.revocable.is_some();
        if *found.entry(&resource.name).or_insert(revocable) != revocable {
            return refuse(format!("Cannot use both revocable and non-revocable '{}' at the same time", resource.name));
        }
    }
    Ok(())
}

/// All are volumes that may be written to (Mesos: `resource::validatePersistentVolume`).
pub fn persistent_volumes(volumes: &[Resource]) -> Validity {
    volumes.iter().try_for_each(|resource| {
        let Some(disk) = &resource.disk else {
            return refuse(format!("Resource {} does not have DiskInfo", Text(resource)));
        };
        ensure(disk.persistence.is_some(), || "'persistence' is not set in DiskInfo".to_owned())?;
        let Some(volume) = &disk.volume else {
            return refuse("Expecting 'volume' to be set for persistent volume");
        };
        ensure(volume.mode() != Mode::Ro, || "Read-only persistent volume not supported".to_owned())
    })
}

/// All are allocated to the same role (Mesos: `resource::validateAllocatedToSingleRole`). For resources that had the
/// offer's allocation put in where they had none.
pub fn allocated_to_one_role(resources: &[Resource]) -> Validity {
    let mut first: Option<&str> = None;
    for resource in resources {
        let Some(role) = resource.allocation_info.as_ref().and_then(|info| info.role.as_deref()) else {
            return refuse("The resources are not allocated to a role");
        };
        let expected = *first.get_or_insert(role);
        ensure(role == expected, || {
            format!(
                "The resources have multiple allocation roles ('{role}' and '{expected}') but only one allocation \
                 role is allowed"
            )
        })?;
    }
    Ok(())
}

/// All are of the agent, or all of one provider (Mesos: `validateSingleResourceProvider`).
pub fn one_provider(resources: &[Resource]) -> Validity {
    let providers: BTreeSet<Option<&str>> =
        resources.iter().map(|resource| resource.provider_id.as_ref().map(|id| id.value.as_str())).collect();
    if providers.len() == 1 {
        return Ok(());
    }
    ensure(!providers.contains(&None), || "Some resources have a resource provider and some do not".to_owned())?;
    let names: Vec<&str> = providers.into_iter().flatten().collect();
    refuse(format!("The resources have multiple resource providers: {}", names.join(", ")))
}

/// The sum of the scalars of one name, in thousandths; nothing if there is none of it.
pub(super) fn scalar_of(resources: &[Resource], name: &str) -> Option<i128> {
    let mut found = resources.iter().filter(|resource| resource.name == name).peekable();
    found.peek()?;
    Some(found.filter_map(|resource| resource.scalar.as_ref()).map(|scalar| i128::from(fixed(scalar.value))).sum())
}
