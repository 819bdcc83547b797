//! `helm` with a cluster's credentials.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::command::{command, run};

/// A helm program and a kubeconfig.
#[derive(Debug, Clone)]
pub struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Helm {
    /// Helm at `program` with the credentials in `kubeconfig`.
    pub fn new(program: impl Into<PathBuf>, kubeconfig: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), kubeconfig: kubeconfig.into() }
    }

    /// The command line, for callers that start it themselves.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut helm = command(&self.program, arguments);
        helm.env("KUBECONFIG", &self.kubeconfig);
        helm
    }

    /// Runs helm and returns what it printed.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<String> {
        run(&mut self.command(arguments))
    }

    /// `helm upgrade --install --wait`: the release is as the chart says when this returns.
    ///
    /// `values` are arguments such as `--set=image.tag=0.1.0`.
    pub fn upgrade_install(
        &self,
        release: &str,
        chart: &Path,
        namespace: &str,
        values: &[String],
        limit: Duration,
    ) -> Result<String> {
        let timeout = format!("{}s", limit.as_secs());
        let mut helm = self.command(["upgrade", "--install", release]);
        helm.arg(chart).args(["--namespace", namespace, "--create-namespace", "--wait", "--timeout", &timeout]);
        run(helm.args(values))
    }

    /// The values that somebody gave for a release, as arguments for [`Helm::upgrade_install`].
    pub fn given_values(&self, release: &str, namespace: &str) -> Result<Vec<String>> {
        let given = self.run(["get", "values", release, "--namespace", namespace, "--output=json"])?;
        let given: Option<BTreeMap<String, Value>> =
            serde_json::from_str(&given).with_context(|| format!("helm get values {release} said {given}"))?;
        Ok(given.unwrap_or_default().iter().map(|(key, value)| format!("--set-json={key}={value}")).collect())
    }

    /// `helm uninstall --wait`, nothing where there is no such release.
    pub fn uninstall(&self, release: &str, namespace: &str) -> Result<()> {
        self.run(["uninstall", release, "--namespace", namespace, "--ignore-not-found", "--wait"]).map(drop)
    }
}
