//! How long the allocator takes, at the sizes of Mesos' own benchmarks (`hierarchical_allocator_benchmarks.cpp` and
//! `hierarchical_allocator_tests.cpp`), on one core.
//!
//! `cargo bench -p proffer-allocator -- [--quick] [--json FILE] [NAME ...]` runs those whose name begins with a NAME.
#![allow(missing_docs, reason = "a program")]

mod cluster;
mod scenarios;

fn main() -> std::process::ExitCode {
    proffer_measure::run("allocator", &scenarios::ALL, std::env::args().skip(1))
}
