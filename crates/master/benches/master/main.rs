//! How long the whole master takes, and how much memory, at the sizes of Mesos' `master_benchmarks.cpp`, on one core.
//!
//! `cargo bench -p proffer-master -- [--quick] [--json FILE] [NAME ...]` runs those whose name begins with a NAME.
#![allow(missing_docs, reason = "a program")]

mod cluster;
mod events;
mod failover;
mod launching;

use proffer_measure::Scenario;

const ALL: [(&str, Scenario); 6] = [
    ("master_reregistration", failover::reregistration),
    ("master_reconciliation", failover::reconciliation),
    ("master_memory", failover::memory),
    ("master_multi_framework", launching::multi_framework),
    ("master_events_by_frameworks", events::by_frameworks),
    ("master_events_by_tasks", events::by_tasks),
];

fn main() -> std::process::ExitCode {
    proffer_measure::run("master", &ALL, std::env::args().skip(1))
}
