//! Keeping 127.0.0.1:5050 connected to the controller that leads.
//!
//! The port stays open while leaders come and go: a connection that comes between two leaders waits for the next one.
//! Connections that are open when a leader goes end, as they would at any client of the master.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::command::{command, tail};
use crate::deadline::wait_for;
use crate::install::{LEADER_SELECTOR, NAMESPACE};
use crate::kubectl::Kubectl;

/// What the cluster calls the forwarding process.
pub const HELPER: &str = "forward";
/// The master's port, in the cluster and, where it is free, on this machine.
pub const MASTER_PORT: u16 = 5050;

/// How long a connection waits for a leader.
const LEADER_LIMIT: Duration = Duration::from_secs(30);
/// Between two attempts at something that just failed.
const PAUSE: Duration = Duration::from_millis(100);

/// Makes sure that a forwarding process runs for this cluster and returns its port on 127.0.0.1.
///
/// `program` is what starts [`serve`]: this executable's own path and its arguments, to which the port file is added.
pub fn ensure(cluster: &Cluster, program: &Path, arguments: &[String]) -> Result<u16> {
    let provider = cluster.provider();
    let file = port_file(cluster)?;
    if provider.helper_is_alive(HELPER)
        && let Some(port) = read_port(&file)
    {
        return Ok(port);
    }
    fs::remove_file(&file).ok();
    let mut forward = command(program, arguments);
    forward.arg("--port-file").arg(&file);
    provider.start_helper(HELPER, &forward)?;
    wait_for("the forwarding to the master to listen", Duration::from_secs(10), || Ok(read_port(&file)))
        .with_context(|| forwarding_log(cluster))
}

/// Where the forwarding process of a cluster writes its port.
pub fn port_file(cluster: &Cluster) -> Result<PathBuf> {
    Ok(cluster.provider().state()?.join("forward.port"))
}

/// GETs a path of the master's API through a forwarded port and returns the body.
pub fn get(port: u16, path: &str) -> Result<String> {
    let request =
        ureq::get(format!("http://127.0.0.1:{port}{path}")).config().timeout_global(Some(LEADER_LIMIT)).build();
    let mut answer = request.call().with_context(|| format!("GET http://127.0.0.1:{port}{path}"))?;
    answer.body_mut().read_to_string().with_context(|| format!("the answer to GET {path} broke off"))
}

/// Forwards for ever, from the first free port at 5050 or above, whose number it writes into `port_file`.
pub fn serve(cluster: &Cluster, port_file: &Path) -> Result<()> {
    let (listener, port) = listen()?;
    let kubectl = cluster.kubectl().in_namespace(NAMESPACE);
    let (leader, tunnel) = (Arc::new(Shared::default()), Arc::new(Shared::default()));
    {
        let (kubectl, leader) = (kubectl.clone(), Arc::clone(&leader));
        thread::spawn(move || watch(&kubectl, &leader));
    }
    {
        let tunnel = Arc::clone(&tunnel);
        thread::spawn(move || keep_tunnel(&kubectl, &leader, &tunnel));
    }
    fs::write(port_file, port.to_string()).with_context(|| format!("cannot write {}", port_file.display()))?;
    for client in listener.incoming() {
        // A client that went before it was served is its own affair.
        let Ok(client) = client else { continue };
        let tunnel = Arc::clone(&tunnel);
        thread::spawn(move || relay(&client, &tunnel));
    }
    Ok(())
}

/// A value that comes and goes, for threads that wait for it.
struct Shared<T> {
    value: Mutex<Option<T>>,
    changed: Condvar,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { value: Mutex::new(None), changed: Condvar::new() }
    }
}

impl<T: Clone + PartialEq> Shared<T> {
    fn set(&self, value: Option<T>) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = value;
        self.changed.notify_all();
    }

    /// The value as soon as there is one, or nothing when the time is over.
    fn wait(&self, limit: Duration) -> Option<T> {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(value, limit, |value| value.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Whether the value has become another one than `known` within this time.
    fn changes(&self, known: &T, limit: Duration) -> bool {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(value, limit, |value| value.as_ref() == Some(known));
        waited.unwrap_or_else(PoisonError::into_inner).0.as_ref() != Some(known)
    }
}

fn listen() -> Result<(TcpListener, u16)> {
    for port in MASTER_PORT..MASTER_PORT + 50 {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok((listener, port));
        }
    }
    bail!("ports {MASTER_PORT} to {} of 127.0.0.1 are all taken", MASTER_PORT + 49)
}

fn relay(client: &TcpStream, tunnel: &Shared<SocketAddr>) {
    let begun = Instant::now();
    // A tunnel that just broke is replaced in a moment, so it is asked again until the time is over.
    let server = loop {
        let left = LEADER_LIMIT.saturating_sub(begun.elapsed());
        let Some(address) = tunnel.wait(left) else { return };
        match TcpStream::connect(address) {
            Ok(server) => break server,
            Err(_) if !left.is_zero() => thread::sleep(PAUSE),
            // Closing the connection is all that can be said on it.
            Err(_) => return,
        }
    };
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    thread::scope(|scope| {
        scope.spawn(|| pump(client, &server));
        pump(&server, client);
    });
}

/// Copies one direction until its end, and passes the end on.
fn pump(mut from: &TcpStream, mut to: &TcpStream) {
    io::copy(&mut from, &mut to).ok();
    to.shutdown(Shutdown::Write).ok();
}

/// Follows the pod with the leader's label for ever.
fn watch(kubectl: &Kubectl, leader: &Shared<String>) {
    loop {
        let ended = follow(kubectl, leader);
        report(&format!("the watch of the leader's pod ended ({ended:?}); watching again"));
        thread::sleep(PAUSE);
    }
}

fn follow(kubectl: &Kubectl, leader: &Shared<String>) -> Result<()> {
    let arguments = ["get", "pods", "--selector", LEADER_SELECTOR, "--watch", "--output-watch-events", "--output=json"];
    let mut watch = kubectl.command(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let events = BufReader::new(watch.stdout.take().context("a piped output is there")?);
    // Pods that lead by their label, the newest last: between two leaders none, after an unclean end two for a moment.
    let mut pods: Vec<String> = vec![];
    for event in serde_json::Deserializer::from_reader(events).into_iter::<Value>() {
        let event = event?;
        let object = &event["object"];
        let Some(name) = object["metadata"]["name"].as_str().map(str::to_owned) else { continue };
        if event["type"] == "DELETED" || !object["metadata"]["deletionTimestamp"].is_null() {
            pods.retain(|pod| *pod != name);
        } else if !pods.contains(&name) {
            pods.push(name);
        }
        leader.set(pods.last().cloned());
    }
    watch.wait()?;
    Ok(())
}

/// Keeps a `kubectl port-forward` to the leader's pod running for ever, and its address in `tunnel` while it listens.
///
/// By way of kubectl and not straight to the pod's address, even where that is in reach: the master sees a client on its
/// own loopback then, which the chart's `http.anonymousLoopback` is about.
fn keep_tunnel(kubectl: &Kubectl, leader: &Shared<String>, tunnel: &Shared<SocketAddr>) {
    loop {
        let Some(pod) = leader.wait(LEADER_LIMIT) else { continue };
        match Tunnel::open(kubectl, &format!("pod/{pod}")) {
            Ok(mut open) => {
                report(&format!("leader {pod} on port {}", open.port));
                tunnel.set(Some(SocketAddr::from((Ipv4Addr::LOCALHOST, open.port))));
                while !leader.changes(&pod, PAUSE) && matches!(open.kubectl.try_wait(), Ok(None)) {}
                tunnel.set(None);
            }
            Err(error) => {
                report(&format!("{error:#}"));
                thread::sleep(PAUSE);
            }
        }
    }
}

/// A port of this machine that leads to the master's port of a pod, by way of `kubectl port-forward`, as long as this
/// lives.
#[derive(Debug)]
pub struct Tunnel {
    kubectl: Child,
    port: u16,
}

impl Tunnel {
    /// Opens one to `target`, such as `service/proffer`, in the namespace of `kubectl`.
    pub fn open(kubectl: &Kubectl, target: &str) -> Result<Self> {
        let mut command = kubectl.command(["port-forward", target, &format!(":{MASTER_PORT}")]);
        let mut kubectl =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start kubectl port-forward")?;
        let output = kubectl.stdout.take();
        // From here on it is ended whatever happens.
        let mut tunnel = Self { kubectl, port: 0 };
        // "Forwarding from 127.0.0.1:40123 -> 5050"; it goes on writing a line for each connection, which nobody reads.
        let mut output = BufReader::new(output.context("a piped output is there")?);
        let mut line = String::new();
        output.read_line(&mut line).context("cannot read what kubectl port-forward says")?;
        thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        tunnel.port =
            port.with_context(|| format!("kubectl port-forward to {target} named no port but said {line:?}"))?;
        Ok(tunnel)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        self.kubectl.kill().ok();
        self.kubectl.wait().ok();
    }
}

fn read_port(file: &Path) -> Option<u16> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn forwarding_log(cluster: &Cluster) -> String {
    let path = cluster.provider().state().unwrap_or_default().join("log/forward.log");
    format!("{}: {}", path.display(), tail(&fs::read_to_string(&path).unwrap_or_default(), 2000))
}

/// A line in the helper's log.
fn report(text: &str) {
    use std::io::Write as _;
    writeln!(io::stderr(), "{text}").ok();
}
