//! A cluster for tests: existing, kind or local, behind one set of methods.

pub mod existing;
pub mod kind;
pub mod local;
mod processes;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use serde_json::Value;

use crate::helm::Helm;
use crate::kubectl::Kubectl;
use crate::steps::Steps;

use self::existing::Existing;
use self::kind::Kind;
use self::local::Local;

/// Where a cluster comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The current kubeconfig's; never started, never taken down.
    Existing,
    /// kind, in Docker.
    Kind,
    /// Started by this crate from packages; Linux, as root.
    Local,
}

impl Source {
    /// The source to use where nobody named one: kind if Docker and kind work, else local on Linux as root.
    pub fn pick() -> Result<Self> {
        if kind::works() {
            return Ok(Self::Kind);
        }
        if !cfg!(target_os = "linux") {
            bail!("a cluster needs Docker and kind on this system (https://kind.sigs.k8s.io), or --cluster existing");
        }
        if !rustix::process::geteuid().is_root() {
            bail!(
                "a local cluster needs root: run this with sudo, or install Docker and kind, or use --cluster existing"
            );
        }
        Ok(Self::Local)
    }
}

impl FromStr for Source {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "existing" => Ok(Self::Existing),
            "kind" => Ok(Self::Kind),
            "local" => Ok(Self::Local),
            other => bail!("`{other}` is no kind of cluster: use existing, kind or local"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Existing => "existing",
            Self::Kind => "kind",
            Self::Local => "local",
        })
    }
}

/// What each source does in its own way.
pub trait Provider: Send + Sync + fmt::Debug {
    /// The names of the nodes that run pods, in order.
    fn nodes(&self) -> Result<Vec<String>>;

    /// Makes an image archive known to every node, now and after a power cut.
    fn load_image(&self, reference: &str, archive: &Path) -> Result<()>;

    /// Gives a loaded image a second name on every node.
    fn tag_image(&self, reference: &str, second: &str) -> Result<()>;

    /// Cuts a node's power: all of its processes end at once, its disk stays.
    fn power_off(&self, node: &str) -> Result<()>;

    /// Boots a node that is off; returns when its kubelet has been started.
    fn power_on(&self, node: &str) -> Result<()>;

    /// Cuts (false) or mends (true) a node's network cable.
    fn set_connected(&self, node: &str, connected: bool) -> Result<()>;

    /// Where the host finds a path of a node's disk, such as `/var/lib/proffer`.
    fn host_path(&self, node: &str, path: &Path) -> Result<PathBuf>;

    /// Runs a command on a node, as root in all of its namespaces, and returns what it printed.
    fn run_on_node(&self, node: &str, arguments: &[&str]) -> Result<String>;

    /// The IDs, on the host, of the processes in a pod's cgroup, whoever put them there.
    fn processes_of_pod(&self, node: &str, uid: &str) -> Result<Vec<i32>>;

    /// Signals a container's main process.
    fn signal_container(&self, node: &str, uid: &str, container_id: &str, signal: Signal) -> Result<()>;

    /// Starts `program` in the background so that it ends with the cluster; its output goes to a file.
    fn start_helper(&self, name: &str, program: &std::process::Command) -> Result<()>;

    /// Whether a helper that was started runs.
    fn helper_is_alive(&self, name: &str) -> bool;

    /// A directory for what belongs to this cluster on this machine, such as records of helpers.
    fn state(&self) -> Result<PathBuf>;

    /// Brings back every node that is off or cut off and waits until all are Ready.
    fn recover(&self) -> Result<()>;

    /// Where logs of the cluster's own programs are, for people who look for a failure's cause.
    fn log_directory(&self) -> Option<PathBuf>;
}

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    name: String,
    source: Source,
    provider: Box<dyn Provider>,
    kubectl: Kubectl,
    helm: Helm,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The cluster's name: clusters of different names live side by side.
    pub name: String,
    /// Where it comes from; nothing: [`Source::pick`].
    pub source: Option<Source>,
    /// How many nodes it has (not for an existing one).
    pub nodes: u8,
}

impl Cluster {
    /// A running cluster with all nodes Ready: the one of this name if it is healthy, else a new one.
    pub fn up(options: &Options, steps: &Steps) -> Result<Self> {
        match Self::source(options)? {
            Source::Existing => Self::existing(),
            Source::Kind => Self::of_kind(Kind::up(&options.name, options.nodes, steps)?, steps),
            Source::Local => Ok(Self::of_local(Local::up(&options.name, options.nodes, steps)?)),
        }
    }

    /// The running cluster of this name; an error that says how to start it where there is none.
    pub fn open(options: &Options, steps: &Steps) -> Result<Self> {
        match Self::source(options)? {
            Source::Existing => Self::existing(),
            Source::Kind => Self::of_kind(Kind::open(&options.name)?, steps),
            Source::Local => Ok(Self::of_local(Local::open(&options.name)?)),
        }
    }

    /// Takes a cluster down and checks that nothing is left; nothing to do where there is none.
    pub fn down(options: &Options, steps: &Steps) -> Result<()> {
        match Self::source(options)? {
            Source::Existing => bail!(
                "an existing cluster is not taken down; remove Proffer from it with `helm uninstall --namespace proffer-system proffer`"
            ),
            Source::Kind => kind::down(&options.name, steps),
            Source::Local => local::down(&options.name, steps),
        }
    }

    fn source(options: &Options) -> Result<Source> {
        options.source.map_or_else(Source::pick, Ok)
    }

    fn existing() -> Result<Self> {
        let (existing, kubectl, helm) = Existing::open()?;
        Ok(Self { name: "existing".into(), source: Source::Existing, provider: Box::new(existing), kubectl, helm })
    }

    fn of_kind(kind: Kind, steps: &Steps) -> Result<Self> {
        let (kubectl, helm) = kind.clients(steps)?;
        Ok(Self { name: kind.name().to_owned(), source: Source::Kind, provider: Box::new(kind), kubectl, helm })
    }

    fn of_local(local: Local) -> Self {
        let (kubectl, helm) = (local.kubectl(), local.helm());
        Self { name: local.name().to_owned(), source: Source::Local, provider: Box::new(local), kubectl, helm }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> Source {
        self.source
    }

    /// kubectl with its administrator's credentials.
    #[must_use]
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// Helm with its administrator's credentials.
    #[must_use]
    pub fn helm(&self) -> &Helm {
        &self.helm
    }

    /// Everything that depends on where the cluster comes from: nodes, images, power, files.
    #[must_use]
    pub fn provider(&self) -> &dyn Provider {
        &*self.provider
    }

    /// The IDs, on the host, of the processes in a pod's cgroup.
    pub fn processes_of_pod(&self, namespace: &str, pod: &str) -> Result<Vec<i32>> {
        let pod = self.pod(namespace, pod)?;
        self.provider.processes_of_pod(&pod.node, &pod.uid)
    }

    /// Signals the main process of a pod's container: KILL, STOP, CONT, …
    pub fn signal_container(&self, namespace: &str, pod: &str, container: &str, signal: Signal) -> Result<()> {
        let found = self.pod(namespace, pod)?;
        let id = found.container_id(container)?;
        self.provider.signal_container(&found.node, &found.uid, &id, signal)
    }

    fn pod(&self, namespace: &str, name: &str) -> Result<PodFacts> {
        let object = self.kubectl.in_namespace(namespace).get("pod", name)?;
        let object = object.with_context(|| format!("there is no pod {namespace}/{name}"))?;
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Ok(PodFacts {
            node: text("/spec/nodeName").with_context(|| format!("pod {namespace}/{name} is on no node yet"))?,
            uid: text("/metadata/uid").context("an object has a UID")?,
            object,
        })
    }
}

struct PodFacts {
    node: String,
    uid: String,
    object: Value,
}

impl PodFacts {
    fn container_id(&self, container: &str) -> Result<String> {
        let statuses = self.object.pointer("/status/containerStatuses").and_then(Value::as_array);
        let status = statuses.into_iter().flatten().find(|status| status["name"] == container);
        let id = status.and_then(|status| status["containerID"].as_str()).unwrap_or_default();
        // "containerd://<id>"
        match id.rsplit_once('/') {
            Some((_, id)) => Ok(id.to_owned()),
            None => bail!("container {container} of pod {} has not started", self.object["metadata"]["name"]),
        }
    }
}
