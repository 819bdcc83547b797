//! What one task asks for.

use crate::agent::usable_for_tasks;
use crate::volume::find_volume;
use proffer_resources::quantity::format_mib;
use proffer_resources::{Quantities, Ranges, ResourceBag, ResourceName, Resources, Role, Value};
use std::cmp::Ordering;
use std::fmt;

/// Ports that a task asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PortRequest {
    /// None.
    #[default]
    None,
    /// Any so many.
    Count(u16),
    /// Exactly these.
    Numbers(Ranges),
}

/// What one task asks for. Tasks that ask for the same are placed or not placed alike, so they wait as one group; the
/// order of demands has no other meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Cores, memory and disk.
    pub resources: Resources,
    /// Ports.
    pub ports: PortRequest,
    /// IDs of persistent volumes, each once and in order. They are used whole, whatever their size is.
    pub volumes: Vec<String>,
}

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Cores.
    Cpus,
    /// Memory.
    Mem,
    /// Disk.
    Disk,
    /// Ports.
    Ports,
}

impl Kind {
    /// Every kind, in the order in which they are named to a person.
    pub const ALL: [Self; 4] = [Self::Cpus, Self::Mem, Self::Disk, Self::Ports];

    /// How much of this kind there is: thousandths of a unit, or a number of ports.
    pub(crate) fn amount_in(self, resources: &Resources) -> u64 {
        match self {
            Self::Cpus => resources.cpus.thousandths(),
            Self::Mem => resources.mem.thousandths(),
            Self::Disk => resources.disk.thousandths(),
            Self::Ports => resources.ports.len(),
        }
    }

    /// An amount of this kind, for a person: `1.5 cpu`, `64Mi memory`, `2 ports`.
    #[must_use]
    pub fn describe(self, resources: &Resources) -> String {
        match self {
            Self::Cpus => format!("{} cpu", resources.cpus),
            Self::Mem => format!("{} memory", format_mib(resources.mem)),
            Self::Disk => format!("{} disk", format_mib(resources.disk)),
            Self::Ports if resources.ports.len() == 1 => "1 port".to_owned(),
            Self::Ports => format!("{} ports", resources.ports.len()),
        }
    }
}

impl Demand {
    /// Whether `free` has it all.
    #[must_use]
    pub fn fits(&self, free: &Resources) -> bool {
        Kind::ALL.into_iter().all(|kind| self.fits_kind(kind, free))
    }

    /// The kinds of which `free` has too little.
    #[must_use]
    pub fn lacking(&self, free: &Resources) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|&kind| !self.fits_kind(kind, free)).collect()
    }

    /// What the task is given out of `free`, its ports chosen; `None` if it does not fit.
    #[must_use]
    pub fn take_from(&self, free: &Resources) -> Option<Resources> {
        if !self.fits(free) {
            return None;
        }
        let ports = match &self.ports {
            PortRequest::None => Ranges::default(),
            PortRequest::Count(count) => free.ports.first(u64::from(*count))?,
            PortRequest::Numbers(numbers) => numbers.clone(),
        };
        Some(Resources { ports, ..self.resources.clone() })
    }

    /// What a task of `role` is given out of `free`, its ports chosen; `None` if it does not fit. Of what is reserved for the
    /// role is taken first, as others cannot use it anyway. The volumes it asks for are in it.
    #[must_use]
    pub fn carve(&self, free: &ResourceBag, role: &Role) -> Option<ResourceBag> {
        let usable = usable_for_tasks(free, role);
        let given = self.take_from(&usable.to_resources())?;
        let wanted = Quantities::from(&given);
        let reserved = usable.filter(|resource| resource.reserved_for().is_some());
        let mut part = reserved.shrink(&wanted);
        part.add(&usable.unreserved().shrink(&wanted.saturating_minus(&part.quantities())));
        let mut ports = given.ports;
        for resource in usable.iter().filter(|resource| resource.name == ResourceName::Ports) {
            let ours = ResourceBag::from(resource.clone()).ranges(&ResourceName::Ports).intersection(&ports);
            ports = ports.difference(&ours);
            part.add_one(resource.clone().with_value(Value::Ranges(ours)));
        }
        for id in &self.volumes {
            part.add_one(find_volume(free, id, role)?.clone());
        }
        Some(part)
    }

    fn fits_kind(&self, kind: Kind, free: &Resources) -> bool {
        match (kind, &self.ports) {
            (Kind::Cpus, _) => self.resources.cpus <= free.cpus,
            (Kind::Mem, _) => self.resources.mem <= free.mem,
            (Kind::Disk, _) => self.resources.disk <= free.disk,
            (Kind::Ports, PortRequest::None) => true,
            (Kind::Ports, PortRequest::Count(count)) => u64::from(*count) <= free.ports.len(),
            (Kind::Ports, PortRequest::Numbers(numbers)) => free.ports.contains(numbers),
        }
    }

    /// All of it as something that has an order.
    fn sort_key(&self) -> impl Ord + '_ {
        let Resources { cpus, mem, disk, .. } = self.resources;
        let (count, numbers): (u16, &[(u64, u64)]) = match &self.ports {
            PortRequest::None => (0, &[]),
            PortRequest::Count(count) => (*count, &[]),
            PortRequest::Numbers(numbers) => (0, numbers.as_pairs()),
        };
        (cpus, mem, disk, count, numbers, &self.volumes)
    }
}

impl PortRequest {
    /// The same request in one form only, so that equal requests compare equal: no ports are `None`.
    #[must_use]
    pub fn canonical(self) -> Self {
        match self {
            Self::Count(0) => Self::None,
            Self::Numbers(numbers) if numbers.is_empty() => Self::None,
            other => other,
        }
    }
}

impl Demand {
    /// A demand in canonical form.
    #[must_use]
    pub fn new(resources: &Resources, ports: PortRequest) -> Self {
        Self { resources: resources.without_ports(), ports: ports.canonical(), volumes: Vec::new() }
    }

    /// The same and the volumes of these IDs.
    #[must_use]
    pub fn with_volumes(mut self, ids: impl IntoIterator<Item = String>) -> Self {
        self.volumes.extend(ids);
        self.volumes.sort();
        self.volumes.dedup();
        self
    }
}

impl PartialOrd for Demand {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Demand {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort_key().cmp(&other.sort_key())
    }
}

impl fmt::Display for Demand {
    /// `8 cpu and 64Mi memory`, `1 cpu, 64Mi memory and 2 ports`, `1 cpu and volume "data"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = [Kind::Cpus, Kind::Mem, Kind::Disk]
            .into_iter()
            .filter(|kind| kind.amount_in(&self.resources) > 0)
            .map(|kind| kind.describe(&self.resources))
            .collect();
        match &self.ports {
            PortRequest::None => {}
            PortRequest::Count(1) => parts.push("1 port".to_owned()),
            PortRequest::Count(count) => parts.push(format!("{count} ports")),
            PortRequest::Numbers(numbers) => parts.push(format!("ports {numbers}")),
        }
        parts.extend(self.volumes.iter().map(|id| format!("volume {id:?}")));
        match parts.as_slice() {
            [] => f.write_str("nothing"),
            [one] => f.write_str(one),
            [init @ .., last] => write!(f, "{} and {last}", init.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proffer_resources::Amount;

    fn demand(cpus: u64, mem: u64, ports: PortRequest) -> Demand {
        Demand::new(&Resources::of(Amount::from_thousandths(cpus), Amount::from_units(mem)), ports)
    }

    #[test]
    fn reads_as_a_person_would_say_it() {
        let numbers = PortRequest::Numbers(Ranges::span(31000, 31001));
        for (demand, text) in [
            (demand(8000, 64, PortRequest::None), "8 cpu and 64Mi memory"),
            (demand(100, 32, PortRequest::Count(2)), "0.1 cpu, 32Mi memory and 2 ports"),
            (demand(1000, 0, PortRequest::Count(1)), "1 cpu and 1 port"),
            (demand(1000, 32, numbers), "1 cpu, 32Mi memory and ports [31000-31001]"),
            (demand(0, 0, PortRequest::None), "nothing"),
            (
                demand(1000, 0, PortRequest::None).with_volumes(["w".to_owned(), "v".to_owned(), "w".to_owned()]),
                "1 cpu, volume \"v\" and volume \"w\"",
            ),
        ] {
            assert_eq!(demand.to_string(), text);
        }
    }

    #[test]
    fn takes_the_ports_it_asked_for() {
        let free = Resources {
            ports: Ranges::span(31000, 31005),
            ..Resources::of(Amount::from_units(1), Amount::from_units(64))
        };
        let given = |ports| demand(1000, 32, ports).take_from(&free).map(|given| given.ports);
        assert_eq!(given(PortRequest::None), Some(Ranges::default()));
        assert_eq!(given(PortRequest::Count(2)), Some(Ranges::span(31000, 31001)));
        assert_eq!(given(PortRequest::Numbers(Ranges::span(31003, 31003))), Some(Ranges::span(31003, 31003)));
        assert_eq!(given(PortRequest::Numbers(Ranges::span(30999, 31000))), None);
        assert_eq!(given(PortRequest::Count(7)), None);
    }

    #[test]
    fn names_what_is_missing() {
        let free = Resources::of(Amount::from_units(1), Amount::from_units(64));
        assert_eq!(demand(2000, 128, PortRequest::Count(1)).lacking(&free), [Kind::Cpus, Kind::Mem, Kind::Ports]);
        assert_eq!(demand(1000, 64, PortRequest::None).lacking(&free), []);
    }
}
