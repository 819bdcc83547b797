//! Dominant shares: the largest part that somebody has of any one resource.

use proffer_resources::{Amount, Quantities, ResourceName};
use std::collections::BTreeSet;
use std::fmt;

/// How much more than others a role is to get, in thousandths: of two that compete, one of weight 3 ends with three times
/// what one of weight 1 has (Mesos: weights).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u32);

impl Weight {
    /// The weight of roles that were given none: 1.
    pub const ONE: Self = Self(1000);

    /// A weight of `thousandths`; zero counts as the smallest there is, one thousandth.
    #[must_use]
    pub const fn from_thousandths(thousandths: u32) -> Self {
        Self(if thousandths == 0 { 1 } else { thousandths })
    }

    /// The weight in thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ONE
    }
}

/// A part of a whole, from nothing to everything and beyond, in 2^-40 of the whole. Exact enough to order by, and
/// never a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Share(u128);

impl Share {
    /// The largest part that `used` is of any kind of resource in `whole` (the DRF paper, and Mesos: the dominant share).
    /// What `whole` has nothing of does not count.
    #[must_use]
    pub fn dominant(used: &Quantities, whole: &Quantities) -> Self {
        Self::dominant_but(used, whole, &BTreeSet::new())
    }

    /// The same without those of some names (Mesos: `--fair_sharing_excluded_resource_names`).
    #[must_use]
    pub fn dominant_but(used: &Quantities, whole: &Quantities, excluded: &BTreeSet<ResourceName>) -> Self {
        if excluded.is_empty() && !used.has_custom() {
            return Self::of(used.cpus, whole.cpus)
                .max(Self::of(used.mem, whole.mem))
                .max(Self::of(used.disk, whole.disk))
                .max(Self::of(used.gpus, whole.gpus));
        }
        let counted = used.iter().filter(|(name, _)| !excluded.contains(name));
        counted.map(|(name, part)| Self::of(part, whole.get(&name))).max().unwrap_or_default()
    }

    /// The share as somebody of `weight` feels it.
    #[must_use]
    pub fn weighted(self, weight: Weight) -> Self {
        if weight == Weight::ONE { self } else { Self(self.0.saturating_mul(1000) / u128::from(weight.0)) }
    }

    /// This share without `other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The share in thousandths of the whole, for people.
    #[must_use]
    pub fn thousandths(self) -> u64 {
        u64::try_from(self.0.saturating_mul(1000) >> 40).unwrap_or(u64::MAX)
    }

    /// As a number to order by.
    pub(crate) fn bits(self) -> u128 {
        self.0
    }

    /// `part` of `all`; nothing if `all` is nothing.
    fn of(part: Amount, all: Amount) -> Self {
        let (part, all) = (part.thousandths(), all.thousandths());
        if part == 0 || all == 0 {
            return Self::default();
        }
        // The usual case fits in 64 bits, where a division costs a tenth.
        if part < 1 << 24 {
            return Self(u128::from((part << 40) / all));
        }
        Self((u128::from(part) << 40) / u128::from(all))
    }
}

impl fmt::Display for Share {
    /// In per cent of the whole, to a tenth.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = self.thousandths();
        write!(f, "{}.{}%", thousandths / 10, thousandths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcest_resource_counts() {
        let whole = Quantities::of(Amount::from_units(10), Amount::from_units(100));
        let many_cores = Quantities::of(Amount::from_units(5), Amount::from_units(1));
        let much_memory = Quantities::of(Amount::from_units(1), Amount::from_units(60));
        assert!(Share::dominant(&many_cores, &whole) < Share::dominant(&much_memory, &whole));
        assert_eq!(Share::dominant(&many_cores, &Quantities::default()), Share::default());
        let without_mem = BTreeSet::from([ResourceName::Mem]);
        assert_eq!(Share::dominant_but(&much_memory, &whole, &without_mem).thousandths(), 99);
    }

    #[test]
    fn weights_divide() {
        let whole = Quantities::of(Amount::from_units(12), Amount::ZERO);
        let share = |units| Share::dominant(&Quantities::of(Amount::from_units(units), Amount::ZERO), &whole);
        assert_eq!(share(9).weighted(Weight::from_thousandths(3000)), share(3));
        assert_eq!(share(3).weighted(Weight::from_thousandths(500)), share(6));
    }
}
