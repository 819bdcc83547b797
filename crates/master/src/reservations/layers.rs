//! What an agent has: its capacity with reservations applied.

use crate::master::Master;
use crate::state::Agent;
use proffer_resources::{DiskInfo, ReservationKind, Resource, ResourceBag};
use std::sync::Arc;

/// What a reserved resource or a volume is made of: the same without its last reservation, unless an agent made that in its
/// own settings, and without a volume on it.
pub(crate) fn below(resource: &Resource) -> Resource {
    let dynamic = resource.reservations().last().is_some_and(|last| last.kind == ReservationKind::Dynamic);
    let resource = without_volume(resource.clone());
    if dynamic { resource.unreserved_once() } else { resource }
}

/// A disk without the volume on it.
pub(crate) fn without_volume(mut resource: Resource) -> Resource {
    let source = resource.disk.as_ref().and_then(|disk| disk.source.clone());
    resource.disk = source.map(|source| Arc::new(DiskInfo { source: Some(source), ..DiskInfo::default() }));
    resource.shared = false;
    resource
}

/// `capacity` with each of `reserved` made out of what is below it, the lower ones first, and without what each of `gone`
/// is made of. Second, what could not be made, for want of what is below it.
pub(crate) fn layered(
    capacity: ResourceBag,
    reserved: impl IntoIterator<Item = Resource>,
    gone: impl IntoIterator<Item = Resource>,
) -> (ResourceBag, Vec<Resource>) {
    let mut layers: Vec<(usize, Resource, bool)> = reserved
        .into_iter()
        .map(|resource| (resource, true))
        .chain(gone.into_iter().map(|resource| (resource, false)))
        .map(|(resource, there)| (resource.reservations().len(), resource, there))
        .collect();
    layers.sort();
    let (mut total, mut missing) = (capacity, Vec::new());
    for (_, resource, there) in layers {
        match total.minus(&below(&resource).into()) {
            Some(rest) => {
                total = rest;
                if there {
                    total.add_one(resource);
                }
            }
            None => missing.push(resource),
        }
    }
    (total, missing)
}

impl Master {
    /// All that an agent has, reserved or not.
    pub(crate) fn total_of(&self, known: &Agent) -> ResourceBag {
        if known.orders.gone {
            // What is gone counts for nobody's share.
            return ResourceBag::new();
        }
        if known.reservations.is_empty() {
            return known.capacity();
        }
        self.total_with(known, None).0
    }

    /// What an agent would have if `changed` reserved that instead of what it does, and what of all reservations could not be
    /// had then.
    pub(crate) fn total_with(
        &self,
        known: &Agent,
        changed: Option<(&str, &ResourceBag)>,
    ) -> (ResourceBag, Vec<Resource>) {
        let mut reserved: Vec<Resource> = Vec::new();
        let mut gone: Vec<Resource> = Vec::new();
        for name in &known.reservations {
            let Some(reservation) = self.reservations.get(name) else { continue };
            let bag = match changed {
                Some((other, bag)) if other == name => bag,
                _ => &reservation.reserved,
            };
            reserved.extend(bag.iter().cloned());
            gone.extend(reservation.destroying.values().cloned());
        }
        layered(known.capacity(), reserved, gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_resources::{Amount, Persistence, Reservation, Role};

    fn dynamic(name: &str, amount: u64, roles: &[&str]) -> Resource {
        roles.iter().fold(Resource::scalar(name, Amount::from_units(amount)), |resource, role| {
            resource.reserved(Reservation::dynamic(Role::new(role).unwrap(), None))
        })
    }

    fn volume(amount: u64, roles: &[&str]) -> Resource {
        let persistence = Some(Persistence { id: "v".to_owned(), principal: None });
        dynamic("disk", amount, roles).on_disk(DiskInfo { persistence, ..DiskInfo::default() })
    }

    #[test]
    fn reservations_lie_on_what_is_below_them() {
        let capacity = || "cpus:4;disk:100;disk(ops):50".parse::<ResourceBag>().unwrap();
        let (total, missing) =
            layered(capacity(), [dynamic("cpus", 1, &["eng", "eng/a"]), dynamic("cpus", 2, &["eng"])], []);
        assert_eq!((total.quantities(), missing.len()), (capacity().quantities(), 0));
        let of = |roles: &[&str]| {
            let same = |resource: &&Resource| resource.reservations() == dynamic("cpus", 1, roles).reservations();
            total.iter().filter(same).map(|resource| resource.amount().to_string()).next()
        };
        assert_eq!([of(&[]), of(&["eng"]), of(&["eng", "eng/a"])].map(Option::unwrap_or_default), ["2", "1", "1"]);
    }

    #[test]
    fn what_there_is_too_little_of_is_missing() {
        let (total, missing) = layered("cpus:1".parse().unwrap(), [dynamic("cpus", 2, &["eng"])], []);
        assert_eq!((total.to_string(), missing), ("cpus:1".to_owned(), vec![dynamic("cpus", 2, &["eng"])]));
    }

    #[test]
    fn a_volume_lies_on_disk_and_one_that_goes_is_nobodys() {
        let capacity = || "disk:100".parse::<ResourceBag>().unwrap();
        let (total, missing) = layered(capacity(), [volume(30, &["eng"])], []);
        assert!(missing.is_empty() && total.contains(&volume(30, &["eng"]).into()));
        assert_eq!(total.quantities().disk, Amount::from_units(100));
        let (total, _) = layered(capacity(), [], [volume(30, &["eng"])]);
        assert_eq!(total.to_string(), "disk:70");
        // On what an agent reserved in its settings, it lies directly.
        let fixed = |resource: Resource| resource.reserved(Reservation::fixed(Role::new("ops").unwrap()));
        let on_fixed = fixed(volume(30, &[]));
        assert_eq!(below(&on_fixed), fixed(Resource::scalar("disk", Amount::from_units(30))));
    }
}
