//! Proffer's own HTTP API, reached as a person at a terminal reaches it: through `kubectl port-forward`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::kubectl::Kubectl;

/// GETs a path of the leader's API and returns the body. `system` is kubectl in Proffer's namespace.
pub fn master_get(system: &Kubectl, path: &str) -> Result<String> {
    let forward = Forward::start(system)?;
    let url = format!("http://127.0.0.1:{}{path}", forward.port);
    let mut answer = ureq::get(&url)
        .config()
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .call()
        .with_context(|| format!("GET {path} of the leader"))?;
    answer.body_mut().read_to_string().with_context(|| format!("GET {path} of the leader: reading its answer"))
}

/// A port of this machine that leads to the leader, as long as this lives.
struct Forward {
    kubectl: Child,
    port: u16,
    /// Stays open: kubectl writes a line for each connection and would end without a reader.
    _output: BufReader<ChildStdout>,
}

impl Forward {
    fn start(system: &Kubectl) -> Result<Self> {
        let mut command = system.command(["port-forward", "service/proffer", ":5050"]);
        let mut kubectl =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("starting kubectl port-forward")?;
        let mut output = BufReader::new(kubectl.stdout.take().context("kubectl has no output")?);
        // "Forwarding from 127.0.0.1:40123 -> 5050"
        let mut line = String::new();
        let port = output
            .read_line(&mut line)
            .ok()
            .and_then(|_| line.split("127.0.0.1:").nth(1)?.split_whitespace().next()?.parse().ok());
        let Some(port) = port else {
            kubectl.kill().ok();
            let said = kubectl.wait_with_output().context("waiting for kubectl")?;
            bail!("kubectl port-forward said {line:?} instead of a port; {}", String::from_utf8_lossy(&said.stderr));
        };
        Ok(Self { kubectl, port, _output: output })
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        self.kubectl.kill().ok();
        self.kubectl.wait().ok();
    }
}
