//! What an operation makes of what (Mesos: `getResourceConversions`), and the checks that need no state.

use super::Body;
use crate::reservations::{below, without_volume};
use crate::state::volume_id;
use proffer_resources::{Amount, DiskSourceKind, ReservationKind, Resource, ResourceBag, Role, Value};
use std::collections::BTreeSet;

/// What an operation makes of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conversion {
    /// What it uses up.
    pub(crate) before: ResourceBag,
    /// What it makes of that.
    pub(crate) after: ResourceBag,
    /// What Reservation objects ask for no more.
    pub(crate) removed: ResourceBag,
    /// What Reservation objects ask for from now on.
    pub(crate) added: ResourceBag,
}

impl Conversion {
    /// What `body` does; an error says in Mesos' words why it cannot be done whatever the agent has. `role` is that of the
    /// offers; an operator has none.
    pub(crate) fn of(body: &Body, role: Option<&Role>) -> Result<Self, String> {
        let same_disk = |before: ResourceBag, after: ResourceBag| Self {
            removed: before.filter(has_object),
            added: after.filter(has_object),
            before,
            after,
        };
        match body {
            Body::OfProvider { name, .. } => Err(format!("{name} needs a resource provider, which no agent has")),
            Body::Launch(_) | Body::Asked(_) => Err(format!("{} converts nothing by itself", body.name())),
            Body::Reserve { source, resources } => {
                reserve(source, resources, role)?;
                let before =
                    if source.is_empty() { resources.map(|resource| below(&resource)) } else { source.clone() };
                Ok(Self { before, after: resources.clone(), removed: source.clone(), added: resources.clone() })
            }
            Body::Unreserve(resources) => {
                for resource in resources.iter() {
                    dynamically_reserved(resource)?;
                    if resource.is_persistent_volume() {
                        return Err(format!(
                            "A dynamically reserved persistent volume {} cannot be unreserved directly. Please destroy \
                             the persistent volume first then unreserve the resource",
                            text(resource)
                        ));
                    }
                }
                let after = resources.pop_reservation();
                Ok(Self { before: resources.clone(), after, removed: resources.clone(), added: ResourceBag::new() })
            }
            Body::Create(volumes) => {
                let mut ids = BTreeSet::new();
                for volume in volumes.iter() {
                    let id = persistent(volume)?;
                    if !ids.insert(id.clone()) {
                        return Err(format!("Persistence ID '{}' is not unique", id.1));
                    }
                }
                Ok(same_disk(volumes.map(without_volume), volumes.clone()))
            }
            Body::Destroy(volumes) => {
                volumes.iter().try_for_each(|volume| persistent(volume).map(|_| ()))?;
                Ok(same_disk(volumes.clone(), volumes.map(without_volume)))
            }
            Body::GrowVolume { volume, addition } => {
                grow(volume, addition)?;
                let grown = with_amount(volume, volume.amount().plus(addition.amount()));
                let before = [volume.clone(), addition.clone()].into_iter().collect();
                Ok(same_disk(before, grown.into()))
            }
            Body::ShrinkVolume { volume, subtract } => {
                shrink(volume, *subtract)?;
                let shrunk = with_amount(volume, volume.amount().saturating_minus(*subtract));
                let freed = with_amount(&without_volume(volume.clone()), *subtract);
                Ok(same_disk(volume.clone().into(), [shrunk, freed].into_iter().collect()))
            }
        }
    }
}

/// Whether a resource is there because a Reservation object says so: it is reserved, but not in its agent's settings, or it
/// is a volume.
pub(crate) fn has_object(resource: &Resource) -> bool {
    resource.is_persistent_volume()
        || resource.reservations().last().is_some_and(|last| last.kind == ReservationKind::Dynamic)
}

fn reserve(source: &ResourceBag, resources: &ResourceBag, role: Option<&Role>) -> Result<(), String> {
    for resource in resources.iter() {
        dynamically_reserved(resource)?;
        if let (Some(role), Some(reserved)) = (role, resource.reserved_for())
            && role != reserved
        {
            return Err(format!(
                "A reserve operation was attempted for a resource with role '{reserved}', but the resource was \
                 allocated to role '{role}'"
            ));
        }
        if resource.revocable {
            return Err(format!("Resource {} is revocable and cannot be reserved", text(resource)));
        }
    }
    if !source.is_empty() && source.flatten() != resources.flatten() {
        return Err(format!(
            "Source and target resources should refer to identical resource quantities: {} vs. {}",
            source.flatten(),
            resources.flatten()
        ));
    }
    Ok(())
}

fn dynamically_reserved(resource: &Resource) -> Result<(), String> {
    if resource.reservations().last().is_some_and(|last| last.kind == ReservationKind::Dynamic) {
        return Ok(());
    }
    Err(format!("Resource {} is not dynamically reserved", text(resource)))
}

fn persistent(volume: &Resource) -> Result<crate::state::VolumeId, String> {
    let id = volume_id(volume).ok_or_else(|| format!("Not a persistent volume: {}", text(volume)))?;
    if volume.reserved_for().is_none() {
        return Err(
            "Not a persistent volume: Persistent volumes cannot be created from unreserved resources".to_owned()
        );
    }
    if volume.revocable {
        return Err("Not a persistent volume: Persistent volumes cannot be created from revocable resources".to_owned());
    }
    Ok(id)
}

fn grow(volume: &Resource, addition: &Resource) -> Result<(), String> {
    if addition.amount().is_zero() {
        return Err("The size of 'GrowVolume.addition' field must be greater than zero".to_owned());
    }
    persistent(volume).map_err(|why| format!("Invalid persistent volume in the 'GrowVolume.volume' field: {why}"))?;
    if volume.shared {
        return Err("Growing a shared persistent volume is not supported".to_owned());
    }
    if without_volume(volume.clone()).can_add(addition) {
        return Ok(());
    }
    Err("Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields".to_owned())
}

fn shrink(volume: &Resource, subtract: Amount) -> Result<(), String> {
    if subtract.is_zero() {
        return Err("Value of 'ShrinkVolume.subtract' must be greater than zero".to_owned());
    }
    if volume.amount() <= subtract {
        return Err(
            "Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'".to_owned()
        );
    }
    let source = volume.disk.as_ref().and_then(|disk| disk.source.as_ref());
    if source.is_some_and(|source| source.kind == DiskSourceKind::Mount) {
        return Err("Shrinking a volume on a MOUNT disk is not supported".to_owned());
    }
    persistent(volume).map_err(|why| format!("Invalid persistent volume in the 'ShrinkVolume.volume' field: {why}"))?;
    if volume.shared {
        return Err("Shrinking a shared persistent volume is not supported".to_owned());
    }
    Ok(())
}

fn with_amount(resource: &Resource, amount: Amount) -> Resource {
    resource.clone().with_value(Value::Scalar(amount))
}

/// A resource in Mesos' text form.
fn text(resource: &Resource) -> String {
    ResourceBag::from(resource.clone()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_resources::{DiskInfo, Persistence, Reservation};
    use proptest::prelude::*;

    fn disk(amount: u64, roles: &[&str]) -> Resource {
        roles.iter().fold(Resource::scalar("disk", Amount::from_units(amount)), |disk, role| {
            disk.reserved(Reservation::dynamic(Role::new(role).unwrap(), None))
        })
    }

    fn volume(amount: u64, roles: &[&str]) -> Resource {
        let persistence = Some(Persistence { id: "v".to_owned(), principal: None });
        disk(amount, roles).on_disk(DiskInfo { persistence, ..DiskInfo::default() })
    }

    proptest! {
        /// Total = allocated + offered + free stays true, as no operation makes or loses anything, and what objects ask for
        /// changes by what has an object.
        #[test]
        fn no_operation_makes_or_loses_anything(amount in 2u64..100, more in 1u64..100, deep in any::<bool>(), which in 0u8..6) {
            let roles: &[&str] = if deep { &["eng", "eng/a"] } else { &["eng"] };
            let plain = ResourceBag::from(disk(amount, roles));
            let body = match which {
                0 => Body::Reserve { source: ResourceBag::new(), resources: plain },
                1 => Body::Unreserve(plain),
                2 => Body::Create(volume(amount, roles).into()),
                3 => Body::Destroy(volume(amount, roles).into()),
                4 => Body::GrowVolume { volume: volume(amount, roles), addition: disk(more, roles) },
                _ => Body::ShrinkVolume { volume: volume(amount, roles), subtract: Amount::from_units(1) },
            };
            let Conversion { before, after, removed, added } = Conversion::of(&body, None).unwrap();
            prop_assert_eq!(before.quantities(), after.quantities());
            let of_objects = |bag: &ResourceBag| bag.filter(|resource| resource.reservations().len() == roles.len());
            let change = of_objects(&before).plus(&added);
            prop_assert_eq!(change, of_objects(&after).plus(&removed));
        }
    }
}
