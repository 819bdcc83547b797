//! Dominant shares: the largest part that somebody has of any one resource.

use proffer_resources::{Amount, Resources};

/// A part of a whole, from nothing to everything and beyond, in 2^-32 of the whole. Exact enough to order by, and
/// never a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Share(u128);

impl Share {
    /// The largest part that `used` is of any kind of resource in `whole` (Mesos: the dominant share). What `whole` has
    /// nothing of does not count.
    #[must_use]
    pub fn dominant(used: &Resources, whole: &Resources) -> Self {
        [(used.cpus, whole.cpus), (used.mem, whole.mem), (used.disk, whole.disk)]
            .into_iter()
            .map(|(part, all)| Self::of(part, all))
            .max()
            .unwrap_or_default()
    }

    /// `part` of `all`; nothing if `all` is nothing.
    fn of(part: Amount, all: Amount) -> Self {
        let part = u128::from(part.thousandths()) << 32;
        Self(part.checked_div(u128::from(all.thousandths())).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcest_resource_counts() {
        let whole = Resources::of(Amount::from_units(10), Amount::from_units(100));
        let many_cores = Resources::of(Amount::from_units(5), Amount::from_units(1));
        let much_memory = Resources::of(Amount::from_units(1), Amount::from_units(60));
        assert!(Share::dominant(&many_cores, &whole) < Share::dominant(&much_memory, &whole));
        assert_eq!(Share::dominant(&many_cores, &Resources::default()), Share::default());
    }
}
