//! How the master's records look in objects: pure functions, one file a kind.

pub mod agent;
pub mod framework;
pub mod offer;
pub mod stream;
pub mod task;

use proffer_crds::Allocated;
use proffer_master::Epoch;
use proffer_resources::{Quantities, quantity};

/// Cores and memory as an object shows them.
pub(crate) fn allocated(amounts: &Quantities) -> Allocated {
    Allocated { cpu: quantity::format_cpu(amounts.cpus).into(), memory: quantity::format_mib(amounts.mem).into() }
}

/// An epoch as an object has it.
pub(crate) fn epoch_number(epoch: Epoch) -> Option<i64> {
    i64::try_from(epoch.0).ok()
}

/// A count as an object has it.
pub(crate) fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
