//! How long the allocator takes, at the sizes of Mesos' own benchmarks (`hierarchical_allocator_benchmarks.cpp` and
//! `hierarchical_allocator_tests.cpp`), on one core.
//!
//! `cargo bench -p proffer-allocator -- [--json FILE] [NAME ...]` runs those whose name begins with a NAME, prints a table,
//! and writes one JSON file. Times are CPU time of this one thread, so that a busy machine does not show.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "measuring needs a clock and files")]
#![allow(missing_docs, reason = "a program")]

mod cluster;
mod measure;
mod scenarios;

use measure::{Figure, Report};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut wanted = Vec::new();
    let mut json = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What `cargo bench` itself adds.
            "--bench" => {}
            "--json" => json = arguments.next(),
            name => wanted.push(name.to_owned()),
        }
    }
    let mut report = Report::default();
    for (name, scenario) in scenarios::ALL {
        if wanted.is_empty() || wanted.iter().any(|wanted| name.starts_with(wanted.as_str())) {
            eprintln!("{name} ...");
            let figures: Vec<Figure> = scenario();
            report.add(name, figures);
        }
    }
    println!("{report}");
    if let Some(path) = json
        && let Err(error) = std::fs::write(&path, report.to_json())
    {
        eprintln!("cannot write {path}: {error}");
        return ExitCode::FAILURE;
    }
    if report.misses() == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) }
}
