//! A cluster started by this crate itself: etcd and the control plane as processes of the host, and nodes that are
//! namespaces with a kubelet, a containerd and a disk of their own, joined by a bridge.
//!
//! Everything of a cluster hangs on three hooks, so that it can be removed after any accident: its state directory
//! (`/var/lib/proffer-e2e/<name>`), its cgroup (`proffer-e2e/<name>` in every hierarchy), and its network links
//! (`proffer<slot>…`). Mounts live in the nodes' mount namespaces only and go with them.

mod cgroups;
mod control_plane;
mod dns;
mod identity;
pub mod images;
mod leftovers;
mod limits;
mod network;
mod node;
mod node_config;
mod pki;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::command::run;
use crate::deadline::wait_every;
use crate::helm::Helm;
use crate::kubectl::Kubectl;
use crate::packages;
use crate::paths;
use crate::steps::Steps;
use crate::tools::Tools;

use self::cgroups::Group;
use self::control_plane::ControlPlane;
use self::identity::Identity;
pub use self::identity::known_clusters;
use self::images::Images;
use self::node::Node;
use super::Provider;
use super::processes::{self, Processes};

/// The most nodes that a cluster's addresses are laid out for.
const MOST_NODES: u8 = 50;
const READY_LIMIT: Duration = Duration::from_secs(90);

/// What a started cluster was started with, kept in `cluster.json` of its state directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Started {
    nodes: u8,
    kubernetes: PathBuf,
    helm: PathBuf,
    coredns: PathBuf,
    pause: PathBuf,
}

/// A running local cluster.
#[derive(Debug)]
pub struct Local {
    identity: Identity,
    tools: Tools,
    nodes: Vec<Node>,
    images: Images,
    processes: Processes,
}

impl Local {
    /// A running cluster of this name with this many Ready nodes. A healthy one is used as it is (nodes that are off
    /// or cut off come back); anything else that has the name is removed first.
    pub fn up(name: &str, nodes: u8, steps: &Steps) -> Result<Self> {
        check_possible(nodes)?;
        packages::ensure_for_cluster(steps)?;
        let tools = Tools::ensure(steps)?;
        let identity = Identity::allocate(name)?;
        let _lock = lock(&identity)?;
        limits::raise()?;
        if let Some(running) = Self::reuse(&identity, nodes, &tools) {
            steps.step(&format!("cluster {name}: every node Ready"), || running.repair())?;
            running.write_started()?;
            return Ok(running);
        }
        if identity
            .state()
            .read_dir()
            .is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != "identity.json")))
        {
            steps.step(&format!("cluster {name}: remove what an earlier run left"), || clear(&identity))?;
        }
        let cluster = Self::assemble(identity, nodes, tools)?;
        match cluster.start(steps) {
            Ok(()) => Ok(cluster),
            // What was started is left for looking at; the next `up` clears it.
            Err(error) => {
                Err(error.context(format!("cluster {name} did not start; logs: {}", cluster.log_path().display())))
            }
        }
    }

    /// The running cluster of this name.
    pub fn open(name: &str) -> Result<Self> {
        let started =
            Identity::load(name)?.and_then(|identity| read_started(&identity).map(|started| (identity, started)));
        let Some((identity, started)) = started else {
            let others = match known_clusters() {
                names if names.is_empty() => String::new(),
                names => format!(" (up are: {})", names.join(", ")),
            };
            bail!("there is no cluster {name}; start it with `cargo xtask up --name {name}`{others}");
        };
        let tools = Tools {
            kubernetes: started.kubernetes,
            helm: started.helm,
            coredns: started.coredns,
            pause: started.pause,
        };
        let cluster = Self::assemble(identity, started.nodes, tools)?;
        if let Some(dead) = cluster.control_plane()?.first_dead() {
            bail!("cluster {name}'s {dead} does not run; `cargo xtask up --name {name}` starts the cluster anew");
        }
        Ok(cluster)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// kubectl with the administrator's credentials.
    #[must_use]
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(self.tools.program("kubectl"), self.identity.state().join("kubeconfig"))
    }

    /// Helm with the administrator's credentials.
    #[must_use]
    pub fn helm(&self) -> Helm {
        Helm::new(&self.tools.helm, self.identity.state().join("kubeconfig"))
    }

    fn assemble(identity: Identity, nodes: u8, tools: Tools) -> Result<Self> {
        Ok(Self {
            nodes: (1..=nodes).map(|number| Node::new(&identity, number)).collect::<Result<_>>()?,
            images: Images::new(&identity.state()),
            processes: Processes::new(&identity.state()),
            identity,
            tools,
        })
    }

    /// The cluster if it was started with the same nodes and programs, and its control plane answers.
    fn reuse(identity: &Identity, nodes: u8, tools: &Tools) -> Option<Self> {
        let (was, wanted) = (read_started(identity)?, started(nodes, tools));
        // Another Helm is no reason to start anew: it is no part of what runs.
        if was != (Started { helm: was.helm.clone(), ..wanted }) {
            return None;
        }
        let cluster = Self::assemble(identity.clone(), nodes, tools.clone()).ok()?;
        let alive = cluster.control_plane().ok()?.first_dead().is_none();
        (alive && cluster.kubectl().raw("/readyz").is_ok()).then_some(cluster)
    }

    fn start(&self, steps: &Steps) -> Result<()> {
        let name = self.name();
        let control_plane = self.control_plane()?;
        let archives = steps.step(&format!("cluster {name}: basic images"), || images::basic_images(&self.tools))?;
        for (reference, archive) in archives {
            self.images.add(reference, &archive)?;
        }
        let authority = steps.step(&format!("cluster {name}: certificates and control plane"), || {
            let authority = control_plane.create_certificates()?;
            network::create_bridge(&self.identity)?;
            control_plane.start(&self.kubectl())?;
            Ok(authority)
        })?;
        for node in &self.nodes {
            node.configure(&authority)?;
        }
        steps.step(&format!("cluster {name}: nodes Ready ({})", self.nodes.len()), || {
            self.on_every_node(|node| self.boot(node))?;
            network::route_services(&self.identity, 1)?;
            self.wait_ready()
        })?;
        steps.step(&format!("cluster {name}: DNS"), || {
            dns::install(&self.kubectl(), &self.identity)?;
            dns::wait_ready(&self.kubectl())
        })?;
        self.write_started()
    }

    fn write_started(&self) -> Result<()> {
        let file = self.identity.state().join("cluster.json");
        let text = serde_json::to_vec_pretty(&started(self.node_count(), &self.tools))?;
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Brings back whatever a test switched off.
    fn repair(&self) -> Result<()> {
        self.on_every_node(|node| if node.is_on() { Ok(()) } else { self.boot(node) })?;
        for number in 1..=self.node_count() {
            network::set_connected(&self.identity, number, true)?;
        }
        network::route_services(&self.identity, 1)?;
        self.wait_ready()?;
        dns::wait_ready(&self.kubectl())
    }

    fn boot(&self, node: &Node) -> Result<()> {
        node.cut_power()?;
        node.boot(self.node_count(), &self.tools)?;
        self.images.bring_to(node)?;
        node.join()
    }

    fn wait_ready(&self) -> Result<()> {
        let kubectl = self.kubectl();
        wait_every(Duration::from_millis(200), "every node to be Ready", READY_LIMIT, || {
            let ready = kubectl.list("nodes", "")?.iter().filter(|node| is_ready(node)).count();
            Ok((ready == self.nodes.len()).then_some(()))
        })
        .with_context(|| self.processes.log_tail("node1-kubelet"))
    }

    fn on_every_node(&self, work: impl Fn(&Node) -> Result<()> + Sync) -> Result<()> {
        let work = &work;
        std::thread::scope(|scope| {
            let threads: Vec<_> = self.nodes.iter().map(|node| (node, scope.spawn(move || work(node)))).collect();
            for (node, thread) in threads {
                let result = thread.join().unwrap_or_else(|_| bail!("a thread of the harness broke off"));
                result.with_context(|| format!("{} of cluster {}", node.name(), self.name()))?;
            }
            Ok(())
        })
    }

    fn node(&self, name: &str) -> Result<&Node> {
        self.nodes.iter().find(|node| node.name() == name).with_context(|| {
            let names: Vec<String> = self.nodes.iter().map(Node::name).collect();
            format!("cluster {} has no node `{name}`; it has {}", self.name(), names.join(", "))
        })
    }

    fn number(&self, name: &str) -> Result<u8> {
        let found = (1..=self.node_count()).find(|number| node::name(*number) == name);
        found.with_context(|| format!("cluster {} has no node `{name}`", self.name()))
    }

    fn node_count(&self) -> u8 {
        u8::try_from(self.nodes.len()).unwrap_or(MOST_NODES)
    }

    fn control_plane(&self) -> Result<ControlPlane> {
        ControlPlane::new(&self.identity, &self.tools)
    }

    fn log_path(&self) -> PathBuf {
        self.identity.state().join("log")
    }
}

impl Provider for Local {
    fn nodes(&self) -> Result<Vec<String>> {
        Ok(self.nodes.iter().map(Node::name).collect())
    }

    fn load_image(&self, reference: &str, archive: &Path) -> Result<()> {
        self.images.add(reference, archive)?;
        self.on_every_node(|node| if node.is_on() { self.images.bring_to(node) } else { Ok(()) })
    }

    fn tag_image(&self, reference: &str, second: &str) -> Result<()> {
        self.images.tag(reference, second)?;
        self.on_every_node(|node| if node.is_on() { self.images.bring_to(node) } else { Ok(()) })
    }

    fn power_off(&self, node: &str) -> Result<()> {
        self.node(node)?.cut_power()
    }

    fn power_on(&self, node: &str) -> Result<()> {
        let booting = self.node(node)?;
        if booting.is_on() {
            return Ok(());
        }
        self.boot(booting)?;
        if self.number(node)? == 1 {
            network::route_services(&self.identity, 1)?;
        }
        Ok(())
    }

    fn set_connected(&self, node: &str, connected: bool) -> Result<()> {
        network::set_connected(&self.identity, self.number(node)?, connected)
    }

    fn host_path(&self, node: &str, path: &Path) -> Result<PathBuf> {
        self.node(node)?.host_path(path)
    }

    fn run_on_node(&self, node: &str, arguments: &[&str]) -> Result<String> {
        run(&mut self.node(node)?.console(arguments)?)
    }

    fn processes_of_pod(&self, node: &str, uid: &str) -> Result<Vec<i32>> {
        Ok(self.node(node)?.processes_of_pod(uid))
    }

    fn signal_container(&self, node: &str, uid: &str, container_id: &str, signal: Signal) -> Result<()> {
        let processes = self.node(node)?.processes_of_container(uid, container_id);
        // The one whose parent is outside: the container's shim started it.
        let main =
            processes.iter().find(|pid| processes::parent(**pid).is_some_and(|parent| !processes.contains(&parent)));
        let Some(pid) = main.and_then(|pid| Pid::from_raw(*pid)) else {
            bail!("container {container_id} on {node} has no process");
        };
        kill_process(pid, signal).with_context(|| format!("cannot signal process {pid:?}"))
    }

    fn start_helper(&self, name: &str, program: &Command) -> Result<()> {
        self.processes.stop(name)?;
        let group = Group::new(format!("{}/helpers", self.identity.cgroup()))?;
        group.create()?;
        self.processes.start(name, program, &group.join_script()).map(drop)
    }

    fn helper_is_alive(&self, name: &str) -> bool {
        self.processes.is_alive(name)
    }

    fn state(&self) -> Result<PathBuf> {
        Ok(self.identity.state())
    }

    fn recover(&self) -> Result<()> {
        self.repair()
    }

    fn log_directory(&self) -> Option<PathBuf> {
        Some(self.log_path())
    }
}

/// Takes the cluster of this name down; nothing to do where there is none.
pub fn down(name: &str, steps: &Steps) -> Result<()> {
    identity::check_name(name)?;
    let Some(identity) = Identity::load(name)? else {
        steps.note(&format!("cluster {name} is not there"));
        return Ok(());
    };
    let _lock = lock(&identity)?;
    steps.step(&format!("cluster {name}: remove it and check that nothing is left"), || {
        leftovers::remove_all(&identity, MOST_NODES)
    })?;
    limits::restore()
}

/// Removes everything of a cluster but its identity.
fn clear(identity: &Identity) -> Result<()> {
    leftovers::remove_all(identity, MOST_NODES)?;
    let again = Identity::allocate(&identity.name)?;
    anyhow::ensure!(again == *identity, "cluster {}'s slot was taken by another one; try again", identity.name);
    Ok(())
}

fn check_possible(nodes: u8) -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("a local cluster needs Linux; on this system use --cluster kind");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("a local cluster needs root, for namespaces and cgroups; run this with sudo or use --cluster kind");
    }
    if nodes == 0 || nodes > MOST_NODES {
        bail!("a local cluster has 1 to {MOST_NODES} nodes, not {nodes}");
    }
    Ok(())
}

/// One process at a time starts or stops a cluster. The lock is not in the state directory, which `down` removes.
fn lock(identity: &Identity) -> Result<File> {
    let directory = paths::cache()?.join("locks");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let path = directory.join(&identity.name);
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    flock(&file, FlockOperation::LockExclusive).with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

fn started(nodes: u8, tools: &Tools) -> Started {
    Started {
        nodes,
        kubernetes: tools.kubernetes.clone(),
        helm: tools.helm.clone(),
        coredns: tools.coredns.clone(),
        pause: tools.pause.clone(),
    }
}

fn read_started(identity: &Identity) -> Option<Started> {
    serde_json::from_slice(&fs::read(identity.state().join("cluster.json")).ok()?).ok()
}

fn is_ready(node: &Value) -> bool {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
