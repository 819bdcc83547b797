//! One measured figure.

use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// One measured figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Sizes and what was done.
    pub what: String,
    /// How much it is.
    pub value: f64,
    /// In what; empty for a plain number.
    pub unit: &'static str,
    /// What it should be at most.
    pub aim: Option<f64>,
}

impl Figure {
    /// A time in milliseconds.
    pub fn ms(what: impl Into<String>, time: Duration) -> Self {
        Self { what: what.into(), value: time.as_secs_f64() * 1000.0, unit: "ms", aim: None }
    }

    /// A number of something.
    pub fn of(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), value, unit, aim: None }
    }

    /// The same with what it should be at most.
    #[must_use]
    pub fn aim(mut self, aim: f64) -> Self {
        self.aim = Some(aim);
        self
    }

    /// Whether it is more than it should be.
    #[must_use]
    pub fn is_miss(&self) -> bool {
        self.aim.is_some_and(|aim| self.value > aim)
    }

    /// For a program.
    #[must_use]
    pub fn to_json(&self, benchmark: &str) -> Value {
        let Self { what, value, unit, aim } = self;
        json!({"benchmark": benchmark, "what": what, "value": value, "unit": unit, "aim": aim, "missed": self.is_miss()})
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<68} {:>12.3} {}", self.what, self.value, self.unit)?;
        match self.aim {
            Some(aim) => write!(f, "  (aim {aim}{})", if self.is_miss() { ", MISSED" } else { "" }),
            None => Ok(()),
        }
    }
}

/// A count as a floating-point number; exact below 2^53.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "the doc says how exact it is")]
pub fn to_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_its_aim_is_missed() {
        let figure = |value| Figure::of("a", value, "MiB").aim(10.0);
        assert_eq!([9.0, 10.0, 10.1].map(|value| figure(value).is_miss()), [false, false, true]);
        assert!(!Figure::of("a", 1e9, "").is_miss(), "without an aim nothing is missed");
        assert!(figure(11.0).to_string().ends_with("11.000 MiB  (aim 10, MISSED)"));
    }
}
