//! A bundle of resources: what an agent has, an offer holds or a task takes.

use crate::{Amount, Ranges};
use std::fmt;

/// Resources of one agent. Sums and differences are by kind; ports are a set.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Resources {
    /// Cores.
    pub cpus: Amount,
    /// Memory in MiB.
    pub mem: Amount,
    /// Disk in MiB.
    pub disk: Amount,
    /// Port numbers.
    pub ports: Ranges,
}

impl Resources {
    /// Cores and MiB of memory, nothing else.
    #[must_use]
    pub fn of(cpus: Amount, mem: Amount) -> Self {
        Self { cpus, mem, ..Self::default() }
    }

    /// The scalars of it: no ports.
    #[must_use]
    pub fn without_ports(&self) -> Self {
        Self { cpus: self.cpus, mem: self.mem, disk: self.disk, ports: Ranges::default() }
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cpus.is_zero() && self.mem.is_zero() && self.disk.is_zero() && self.ports.is_empty()
    }

    /// Whether `other` fits in `self`, kind by kind.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.cpus >= other.cpus && self.mem >= other.mem && self.disk >= other.disk && self.ports.contains(&other.ports)
    }

    /// The sum, kind by kind.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            cpus: self.cpus.plus(other.cpus),
            mem: self.mem.plus(other.mem),
            disk: self.disk.plus(other.disk),
            ports: self.ports.union(&other.ports),
        }
    }

    /// The difference, or `None` if `other` does not fit in `self`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Option<Self> {
        self.contains(other).then(|| self.saturating_minus(other))
    }

    /// The difference, with nothing where `other` has more. For an agent that shrank below what runs on it.
    #[must_use]
    pub fn saturating_minus(&self, other: &Self) -> Self {
        Self {
            cpus: self.cpus.minus(other.cpus).unwrap_or_default(),
            mem: self.mem.minus(other.mem).unwrap_or_default(),
            disk: self.disk.minus(other.disk).unwrap_or_default(),
            ports: self.ports.difference(&other.ports),
        }
    }

    /// Whether the two share a port, so that they cannot both be held.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.ports.intersects(&other.ports)
    }
}

impl fmt::Display for Resources {
    /// Mesos' text form: `cpus:2;mem:512;disk:1024;ports:[31000-31001]`; kinds of which there is nothing are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (name, amount) in [("cpus", self.cpus), ("mem", self.mem), ("disk", self.disk)] {
            if !amount.is_zero() {
                parts.push(format!("{name}:{amount}"));
            }
        }
        if !self.ports.is_empty() {
            parts.push(format!("ports:{}", self.ports));
        }
        if parts.is_empty() { f.write_str("nothing") } else { f.write_str(&parts.join(";")) }
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resources(port_base: u64) -> impl Strategy<Value = Resources> {
        (0u64..10_000, 0u64..10_000, 0u64..10_000, 0u64..20, 0u64..5).prop_map(move |(c, m, d, p, n)| Resources {
            cpus: Amount::from_thousandths(c),
            mem: Amount::from_thousandths(m),
            disk: Amount::from_thousandths(d),
            ports: Ranges::span(port_base + p, port_base + p + n),
        })
    }

    proptest! {
        #[test]
        fn what_is_added_can_be_taken_away(a in resources(0), b in resources(100)) {
            prop_assert_eq!(a.plus(&b), b.plus(&a));
            prop_assert!(a.plus(&b).contains(&a));
            prop_assert_eq!(a.plus(&b).minus(&b), Some(a));
        }

        #[test]
        fn minus_agrees_with_contains(a in resources(0), b in resources(0)) {
            prop_assert_eq!(a.minus(&b).is_some(), a.contains(&b));
        }
    }
}
