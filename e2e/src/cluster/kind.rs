//! A cluster of [kind](https://kind.sigs.k8s.io): nodes are Docker containers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use crate::command::{command, run, run_with_input, succeeds};
use crate::helm::Helm;
use crate::kubectl::Kubectl;
use crate::paths;
use crate::steps::Steps;
use crate::tools::Tools;

use super::Provider;
use super::processes::Processes;

/// The network that kind joins its nodes with.
const NETWORK: &str = "kind";

/// Whether Docker and kind work here.
#[must_use]
pub fn works() -> bool {
    succeeds(&mut command("kind", ["version"])) && succeeds(&mut command("docker", ["info"]))
}

/// A running kind cluster.
#[derive(Debug)]
pub struct Kind {
    name: String,
    kubeconfig: PathBuf,
}

impl Kind {
    /// A cluster of this name: the one that is there, or a new one with this many workers.
    pub fn up(name: &str, nodes: u8, steps: &Steps) -> Result<Self> {
        anyhow::ensure!(
            works(),
            "`kind version` or `docker info` fails; install both (https://kind.sigs.k8s.io) or use --cluster local"
        );
        if !exists(name)? {
            let config = config(nodes);
            let state = state(name)?;
            fs::create_dir_all(&state).with_context(|| format!("cannot make {}", state.display()))?;
            steps.step(&format!("kind create cluster --name {name}"), || {
                let mut create = command("kind", ["create", "cluster", "--wait=120s", "--config=-", "--name", name]);
                run_with_input(create.arg("--kubeconfig").arg(kubeconfig(name)?), config.as_bytes())
            })?;
        }
        Self::open(name)
    }

    /// The cluster of this name that is there.
    pub fn open(name: &str) -> Result<Self> {
        anyhow::ensure!(
            exists(name)?,
            "there is no kind cluster {name}; start it with `cargo xtask up --cluster kind --name {name}`"
        );
        let path = kubeconfig(name)?;
        let text = run(&mut command("kind", ["get", "kubeconfig", "--name", name]))?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { name: name.to_owned(), kubeconfig: path })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// kubectl and helm: those on the PATH, else built as for a local cluster.
    pub fn clients(&self, steps: &Steps) -> Result<(Kubectl, Helm)> {
        if succeeds(&mut command("kubectl", ["version", "--client"])) && succeeds(&mut command("helm", ["version"])) {
            return Ok((Kubectl::new("kubectl", &self.kubeconfig), Helm::new("helm", &self.kubeconfig)));
        }
        let tools = Tools::ensure(steps)?;
        Ok((Kubectl::new(tools.program("kubectl"), &self.kubeconfig), Helm::new(&tools.helm, &self.kubeconfig)))
    }

    fn docker_exec(node: &str, arguments: &[&str]) -> Result<String> {
        run(command("docker", ["exec", "--privileged", node]).args(arguments))
    }
}

impl Provider for Kind {
    fn nodes(&self) -> Result<Vec<String>> {
        let text = run(&mut command("kind", ["get", "nodes", "--name", &self.name]))?;
        let mut nodes: Vec<String> =
            text.lines().filter(|node| !node.contains("control-plane")).map(str::to_owned).collect();
        nodes.sort();
        Ok(nodes)
    }

    fn load_image(&self, _reference: &str, archive: &Path) -> Result<()> {
        run(command("kind", ["load", "image-archive", "--name", &self.name]).arg(archive)).map(drop)
    }

    fn tag_image(&self, reference: &str, second: &str) -> Result<()> {
        for node in self.nodes()? {
            Self::docker_exec(&node, &["ctr", "--namespace=k8s.io", "images", "tag", "--force", reference, second])?;
        }
        Ok(())
    }

    fn power_off(&self, node: &str) -> Result<()> {
        run(&mut command("docker", ["kill", node])).map(drop)
    }

    fn power_on(&self, node: &str) -> Result<()> {
        run(&mut command("docker", ["start", node])).map(drop)
    }

    fn set_connected(&self, node: &str, connected: bool) -> Result<()> {
        let verb = if connected { "connect" } else { "disconnect" };
        run(&mut command("docker", ["network", verb, NETWORK, node])).map(drop)
    }

    fn host_path(&self, node: &str, path: &Path) -> Result<PathBuf> {
        let template = "{{range .Mounts}}{{if eq .Destination \"/var\"}}{{.Source}}{{end}}{{end}}".to_string();
        let volume = run(&mut command("docker", ["inspect", "--format", &template, node]))?;
        let below = path.strip_prefix("/var").with_context(|| format!("{} is not below /var", path.display()))?;
        Ok(Path::new(volume.trim()).join(below))
    }

    fn run_on_node(&self, node: &str, arguments: &[&str]) -> Result<String> {
        Self::docker_exec(node, arguments)
    }

    fn processes_of_pod(&self, node: &str, uid: &str) -> Result<Vec<i32>> {
        // With the systemd driver a pod's cgroup has its UID with underscores. IDs are the node's here, not the host's.
        let script = format!(
            "find /sys/fs/cgroup -path '*pod{uid}*' -name cgroup.procs -o -path '*pod{}*' -name cgroup.procs | xargs -r cat",
            uid.replace('-', "_")
        );
        let text = Self::docker_exec(node, &["sh", "-c", &script])?;
        let mut processes: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        processes.sort_unstable();
        processes.dedup();
        Ok(processes)
    }

    fn signal_container(&self, node: &str, _uid: &str, container_id: &str, signal: Signal) -> Result<()> {
        let number = signal.as_raw().to_string();
        Self::docker_exec(node, &["ctr", "--namespace=k8s.io", "tasks", "kill", "--signal", &number, container_id])
            .map(drop)
    }

    fn start_helper(&self, name: &str, program: &Command) -> Result<()> {
        let processes = Processes::new(&self.state()?);
        processes.stop(name)?;
        processes.start(name, program, "").map(drop)
    }

    fn helper_is_alive(&self, name: &str) -> bool {
        self.state().is_ok_and(|state| Processes::new(&state).is_alive(name))
    }

    fn state(&self) -> Result<PathBuf> {
        state(&self.name)
    }

    fn recover(&self) -> Result<()> {
        for node in self.nodes()? {
            // Both fail for a node that is as it should be.
            succeeds(&mut command("docker", ["start", &node]));
            succeeds(&mut command("docker", ["network", "connect", NETWORK, &node]));
        }
        let mut wait = command("kubectl", ["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s"]);
        run(wait.env("KUBECONFIG", &self.kubeconfig)).map(drop)
    }

    fn log_directory(&self) -> Option<PathBuf> {
        None
    }
}

/// Deletes the cluster of this name.
pub fn down(name: &str, steps: &Steps) -> Result<()> {
    if !exists(name)? {
        steps.note(&format!("kind cluster {name} is not there"));
        return Ok(());
    }
    steps.step(&format!("kind delete cluster --name {name}"), || {
        run(&mut command("kind", ["delete", "cluster", "--name", name])).map(drop)
    })?;
    let state = state(name)?;
    Processes::new(&state).stop(crate::forward::HELPER)?;
    fs::remove_dir_all(&state).ok();
    if exists(name)? {
        bail!("kind cluster {name} is still there after `kind delete cluster`");
    }
    Ok(())
}

fn exists(name: &str) -> Result<bool> {
    Ok(run(&mut command("kind", ["get", "clusters"]))?.lines().any(|line| line == name))
}

fn state(name: &str) -> Result<PathBuf> {
    Ok(paths::cache()?.join("kind").join(name))
}

fn kubeconfig(name: &str) -> Result<PathBuf> {
    Ok(state(name)?.join("kubeconfig"))
}

fn config(nodes: u8) -> String {
    let mut text = String::from(
        "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nkubeadmConfigPatches:\n- |\n  kind: KubeletConfiguration\n  \
         featureGates: {KubeletCrashLoopBackOffMax: true}\n  crashLoopBackOff: {maxContainerRestartPeriod: 1s}\nnodes:\n- role: control-plane\n",
    );
    for _ in 0..nodes {
        text.push_str("- role: worker\n");
    }
    text
}
