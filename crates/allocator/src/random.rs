//! Randomness from a seed that comes in from outside: the same seed, the same offers.

/// A generator of the kind `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014): fast, and good enough to spread offers.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A generator with a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.bits()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// A waiting time with an exponential distribution of mean 1, in 2^-40.
    ///
    /// Of several that wait so, each divided by its weight, the first is one with a probability in proportion to its
    /// weight: this is what makes a random sorter out of an ordered set. Integers only, so that every machine agrees; the
    /// logarithm is off by less than a hundredth.
    pub(crate) fn wait(&mut self) -> u128 {
        let bits = self.bits() | 1;
        let zeros = bits.leading_zeros();
        // bits = 2^(63 - zeros) * (1 + fraction), fraction in 2^-40.
        let fraction = u128::from(((bits << zeros) << 1) >> 24);
        let one = 1u128 << 40;
        // log2(1 + f) is f + 0.34 f (1 - f) or nearly so.
        let log = fraction + ((fraction * (one - fraction)) >> 40) * 34 / 100;
        let halvings = (u128::from(zeros) + 1) * one - log;
        // ln 2 is 0.693147.
        halvings * 693_147 / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_have_a_mean_of_one_and_weights_count() {
        let mut random = Random::new(7);
        let sum: u128 = (0..100_000).map(|_| random.wait()).sum();
        let mean = sum / 100_000;
        assert!(mean.abs_diff(1 << 40) < (1 << 40) / 50, "{mean}");
        let first = (0..100_000).filter(|_| random.wait() / 3 < random.wait()).count();
        assert!(first.abs_diff(75_000) < 1500, "{first} of 100000 where 3 to 1 was expected");
        assert!((0..1000).all(|_| random.below(7) < 7));
    }
}
