//! A node: namespaces of its own that look like a machine, with containerd, kubelet and kube-proxy in them.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use crate::cluster::processes::{Process, Processes};
use crate::command::{command, run};
use crate::deadline::{wait_for, wait_until};
use crate::tools::Tools;

use super::cgroups::{Group, hierarchies, processes_below};
use super::identity::Identity;
use super::network;
use super::node_config::{self, CONTAINERD_SOCKET};
use super::pki::Authority;

/// What a node runs itself, in the order of starting.
pub(super) const PROGRAMS: [&str; 3] = ["containerd", "kubelet", "kube-proxy"];

const BOOT_LIMIT: Duration = Duration::from_secs(20);

/// The name of a node in Kubernetes; nodes count from 1.
pub(super) fn name(number: u8) -> String {
    format!("node{number}")
}

/// One node of a local cluster, on or off.
#[derive(Debug, Clone)]
pub(super) struct Node {
    identity: Identity,
    number: u8,
    processes: Processes,
    group: Group,
}

impl Node {
    /// Node `number` of a cluster.
    pub(super) fn new(identity: &Identity, number: u8) -> Result<Self> {
        Ok(Self {
            identity: identity.clone(),
            number,
            processes: Processes::new(&identity.state()),
            group: Group::new(format!("{}/{}", identity.cgroup(), name(number)))?,
        })
    }

    /// Its name in Kubernetes.
    pub(super) fn name(&self) -> String {
        name(self.number)
    }

    /// A path of the node (below its `/var`) as the host sees it.
    pub(super) fn host_path(&self, path: &Path) -> Result<PathBuf> {
        let below = path.strip_prefix("/var").with_context(|| {
            format!("{} is not below /var: only /var of a node is on its disk and seen from the host", path.display())
        })?;
        Ok(self.disk().join(below))
    }

    /// Writes its configuration; a node that is configured can boot any number of times.
    pub(super) fn configure(&self, authority: &Authority) -> Result<()> {
        for directory in [self.disk(), self.root(), self.config()] {
            fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        node_config::write(&self.config(), &self.identity, authority, self.number)
    }

    /// Whether it is on: its PID 1 and its programs run.
    pub(super) fn is_on(&self) -> bool {
        self.anchor().is_some() && PROGRAMS.iter().all(|program| self.processes.is_alive(&self.record_name(program)))
    }

    /// Makes the namespaces, connects the network and starts containerd. Ready for images afterwards.
    pub(super) fn boot(&self, nodes: u8, tools: &Tools) -> Result<()> {
        let anchor = self.start_anchor(tools)?;
        network::plug_in(&self.identity, self.number, nodes, anchor.pid)?;
        let config = format!("{}/containerd.toml", node_config::DIRECTORY);
        self.start("containerd", &["containerd", "--config", &config])?;
        let answered = wait_until(&format!("containerd of {}", self.name()), BOOT_LIMIT, || {
            run(&mut self.ctr(&["version"])?).map(|_| true)
        });
        answered.with_context(|| self.processes.log_tail(&self.record_name("containerd")))
    }

    /// Starts kubelet and kube-proxy, which make the node one of the cluster.
    pub(super) fn join(&self) -> Result<()> {
        let here = |file: &str| format!("{}/{file}", node_config::DIRECTORY);
        self.start(
            "kubelet",
            &[
                "/opt/kubernetes/bin/kubelet",
                &format!("--config={}", here("kubelet.json")),
                &format!("--kubeconfig={}", here("kubelet.kubeconfig")),
                &format!("--hostname-override={}", self.name()),
                &format!("--node-ip={}", self.identity.node_address(self.number)),
                "--root-dir=/var/lib/kubelet",
                "--cert-dir=/var/lib/kubelet/pki",
            ],
        )?;
        self.start("kube-proxy", &["/opt/kubernetes/bin/kube-proxy", &format!("--config={}", here("kube-proxy.json"))])
    }

    /// A power cut: every process of the node ends at this instant, only its disk stays.
    pub(super) fn cut_power(&self) -> Result<()> {
        if let Some(anchor) = self.anchor() {
            // PID 1 of a PID namespace takes all others with it, in the kernel, before any of them runs again.
            anchor.signal(rustix::process::Signal::KILL)?;
        }
        self.group.kill_all()?;
        for program in PROGRAMS.iter().chain(&["anchor"]) {
            self.processes.forget(&self.record_name(program));
        }
        network::unplug(&self.identity, self.number)?;
        self.group.remove()
    }

    /// Runs `ctr` on the node's containerd, in the namespace that kubelet uses.
    pub(super) fn ctr(&self, arguments: &[&str]) -> Result<Command> {
        let anchor = self.running_anchor()?;
        let pid = anchor.pid.to_string();
        let mut ctr = command("nsenter", ["--target", &pid, "--mount", "--", "ctr"]);
        ctr.args(["--address", CONTAINERD_SOCKET, "--namespace", "k8s.io"]).args(arguments);
        Ok(ctr)
    }

    /// Imports an image archive.
    pub(super) fn import_image(&self, archive: &Path) -> Result<()> {
        let file = File::open(archive).with_context(|| format!("cannot open {}", archive.display()))?;
        let mut import = self.ctr(&["images", "import", "--all-platforms", "-"])?;
        let output = import.stdin(file).output().context("cannot start nsenter")?;
        anyhow::ensure!(
            output.status.success(),
            "{} did not take the image {}: {}",
            self.name(),
            archive.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }

    /// A command in all of the node's namespaces, as if typed on its console.
    pub(super) fn console(&self, arguments: &[&str]) -> Result<Command> {
        let pid = self.running_anchor()?.pid.to_string();
        let mut enter = command("nsenter", ["--target", &pid]);
        enter.args(["--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup", "--"]).args(arguments);
        Ok(enter)
    }

    /// The processes, by their IDs on the host, that are in a pod's cgroup.
    pub(super) fn processes_of_pod(&self, uid: &str) -> Vec<i32> {
        self.pod_directories(uid).iter().flat_map(|directory| processes_below(directory)).collect()
    }

    /// The processes of one container of a pod, the first of which is its main process.
    pub(super) fn processes_of_container(&self, uid: &str, container_id: &str) -> Vec<i32> {
        let id = container_id.rsplit('/').next().unwrap_or(container_id);
        self.pod_directories(uid).iter().flat_map(|directory| processes_below(&directory.join(id))).collect()
    }

    /// A program of the node that is recorded and runs, such as `kubelet`.
    pub(super) fn program(&self, program: &str) -> Option<Process> {
        self.processes.recorded(&self.record_name(program)).filter(Process::is_alive)
    }

    /// The directory of a pod's cgroup; of one hierarchy, since a process is in all of them.
    fn pod_directories(&self, uid: &str) -> Vec<PathBuf> {
        let wanted = format!("pod{uid}");
        let found = self
            .group
            .directories()
            .find_map(|directory| super::cgroups::find_below(&directory.join("kubepods"), &|name| name == wanted));
        found.into_iter().collect()
    }

    fn start_anchor(&self, tools: &Tools) -> Result<Process> {
        self.group.create()?;
        let system = self.system_group();
        system.create_undelegated()?;
        let mounts: Vec<String> = hierarchies()?
            .iter()
            .map(|hierarchy| format!("{}|{}", hierarchy.mount.display(), hierarchy.v1_option.as_deref().unwrap_or("")))
            .collect();
        // The cgroup that a process is in when it unshares is the root that everything on this node will see.
        let script = format!(
            "{}exec unshare --fork --kill-child --pid --mount --net --uts --ipc --cgroup sh -c \"$BOOT\"",
            self.group.join_script()
        );
        let log_name = self.record_name("boot");
        let log = self.processes.open_log(&log_name)?;
        let errors = log.try_clone().context("cannot share a log file")?;
        let mut unshare = command("sh", ["-c", &script])
            .env("BOOT", include_str!("boot.sh"))
            .env("NODE", self.name())
            .env("ROOT", self.root())
            .env("DISK", self.disk())
            .env("CONFIG", self.config())
            .env("PROGRAMS", &tools.kubernetes)
            .env("PAUSE", &tools.pause)
            .env("MACHINE_ID", self.machine_id())
            .env("CGROUPS", mounts.join("\n"))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .context("cannot start unshare")?;
        let parent = unshare.id();
        let booted = wait_for(&format!("{} to boot", self.name()), BOOT_LIMIT, || {
            if let Some(status) = unshare.try_wait()? {
                anyhow::bail!("its boot script ended with {status}");
            }
            let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
            let Some(pid) = children.split_whitespace().next().and_then(|pid| pid.parse::<i32>().ok()) else {
                return Ok(None);
            };
            Ok(Path::new(&format!("/proc/{pid}/root/run/node/booted")).exists().then_some(pid))
        });
        // Collects the exit status when the node loses power while we are still here.
        std::thread::spawn(move || unshare.wait());
        let pid = booted.with_context(|| self.processes.log_tail(&log_name))?;
        // Version 2 allows no process in a cgroup that hands controllers on, as a machine's root cgroup does.
        self.group.move_processes_to(&system)?;
        system.create()?;
        let anchor = Process::of_pid(&self.record_name("anchor"), pid, "PID 1".into())?;
        self.processes.record(&anchor)?;
        Ok(anchor)
    }

    /// Starts a program on the node, in its `system` cgroup, as a child of its PID 1.
    fn start(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let record = self.record_name(program);
        let log = self.processes.open_log(&record)?;
        let console = self.console(&["sh", "-c", "setsid \"$@\" >&2 & echo $!", "sh"])?;
        let script = format!("{}exec \"$@\"", self.system_group().join_script());
        let mut start = command("sh", ["-c", &script, "sh"]);
        start.arg(console.get_program()).args(console.get_args()).args(arguments);
        start.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let output = start
            .stdin(Stdio::null())
            .stderr(log)
            .stdout(Stdio::piped())
            .output()
            .with_context(|| format!("cannot start {program} on {}", self.name()))?;
        let inner = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let pid = self
            .system_group()
            .processes()
            .into_iter()
            .find(|pid| inner_pid(*pid).is_some_and(|found| found == inner))
            .with_context(|| {
                format!("{program} of {} ended at once; {}", self.name(), self.processes.log_tail(&record))
            })?;
        self.processes.record(&Process::of_pid(&record, pid, arguments.join(" "))?)
    }

    fn anchor(&self) -> Option<Process> {
        self.program("anchor")
    }

    fn running_anchor(&self) -> Result<Process> {
        self.anchor().with_context(|| {
            format!("{} of cluster {} is off; power it on first (or: cargo xtask up)", self.name(), self.identity.name)
        })
    }

    fn record_name(&self, program: &str) -> String {
        format!("{}-{program}", self.name())
    }

    fn system_group(&self) -> Group {
        self.group.child("system")
    }

    fn directory(&self) -> PathBuf {
        self.identity.state().join(self.name())
    }

    fn disk(&self) -> PathBuf {
        self.directory().join("disk")
    }

    fn root(&self) -> PathBuf {
        self.directory().join("root")
    }

    fn config(&self) -> PathBuf {
        self.directory().join("config")
    }

    fn machine_id(&self) -> String {
        let hash = Sha256::digest(format!("{}/{}", self.identity.name, self.name()));
        hash.iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}

/// A process' ID in the innermost PID namespace that it is in.
fn inner_pid(pid: i32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    ids.split_whitespace().next_back().map(str::to_owned)
}
