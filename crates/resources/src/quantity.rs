//! Kubernetes quantities (`100m`, `32Mi`, `1e3`) to and from Mesos' units.
//!
//! The grammar is that of `k8s.io/apimachinery/pkg/api/resource`: a signed decimal, then a suffix
//! (`m k M G T P E`, `Ki Mi Gi Ti Pi Ei`, or a decimal exponent).

use crate::Amount;

/// Why a text is not a usable quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuantityError {
    /// Not a quantity at all.
    Malformed(String),
    /// Below zero.
    Negative(String),
    /// More than [`Amount::MAX_INPUT`].
    TooLarge(String),
}

impl std::fmt::Display for QuantityError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(text) => {
                write!(f, "{text:?} is not a quantity: write a number with an optional suffix, such as 500m, 2 or 64Mi")
            }
            Self::Negative(text) => write!(f, "{text:?} is negative: write a quantity above zero"),
            Self::TooLarge(text) => write!(f, "{text:?} is larger than any agent can have: write a smaller quantity"),
        }
    }
}

impl std::error::Error for QuantityError {}

/// Reads a quantity of cores (`100m`, `2`, `0.5`) as cores. What is finer than a thousandth is rounded up, as Kubernetes does.
pub fn parse_cpu(text: &str) -> Result<Amount, QuantityError> {
    scaled(text, 1)
}

/// Reads a quantity of bytes (`32Mi`, `1G`, `1048576`) as MiB. What is finer than a thousandth of a MiB is rounded up.
pub fn parse_bytes_as_mib(text: &str) -> Result<Amount, QuantityError> {
    scaled(text, 1024 * 1024)
}

/// Writes cores as a Kubernetes quantity: `100m`, `2`.
#[must_use]
pub fn format_cpu(cpu: Amount) -> String {
    if cpu.thousandths().is_multiple_of(1000) {
        (cpu.thousandths() / 1000).to_string()
    } else {
        format!("{}m", cpu.thousandths())
    }
}

/// Writes MiB as a Kubernetes quantity of bytes: `32Mi`, `1536Ki`, or bytes where nothing coarser is exact.
#[must_use]
pub fn format_mib(mib: Amount) -> String {
    let thousandths = u128::from(mib.thousandths());
    if thousandths.is_multiple_of(1000) {
        return format!("{}Mi", thousandths / 1000);
    }
    let bytes = thousandths * 1024 * 1024 / 1000;
    if bytes.is_multiple_of(1024) { format!("{}Ki", bytes / 1024) } else { bytes.to_string() }
}

/// The number of bytes in an amount of MiB.
#[must_use]
pub fn mib_to_bytes(mib: Amount) -> u64 {
    u64::try_from(u128::from(mib.thousandths()) * 1024 * 1024 / 1000).unwrap_or(u64::MAX)
}

/// Reads `text` in base units and returns thousandths of a unit of `per_unit` base units, rounded up.
fn scaled(text: &str, per_unit: u128) -> Result<Amount, QuantityError> {
    let malformed = || QuantityError::Malformed(text.to_owned());
    let too_large = || QuantityError::TooLarge(text.to_owned());
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let digits_end = body.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(body.len());
    let (number, suffix) = body.split_at(digits_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(malformed());
    }
    let (multiplier, exponent) = suffix_scale(suffix).ok_or_else(malformed)?;

    // value = digits * 10^(exponent - len(fraction)) * multiplier
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Ok(Amount::ZERO);
    }
    if negative {
        return Err(QuantityError::Negative(text.to_owned()));
    }
    if digits.len() > 24 {
        return Err(too_large());
    }
    let digits: u128 = digits.parse().map_err(|_| malformed())?;
    let fraction_len = i32::try_from(fraction.len()).map_err(|_| too_large())?;
    let power = exponent - fraction_len + 3;
    let numerator = digits.checked_mul(multiplier).ok_or_else(too_large)?;
    let (numerator, denominator) = if power >= 0 {
        let factor = 10u128.checked_pow(power.unsigned_abs()).ok_or_else(too_large)?;
        (numerator.checked_mul(factor).ok_or_else(too_large)?, per_unit)
    } else {
        match 10u128.checked_pow(power.unsigned_abs()).and_then(|factor| factor.checked_mul(per_unit)) {
            Some(denominator) => (numerator, denominator),
            // Below any unit there is: rounds up to the smallest.
            None => return Ok(Amount::from_thousandths(1)),
        }
    };
    let thousandths = u64::try_from(numerator.div_ceil(denominator)).map_err(|_| too_large())?;
    let amount = Amount::from_thousandths(thousandths);
    if amount > Amount::MAX_INPUT { Err(too_large()) } else { Ok(amount) }
}

/// The binary multiplier and decimal exponent that a suffix stands for.
fn suffix_scale(suffix: &str) -> Option<(u128, i32)> {
    let scale = match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            if exponent.abs() > 30 {
                return None;
            }
            (1, exponent)
        }
    };
    Some(scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_kubernetes_reads() {
        for (text, thousandths) in [
            ("100m", 100),
            ("1", 1000),
            ("0.5", 500),
            (".5", 500),
            ("2.", 2000),
            ("1e3", 1_000_000),
            ("1u", 1),
            ("0", 0),
            ("-0", 0),
            ("+3", 3000),
        ] {
            assert_eq!(parse_cpu(text), Ok(Amount::from_thousandths(thousandths)), "{text}");
        }
        for (text, thousandths) in
            [("32Mi", 32_000), ("1Gi", 1_024_000), ("1048576", 1000), ("1Ki", 1), ("100M", 95_368)]
        {
            assert_eq!(parse_bytes_as_mib(text), Ok(Amount::from_thousandths(thousandths)), "{text}");
        }
    }

    #[test]
    fn refuses_with_the_value_and_what_to_write() {
        for text in ["", "abc", "1.2.3", "1 Gi", "1gi", "0x10", "NaN", "Infinity", "--1", "1e", "1e99", "١", "-", "."]
        {
            assert!(matches!(parse_cpu(text), Err(QuantityError::Malformed(_))), "{text}: {:?}", parse_cpu(text));
        }
        assert!(matches!(parse_cpu("-1"), Err(QuantityError::Negative(_))));
        for text in ["1e29", "99999999999999999999999999", "9E", "1e13"] {
            assert!(matches!(parse_cpu(text), Err(QuantityError::TooLarge(_))), "{text}: {:?}", parse_cpu(text));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(thousandths in 0u64..=1_000_000_000_000) {
            let amount = Amount::from_thousandths(thousandths);
            prop_assert_eq!(parse_cpu(&format_cpu(amount)), Ok(amount));
            prop_assert_eq!(parse_bytes_as_mib(&format_mib(amount)), Ok(amount));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,40}") {
            let _ = parse_cpu(&text);
            let _ = parse_bytes_as_mib(&text);
        }
    }
}
