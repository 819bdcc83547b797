//! How long the whole master takes, and how much memory, at the sizes of Mesos' `master_benchmarks.cpp`, on one core.
//!
//! `cargo bench -p proffer-master -- [--quick] [--json FILE] [NAME ...]` runs those whose name begins with a NAME.
#![allow(missing_docs, reason = "a program")]

mod cluster;
mod failover;
mod launching;

use proffer_measure::Scenario;

const ALL: [(&str, Scenario); 4] = [
    ("master_reregistration", failover::reregistration),
    ("master_reconciliation", failover::reconciliation),
    ("master_memory", failover::memory),
    ("master_multi_framework", launching::multi_framework),
];

fn main() -> std::process::ExitCode {
    proffer_measure::run("master", &ALL, std::env::args().skip(1))
}
