//! Keeping 127.0.0.1:5050 connected to the controller that leads.
//!
//! The port stays open while leaders come and go: a connection that comes between two leaders waits for the next one.
//! Connections that are open when a leader goes end, as they would at any client of the master.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::command::{command, tail};
use crate::deadline::{wait_every, wait_for};
use crate::install::{LEADER_SELECTOR, NAMESPACE};
use crate::kubectl::Kubectl;

/// What the cluster calls the forwarding process.
pub const HELPER: &str = "forward";
/// The master's port, in the cluster and, where it is free, on this machine.
pub const MASTER_PORT: u16 = 5050;

/// How long a connection waits for a leader.
const LEADER_LIMIT: Duration = Duration::from_secs(30);
/// Between two attempts at something that just failed.
const PAUSE: Duration = Duration::from_millis(500);

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

/// GETs a path of the master's API through the forwarded port and returns the body.
pub fn get(port: u16, path: &str) -> Result<String> {
    let request =
        ureq::get(format!("http://127.0.0.1:{port}{path}")).config().timeout_global(Some(LEADER_LIMIT)).build();
    let mut answer = request.call().with_context(|| format!("GET http://127.0.0.1:{port}{path}"))?;
    answer.body_mut().read_to_string().with_context(|| format!("the answer to GET {path} broke off"))
}

/// Forwards for ever, from the first free port at 5050 or above, whose number it writes into `port_file`.
pub fn serve(cluster: &Cluster, port_file: &Path) -> Result<()> {
    let (listener, port) = listen()?;
    let leader = Arc::new(Leader::default());
    let watched = Arc::clone(&leader);
    let (kubectl, direct) = (cluster.kubectl().in_namespace(NAMESPACE), cluster.provider().reaches_pods());
    thread::spawn(move || watch(&kubectl, direct, &watched));
    fs::write(port_file, port.to_string()).with_context(|| format!("cannot write {}", port_file.display()))?;
    for client in listener.incoming() {
        // A client that went before it was served is its own affair.
        let Ok(client) = client else { continue };
        let leader = Arc::clone(&leader);
        thread::spawn(move || relay(&client, &leader));
    }
    Ok(())
}

/// The address of the leader, for whoever waits for one.
#[derive(Default)]
struct Leader {
    address: Mutex<Option<SocketAddr>>,
    changed: Condvar,
}

impl Leader {
    fn set(&self, address: Option<SocketAddr>) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
        self.changed.notify_all();
    }

    fn wait(&self) -> Option<SocketAddr> {
        let address = self.address.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(address, LEADER_LIMIT, |address| address.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
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

fn relay(client: &TcpStream, leader: &Leader) {
    let Some(server) = leader.wait().and_then(|address| TcpStream::connect_timeout(&address, LEADER_LIMIT).ok()) else {
        // Closing the connection is all that can be said on it.
        return;
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
fn watch(kubectl: &Kubectl, direct: bool, leader: &Leader) {
    let mut route = Route { direct, tunnel: None, pod: None };
    loop {
        let ended = follow(kubectl, leader, &mut route);
        report(&format!("the watch of the leader's pod ended ({ended:?}); watching again"));
        thread::sleep(PAUSE);
    }
}

/// Where connections go now.
struct Route {
    /// Whether pods' addresses can be reached from here.
    direct: bool,
    /// The running `kubectl port-forward`, where they cannot.
    tunnel: Option<Child>,
    /// The pod that connections go to.
    pod: Option<(String, String)>,
}

fn follow(kubectl: &Kubectl, leader: &Leader, route: &mut Route) -> Result<()> {
    let arguments = ["get", "pods", "--selector", LEADER_SELECTOR, "--watch", "--output-watch-events", "--output=json"];
    let mut watch = kubectl.command(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let events = BufReader::new(watch.stdout.take().context("a piped output is there")?);
    // Pods that lead by their label: between two leaders none, after an unclean end perhaps two for a moment.
    let mut pods: BTreeMap<String, Value> = BTreeMap::new();
    for event in serde_json::Deserializer::from_reader(events).into_iter::<Value>() {
        let event = event?;
        let object = &event["object"];
        let Some(name) = object["metadata"]["name"].as_str().map(str::to_owned) else { continue };
        if event["type"] == "DELETED" || !object["metadata"]["deletionTimestamp"].is_null() {
            pods.remove(&name);
        } else {
            pods.insert(name, object.clone());
        }
        let newest =
            pods.iter().filter_map(|(name, pod)| Some((name.clone(), pod["status"]["podIP"].as_str()?.to_owned())));
        // Of two the one that was not the target yet is the new leader.
        let next = newest.max_by_key(|pod| route.pod.as_ref() != Some(pod));
        if next != route.pod || route.tunnel.as_mut().is_some_and(|tunnel| !matches!(tunnel.try_wait(), Ok(None))) {
            leader.set(None);
            route.pod.clone_from(&next);
            let address = route.open(kubectl)?;
            report(&format!("leader: {next:?} at {address:?}"));
            leader.set(address);
        }
    }
    watch.wait()?;
    Ok(())
}

impl Route {
    fn open(&mut self, kubectl: &Kubectl) -> Result<Option<SocketAddr>> {
        if let Some(mut tunnel) = self.tunnel.take() {
            tunnel.kill().ok();
            tunnel.wait().ok();
        }
        let Some((pod, address)) = &self.pod else { return Ok(None) };
        if self.direct {
            return Ok(Some(SocketAddr::new(address.parse().context("a pod has an IP address")?, MASTER_PORT)));
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let ports = format!("{}:{MASTER_PORT}", free.port());
        let mut tunnel = kubectl.command(["port-forward", &format!("pod/{pod}"), &ports]);
        self.tunnel = Some(tunnel.stdin(Stdio::null()).spawn().context("cannot start kubectl port-forward")?);
        wait_every(Duration::from_millis(100), "kubectl port-forward to listen", Duration::from_secs(10), || {
            Ok(TcpStream::connect(free).is_ok().then_some(()))
        })?;
        Ok(Some(free))
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
