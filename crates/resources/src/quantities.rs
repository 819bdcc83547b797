//! Amounts by name: what shares, quota and headroom are counted in.

use crate::{Amount, ResourceName, Resources};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Amounts of scalar resources by name; what is not in it is nothing (Mesos: `ResourceQuantities`). Of the usual four it
/// holds the amounts themselves, so that sums of them cost no allocation.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Quantities {
    /// Cores.
    pub cpus: Amount,
    /// Memory in MiB.
    pub mem: Amount,
    /// Disk in MiB.
    pub disk: Amount,
    /// GPUs.
    pub gpus: Amount,
    /// Others by name. No zeros: equal quantities compare equal.
    custom: BTreeMap<Arc<str>, Amount>,
}

impl Quantities {
    /// Cores and MiB of memory, nothing else.
    #[must_use]
    pub fn of(cpus: Amount, mem: Amount) -> Self {
        Self { cpus, mem, ..Self::default() }
    }

    /// How much there is of one.
    #[must_use]
    pub fn get(&self, name: &ResourceName) -> Amount {
        match name {
            ResourceName::Cpus => self.cpus,
            ResourceName::Mem => self.mem,
            ResourceName::Disk => self.disk,
            ResourceName::Gpus => self.gpus,
            other => self.custom.get(other.as_str()).copied().unwrap_or_default(),
        }
    }

    /// Sets how much there is of one.
    pub fn set(&mut self, name: &ResourceName, amount: Amount) {
        match name {
            ResourceName::Cpus => self.cpus = amount,
            ResourceName::Mem => self.mem = amount,
            ResourceName::Disk => self.disk = amount,
            ResourceName::Gpus => self.gpus = amount,
            ResourceName::Ports | ResourceName::Custom(_) if amount.is_zero() => {
                self.custom.remove(name.as_str());
            }
            ResourceName::Custom(name) => drop(self.custom.insert(name.clone(), amount)),
            ResourceName::Ports => drop(self.custom.insert(name.as_str().into(), amount)),
        }
    }

    /// These quantities and so much more of one.
    #[must_use]
    pub fn with(mut self, name: &ResourceName, amount: Amount) -> Self {
        self.add_one(name, amount);
        self
    }

    /// Adds so much of one.
    pub fn add_one(&mut self, name: &ResourceName, amount: Amount) {
        self.set(name, self.get(name).plus(amount));
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.cpus = self.cpus.plus(other.cpus);
        self.mem = self.mem.plus(other.mem);
        self.disk = self.disk.plus(other.disk);
        self.gpus = self.gpus.plus(other.gpus);
        for (name, amount) in &other.custom {
            let sum = self.custom.entry(name.clone()).or_default();
            *sum = sum.plus(*amount);
        }
    }

    /// Takes `other` away, down to nothing.
    pub fn subtract(&mut self, other: &Self) {
        self.cpus = self.cpus.saturating_minus(other.cpus);
        self.mem = self.mem.saturating_minus(other.mem);
        self.disk = self.disk.saturating_minus(other.disk);
        self.gpus = self.gpus.saturating_minus(other.gpus);
        if !other.custom.is_empty() {
            self.custom.retain(|name, amount| {
                *amount = amount.saturating_minus(other.custom.get(name).copied().unwrap_or_default());
                !amount.is_zero()
            });
        }
    }

    /// The sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.add(other);
        sum
    }

    /// The difference, with nothing where `other` has more.
    #[must_use]
    pub fn saturating_minus(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.subtract(other);
        rest
    }

    /// Of each, what is in both.
    #[must_use]
    pub fn at_most(&self, other: &Self) -> Self {
        Self {
            cpus: self.cpus.min(other.cpus),
            mem: self.mem.min(other.mem),
            disk: self.disk.min(other.disk),
            gpus: self.gpus.min(other.gpus),
            custom: self
                .custom
                .iter()
                .filter_map(|(name, amount)| Some((name.clone(), *amount.min(other.custom.get(name)?))))
                .collect(),
        }
    }

    /// Whether `other` fits in here, one by one.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.cpus >= other.cpus
            && self.mem >= other.mem
            && self.disk >= other.disk
            && self.gpus >= other.gpus
            && other.custom.iter().all(|(name, wants)| self.custom.get(name).is_some_and(|has| has >= wants))
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cpus.is_zero()
            && self.mem.is_zero()
            && self.disk.is_zero()
            && self.gpus.is_zero()
            && self.custom.is_empty()
    }

    /// Whether there is anything beyond the usual four.
    #[must_use]
    pub fn has_custom(&self) -> bool {
        !self.custom.is_empty()
    }

    /// Names and amounts of what there is.
    pub fn iter(&self) -> impl Iterator<Item = (ResourceName, Amount)> + '_ {
        let usual = [
            (ResourceName::Cpus, self.cpus),
            (ResourceName::Mem, self.mem),
            (ResourceName::Disk, self.disk),
            (ResourceName::Gpus, self.gpus),
        ];
        let custom = self.custom.iter().map(|(name, amount)| (ResourceName::Custom(name.clone()), *amount));
        usual.into_iter().filter(|(_, amount)| !amount.is_zero()).chain(custom)
    }
}

impl From<&Resources> for Quantities {
    /// Without the ports.
    fn from(flat: &Resources) -> Self {
        Self { cpus: flat.cpus, mem: flat.mem, disk: flat.disk, ..Self::default() }
    }
}

impl FromIterator<(ResourceName, Amount)> for Quantities {
    fn from_iter<I: IntoIterator<Item = (ResourceName, Amount)>>(iter: I) -> Self {
        iter.into_iter().fold(Self::default(), |sum, (name, amount)| sum.with(&name, amount))
    }
}

impl fmt::Display for Quantities {
    /// `cpus:2;mem:512`; `nothing`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.iter().map(|(name, amount)| format!("{name}:{amount}")).collect();
        if parts.is_empty() { f.write_str("nothing") } else { f.write_str(&parts.join(";")) }
    }
}

impl fmt::Debug for Quantities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Upper bounds by name; what is not in it is not bounded (Mesos: `ResourceLimits`). A bound of zero forbids.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Limits(BTreeMap<ResourceName, Amount>);

impl Limits {
    /// Whether nothing is bounded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bound of one, if it has one.
    #[must_use]
    pub fn get(&self, name: &ResourceName) -> Option<Amount> {
        self.0.get(name).copied()
    }

    /// Names and bounds.
    pub fn iter(&self) -> impl Iterator<Item = (&ResourceName, Amount)> {
        self.0.iter().map(|(name, amount)| (name, *amount))
    }

    /// Whether `used` stays within all bounds.
    #[must_use]
    pub fn allow(&self, used: &Quantities) -> bool {
        self.0.iter().all(|(name, limit)| used.get(name) <= *limit)
    }

    /// As much of `wanted` as may be added to `used`.
    #[must_use]
    pub fn cut(&self, wanted: &Quantities, used: &Quantities) -> Quantities {
        let mut cut = wanted.clone();
        for (name, limit) in &self.0 {
            cut.set(name, wanted.get(name).min(limit.saturating_minus(used.get(name))));
        }
        cut
    }
}

impl FromIterator<(ResourceName, Amount)> for Limits {
    fn from_iter<I: IntoIterator<Item = (ResourceName, Amount)>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantities(parts: &[(&str, u64)]) -> Quantities {
        parts.iter().map(|(name, units)| (ResourceName::from(*name), Amount::from_units(*units))).collect()
    }

    #[test]
    fn custom_ones_count_like_the_usual() {
        let (a, b) = (quantities(&[("cpus", 4), ("slots", 2)]), quantities(&[("cpus", 1), ("slots", 2)]));
        assert_eq!(a.saturating_minus(&b), quantities(&[("cpus", 3)]));
        assert_eq!(a.plus(&b).to_string(), "cpus:5;slots:4");
        assert_eq!(a.at_most(&quantities(&[("slots", 1)])), quantities(&[("slots", 1)]));
        assert!(a.contains(&b) && !b.contains(&a));
        assert_eq!(Quantities::default().to_string(), "nothing");
    }

    #[test]
    fn limits_bound_what_they_name() {
        let limits: Limits =
            [(ResourceName::Cpus, Amount::from_units(4)), (ResourceName::Gpus, Amount::ZERO)].into_iter().collect();
        let wanted = quantities(&[("cpus", 3), ("mem", 100), ("gpus", 1)]);
        assert_eq!(limits.cut(&wanted, &quantities(&[("cpus", 2)])), quantities(&[("cpus", 2), ("mem", 100)]));
        assert!(limits.allow(&quantities(&[("cpus", 4), ("mem", 9)])) && !limits.allow(&quantities(&[("gpus", 1)])));
    }
}
