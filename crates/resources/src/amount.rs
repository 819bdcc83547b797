//! Fixed-point scalars: three decimals, never negative.

use std::fmt;
use std::iter::Sum;

/// A scalar resource in thousandths of its unit (a core, a MiB), never negative.
///
/// Mesos compares scalars after rounding to three decimals; here they are stored so, and every sum is exact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount that is accepted from outside: 10^12 whole units. It leaves room to add a million of them.
    pub const MAX_INPUT: Self = Self(1_000_000_000_000_000);

    /// An amount of `thousandths` of a unit.
    #[must_use]
    pub const fn from_thousandths(thousandths: u64) -> Self {
        Self(thousandths)
    }

    /// An amount of whole units.
    #[must_use]
    pub const fn from_units(units: u64) -> Self {
        Self(units.saturating_mul(1000))
    }

    /// An amount from outside, where it is a floating-point number of units: rounded to three decimals, as Mesos does.
    /// `None` if it is negative, not a number, or more than [`Amount::MAX_INPUT`].
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // checked to be whole and in range
    pub fn from_float(units: f64) -> Option<Self> {
        let thousandths = (units * 1000.0).round();
        (thousandths >= 0.0 && thousandths <= Self::MAX_INPUT.0 as f64).then(|| Self(thousandths.abs() as u64))
    }

    /// The number of units as a floating-point number, for messages that have no other form. Exact to three decimals up
    /// to [`Amount::MAX_INPUT`].
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // the doc says how exact it is
    pub fn to_float(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The amount in thousandths of its unit.
    #[must_use]
    pub const fn thousandths(self) -> u64 {
        self.0
    }

    /// Whether this is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or the largest amount there is.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or nothing if `other` is larger.
    #[must_use]
    pub const fn saturating_minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The difference, or `None` if `other` is larger.
    #[must_use]
    pub const fn minus(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Display for Amount {
    /// Writes units with up to three decimals and no trailing zeros: `0.1`, `2`, `31.999`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1000, self.0 % 1000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let decimals = format!("{rest:03}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_without_trailing_zeros() {
        let printed: Vec<String> =
            [0, 1, 100, 1000, 1500, 31999].map(|t| Amount::from_thousandths(t).to_string()).into();
        assert_eq!(printed, ["0", "0.001", "0.1", "1", "1.5", "31.999"]);
    }

    #[test]
    fn never_goes_below_zero() {
        assert_eq!(Amount::from_units(1).minus(Amount::from_units(2)), None);
    }
}
