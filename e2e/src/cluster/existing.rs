//! A cluster that somebody else runs: the current kubeconfig's.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use crate::command::{command, succeeds};
use crate::helm::Helm;
use crate::kubectl::Kubectl;
use crate::paths;

use super::Provider;
use super::processes::Processes;

/// An existing cluster. Nothing of its nodes can be touched, so tests that do so are not for it.
#[derive(Debug)]
pub struct Existing {
    kubectl: Kubectl,
}

impl Existing {
    /// The cluster of `KUBECONFIG` or `~/.kube/config`, with the kubectl and helm on the PATH.
    pub fn open() -> Result<(Self, Kubectl, Helm)> {
        let kubeconfig = match env::var_os("KUBECONFIG").filter(|path| !path.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => {
                PathBuf::from(env::var_os("HOME").context("neither KUBECONFIG nor HOME is set")?).join(".kube/config")
            }
        };
        for (program, site) in
            [("kubectl", "https://kubernetes.io/docs/tasks/tools/"), ("helm", "https://helm.sh/docs/intro/install/")]
        {
            anyhow::ensure!(
                succeeds(&mut command(program, ["--help"])),
                "`{program}` is not on the PATH; an existing cluster is used with your own: {site}"
            );
        }
        let (kubectl, helm) = (Kubectl::new("kubectl", &kubeconfig), Helm::new("helm", &kubeconfig));
        kubectl.raw("/readyz").with_context(|| {
            format!(
                "the cluster of {} does not answer; set KUBECONFIG, or use --cluster local or kind",
                kubeconfig.display()
            )
        })?;
        Ok((Self { kubectl: kubectl.clone() }, kubectl, helm))
    }
}

impl Provider for Existing {
    fn nodes(&self) -> Result<Vec<String>> {
        let nodes = self.kubectl.list("nodes", "")?;
        Ok(nodes.iter().filter_map(|node| node["metadata"]["name"].as_str().map(str::to_owned)).collect())
    }

    fn load_image(&self, reference: &str, archive: &Path) -> Result<()> {
        bail!(
            "images cannot be loaded into an existing cluster: push {} as {reference} to a registry of yours and install with \
             `helm upgrade --install` and its image values",
            archive.display()
        )
    }

    fn tag_image(&self, reference: &str, _second: &str) -> Result<()> {
        bail!("{reference} cannot be tagged on the nodes of an existing cluster")
    }

    fn power_off(&self, node: &str) -> Result<()> {
        untouchable(node)
    }

    fn power_on(&self, node: &str) -> Result<()> {
        untouchable(node)
    }

    fn set_connected(&self, node: &str, _connected: bool) -> Result<()> {
        untouchable(node)
    }

    fn host_path(&self, node: &str, _path: &Path) -> Result<PathBuf> {
        untouchable(node)
    }

    fn run_on_node(&self, node: &str, _arguments: &[&str]) -> Result<String> {
        untouchable(node)
    }

    fn processes_of_pod(&self, node: &str, _uid: &str) -> Result<Vec<i32>> {
        untouchable(node)
    }

    fn signal_container(&self, node: &str, _uid: &str, _container_id: &str, _signal: Signal) -> Result<()> {
        untouchable(node)
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
        Ok(paths::cache()?.join("existing"))
    }

    fn recover(&self) -> Result<()> {
        self.kubectl.run(["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s"]).map(drop)
    }

    fn log_directory(&self) -> Option<PathBuf> {
        None
    }
}

fn untouchable<T>(node: &str) -> Result<T> {
    bail!("{node} belongs to an existing cluster, whose nodes tests do not touch; use --cluster local or kind for this")
}
