//! Resources of Mesos' messages, and those that are counted with.

use proffer_mesos_api::v1;
use proffer_mesos_api::v1::resource::disk_info::{Persistence as V1Persistence, Source, source};
use proffer_mesos_api::v1::resource::{AllocationInfo, DiskInfo as V1DiskInfo, ReservationInfo, reservation_info};
use proffer_mesos_api::v1::value::{Range, Scalar, Set, Type};
use proffer_resources::{
    Amount, DiskInfo, DiskSource, DiskSourceKind, Labels, Persistence, Ranges, Reservation, ReservationKind, Resource,
    ResourceBag, Role, Value, Volume, VolumeMode,
};
use std::sync::Arc;

/// Reads resources of a message, whether they tell reservations in the older or the newer form. An error says what is wrong
/// with which.
pub fn from_v1(resources: &[v1::Resource]) -> Result<ResourceBag, String> {
    let mut bag = ResourceBag::new();
    for resource in resources {
        bag.add_one(one_from_v1(resource).map_err(|why| format!("resource {:?}: {why}", resource.name))?);
    }
    Ok(bag)
}

/// Writes resources into a message, as given to `role` if there is one. Those who do not know refined reservations get the
/// older form.
#[must_use]
pub fn to_v1(bag: &ResourceBag, role: Option<&Role>, refined: bool) -> Vec<v1::Resource> {
    let mut out = Vec::new();
    for resource in bag.iter() {
        // A shared volume is told as often as it is there.
        for _ in 0..bag.copies(resource) {
            out.push(one_to_v1(resource, role, refined));
        }
    }
    out
}

fn one_from_v1(resource: &v1::Resource) -> Result<Resource, String> {
    let value = match resource.r#type() {
        Type::Scalar => {
            let value = resource.scalar.as_ref().map_or(0.0, |scalar| scalar.value);
            Value::Scalar(Amount::from_float(value).ok_or_else(|| format!("{value} is no amount"))?)
        }
        Type::Ranges => {
            let ranges = resource.ranges.iter().flat_map(|ranges| &ranges.range);
            Value::Ranges(ranges.map(|range| (range.begin, range.end)).collect::<Ranges>())
        }
        Type::Set => Value::Set(resource.set.iter().flat_map(|set| set.item.iter().cloned()).collect()),
        Type::Text => return Err("a resource is a scalar, ranges or a set".to_owned()),
    };
    let mut read = Resource::new(resource.name.as_str(), value);
    for reservation in reservations_from_v1(resource)? {
        read = read.reserved(reservation);
    }
    if let Some(disk) = &resource.disk {
        read = read.on_disk(disk_from_v1(disk)?);
    }
    read.revocable = resource.revocable.is_some();
    read.shared = resource.shared.is_some();
    read.provider = resource.provider_id.as_ref().map(|id| Arc::from(id.value.as_str()));
    read.validate().map_err(|error| error.to_string())?;
    Ok(read)
}

fn reservations_from_v1(resource: &v1::Resource) -> Result<Vec<Reservation>, String> {
    if !resource.reservations.is_empty() {
        return resource.reservations.iter().map(reservation_from_v1).collect();
    }
    let role = role_from_v1(resource.role.as_deref().unwrap_or("*"))?;
    match &resource.reservation {
        _ if role.is_any() => Ok(Vec::new()),
        None => Ok(vec![Reservation::fixed(role)]),
        Some(info) => Ok(vec![Reservation {
            kind: ReservationKind::Dynamic,
            role,
            principal: info.principal.clone(),
            labels: labels_from_v1(info.labels.as_ref()),
        }]),
    }
}

fn reservation_from_v1(info: &ReservationInfo) -> Result<Reservation, String> {
    Ok(Reservation {
        kind: match info.r#type() {
            reservation_info::Type::Static => ReservationKind::Static,
            _ => ReservationKind::Dynamic,
        },
        role: role_from_v1(info.role.as_deref().unwrap_or_default())?,
        principal: info.principal.clone(),
        labels: labels_from_v1(info.labels.as_ref()),
    })
}

fn role_from_v1(role: &str) -> Result<Role, String> {
    Role::new(role).map_err(|error| error.to_string())
}

fn labels_from_v1(labels: Option<&v1::Labels>) -> Labels {
    let labels = labels.iter().flat_map(|labels| &labels.labels);
    Labels(labels.map(|label| (label.key.clone(), label.value.clone())).collect())
}

fn disk_from_v1(disk: &V1DiskInfo) -> Result<DiskInfo, String> {
    let source = disk.source.as_ref().map(|from| {
        let (kind, root) = match from.r#type() {
            source::Type::Path => (DiskSourceKind::Path, from.path.as_ref().and_then(|path| path.root.clone())),
            source::Type::Mount => (DiskSourceKind::Mount, from.mount.as_ref().and_then(|mount| mount.root.clone())),
            source::Type::Block => (DiskSourceKind::Block, None),
            source::Type::Raw => (DiskSourceKind::Raw, None),
            source::Type::Unknown => return Err("a disk's source without a type".to_owned()),
        };
        let (vendor, id, profile) = (from.vendor.clone(), from.id.clone(), from.profile.clone());
        Ok(DiskSource { kind, root, vendor, id, profile })
    });
    Ok(DiskInfo {
        persistence: disk
            .persistence
            .as_ref()
            .map(|from| Persistence { id: from.id.clone(), principal: from.principal.clone() }),
        volume: disk.volume.as_ref().map(|from| Volume {
            mode: match from.mode() {
                v1::volume::Mode::Ro => VolumeMode::ReadOnly,
                v1::volume::Mode::Rw => VolumeMode::ReadWrite,
            },
            container_path: from.container_path.clone(),
            host_path: from.host_path.clone(),
        }),
        source: source.transpose()?,
    })
}

fn one_to_v1(resource: &Resource, role: Option<&Role>, refined: bool) -> v1::Resource {
    let mut told = v1::Resource {
        name: resource.name.as_str().to_owned(),
        allocation_info: role.map(|role| AllocationInfo { role: Some(role.as_str().to_owned()) }),
        disk: resource.disk.as_ref().map(|disk| Box::new(disk_to_v1(disk))),
        revocable: resource.revocable.then(Default::default),
        shared: resource.shared.then(Default::default),
        provider_id: resource.provider.as_ref().map(|id| v1::ResourceProviderId { value: id.to_string() }),
        ..v1::Resource::default()
    };
    match &resource.value {
        Value::Scalar(amount) => {
            told.r#type = Type::Scalar.into();
            told.scalar = Some(Scalar { value: amount.to_float() });
        }
        Value::Ranges(ranges) => {
            let range = ranges.as_pairs().iter().map(|&(begin, end)| Range { begin, end }).collect();
            told.r#type = Type::Ranges.into();
            told.ranges = Some(v1::value::Ranges { range });
        }
        Value::Set(items) => {
            told.r#type = Type::Set.into();
            told.set = Some(Set { item: items.iter().cloned().collect() });
        }
    }
    match resource.reservations() {
        [] if !refined => told.role = Some("*".to_owned()),
        [one] if !refined => {
            told.role = Some(one.role.as_str().to_owned());
            if one.kind == ReservationKind::Dynamic {
                let info = reservation_to_v1(one);
                told.reservation = Some(ReservationInfo { r#type: None, role: None, ..info });
            }
        }
        stack => told.reservations = stack.iter().map(reservation_to_v1).collect(),
    }
    told
}

fn reservation_to_v1(reservation: &Reservation) -> ReservationInfo {
    let labels = &reservation.labels.0;
    let kind = match reservation.kind {
        ReservationKind::Static => reservation_info::Type::Static,
        ReservationKind::Dynamic => reservation_info::Type::Dynamic,
    };
    ReservationInfo {
        r#type: Some(kind.into()),
        role: Some(reservation.role.as_str().to_owned()),
        principal: reservation.principal.clone(),
        labels: (!labels.is_empty()).then(|| v1::Labels {
            labels: labels.iter().map(|(key, value)| v1::Label { key: key.clone(), value: value.clone() }).collect(),
        }),
    }
}

fn disk_to_v1(disk: &DiskInfo) -> V1DiskInfo {
    V1DiskInfo {
        persistence: disk
            .persistence
            .as_ref()
            .map(|from| V1Persistence { id: from.id.clone(), principal: from.principal.clone() }),
        volume: disk.volume.as_ref().map(|from| v1::Volume {
            mode: match from.mode {
                VolumeMode::ReadOnly => v1::volume::Mode::Ro,
                VolumeMode::ReadWrite => v1::volume::Mode::Rw,
            }
            .into(),
            container_path: from.container_path.clone(),
            host_path: from.host_path.clone(),
            ..v1::Volume::default()
        }),
        source: disk.source.as_ref().map(|from| {
            let root = || from.root.clone();
            let kind = match from.kind {
                DiskSourceKind::Path => source::Type::Path,
                DiskSourceKind::Mount => source::Type::Mount,
                DiskSourceKind::Block => source::Type::Block,
                DiskSourceKind::Raw => source::Type::Raw,
            };
            Source {
                r#type: kind.into(),
                path: (from.kind == DiskSourceKind::Path).then(|| source::Path { root: root() }),
                mount: (from.kind == DiskSourceKind::Mount).then(|| source::Mount { root: root() }),
                vendor: from.vendor.clone(),
                id: from.id.clone(),
                profile: from.profile.clone(),
                ..Source::default()
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str) -> Role {
        Role::new(name).unwrap()
    }

    #[test]
    fn every_kind_of_resource_survives_a_message() {
        let volume = DiskInfo {
            persistence: Some(Persistence { id: "p".to_owned(), principal: Some("ops".to_owned()) }),
            volume: Some(Volume { mode: VolumeMode::ReadWrite, container_path: "data".to_owned(), host_path: None }),
            source: Some(DiskSource {
                kind: DiskSourceKind::Mount,
                root: Some("/mnt".to_owned()),
                vendor: None,
                id: None,
                profile: None,
            }),
        };
        let reserved = Reservation {
            labels: Labels(vec![("a".to_owned(), None), ("b".to_owned(), Some("c".to_owned()))]),
            ..Reservation::dynamic(role("eng"), Some("ops"))
        };
        let mut bag = ResourceBag::new();
        for resource in [
            Resource::scalar("cpus", Amount::from_thousandths(1_500)),
            Resource::scalar("mem", Amount::from_units(64)).reserved(Reservation::fixed(role("eng"))),
            Resource::ports([(31_000, 31_002), (31_005, 31_005)].into_iter().collect()),
            Resource::new("colours", Value::Set(["red".to_owned(), "blue".to_owned()].into())),
            Resource::scalar("disk", Amount::from_units(10)).reserved(reserved).on_disk(volume),
            Resource::scalar("cpus", Amount::from_units(2)).as_revocable(),
        ] {
            bag.add_one(resource);
        }
        for refined in [true, false] {
            assert_eq!(from_v1(&to_v1(&bag, Some(&role("eng")), refined)), Ok(bag.clone()), "refined: {refined}");
        }
    }

    #[test]
    fn the_older_form_says_the_role_of_what_is_not_reserved() {
        let bag = ResourceBag::from(Resource::scalar("cpus", Amount::from_units(1)));
        let told = |refined| to_v1(&bag, Some(&Role::any()), refined).remove(0);
        assert_eq!((told(false).role.as_deref(), told(true).role), (Some("*"), None));
        assert_eq!(told(false).allocation_info.unwrap().role.as_deref(), Some("*"));
    }

    #[test]
    fn what_is_no_resource_is_told() {
        let scalar =
            |value| v1::Resource { name: "cpus".to_owned(), scalar: Some(Scalar { value }), ..Default::default() };
        assert_eq!(from_v1(&[scalar(-1.0)]), Err("resource \"cpus\": -1 is no amount".to_owned()));
    }
}
