//! Values of resources: how much, or which.

use crate::{Amount, Ranges};
use std::collections::BTreeSet;
use std::fmt;

/// How much of a resource there is, or which ones.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// So much.
    Scalar(Amount),
    /// These numbers.
    Ranges(Ranges),
    /// These names.
    Set(BTreeSet<String>),
}

impl Value {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Scalar(amount) => amount.is_zero(),
            Self::Ranges(ranges) => ranges.is_empty(),
            Self::Set(items) => items.is_empty(),
        }
    }

    /// Whether the two are of one type, so that they have a sum.
    #[must_use]
    pub fn is_same_type(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Whether `other` is of the same type and all in here.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scalar(has), Self::Scalar(wants)) => has >= wants,
            (Self::Ranges(has), Self::Ranges(wants)) => has.contains(wants),
            (Self::Set(has), Self::Set(wants)) => has.is_superset(wants),
            _ => false,
        }
    }

    /// Adds `other`; values of another type add nothing.
    pub fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Scalar(sum), Self::Scalar(more)) => *sum = sum.plus(*more),
            (Self::Ranges(sum), Self::Ranges(more)) => *sum = sum.union(more),
            (Self::Set(sum), Self::Set(more)) => sum.extend(more.iter().cloned()),
            _ => {}
        }
    }

    /// Takes away what is in `other`, down to nothing.
    pub fn subtract(&mut self, other: &Self) {
        match (self, other) {
            (Self::Scalar(rest), Self::Scalar(less)) => *rest = rest.minus(*less).unwrap_or_default(),
            (Self::Ranges(rest), Self::Ranges(less)) => *rest = rest.difference(less),
            (Self::Set(rest), Self::Set(less)) => rest.retain(|item| !less.contains(item)),
            _ => {}
        }
    }

    /// What is in both.
    #[must_use]
    pub fn common(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Scalar(one), Self::Scalar(two)) => Some(Self::Scalar(*one.min(two))),
            (Self::Ranges(one), Self::Ranges(two)) => Some(Self::Ranges(one.intersection(two))),
            (Self::Set(one), Self::Set(two)) => Some(Self::Set(one & two)),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(amount) => amount.fmt(f),
            Self::Ranges(ranges) => ranges.fmt(f),
            Self::Set(items) => {
                f.write_str("{")?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    f.write_str(item)?;
                }
                f.write_str("}")
            }
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
