//! `cargo xtask demo`: the main job, from nothing: a cluster, Proffer on it, a Framework and a Task, its output.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use proffer_e2e::cluster::Cluster;
use proffer_e2e::kubectl::Kubectl;
use proffer_e2e::steps::Steps;
use proffer_e2e::{forward, paths};

use crate::cluster_options::ClusterOptions;
use crate::install::{self, InstallOptions};
use crate::up;

/// Show the main job: a cluster with Proffer on it runs a first task
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterOptions,

    #[command(flatten)]
    install: InstallOptions,
}

const TASK: &str = "hello";
/// States after which a task never changes again.
const TERMINAL: [&str; 8] = ["Finished", "Failed", "Killed", "Error", "Lost", "Dropped", "Gone", "GoneByOperator"];
const LIMIT: Duration = Duration::from_mins(1);

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let steps = Steps::on_stderr();
    let cluster = Cluster::up(&arguments.cluster.options(), &steps)?;
    let port = install::install(&cluster, &arguments.install, &[], &steps)?;
    let kubectl = cluster.kubectl().in_namespace("default");
    print!("{}", kubectl.run(["get", "nodes"])?);
    print!("{}", kubectl.run(["get", "agents", "--output=wide"])?);
    // One of an earlier demo would be finished already.
    kubectl.delete("task", TASK)?;
    println!("$ kubectl apply -f examples/hello/");
    let state = follow(&kubectl)?;
    if state != "Finished" {
        bail!("the task should have finished and is {state}:\n{}", kubectl.run(["describe", "task", TASK])?);
    }
    print!("{}", kubectl.run(["get", "frameworks,tasks", "--output=wide"])?);
    println!("the task's stdout, through the master's /files/read:\n{}", indent(&output_of(&kubectl, port)?));
    print!("{}", farewell(&cluster, port, arguments));
    Ok(())
}

/// Applies the example and prints each state of its task as it comes, until the last one, which it returns.
fn follow(kubectl: &Kubectl) -> Result<String> {
    let mut watch = kubectl
        .command(["get", "tasks", "--watch", "--output=jsonpath={.metadata.name} {.status.state}{\"\\n\"}"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start kubectl")?;
    let lines = BufReader::new(watch.stdout.take().context("a piped output is there")?).lines();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    print!("{}", indent(&kubectl.apply_path(&paths::workspace()?.join("examples/hello"))?));
    let start = Instant::now();
    let mut last = String::new();
    let end = loop {
        let Ok(line) = receiver.recv_timeout(LIMIT.saturating_sub(start.elapsed())) else {
            break Err(anyhow::anyhow!("the task has not ended within {} s; it is {last:?}", LIMIT.as_secs()));
        };
        let Some((TASK, state)) = line.split_once(' ') else { continue };
        if state != last && !state.is_empty() {
            println!("  task {TASK}: {state} ({} ms after kubectl returned)", start.elapsed().as_millis());
            state.clone_into(&mut last);
        }
        if TERMINAL.contains(&state) {
            break Ok(());
        }
    };
    // It would watch for ever.
    watch.kill().ok();
    watch.wait().ok();
    end.with_context(|| kubectl.run(["describe", "task", TASK]).unwrap_or_default())?;
    Ok(last)
}

fn output_of(kubectl: &Kubectl, port: u16) -> Result<String> {
    let task = kubectl.get("task", TASK)?.context("the task is gone")?;
    let sandbox = task["status"]["sandbox"].as_str().context("the task has no sandbox")?;
    let answer = forward::get(port, &format!("/files/read?path={sandbox}/stdout&offset=0&length=65536"))?;
    let answer: serde_json::Value =
        serde_json::from_str(&answer).with_context(|| format!("/files/read did not answer JSON but {answer}"))?;
    Ok(answer["data"].as_str().unwrap_or_default().to_owned())
}

fn indent(text: &str) -> String {
    text.lines().flat_map(|line| ["  ", line, "\n"]).collect()
}

fn farewell(cluster: &Cluster, port: u16, arguments: &Arguments) -> String {
    let master = format!("http://127.0.0.1:{port}");
    let options = arguments.cluster.as_typed();
    format!(
        "\nThe cluster stays up. To use it:\n{}\nTry next:\n  \
         kubectl get frameworks,tasks,offers,agents -o wide\n  \
         kubectl describe task {TASK}\n  \
         curl {master}/version\n  \
         examples/offers-by-hand/offers-by-hand.sh   # a scheduler of one's own, with kubectl alone\n  \
         cargo xtask node off node2{options}         # the loss of a node\n  \
         cargo xtask down{options}                   # removes everything\n",
        indent(&up::text(cluster, Some(port)))
    )
}
