//! Benchmarks on a running cluster; `cargo xtask bench` starts them. They print figures and never fail on a slow day.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod hops;
mod launch;
mod samples;
mod tasks;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures a running cluster; KUBECONFIG says which")]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// From creating a Task to seeing it Running, and the same for a Pod, one at a time.
    Launch(launch::Options),
    /// Command tasks of a scheduler over the HTTP API: rate, latency and cost, beside one-shot Pods
    Tasks(tasks::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().benchmark {
        Benchmark::Launch(options) => launch::run(options).await,
        Benchmark::Tasks(options) => tasks::run(options).await,
    }
}
