//! Agents come and go; their tasks do not notice.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::lab::{Lab, SOON, TaskProcess, contains};

/// Tasks that run throughout.
const STAY: usize = 41;
/// Tasks that end while their agent is away, in each of the two rounds.
const LEAVE: usize = 4;

/// The agent's pod is deleted, then the daemon set is rolled to another tag, with 50 tasks on the node.
pub(super) fn tasks_outlive_their_agent(lab: &Lab) -> Result<()> {
    lab.framework("stay")?;
    let mut web = lab.task("stay", "web", "echo it works >index.html; exec httpd -f -p $PORT0");
    web["spec"]["resources"]["ports"] = json!({"count": 1});
    lab.apply(&web)?;
    let web = lab.wait_task("web", &["Running"], SOON)?;
    let node = web["status"]["agent"]["name"].as_str().unwrap_or_default().to_owned();
    let mut tasks: Vec<Value> =
        (0..STAY).map(|n| lab.task("stay", &format!("stay-{n}"), "exec sleep 100000")).collect();
    for round in ["first", "second"] {
        for number in 0..LEAVE {
            // `go` is written into the sandbox while the agent is away.
            let command = format!("until [ -e go ]; do sleep 0.1; done; exit {}", number + 3);
            tasks.push(lab.task("stay", &format!("{round}-{number}"), &command));
        }
    }
    lab.tasks(&tasks)?;
    let running = lab.wait_tasks("", 1 + STAY + 2 * LEAVE, "Running", SOON * 2)?;
    let here: Vec<&Value> = running.iter().filter(|task| task["status"]["agent"]["name"] == json!(node)).collect();
    ensure!(
        here.len() == running.len(),
        "BinPack should have put all {} tasks on {node}, not {}",
        running.len(),
        here.len()
    );
    let before = keepers(lab, &running)?;
    ensure!(before.len() > STAY, "every task has at least a process: {before:?}");

    let load = Load::start(&web)?;
    // First round: the pod is deleted.
    let agent = agent_pod(lab, &node)?;
    lab.system().run(["delete", "pod", &agent, "--wait=false"])?;
    crate::deadline::wait_until("the agent to be gone or going", SOON, || {
        let pod = lab.system().get("pod", &agent)?;
        Ok(pod.is_none_or(|pod| pod["metadata"].get("deletionTimestamp").is_some()))
    })?;
    end_round(lab, &node, "first")?;
    expect_exits(lab, "first")?;
    // Second round: the DaemonSet gets another tag.
    wait_agents_ready(lab)?;
    let image = image_of(lab)?;
    let second = format!("{}:second", image.rsplit_once(':').map_or(image.as_str(), |(name, _)| name));
    lab.cluster.provider().tag_image(&image, &second)?;
    lab.system().run(["set", "image", "daemonset/proffer-agent", &format!("agent={second}")])?;
    end_round(lab, &node, "second")?;
    lab.system().run(["rollout", "status", "daemonset/proffer-agent", "--timeout=180s"])?;
    expect_exits(lab, "second")?;
    let (requests, failures) = load.stop();
    lab.note(&format!("{requests} requests to the task's server through both, {failures} failed"))?;
    ensure!(requests > 20 && failures == 0, "{failures} of {requests} requests failed");

    ensure!(
        keepers(lab, &running)? == before,
        "processes changed: before {before:?}, now {:?}",
        keepers(lab, &running)?
    );
    lab.system().run(["set", "image", "daemonset/proffer-agent", &format!("agent={image}")])?;
    lab.system().run(["rollout", "status", "daemonset/proffer-agent", "--timeout=180s"])?;
    ensure!(keepers(lab, &running)? == before, "processes changed with the way back");
    lab.kubectl.run(["delete", "tasks", "--all", "--timeout=120s"])?;
    nothing_left(lab)?;
    sandboxes_go(lab, &node, &running)
}

/// Sandboxes are kept for as long as the chart's `sandbox.retention` says, and not longer.
fn sandboxes_go(lab: &Lab, node: &str, tasks: &[Value]) -> Result<()> {
    let mut sandboxes = Vec::new();
    for task in tasks {
        let sandbox = task["status"]["sandbox"].as_str().context("a task that ran has a sandbox")?;
        sandboxes.push(lab.cluster.provider().host_path(node, std::path::Path::new(sandbox))?);
    }
    crate::deadline::wait_every(Duration::from_secs(1), "the sandboxes to be removed", SOON * 3, || {
        let left: Vec<_> = sandboxes.iter().filter(|sandbox| sandbox.exists()).collect();
        ensure!(left.is_empty(), "{} are left, the first: {:?}", left.len(), left.first());
        Ok(Some(()))
    })
}

/// The processes of the tasks that stay.
fn keepers(lab: &Lab, tasks: &[Value]) -> Result<Vec<TaskProcess>> {
    let stays = |uid: &str| {
        tasks.iter().any(|task| {
            let name = task["metadata"]["name"].as_str().unwrap_or_default();
            task["metadata"]["uid"] == json!(uid) && (name == "web" || name.starts_with("stay-"))
        })
    };
    Ok(lab.task_processes()?.into_iter().filter(|process| stays(&process.task)).collect())
}

/// Lets the tasks of a round end, by a file in their sandboxes on the node's disk.
fn end_round(lab: &Lab, node: &str, round: &str) -> Result<()> {
    for number in 0..LEAVE {
        let task = lab.kubectl.get("task", &format!("{round}-{number}"))?.context("the task is gone")?;
        let sandbox = task["status"]["sandbox"].as_str().context("the task has no sandbox")?;
        let folder = lab.cluster.provider().host_path(node, std::path::Path::new(sandbox))?;
        std::fs::write(folder.join("go"), "").with_context(|| format!("writing into {}", folder.display()))?;
    }
    Ok(())
}

fn expect_exits(lab: &Lab, round: &str) -> Result<()> {
    for number in 0..LEAVE {
        let task = lab.wait_task(&format!("{round}-{number}"), &["Failed"], SOON)?;
        ensure!(
            task["status"]["exitCode"] == json!(number + 3),
            "the true exit code is {}: {}",
            number + 3,
            task["status"]
        );
    }
    Ok(())
}

/// The agent's pod on a node.
pub(super) fn agent_pod(lab: &Lab, node: &str) -> Result<String> {
    let pods = lab.system().list("pods", "app.kubernetes.io/component=agent")?;
    let pod = pods
        .iter()
        .find(|pod| pod["spec"]["nodeName"] == json!(node))
        .with_context(|| format!("{node} has no agent"))?;
    Ok(pod["metadata"]["name"].as_str().unwrap_or_default().to_owned())
}

fn wait_agents_ready(lab: &Lab) -> Result<()> {
    lab.system().run(["rollout", "status", "daemonset/proffer-agent", "--timeout=180s"]).map(drop)
}

fn image_of(lab: &Lab) -> Result<String> {
    let daemons = lab.system().get("daemonset", "proffer-agent")?.context("there is no DaemonSet proffer-agent")?;
    let image = daemons.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str);
    Ok(image.context("the DaemonSet has no image")?.to_owned())
}

/// No process, no cgroup of a task, no mount of a task on any node.
fn nothing_left(lab: &Lab) -> Result<()> {
    lab.wait_no_processes()?;
    for node in lab.cluster.provider().nodes()? {
        let mounts = lab.cluster.provider().run_on_node(&node, &["cat", "/proc/self/mountinfo"])?;
        let left: Vec<&str> = mounts.lines().filter(|line| line.contains("/mnt/mesos")).collect();
        ensure!(left.is_empty(), "mounts left on {node}: {left:?}");
    }
    crate::deadline::wait_every(Duration::from_millis(500), "every task's cgroup to be gone", SOON, || {
        let mut left = Vec::new();
        for slot in lab.system().list("pods", "app.kubernetes.io/component=slot")? {
            let uid = slot["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            let find = "find /sys/fs/cgroup -path \"*$0/proffer/*\" -type d";
            let node = slot["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
            left.extend(
                lab.cluster.provider().run_on_node(&node, &["sh", "-c", find, &uid])?.lines().map(str::to_owned),
            );
        }
        ensure!(left.is_empty(), "left: {left:?}");
        Ok(Some(()))
    })?;
    contains(&lab.kubectl.run(["get", "tasks", "--no-headers", "--ignore-not-found", "-o", "name"])?, "")
}

/// A steady load of requests, each on a connection of its own, that counts what fails.
struct Load {
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
    failures: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<()>,
}

impl Load {
    fn start(web: &Value) -> Result<Self> {
        let address = web["status"]["agent"]["address"].as_str().context("the task has no address")?;
        let port = web["status"]["ports"][0].as_u64().context("the task has no port")?;
        let address: SocketAddr = format!("{address}:{port}").parse()?;
        crate::deadline::wait_until("the task's server to answer", SOON, || request(address).map(|()| true))?;
        let (stop, requests, failures) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let shared = (stop.clone(), requests.clone(), failures.clone());
        let thread = std::thread::spawn(move || {
            let (stop, requests, failures) = shared;
            while !stop.load(Ordering::Relaxed) {
                requests.fetch_add(1, Ordering::Relaxed);
                if request(address).is_err() {
                    failures.fetch_add(1, Ordering::Relaxed);
                }
                // A steady load: a request every 20 ms, whatever the answers take.
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Ok(Self { stop, requests, failures, thread })
    }

    fn stop(self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that panicked has counted no failure: count it.
        let broken = usize::from(self.thread.join().is_err());
        (self.requests.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed) + broken)
    }
}

fn request(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET / HTTP/1.0\r\nHost: web\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.contains(" 200 ") && answer.contains("it works"), "the answer was {answer}");
    Ok(())
}
