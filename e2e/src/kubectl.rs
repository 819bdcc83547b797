//! `kubectl` with a cluster's credentials: what people type, so what tests check.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::command::{command, run, run_with_input};
use crate::deadline;

/// How often an object is asked for while waiting: a kubectl process costs a tenth of a second of a processor.
const PERIOD: Duration = Duration::from_millis(250);

/// A kubectl program, a kubeconfig and, where set, a namespace.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: Option<String>,
}

impl Kubectl {
    /// kubectl at `program` with the credentials in `kubeconfig`, in the kubeconfig's default namespace.
    pub fn new(program: impl Into<PathBuf>, kubeconfig: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), kubeconfig: kubeconfig.into(), namespace: None }
    }

    /// The same in another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: impl Into<String>) -> Self {
        Self { namespace: Some(namespace.into()), ..self.clone() }
    }

    /// The file with the credentials.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The kubectl program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The namespace that was set with [`Kubectl::in_namespace`].
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The command line, for callers that start it themselves.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut kubectl = command(&self.program, [""; 0]);
        // The variable, not the flag: the line in an error stays one that people can type.
        kubectl.env("KUBECONFIG", &self.kubeconfig);
        if let Some(namespace) = &self.namespace {
            kubectl.args(["--namespace", namespace]);
        }
        kubectl.args(arguments);
        kubectl
    }

    /// Runs kubectl and returns what it printed; an error carries what it said on its error output.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<String> {
        run(&mut self.command(arguments))
    }

    /// `kubectl apply -f -` of a manifest's text.
    pub fn apply(&self, manifest: &str) -> Result<String> {
        run_with_input(&mut self.command(["apply", "-f", "-"]), manifest.as_bytes())
    }

    /// `kubectl apply -f` of a file or of a directory.
    pub fn apply_path(&self, path: &Path) -> Result<String> {
        run(self.command(["apply", "-f"]).arg(path))
    }

    /// `kubectl create -f -` of an object.
    pub fn create(&self, object: &Value) -> Result<String> {
        run_with_input(&mut self.command(["create", "-f", "-"]), object.to_string().as_bytes())
    }

    /// `kubectl replace --subresource <subresource> -f -` of an object.
    pub fn replace_subresource(&self, subresource: &str, object: &Value) -> Result<String> {
        let arguments = ["replace", "--subresource", subresource, "-f", "-"];
        run_with_input(&mut self.command(arguments), object.to_string().as_bytes())
    }

    /// Deletes an object if it is there and waits until it is gone.
    pub fn delete(&self, kind: &str, name: &str) -> Result<()> {
        self.run(["delete", kind, name, "--ignore-not-found"]).map(drop)
    }

    /// An object, or nothing where there is none of this name.
    pub fn get(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        let text = self.run(["get", kind, name, "--ignore-not-found", "--output=json"])?;
        if text.trim().is_empty() { Ok(None) } else { parse(&text).map(Some) }
    }

    /// All objects of a kind that a label selector picks (an empty selector: all), in this namespace.
    pub fn list(&self, kind: &str, selector: &str) -> Result<Vec<Value>> {
        let mut arguments = vec!["get", kind, "--output=json"];
        if !selector.is_empty() {
            arguments.extend(["--selector", selector]);
        }
        let mut list = parse(&self.run(arguments)?)?;
        match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            other => anyhow::bail!("kubectl get {kind} answered no list but {}", other.unwrap_or(list)),
        }
    }

    /// `kubectl get --raw`: one GET request to the API server.
    pub fn raw(&self, path: &str) -> Result<String> {
        self.run(["get", "--raw", path])
    }

    /// `kubectl wait --for=<condition> <what>`, for example `wait("condition=Ready", "pod/a", …)`.
    pub fn wait(&self, condition: &str, what: &str, limit: Duration) -> Result<()> {
        let timeout = format!("--timeout={}s", limit.as_secs());
        self.run(["wait", &format!("--for={condition}"), what, &timeout]).map(drop)
    }

    /// Waits until an object is there and `ready` says yes to it; the error shows the object as it was last.
    pub fn wait_object(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        limit: Duration,
        mut ready: impl FnMut(&Value) -> bool,
    ) -> Result<Value> {
        let mut last = None;
        let waited = deadline::wait_every(PERIOD, &format!("{kind}/{name} to be {what}"), limit, || {
            last = self.get(kind, name)?;
            Ok(last.clone().filter(&mut ready))
        });
        waited.with_context(|| match &last {
            Some(object) => format!("{kind}/{name} is {}", object.get("status").unwrap_or(object)),
            None => format!("there is no {kind}/{name}"),
        })
    }

    /// The log of a pod's container; `previous` for the container before the last restart.
    pub fn logs(&self, pod: &str, container: &str, previous: bool) -> Result<String> {
        let previous = format!("--previous={previous}");
        self.run(["logs", pod, "--container", container, &previous])
    }

    /// Runs a command in a pod's container and returns what it printed.
    pub fn exec(&self, pod: &str, arguments: &[&str]) -> Result<String> {
        self.run(["exec", pod, "--"].iter().chain(arguments))
    }

    /// A JSON merge patch of an object.
    pub fn patch(&self, kind: &str, name: &str, patch: &Value) -> Result<()> {
        self.run(["patch", kind, name, "--type=merge", "--patch", &patch.to_string()]).map(drop)
    }
}

fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| format!("kubectl did not print JSON but: {text}"))
}
