//! `cargo xtask bench`: how long things take, on a cluster with Proffer on it.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use proffer_e2e::cluster::Cluster;
use proffer_e2e::command::{cargo, command, line};
use proffer_e2e::paths;
use proffer_e2e::steps::Steps;

use crate::cluster_options::ClusterOptions;
use crate::images::Image;
use crate::install::{self, InstallOptions};

/// Measure how long things take, on a cluster with Proffer on it
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    Launch(Launch),
}

/// From creating a Task to seeing it Running, and the same for a Pod on the same cluster
#[derive(Args)]
struct Launch {
    #[command(flatten)]
    cluster: ClusterOptions,

    #[command(flatten)]
    install: InstallOptions,

    /// Also write the figures into this file, as JSON
    #[arg(long)]
    result: Option<PathBuf>,

    /// More options for the benchmark itself, after `--` (`-- --help` shows them)
    #[arg(last = true)]
    options: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.benchmark {
        Benchmark::Launch(launch) => run_launch(launch),
    }
}

fn run_launch(launch: &Launch) -> Result<()> {
    let steps = Steps::on_stderr();
    let program = steps.step("cargo build --release of the benchmark", build)?;
    let cluster = Cluster::up(&launch.cluster.options(), &steps)?;
    install::install(&cluster, &launch.install, &[], &steps)?;
    let mut bench = command(program, ["launch", "--pod-image", &Image::Agent.reference(launch.install.tag())]);
    if let Some(result) = &launch.result {
        bench.arg("--result").arg(result);
    }
    bench.args(&launch.options).env("KUBECONFIG", cluster.kubectl().kubeconfig());
    let status = bench.status().with_context(|| format!("cannot start `{}`", line(&bench)))?;
    ensure!(status.success(), "`{}` ended with {status}", line(&bench));
    Ok(())
}

fn build() -> Result<PathBuf> {
    let mut cargo = cargo(["build", "--release", "--quiet", "--package", "proffer-bench"]);
    let status = cargo.current_dir(paths::workspace()?).status().context("cannot start cargo")?;
    ensure!(status.success(), "`{}` ended with {status}", line(&cargo));
    Ok(paths::target()?.join("release/proffer-bench"))
}
