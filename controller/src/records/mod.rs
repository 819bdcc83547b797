//! How the master's records look in objects: pure functions, one file a kind.

pub mod agent;
pub mod framework;
pub mod maintenance;
pub mod offer;
pub mod reservation;
pub mod reserved;
pub mod role;
pub mod stream;
pub mod task;

use k8s_openapi::jiff::Timestamp;
use proffer_crds::{Allocated, Condition, ConditionStatus, set_condition};
use proffer_master::{Epoch, Readiness};
use proffer_resources::{Quantities, quantity};

/// Cores and memory as an object shows them.
pub(crate) fn allocated(amounts: &Quantities) -> Allocated {
    Allocated { cpu: quantity::format_cpu(amounts.cpus).into(), memory: quantity::format_mib(amounts.mem).into() }
}

/// Puts whether something holds into the condition of this type.
pub(crate) fn condition(
    conditions: &mut Vec<Condition>,
    type_: &str,
    holds: &Readiness,
    generation: impl Into<Option<i64>>,
    now: Timestamp,
) {
    let status = if holds.ready { ConditionStatus::True } else { ConditionStatus::False };
    set_condition(conditions, type_, status, holds.reason, &holds.message, generation.into(), now);
}

/// An epoch as an object has it.
pub(crate) fn epoch_number(epoch: Epoch) -> Option<i64> {
    i64::try_from(epoch.0).ok()
}

/// A count as an object has it.
pub(crate) fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
