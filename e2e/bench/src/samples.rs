//! Durations of one kind of step, and their percentiles.

use serde::Serialize;
use std::time::Duration;

/// What was measured of one step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

/// A step's figures, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// How many were measured.
    pub(crate) count: usize,
    /// Half took at most this long.
    pub(crate) p50_ms: f64,
    /// 99 of 100 took at most this long.
    pub(crate) p99_ms: f64,
    /// The longest.
    pub(crate) max_ms: f64,
}

impl Samples {
    /// Adds a measurement.
    pub(crate) fn add(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// The figures; all zero if nothing was measured.
    pub(crate) fn figures(&self) -> Figures {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |percent: usize| {
            // Nearest rank: the smallest sample that at least `percent` of all do not exceed.
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).map_or(0.0, |sample| sample.as_secs_f64() * 1000.0)
        };
        Figures { count: sorted.len(), p50_ms: at(50), p99_ms: at(99), max_ms: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut samples = Samples::default();
        (1..=200).rev().for_each(|ms| samples.add(Duration::from_millis(ms)));
        let figures = samples.figures();
        assert_eq!((figures.count, figures.p50_ms, figures.p99_ms, figures.max_ms), (200, 100.0, 198.0, 200.0));
        assert_eq!(Samples::default().figures().count, 0);
    }
}
