//! What the benchmarks of the pure crates are made of: clocks of CPU time, the peak of memory, figures with what they
//! should be at most, a table, and a JSON file.
//!
//! A benchmark is a function of its [`Size`] that gives [`Figure`]s; [`run`] is the whole program:
//! `cargo bench -p CRATE -- [--quick] [--json FILE] [NAME ...]`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "programs for people print")]

mod clock;
mod figure;
mod line;
mod program;
mod report;

pub use clock::{peak_mib, reset_peak, resident_mib, timed};
pub use figure::{Figure, to_float};
pub use line::{Line, line, logarithms};
pub use program::{Scenario, Size, run};
pub use report::Report;
