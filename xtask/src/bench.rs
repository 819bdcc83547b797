//! `cargo xtask bench`: how long things take, on a cluster with Proffer on it or without any.

mod allocator;

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

/// Measure how long things take
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    Allocator(allocator::Arguments),
    /// From creating a Task to seeing it Running, and the same for a Pod on the same cluster
    Launch(OnCluster),
    /// Command tasks of a scheduler over the v1 HTTP API: how many a second, how soon, at what cost; and one-shot Pods
    Tasks(OnCluster),
}

#[derive(Args)]
struct OnCluster {
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
        Benchmark::Allocator(options) => allocator::run(options),
        Benchmark::Launch(options) => on_cluster("launch", options),
        Benchmark::Tasks(options) => on_cluster("tasks", options),
    }
}

/// Runs a benchmark of the program that measures clusters.
fn on_cluster(name: &str, options: &OnCluster) -> Result<()> {
    let steps = Steps::on_stderr();
    let program = steps.step("cargo build --release of the benchmark", build)?;
    let cluster = Cluster::up(&options.cluster.options(), &steps)?;
    install::install(&cluster, &options.install, &[], &steps)?;
    let mut bench = command(program, [name, "--pod-image", &Image::Agent.reference(options.install.tag())]);
    if let Some(result) = &options.result {
        bench.arg("--result").arg(result);
    }
    bench.args(&options.options).env("KUBECONFIG", cluster.kubectl().kubeconfig());
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
