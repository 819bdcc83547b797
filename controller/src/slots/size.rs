//! How large a slot is to be: amounts, or shares of what its node can give.

use proffer_resources::quantity::{self, QuantityError};
use proffer_resources::{Amount, Resources};
use std::fmt;

/// An amount, or a share of a node's allocatable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// So much on each node.
    Fixed(Amount),
    /// So many hundredths of a percent of the node's allocatable.
    PerMyriad(u64),
}

/// Why a text is neither.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// Not a quantity, and not a percentage either.
    #[error("{0}, or a percentage of the node's allocatable, such as 50%")]
    Quantity(QuantityError),
    /// A percentage out of range.
    #[error("{0:?} is not a percentage: write one above 0% and up to 100%, such as 50%")]
    Percentage(String),
    /// Nothing.
    #[error("{0:?} is nothing: a slot needs some of it")]
    Zero(String),
}

/// Reads `1500m`, `4` or `80%`.
pub fn cpu_share(text: &str) -> Result<Share, SizeError> {
    share(text, quantity::parse_cpu)
}

/// Reads `2Gi` or `80%`.
pub fn memory_share(text: &str) -> Result<Share, SizeError> {
    share(text, quantity::parse_bytes_as_mib)
}

fn share(text: &str, parse: fn(&str) -> Result<Amount, QuantityError>) -> Result<Share, SizeError> {
    if let Some(percent) = text.strip_suffix('%') {
        let refused = || SizeError::Percentage(text.to_owned());
        let percent = quantity::parse_cpu(percent).map_err(|_| refused())?.thousandths();
        if !(10..=100_000).contains(&percent) {
            return Err(refused());
        }
        return Ok(Share::PerMyriad(percent / 10));
    }
    let amount = parse(text).map_err(SizeError::Quantity)?;
    if amount.is_zero() { Err(SizeError::Zero(text.to_owned())) } else { Ok(Share::Fixed(amount)) }
}

impl Share {
    /// The amount that this is of `allocatable`, in steps of `step`, rounded down.
    fn of(self, allocatable: Amount, step: Amount) -> Amount {
        match self {
            Self::Fixed(amount) => amount,
            Self::PerMyriad(share) => {
                let exact = u128::from(allocatable.thousandths()) * u128::from(share) / 10_000;
                let exact = u64::try_from(exact).unwrap_or(u64::MAX);
                Amount::from_thousandths(exact - exact % step.thousandths().max(1))
            }
        }
    }
}

/// The size of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Cores.
    pub cpu: Amount,
    /// Memory in MiB.
    pub memory: Amount,
}

impl Size {
    /// The size on a node that can give `allocatable`.
    #[must_use]
    pub fn on(cpu: Share, memory: Share, allocatable: &Resources) -> Self {
        Self {
            cpu: cpu.of(allocatable.cpus, Amount::from_thousandths(1)),
            memory: memory.of(allocatable.mem, Amount::from_units(1)),
        }
    }
}

impl fmt::Display for Size {
    /// As the annotation has it: `cpu=500m,memory=1024Mi`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpu={},memory={}", quantity::format_cpu(self.cpu), quantity::format_mib(self.memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_amounts_are_read() {
        let allocatable = Resources::of(Amount::from_thousandths(3999), Amount::from_thousandths(7_900_500));
        for (cpu, memory, expected) in [
            ("50%", "50%", "cpu=1999m,memory=3950Mi"),
            ("12.5%", "100%", "cpu=499m,memory=7900Mi"),
            ("1500m", "2Gi", "cpu=1500m,memory=2048Mi"),
            ("64", "1Gi", "cpu=64,memory=1024Mi"),
        ] {
            let size = Size::on(cpu_share(cpu).unwrap(), memory_share(memory).unwrap(), &allocatable);
            assert_eq!(size.to_string(), expected, "{cpu} {memory}");
        }
    }

    #[test]
    fn what_is_neither_is_told() {
        for (text, expected) in [
            ("0%", "\"0%\" is not a percentage: write one above 0% and up to 100%, such as 50%"),
            ("101%", "\"101%\" is not a percentage: write one above 0% and up to 100%, such as 50%"),
            ("-5%", "\"-5%\" is not a percentage: write one above 0% and up to 100%, such as 50%"),
            ("0", "\"0\" is nothing: a slot needs some of it"),
            (
                "lots",
                "\"lots\" is not a quantity: write a number with an optional suffix, such as 500m, 2 or 64Mi, or a percentage \
                 of the node's allocatable, such as 50%",
            ),
        ] {
            assert_eq!(cpu_share(text).unwrap_err().to_string(), expected);
        }
    }
}
