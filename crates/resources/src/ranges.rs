//! Sets of numbers kept as ranges: ports.

use std::fmt;
use std::str::FromStr;

/// A set of numbers as sorted, disjoint, non-adjacent inclusive ranges (Mesos' `Value.Ranges`, always canonical).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ranges(Vec<(u64, u64)>);

/// More ranges than this in one text are refused: no agent has as many holes in its ports.
const MAX_RANGES: usize = 10_000;

/// Why a text is not a set of ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseRangesError(String);

impl fmt::Display for ParseRangesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: write ranges as [31000-31005,31010-31010]", self.0)
    }
}

impl std::error::Error for ParseRangesError {}

impl Ranges {
    /// The numbers from `begin` to `end`, both included; empty if `end` is smaller.
    #[must_use]
    pub fn span(begin: u64, end: u64) -> Self {
        if begin > end { Self::default() } else { Self(vec![(begin, end)]) }
    }

    /// Whether there is no number in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().fold(0u64, |n, (begin, end)| n.saturating_add((end - begin).saturating_add(1)))
    }

    /// The ranges, in ascending order, both ends included.
    #[must_use]
    pub fn as_pairs(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// The numbers in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|&(begin, end)| begin..=end)
    }

    /// Whether every number of `other` is in `self`.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.0.iter().all(|&(begin, end)| self.0.iter().any(|&(b, e)| b <= begin && end <= e))
    }

    /// The numbers in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).copied().collect()
    }

    /// The numbers of `self` that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = Vec::with_capacity(self.0.len());
        for &(mut begin, end) in &self.0 {
            let mut open = true;
            for &(b, e) in &other.0 {
                if e < begin || b > end {
                    continue;
                }
                if b > begin {
                    rest.push((begin, b - 1));
                }
                if e >= end {
                    open = false;
                    break;
                }
                begin = e + 1;
            }
            if open {
                rest.push((begin, end));
            }
        }
        Self(rest)
    }

    /// The numbers in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.difference(&self.difference(other))
    }

    /// Whether some number is in both.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        self.0.iter().any(|&(b, e)| other.0.iter().any(|&(begin, end)| b <= end && begin <= e))
    }

    /// The `count` smallest numbers, or `None` if there are fewer.
    #[must_use]
    pub fn first(&self, count: u64) -> Option<Self> {
        let mut missing = count;
        let mut taken = Vec::new();
        for &(begin, end) in &self.0 {
            if missing == 0 {
                break;
            }
            let last = end.min(begin.saturating_add(missing - 1));
            missing -= last - begin + 1;
            taken.push((begin, last));
        }
        (missing == 0).then_some(Self(taken))
    }
}

impl FromIterator<(u64, u64)> for Ranges {
    /// The union of inclusive ranges in any order; those with the end before the begin hold nothing.
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(iter: I) -> Self {
        let mut pairs: Vec<(u64, u64)> = iter.into_iter().filter(|(begin, end)| begin <= end).collect();
        pairs.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(pairs.len());
        for (begin, end) in pairs {
            match merged.last_mut() {
                Some(last) if begin <= last.1.saturating_add(1) => last.1 = last.1.max(end),
                _ => merged.push((begin, end)),
            }
        }
        Self(merged)
    }
}

impl FromStr for Ranges {
    type Err = ParseRangesError;

    /// Reads Mesos' text form, `[31000-31005,31010-31010]`; a single number stands for itself.
    fn from_str(text: &str) -> Result<Self, ParseRangesError> {
        let error = |what: &str| ParseRangesError(format!("{what} in {:?}", text.chars().take(80).collect::<String>()));
        let inner = text.trim().strip_prefix('[').and_then(|t| t.strip_suffix(']')).ok_or_else(|| error("no [ ]"))?;
        if inner.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut pairs = Vec::new();
        for part in inner.split(',') {
            if pairs.len() >= MAX_RANGES {
                return Err(error("more than 10000 ranges"));
            }
            let (begin, end) = part.split_once('-').unwrap_or((part, part));
            let number = |t: &str| {
                let t = t.trim();
                let plain = !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
                t.parse::<u64>().ok().filter(|_| plain).ok_or_else(|| error("a malformed number"))
            };
            let (begin, end) = (number(begin)?, number(end)?);
            if begin > end {
                return Err(error("a range that ends before it begins"));
            }
            pairs.push((begin, end));
        }
        Ok(pairs.into_iter().collect())
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, (begin, end)) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{begin}-{end}")?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn ranges() -> impl Strategy<Value = Ranges> {
        proptest::collection::vec((0u64..60, 0u64..6), 0..8)
            .prop_map(|pairs| pairs.into_iter().map(|(begin, len)| (begin, begin + len)).collect())
    }

    fn numbers(ranges: &Ranges) -> BTreeSet<u64> {
        ranges.iter().collect()
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(a in ranges(), b in ranges(), count in 0u64..30) {
            let (x, y) = (numbers(&a), numbers(&b));
            prop_assert_eq!(numbers(&a.union(&b)), &x | &y);
            prop_assert_eq!(numbers(&a.difference(&b)), &x - &y);
            prop_assert_eq!(numbers(&a.intersection(&b)), &x & &y);
            prop_assert_eq!(a.contains(&b), x.is_superset(&y));
            prop_assert_eq!(a.intersects(&b), !x.is_disjoint(&y));
            prop_assert_eq!(a.len(), x.len() as u64);
            prop_assert_eq!(a.first(count).map(|f| numbers(&f)), (x.len() as u64 >= count).then(|| x.iter().copied().take(count.try_into().unwrap()).collect()));
        }

        #[test]
        fn text_is_read_back(a in ranges()) {
            prop_assert_eq!(a.to_string().parse::<Ranges>(), Ok(a));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,40}") {
            let _ = text.parse::<Ranges>();
        }
    }

    #[test]
    fn bad_texts_are_refused() {
        for text in ["", "31000", "[5-1]", "[a-b]", "[1-2", "[-1-2]", "[+1-2]", "[1-99999999999999999999]", "[1,,2]"] {
            assert!(text.parse::<Ranges>().is_err(), "{text}");
        }
        assert_eq!("[0-18446744073709551615]".parse::<Ranges>().map(|r| r.len()), Ok(u64::MAX));
    }
}
