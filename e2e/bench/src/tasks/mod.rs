//! Command tasks of a scheduler over the v1 HTTP API: how many a second, how soon each runs, and what they cost; beside
//! them the same command as one-shot Pods on the same cluster.
//!
//! The scheduler is this program, on the scheduler SDK, and the clock is its own.

mod cost;
mod framework;
mod pods;
mod state;

use crate::samples::Figures;
use anyhow::{Context, Result};
use clap::Args;
use cost::Cost;
use framework::Framework;
use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client};
use proffer_scheduler_sdk::{Credentials, MasterUrl};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The master; the cluster IP of the service `proffer` if not given, which a local cluster's machine can reach.
    #[arg(long)]
    master: Option<MasterUrl>,
    /// A file with a bearer token for the master.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Tasks run to their end, as many at a time as fit; once for each kind of durability.
    #[arg(long, default_value_t = 2000)]
    tasks: usize,
    /// Tasks run one at a time.
    #[arg(long, default_value_t = 200)]
    single: usize,
    /// Declines without a filter, each followed by the next offer.
    #[arg(long, default_value_t = 100)]
    declines: usize,
    /// Reads of `/state`.
    #[arg(long, default_value_t = 50)]
    reads: usize,
    /// One-shot Pods of the same command, all created at once.
    #[arg(long, default_value_t = 200)]
    pods: usize,
    /// Namespace of the Pods; made if there is none.
    #[arg(long, default_value = "proffer-bench")]
    namespace: String,
    /// Image of the Pods, present on every node.
    #[arg(long)]
    pod_image: String,
    /// Command of the Pods: the same as the tasks'.
    #[arg(long, num_args = 1.., default_values = ["/userland/bin/busybox", "true"])]
    pod_command: Vec<String>,
    /// Where to write the result as JSON.
    #[arg(long)]
    result: Option<PathBuf>,
    /// Longest wait for anything, in seconds.
    #[arg(long, default_value_t = 600)]
    limit: u64,
}

/// Tasks run to their end.
#[derive(Debug, Serialize)]
struct Rate {
    /// How many.
    count: usize,
    /// From the first ACCEPT to the last terminal update, in seconds.
    seconds: f64,
    /// Tasks a second.
    per_second: f64,
    /// What this machine's Proffer processes spent; nothing where the cluster's processes are not on this machine.
    cost: Option<Cost>,
}

impl Rate {
    #[expect(clippy::cast_precision_loss, reason = "thousands of tasks, not quadrillions")]
    fn new(count: usize, took: Duration, cost: Option<Cost>) -> Self {
        let seconds = took.as_secs_f64();
        Self { count, seconds, per_second: count as f64 / seconds, cost }
    }
}

/// The whole result.
#[derive(Debug, Serialize)]
struct Report {
    /// ACCEPT sent to `TASK_RUNNING` received, one task at a time.
    accept_to_running: Figures,
    /// DECLINE sent to the next offer received.
    decline_to_offer: Figures,
    /// With every launch written before it is done.
    durable: Rate,
    /// With writes behind.
    write_behind: Rate,
    /// As Pods.
    pods: Rate,
    /// Durable tasks a second in units of Pods a second.
    ratio: f64,
    /// GET `/state`.
    state: state::Reads,
}

/// Runs the benchmark and prints its figures.
pub(crate) async fn run(options: Options) -> Result<()> {
    let client = Client::try_default().await.context("connecting to the cluster that KUBECONFIG names")?;
    let master = match &options.master {
        Some(master) => master.clone(),
        None => service(&client).await?,
    };
    let credentials = options.token_file.clone().map_or(Credentials::None, Credentials::BearerFile);
    let limit = Duration::from_secs(options.limit);
    let start = |name: &'static str| Framework::start(name, &master, &credentials, limit);

    let mut framework = start("bench-single").await?;
    let accept_to_running = framework.one_at_a_time(options.single).await?.figures();
    let decline_to_offer = framework.declines(options.declines).await?.figures();
    framework.end().await?;

    let durable = measure(start("bench-durable").await?, options.tasks).await?;
    let behind = start("bench-write-behind").await?;
    behind.write_behind(&client).await?;
    let write_behind = measure(behind, options.tasks).await?;

    let mut framework = start("bench-state").await?;
    let state = state::measure(&mut framework, &master, options.token_file.as_deref(), options.reads).await?;
    framework.end().await?;

    let took = pods::run(&client, &options).await?;
    let pods = Rate::new(options.pods, took, None);
    let ratio = durable.per_second / pods.per_second;
    let report = Report { accept_to_running, decline_to_offer, durable, write_behind, pods, ratio, state };
    print(&report);
    if let Some(path) = &options.result {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Runs tasks to their end, and looks at what the processes spent meanwhile.
async fn measure(mut framework: Framework, tasks: usize) -> Result<Rate> {
    let before = Cost::so_far()?;
    let took = framework.run_all(tasks).await?;
    let cost = match (before, Cost::so_far()?) {
        (Some(before), Some(after)) => Some(after.since(before, tasks)),
        _ => None,
    };
    framework.end().await?;
    Ok(Rate::new(tasks, took, cost))
}

/// Where the master's service is.
async fn service(client: &Client) -> Result<MasterUrl> {
    let services: Api<Service> = Api::namespaced(client.clone(), "proffer-system");
    let service = services.get("proffer").await.context("looking for the service proffer; or give --master")?;
    let address = service.spec.and_then(|spec| spec.cluster_ip).context("the service proffer has no cluster IP")?;
    format!("http://{address}:5050").parse().context("the address of the service proffer")
}

fn print(report: &Report) {
    println!("{:<46} {:>6} {:>10} {:>10} {:>10}", "", "count", "p50 ms", "p99 ms", "max ms");
    let row = |name: &str, figures: &Figures| {
        println!(
            "{name:<46} {:>6} {:>10.2} {:>10.2} {:>10.2}",
            figures.count, figures.p50_ms, figures.p99_ms, figures.max_ms
        );
    };
    row("ACCEPT to TASK_RUNNING, one at a time", &report.accept_to_running);
    row("DECLINE to the next offer", &report.decline_to_offer);
    row(&format!("GET /state ({} KiB)", report.state.bytes / 1024), &report.state.read);
    row("a call (SUPPRESS) while /state is read", &report.state.call);
    println!("{:<46} {:>6} {:>10} {:>10} {:>16}", "", "count", "seconds", "a second", "CPU ms per task");
    for (name, rate) in
        [("tasks, durable", &report.durable), ("tasks, written behind", &report.write_behind), ("Pods", &report.pods)]
    {
        let cost = rate.cost.map_or_else(|| "-".to_owned(), |cost| format!("{:.2}", cost.cpu_ms_per_task));
        println!("{name:<46} {:>6} {:>10.2} {:>10.1} {cost:>16}", rate.count, rate.seconds, rate.per_second);
    }
    if let Some(cost) = report.durable.cost {
        println!(
            "controller: {} MiB resident, {:+.1} KiB per task; agents: {} MiB, {:+.1} KiB per task",
            cost.controller_kib / 1024,
            cost.controller_kib_per_task,
            cost.agents_kib / 1024,
            cost.agents_kib_per_task
        );
    }
    println!("Durable tasks run at {:.0} times the rate of Pods.", report.ratio);
}
