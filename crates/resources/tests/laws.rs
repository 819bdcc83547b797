//! The laws of the algebra, on random bags.
#![allow(clippy::unwrap_used)] // the values are written right here

use proffer_resources::{
    Amount, DiskInfo, DiskSource, DiskSourceKind, Limits, Persistence, Quantities, Ranges, Reservation, Resource,
    ResourceBag, ResourceName, Resources, Role, Value, Volume, VolumeMode,
};
use proptest::prelude::*;

fn role(text: &str) -> Role {
    Role::new(text).unwrap()
}

fn volume(id: u8, shared: bool) -> Resource {
    let volume = Volume { mode: VolumeMode::ReadWrite, container_path: "data".to_owned(), host_path: None };
    let persistence = Some(Persistence { id: format!("v{id}"), principal: None });
    let disk = Resource::scalar("disk", Amount::from_units(u64::from(id) + 1)).on_disk(DiskInfo {
        persistence,
        volume: Some(volume),
        source: None,
    });
    let disk = disk.reserved(Reservation::dynamic(role("eng"), None));
    if shared { disk.as_shared() } else { disk }
}

/// Resources of which two bags can be added: numbers and names are from `base` up, so that those of two bases are apart.
fn resource(base: u64) -> impl Strategy<Value = Resource> {
    let base_id = u8::try_from(base % 200).unwrap();
    let plain = prop_oneof![
        (prop_oneof![Just("cpus"), Just("mem"), Just("disk"), Just("slots")], 0u64..5000)
            .prop_map(|(name, n)| Resource::scalar(name, Amount::from_thousandths(n))),
        (0u64..4).prop_map(|n| Resource::scalar("gpus", Amount::from_units(n))),
        (0u64..20, 0u64..6).prop_map(move |(at, n)| Resource::ports(Ranges::span(base + at, base + at + n))),
        (0u64..4).prop_map(move |n| Resource::new("names", Value::Set([format!("{base}-{n}")].into()))),
    ];
    let reserved = (plain, 0..5u8, any::<bool>()).prop_map(|(resource, kind, revocable)| {
        let resource = match kind {
            0 => resource.reserved(Reservation::fixed(role("eng"))),
            1 => resource
                .reserved(Reservation::fixed(role("eng")))
                .reserved(Reservation::dynamic(role("eng/a"), Some("ops"))),
            2 => resource.reserved(Reservation::dynamic(role("ops"), None)),
            _ => resource,
        };
        if revocable && kind == 3 { resource.as_revocable() } else { resource }
    });
    let whole_disk = (0..3u8).prop_map(move |n| {
        let root = Some(format!("/mnt/{n}"));
        let source = DiskSource { kind: DiskSourceKind::Mount, root, vendor: None, id: None, profile: None };
        Resource::scalar("disk", Amount::from_units(100))
            .on_disk(DiskInfo { source: Some(source), ..DiskInfo::default() })
    });
    prop_oneof![
        8 => reserved,
        1 => whole_disk,
        1 => (0..3u8).prop_map(move |n| volume(base_id + n, false)),
        1 => (0..3u8).prop_map(|n| volume(n, true)),
    ]
}

fn bag(base: u64) -> impl Strategy<Value = ResourceBag> {
    proptest::collection::vec(resource(base), 0..8).prop_map(|list| list.into_iter().collect())
}

fn quantities() -> impl Strategy<Value = Quantities> {
    let name = prop_oneof![Just("cpus"), Just("mem"), Just("gpus"), Just("slots"), Just("fpgas")];
    proptest::collection::vec((name, 0u64..5000), 0..6).prop_map(|list| {
        list.into_iter().map(|(name, n)| (ResourceName::from(name), Amount::from_thousandths(n))).collect()
    })
}

proptest! {
    #[test]
    fn addition_is_a_sum(a in bag(0), b in bag(100), c in bag(200)) {
        prop_assert_eq!(a.plus(&b), b.plus(&a));
        prop_assert_eq!(a.plus(&b).plus(&c), a.plus(&b.plus(&c)));
        prop_assert_eq!(a.plus(&ResourceBag::new()), a.clone());
        prop_assert_eq!(a.plus(&b).quantities_of(|r| !r.shared), a.quantities_of(|r| !r.shared).plus(&b.quantities_of(|r| !r.shared)));
    }

    #[test]
    fn what_is_added_can_be_taken_away(a in bag(0), b in bag(100)) {
        let sum = a.plus(&b);
        prop_assert!(sum.contains(&a) && sum.contains(&b));
        prop_assert_eq!(sum.minus(&b), Some(a.clone()));
        prop_assert_eq!(sum.saturating_minus(&a), b);
    }

    #[test]
    fn the_order_of_adding_does_not_show(list in proptest::collection::vec(resource(0), 0..8)) {
        let forwards: ResourceBag = list.iter().cloned().collect();
        let backwards: ResourceBag = list.into_iter().rev().collect();
        prop_assert_eq!(&forwards, &backwards);
        prop_assert!(forwards.iter().all(|resource| !resource.is_empty()));
    }

    #[test]
    fn containing_is_an_order(a in bag(0), b in bag(0)) {
        prop_assert!(a.contains(&a) && a.contains(&ResourceBag::new()));
        prop_assert_eq!(a.minus(&b).is_some(), a.contains(&b));
        if let Some(rest) = a.minus(&b) {
            prop_assert_eq!(rest.plus(&b), a.clone());
        }
        if a.contains(&b) && b.contains(&a) {
            prop_assert_eq!(a, b);
        }
    }

    #[test]
    fn flattening_keeps_the_amounts(a in bag(0)) {
        let amounts = |bag: &ResourceBag| bag.quantities_of(Resource::is_divisible);
        prop_assert_eq!(amounts(&a.flatten()), amounts(&a));
        prop_assert!(a.flatten().iter().all(|resource| resource.reservations().is_empty()));
        let pushed = a.push_reservation(&Reservation::dynamic(role("x"), None));
        prop_assert_eq!(pushed.pop_reservation(), a);
    }

    #[test]
    fn roles_share_the_bag_out(a in bag(0)) {
        let parts = [role("eng"), role("eng/a"), role("ops")].map(|role| a.reserved_for(&role));
        prop_assert_eq!(parts.iter().fold(a.unreserved(), |sum, part| sum.plus(part)), a.clone());
        let below = a.allocatable_to(&role("eng/a"));
        prop_assert_eq!(below, a.unreserved().plus(&a.reserved_for(&role("eng"))).plus(&a.reserved_for(&role("eng/a"))));
        prop_assert_eq!(a.allocate(&role("eng")).unallocate(), a);
    }

    #[test]
    fn shrinking_stays_within_both(a in bag(0), target in quantities()) {
        let shrunk = a.shrink(&target);
        prop_assert!(a.contains(&shrunk));
        prop_assert!(target.contains(&shrunk.quantities()));
        let divisible = a.filter(Resource::is_divisible);
        prop_assert_eq!(divisible.shrink(&target).quantities(), divisible.quantities().at_most(&target));
    }

    #[test]
    fn what_is_found_is_there_and_enough(a in bag(0), b in bag(0)) {
        if let Some(found) = a.find(&b) {
            prop_assert!(a.contains(&found));
            prop_assert_eq!(found.quantities(), b.quantities());
        }
        if a.contains(&b) && b.iter().all(Resource::is_divisible) {
            prop_assert_eq!(a.find(&b), Some(b));
        }
    }

    #[test]
    fn json_is_read_back(a in bag(0)) {
        prop_assert_eq!(ResourceBag::from_json(&a.to_json()), Ok(a));
    }

    #[test]
    fn text_is_read_back_where_it_says_all(a in bag(0)) {
        let says_all = |resource: &Resource| resource.disk.is_none() && !resource.revocable
            && resource.reservations().iter().all(|r| *r == Reservation::fixed(role("eng")));
        let plain = a.filter(says_all);
        let text = if plain.is_empty() { String::new() } else { plain.to_string() };
        prop_assert_eq!(text.parse::<ResourceBag>(), Ok(plain));
    }

    #[test]
    fn any_text_is_answered(text in "[a-z():;\\[\\]{},0-9.*/ -]{0,40}") {
        let _ = text.parse::<ResourceBag>();
        let _ = text.parse::<proffer_resources::Attributes>();
    }

    #[test]
    fn quantities_add_and_subtract(a in quantities(), b in quantities()) {
        prop_assert_eq!(a.plus(&b), b.plus(&a));
        prop_assert_eq!(a.plus(&b).saturating_minus(&b), a.clone());
        prop_assert!(a.contains(&a.at_most(&b)) && b.contains(&a.at_most(&b)));
        prop_assert_eq!(a.contains(&b), b.saturating_minus(&a).is_empty());
        prop_assert_eq!(ResourceBag::from(&a).quantities(), a);
    }

    #[test]
    fn cutting_to_limits_stays_within_them(wanted in quantities(), used in quantities(), bound in quantities()) {
        let limits: Limits = bound.iter().collect();
        let cut = limits.cut(&wanted, &used);
        prop_assert!(wanted.contains(&cut));
        if limits.allow(&used) {
            prop_assert!(limits.allow(&used.plus(&cut)));
        }
    }

    #[test]
    fn flat_resources_are_unreserved_ones(cpus in 0u64..9000, mem in 0u64..9000, port in 0u64..50, n in 0u64..9) {
        let flat = Resources {
            ports: Ranges::span(port, port + n),
            ..Resources::of(Amount::from_thousandths(cpus), Amount::from_thousandths(mem))
        };
        prop_assert_eq!(ResourceBag::from(&flat).to_resources(), flat);
    }
}
