//! `cargo xtask test`: unit tests of the whole workspace, then every case on a real cluster started from nothing.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use proffer_e2e::cluster::{Cluster, Source};
use proffer_e2e::command::{cargo, line};
use proffer_e2e::paths;
use proffer_e2e::runner::{self, Counts};
use proffer_e2e::steps::Steps;

use crate::cluster_options::{SourceName, for_tests};
use crate::install::{self, InstallOptions};
use crate::sim;

/// Run the unit tests, then every case on a real cluster started from nothing
#[derive(Args)]
pub(crate) struct Arguments {
    /// Only tests and cases with one of these in their name
    names: Vec<String>,

    /// Only one of the two parts
    #[arg(long, value_enum)]
    only: Option<Part>,

    /// Use the cluster that is up, if it is healthy, and leave it up
    #[arg(long)]
    keep: bool,

    /// Use the cluster with what is installed on it: neither build images nor install charts
    #[arg(long)]
    installed: bool,

    #[command(flatten)]
    install: InstallOptions,

    /// Where the cluster comes from; by default kind if Docker and kind work, else local on Linux as root
    #[arg(long, value_enum)]
    cluster: Option<SourceName>,

    /// The cluster's name; it is removed before and afterwards, unless --keep
    #[arg(long, default_value = "test")]
    name: String,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Unit, property and simulation tests
    Unit,
    /// Cases on a real cluster
    E2e,
}

/// The name of the one test that plays whole clusters through.
const SIMULATION: &str = "simulation";

/// How many; half a minute's work for one processor.
const SEEDS: u64 = 1000;

/// What tests need beyond an ordinary installation: agents that are missed after 9 s instead of 75, and sandboxes that
/// are removed after a minute instead of a week.
const VALUES: [&str; 3] = ["agentPing.timeout=3s", "agentPing.maxTimeouts=3", "sandbox.retention=60s"];

/// Runs the command. The last line on standard output is `N passed, N failed`.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    let mut counts = Counts::default();
    let mut broken = vec![];
    if arguments.only != Some(Part::E2e) {
        match unit(&arguments.names) {
            Ok(unit) => counts.add(unit),
            Err(error) => broken.push(error.context("unit tests")),
        }
        if arguments.names.is_empty() || arguments.names.iter().any(|name| SIMULATION.contains(name.as_str())) {
            println!("{SIMULATION}: {SEEDS} clusters with faults");
            match sim::test(SEEDS) {
                Ok(()) => counts.passed += 1,
                Err(error) => broken.push(error.context(SIMULATION)),
            }
        }
    }
    if arguments.only != Some(Part::Unit) {
        match on_a_cluster(arguments) {
            Ok(cases) => counts.add(cases),
            Err(error) => broken.push(error.context("cases on a cluster")),
        }
    }
    for error in &broken {
        println!("{error:#}");
        // What could not even begin must not look like a success.
        counts.failed += 1;
    }
    println!("{} s", start.elapsed().as_secs());
    println!("{} passed, {} failed", counts.passed, counts.failed);
    if counts.failed > 0 {
        bail!("{} of {} failed", counts.failed, counts.passed + counts.failed);
    }
    Ok(())
}

/// Runs the workspace's own tests, with their output on ours, and counts them.
pub(crate) fn unit(names: &[String]) -> Result<Counts> {
    let mut cargo = cargo(["test", "--quiet", "--workspace", "--no-fail-fast"]);
    if !names.is_empty() {
        cargo.arg("--").args(names);
    }
    println!("$ {}", line(&cargo));
    count(cargo.current_dir(paths::workspace()?))
}

fn count(cargo: &mut Command) -> Result<Counts> {
    let mut child = cargo.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let output = child.stdout.take().context("a piped output is there")?;
    let mut counts = Counts::default();
    let mut stdout = std::io::stdout();
    for text in BufReader::new(output).split(b'\n') {
        let text = text.context("cannot read cargo's output")?;
        if let Some(summary) = summary(&String::from_utf8_lossy(&text)) {
            counts.add(summary);
        }
        stdout.write_all(&text).and_then(|()| stdout.write_all(b"\n")).context("cannot write to standard output")?;
    }
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() && counts.failed == 0 {
        bail!("`{}` ended with {status}: see above what does not compile", line(cargo));
    }
    Ok(counts)
}

/// The numbers in a line such as `test result: ok. 12 passed; 0 failed; 1 ignored; …`.
fn summary(line: &str) -> Option<Counts> {
    let rest = line.strip_prefix("test result: ")?;
    let number = |word: &str| -> Option<usize> {
        let (before, _) = rest.split_once(&format!(" {word};"))?;
        before.rsplit(' ').next()?.parse().ok()
    };
    Some(Counts { passed: number("passed")?, failed: number("failed")? })
}

fn on_a_cluster(arguments: &Arguments) -> Result<Counts> {
    let cases = runner::select(&arguments.names);
    if cases.is_empty() {
        println!("no case on a cluster has {} in its name", arguments.names.join(" or "));
        return Ok(Counts::default());
    }
    let steps = Steps::on_stderr();
    let options = for_tests(&arguments.name, arguments.cluster);
    let source = options.source.map_or_else(Source::pick, Ok)?;
    println!("{} cases on a {source} cluster", cases.len());
    let keep = arguments.keep || arguments.installed || source == Source::Existing;
    if !keep {
        Cluster::down(&options, &steps)?;
    }
    let cluster = Cluster::up(&options, &steps)?;
    if !arguments.installed {
        install::install(&cluster, &arguments.install, &VALUES, &steps)?;
    }
    let reports = paths::target()?.join("e2e");
    let counts = runner::run(&cluster, &cases, &reports)?;
    if !keep {
        // Also a check of its own: it fails if anything of the cluster is left.
        drop(cluster);
        Cluster::down(&options, &steps)?;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_cargo_test_are_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.52s";
        assert_eq!(summary(line), Some(Counts { passed: 12, failed: 3 }));
        assert_eq!(summary("running 12 tests"), None);
    }
}
