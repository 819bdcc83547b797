//! Numbers that a seed decides.

use std::time::Duration;

/// A generator (`SplitMix64`). Good enough to choose among what may happen.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Where the generator stands: two runs that have drawn the same are at the same place.
    pub(crate) fn state(&self) -> u64 {
        self.0
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// An index of a list of this length; `None` if it is empty.
    pub(crate) fn index(&mut self, length: usize) -> Option<usize> {
        let number = self.below(u64::try_from(length).unwrap_or(u64::MAX));
        usize::try_from(number).ok().filter(|_| length > 0)
    }

    /// One of some; `None` if there is none.
    pub(crate) fn one_of<T: Clone>(&mut self, choices: &[T]) -> Option<T> {
        self.index(choices.len()).and_then(|index| choices.get(index).cloned())
    }

    /// `true` so many times in a thousand.
    pub(crate) fn in_thousand(&mut self, times: u64) -> bool {
        self.below(1000) < times
    }

    /// A duration between the two, in microseconds, each as likely as the others.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from(most.saturating_sub(least).as_micros()).unwrap_or(u64::MAX);
        least + Duration::from_micros(self.below(span))
    }

    /// A duration between the two, in microseconds; more often a short one.
    pub(crate) fn delay(&mut self, least: Duration, most: Duration) -> Duration {
        // Of three, the smallest: long delays are rare, as they are on networks.
        self.between(least, most).min(self.between(least, most)).min(self.between(least, most))
    }

    /// A wide number, for what must be unique.
    pub(crate) fn wide(&mut self) -> u128 {
        (u128::from(self.next()) << 64) | u128::from(self.next())
    }
}
