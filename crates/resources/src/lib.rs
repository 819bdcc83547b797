//! Mesos' resource algebra: what an agent has, what an offer holds, what a task takes.
//!
//! Quantities are fixed-point with three decimals, as in Mesos, so that sums and comparisons are exact.
//! Units are Mesos' own: `cpus` in cores, `mem` and `disk` in MiB, `ports` as ranges of port numbers.
//! Kubernetes quantities (`100m`, `32Mi`) are read and written by [`quantity`].

mod amount;
pub mod quantity;
mod ranges;
mod resources;

pub use amount::Amount;
pub use ranges::{ParseRangesError, Ranges};
pub use resources::Resources;
