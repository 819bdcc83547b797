//! How long the answers take that grow with the cluster, with 5,000 completed tasks: from the request to the last byte,
//! without a socket.
//!
//! `cargo bench -p proffer-controller` prints a table. What a figure is beside is the time that it takes `serde_json` to write
//! the same tree out of memory, in the same run: a machine that is slow or busy is so for both. Exits with 2 if `/state`
//! takes longer than its aim.
#![allow(clippy::print_stdout, reason = "a program for people")]
#![allow(missing_docs, reason = "a program")]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::MockConnectInfo;
use axum::http::Request;
use clap::Parser;
use kube::{Client, Config};
use proffer_controller::agent_link::{Links, Standing};
use proffer_controller::args::Arguments;
use proffer_controller::auth::{Access, Anonymous, Credentials, ReadState, Reviewer};
use proffer_controller::http::{About, Master, Subscribers, router};
use proffer_controller::leader::{Guard, Identity};
use proffer_controller::logging::Levels;
use proffer_controller::metrics::Metrics;
use proffer_controller::operators::Operators;
use proffer_controller::registry::{Entry, Guarded, Kind, Registry, Watches};
use proffer_controller::runner::inbox;
use proffer_controller::schedulers::Schedulers;
use proffer_crds::{Agent, Framework, Task};
use proffer_master::{Epoch, Time};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tower::ServiceExt;

/// Completed tasks.
const TASKS: usize = 5000;
/// The aim for `/state`.
const AIM: Duration = Duration::from_millis(10);
/// Runs of each; the median counts.
const RUNS: usize = 51;

fn main() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<ExitCode> {
    let router = cluster()?;
    println!(
        "{:<28} {:>10} {:>10} {:>12} {:>7}",
        format!("{TASKS} completed tasks"),
        "MiB",
        "ms",
        "serde_json",
        "ratio"
    );
    let json = "application/json";
    let mut state = Duration::ZERO;
    for (name, method, path, accept, call) in [
        ("/state", "GET", "/state", json, ""),
        ("/tasks?limit=5000", "GET", "/tasks?limit=5000", json, ""),
        ("GET_STATE, JSON", "POST", "/api/v1", json, r#"{"type":"GET_STATE"}"#),
        ("GET_STATE, protobuf", "POST", "/api/v1", "application/x-protobuf", r#"{"type":"GET_STATE"}"#),
    ] {
        let mut times = Vec::new();
        let mut body = Vec::new();
        for _ in 0..RUNS {
            let request = Request::builder().method(method).uri(path);
            let request = request.header("content-type", json).header("accept", accept).body(Body::from(call))?;
            let began = Instant::now();
            let response = router.clone().oneshot(request).await?;
            anyhow::ensure!(response.status().is_success(), "{name}: {}", response.status());
            body = to_bytes(response.into_body(), usize::MAX).await?.to_vec();
            times.push(began.elapsed());
        }
        let took = median(times);
        if name == "/state" {
            state = took;
        }
        let beside = if accept == json { Some(written(&serde_json::from_slice(&body)?)?) } else { None };
        let (beside, ratio) = beside.map_or_else(
            || ("-".to_owned(), "-".to_owned()),
            |beside| (format!("{:.2}", millis(beside)), format!("{:.2}", took.as_secs_f64() / beside.as_secs_f64())),
        );
        println!("{name:<28} {:>10.2} {:>10.2} {beside:>12} {ratio:>7}", mebibytes(body.len()), millis(took));
    }
    Ok(if state <= AIM { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// How long `serde_json` takes to write this tree.
fn written(tree: &Value) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        std::hint::black_box(serde_json::to_vec(tree)?);
        times.push(began.elapsed());
    }
    Ok(median(times))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[allow(clippy::cast_precision_loss, reason = "sizes of answers are far below 2^53")]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// HTTP of a leader of three agents and one framework that ran its tasks.
fn cluster() -> anyhow::Result<Router> {
    let client = Client::try_from(Config::new("http://127.0.0.1:1".parse()?))?;
    let (registry, metrics) = (Registry::new(), Arc::new(Metrics::new()));
    put::<Framework>(
        &registry,
        json!({
            "apiVersion": "proffer.dev/v1alpha1", "kind": "Framework",
            "metadata": {"name": "fw", "namespace": "ns", "uid": "fw", "resourceVersion": "1"}, "spec": {},
            "status": {"frameworkId": "00000000-0000-0000-0000-000000000000-0000", "masterEpoch": 1},
        }),
    )?;
    for agent in 0..3 {
        put::<Agent>(
            &registry,
            json!({
                "apiVersion": "proffer.dev/v1alpha1", "kind": "Agent",
                "metadata": {"name": format!("node-{agent}"), "uid": format!("a{agent}"), "resourceVersion": "1"},
                "spec": {},
                "status": {
                    "agentId": format!("00000000-0000-0000-0000-000000000000-S{agent}"), "version": "0.1.0",
                    "masterEpoch": 1, "ports": "[31000-32000]",
                    "slot": {"pod": "p", "uid": "u", "address": "10.244.1.7", "cpu": "4", "memory": "8Gi"},
                    "conditions": [{
                        "type": "Ready", "status": "True", "reason": "Registered", "message": "",
                        "lastTransitionTime": "2026-11-22T15:40:00Z",
                    }],
                },
            }),
        )?;
    }
    for task in 0..TASKS {
        put::<Task>(
            &registry,
            json!({
                "apiVersion": "proffer.dev/v1alpha1", "kind": "Task",
                "metadata": {
                    "name": format!("task-{task}"), "namespace": "ns", "resourceVersion": "1",
                    "uid": format!("d290f1ee-6c54-4b01-90e6-{task:012}"),
                },
                "spec": {"frameworkRef": {"name": "fw"}, "command": {"value": "true"}},
                "status": {
                    "masterEpoch": 1, "state": "Finished", "message": "exited with 0",
                    "agent": {
                        "name": format!("node-{}", task % 3), "address": "10.244.1.7",
                        "id": format!("00000000-0000-0000-0000-000000000000-S{}", task % 3),
                    },
                    "times": {
                        "staging": "2026-11-22T15:42:00.000000Z", "running": "2026-11-22T15:42:00.500000Z",
                        "completed": "2026-11-22T15:42:01.250000Z",
                    },
                },
            }),
        )?;
    }
    let (inbox, _) = inbox();
    let (standing, _) = watch::channel(Standing::Leader { guard: Guard::without_end(Epoch(1)), inbox });
    let (holder, _) = watch::channel(None);
    let anonymous = Anonymous { loopback: true, everybody: true };
    let reviewer = Arc::new(Reviewer::new(client.clone()));
    let peer: SocketAddr = "127.0.0.1:1".parse()?;
    let master = Master {
        me: Identity::new("me", peer.ip()),
        standing: standing.subscribe(),
        holder: holder.subscribe(),
        port: 5050,
        watches: Watches::new(Arc::clone(&registry), Arc::clone(&metrics), Duration::from_secs(30)),
        registry,
        links: Links::new("bench"),
        access: Arc::new(Access::new(reviewer, Credentials::new(ReadState::Off), anonymous, "default")),
        metrics,
        levels: Levels::new("info", drop),
        client,
        about: Arc::new(About::new(Time(0), &Arguments::parse_from(["proffer-controller"]).run)),
        subscribers: Subscribers::default(),
        schedulers: Schedulers::default(),
        operators: Operators::default(),
    };
    Ok(router(master).layer(MockConnectInfo(peer)))
}

fn put<K: Kind>(registry: &Registry, object: Value) -> anyhow::Result<()> {
    registry.observe(Entry::new(serde_json::from_value::<Guarded<K>>(object)?));
    Ok(())
}
