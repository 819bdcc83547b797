//! How long it takes from creating a Task to seeing it Running, against the same for a Pod on the same cluster.
//!
//! Both are created one at a time by this program, each when the one before is gone, and watched by it; the clock is
//! this program's. The steps in between come from the Task's own status (`times`), which the controller and the agent
//! wrote by their clocks: they are exact where all run on one machine, and as good as the machines' clocks agree
//! elsewhere. The hops within them are the leader's own figures.

use crate::hops::{Hop, Sums};
use crate::samples::{Figures, Samples};
use anyhow::{Context, Result, bail};
use clap::Args;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Namespace, Pod, PodSpec};
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use proffer_crds::{
    Command, Framework, FrameworkReference, FrameworkSpec, KillPolicy, ResourceRequest, Task, TaskSpec, TaskState,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// How many Tasks.
    #[arg(long, default_value_t = 200)]
    tasks: usize,
    /// How many Pods.
    #[arg(long, default_value_t = 200)]
    pods: usize,
    /// Namespace for both; made if there is none.
    #[arg(long, default_value = "proffer-bench")]
    namespace: String,
    /// Image of the Pod, present on every node.
    #[arg(long)]
    pod_image: String,
    /// Command of the Pod: something that runs until it is ended.
    #[arg(long, num_args = 1.., default_values = ["/userland/bin/busybox", "sleep", "3600"])]
    pod_command: Vec<String>,
    /// Where to write the result as JSON.
    #[arg(long)]
    result: Option<PathBuf>,
    /// Longest wait for a single one, in seconds.
    #[arg(long, default_value_t = 60)]
    limit: u64,
}

/// The whole result.
#[derive(Serialize)]
struct Report {
    /// Create to seen Running.
    task: Figures,
    /// The steps of a Task, in their order.
    steps: Vec<(&'static str, Figures)>,
    /// The hops of a Task from the controller's event on, by the leader's clock.
    hops: Vec<Hop>,
    /// Create to seen Running.
    pod: Figures,
    /// The Pod's median in units of the Task's.
    ratio_p50: f64,
    /// The Pod's 99th percentile in units of the Task's.
    ratio_p99: f64,
}

/// Runs the benchmark and prints its figures.
pub(crate) async fn run(options: Options) -> Result<()> {
    let client = Client::try_default().await.context("connecting to the cluster that KUBECONFIG names")?;
    ensure_namespace(&client, &options.namespace).await?;
    let limit = Duration::from_secs(options.limit);

    let mut steps: Vec<(&'static str, Samples)> = [
        "API write (create)",
        "watch + allocation",
        "intention write + link + checkpoint + spawn",
        "update + status write + watch",
    ]
    .map(|name| (name, Samples::default()))
    .into();
    let before = Sums::read(&client).await?;
    let task = measure_tasks(&client, &options, limit, &mut steps).await?.figures();
    let hops = Sums::read(&client).await?.since(&before);
    let pod = measure_pods(&client, &options, limit).await?.figures();

    let report = Report {
        task,
        steps: steps.iter().map(|(name, samples)| (*name, samples.figures())).collect(),
        hops,
        pod,
        ratio_p50: pod.p50_ms / task.p50_ms,
        ratio_p99: pod.p99_ms / task.p99_ms,
    };
    print(&report);
    if let Some(path) = &options.result {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn print(report: &Report) {
    let row = |name: &str, figures: &Figures| {
        println!(
            "{name:<46} {:>6} {:>10.1} {:>10.1} {:>10.1}",
            figures.count, figures.p50_ms, figures.p99_ms, figures.max_ms
        );
    };
    println!("{:<46} {:>6} {:>10} {:>10} {:>10}", "", "count", "p50 ms", "p99 ms", "max ms");
    row("Task: created to Running", &report.task);
    for (name, figures) in &report.steps {
        row(&format!("  {name}"), figures);
    }
    row("Pod: created to Running", &report.pod);
    println!("The hops of a Task after its creation, as the leader measured them (mean):");
    for hop in &report.hops {
        println!("  {:<44} {:>6} {:>10.1}", hop.name, hop.count, hop.mean_ms);
    }
    println!("A Task is {:.0} times faster than a Pod at p50, {:.0} times at p99.", report.ratio_p50, report.ratio_p99);
}

pub(crate) async fn ensure_namespace(client: &Client, name: &str) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    if namespaces.get_opt(name).await?.is_none() {
        let namespace = Namespace {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .with_context(|| format!("making namespace {name}"))?;
    }
    Ok(())
}

/// Sends every version of every object of a kind that the API server shows, with the moment at which it was seen.
pub(crate) fn watch<K>(api: Api<K>) -> mpsc::Receiver<(Instant, K)>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    K::DynamicType: Default,
{
    let (sender, receiver) = mpsc::channel(1024);
    tokio::spawn(async move {
        let mut objects = watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed();
        loop {
            match objects.try_next().await {
                Ok(Some(object)) => {
                    if sender.send((Instant::now(), object)).await.is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => eprintln!("the watch broke and goes on: {error}"),
            }
        }
    });
    receiver
}

/// Waits for a version of object `name` for which `seen` holds.
async fn wait_for<K: ResourceExt>(
    versions: &mut mpsc::Receiver<(Instant, K)>,
    name: &str,
    limit: Duration,
    seen: impl Fn(&K) -> bool,
) -> Result<(Instant, K)> {
    let search = async {
        while let Some((at, object)) = versions.recv().await {
            if object.name_any() == name && seen(&object) {
                return Ok((at, object));
            }
        }
        bail!("the watch ended");
    };
    tokio::time::timeout(limit, search)
        .await
        .with_context(|| format!("{name} did not run within {} s", limit.as_secs()))?
}

/// Waits until an object is gone: the end of one must not be measured with the start of the next.
async fn wait_gone<K>(api: &Api<K>, name: &str, limit: Duration) -> Result<()>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let search = async {
        while api.get_metadata_opt(name).await?.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, kube::Error>(())
    };
    tokio::time::timeout(limit, search)
        .await
        .with_context(|| format!("{name} was not gone within {} s", limit.as_secs()))?
        .with_context(|| format!("waiting for {name} to be gone"))
}

async fn measure_tasks(
    client: &Client,
    options: &Options,
    limit: Duration,
    steps: &mut [(&'static str, Samples)],
) -> Result<Samples> {
    let frameworks: Api<Framework> = Api::namespaced(client.clone(), &options.namespace);
    if frameworks.get_opt("launch").await?.is_none() {
        frameworks.create(&PostParams::default(), &Framework::new("launch", FrameworkSpec::default())).await?;
    }
    let tasks: Api<Task> = Api::namespaced(client.clone(), &options.namespace);
    let mut versions = watch(tasks.clone());
    let run = Timestamp::now().as_second();
    let mut total = Samples::default();
    for number in 0..options.tasks {
        let name = format!("launch-{run}-{number}");
        let spec = TaskSpec {
            framework_ref: FrameworkReference { name: "launch".to_owned() },
            command: Command { value: "exec sleep 3600".to_owned(), shell: true, arguments: Vec::new() },
            resources: ResourceRequest { cpu: "10m".into(), memory: "16Mi".into(), disk: None, ports: None },
            kill_policy: KillPolicy { grace_period_seconds: 0 },
            ..TaskSpec::default()
        };
        let (started, started_at) = (Instant::now(), Timestamp::now());
        tasks
            .create(&PostParams::default(), &Task::new(&name, spec))
            .await
            .with_context(|| format!("creating task {name}"))?;
        let created_at = Timestamp::now();
        let (seen, task) = wait_for(&mut versions, &name, limit, |task: &Task| {
            task.status.as_ref().is_some_and(|status| {
                !matches!(status.state, TaskState::Pending | TaskState::Staging | TaskState::Starting)
            })
        })
        .await?;
        let seen_at = Timestamp::now();
        let status = task.status.unwrap_or_default();
        if status.state != TaskState::Running {
            bail!("task {name} is {:?} instead of Running: {}", status.state, status.message.unwrap_or_default());
        }
        total.add(seen - started);
        let time = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Timestamp>().ok());
        let (Some(staging_at), Some(running_at)) = (time(&status.times.staging), time(&status.times.running)) else {
            bail!("task {name} has no times of its states");
        };
        // The watch may show the object before the create call returns: a step then takes no time, never less.
        let moments = [started_at, created_at, staging_at, running_at, seen_at];
        for (step, pair) in steps.iter_mut().zip(moments.windows(2)) {
            step.1.add(Duration::try_from(pair[1].duration_since(pair[0])).unwrap_or_default());
        }
        tasks.delete(&name, &DeleteParams::default()).await.with_context(|| format!("deleting task {name}"))?;
        wait_gone(&tasks, &name, limit).await?;
    }
    Ok(total)
}

async fn measure_pods(client: &Client, options: &Options, limit: Duration) -> Result<Samples> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &options.namespace);
    let mut versions = watch(pods.clone());
    let run = Timestamp::now().as_second();
    let mut total = Samples::default();
    for number in 0..options.pods {
        let name = format!("launch-{run}-{number}");
        let pod = Pod {
            metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
            spec: Some(PodSpec {
                containers: vec![Container {
                    name: "sleep".to_owned(),
                    image: Some(options.pod_image.clone()),
                    image_pull_policy: Some("IfNotPresent".to_owned()),
                    command: Some(options.pod_command.clone()),
                    ..Container::default()
                }],
                automount_service_account_token: Some(false),
                restart_policy: Some("Never".to_owned()),
                termination_grace_period_seconds: Some(0),
                ..PodSpec::default()
            }),
            ..Pod::default()
        };
        let started = Instant::now();
        pods.create(&PostParams::default(), &pod).await.with_context(|| format!("creating pod {name}"))?;
        let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default();
        let (seen, pod) =
            wait_for(&mut versions, &name, limit, |pod: &Pod| !matches!(phase(pod).as_str(), "" | "Pending")).await?;
        if phase(&pod) != "Running" {
            bail!("pod {name} is {} instead of Running", phase(&pod));
        }
        total.add(seen - started);
        pods.delete(&name, &DeleteParams::default().grace_period(0))
            .await
            .with_context(|| format!("deleting pod {name}"))?;
        wait_gone(&pods, &name, limit).await?;
    }
    Ok(total)
}
