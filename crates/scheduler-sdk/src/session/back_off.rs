//! How long to wait before the next try.

use crate::BackOff;
use std::time::Duration;

/// Pseudo-random numbers from a seed that comes in (`SplitMix64`), so that a history can be played again.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From half of `longest` to all of it.
    pub(crate) fn shorten(&mut self, longest: Duration) -> Duration {
        let parts = u32::try_from(self.next() % 1001).unwrap_or(0);
        let half = longest / 2;
        half + half * parts / 1000
    }
}

impl BackOff {
    /// The longest pause of a round; the first is round 0.
    pub(crate) fn longest(&self, round: u32) -> Duration {
        // After 31 doublings of a nanosecond the limit is what counts.
        self.min.saturating_mul(1 << round.min(31)).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit() {
        let back_off = BackOff { min: Duration::from_millis(100), max: Duration::from_secs(1) };
        let pauses: Vec<_> = [0, 1, 2, 3, 4, 40, u32::MAX].map(|round| back_off.longest(round).as_millis()).into();
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000, 1000]);
    }

    #[test]
    fn pauses_are_shortened_by_at_most_half_and_differ() {
        let mut random = Random(1);
        let pauses: Vec<_> = (0..1000).map(|_| random.shorten(Duration::from_secs(1)).as_millis()).collect();
        assert!(pauses.iter().all(|pause| (500..=1000).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause < 600) && pauses.iter().any(|pause| *pause > 900));
    }
}
