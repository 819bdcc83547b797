//! Who is let in by the HTTP API, and what they may do.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::lab::{Lab, SOON, contains};
use crate::deadline::wait_every;
use crate::forward::Tunnel;

/// The Secret that the harness installs Proffer with (`http.credentialsSecret`).
const PRINCIPALS: &str = "principals";
/// How long a cluster may take to hear of a changed right or Secret, and between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Somebody who calls the master through a tunnel, which counts as this machine: credentials that are sent are looked at all
/// the same.
struct Caller {
    tunnel: Tunnel,
    authorization: String,
}

impl Caller {
    fn new(lab: &Lab, authorization: String) -> Result<Self> {
        Ok(Self { tunnel: Tunnel::open(&lab.system(), "service/proffer")?, authorization })
    }

    fn with_token(lab: &Lab, account: &str) -> Result<Self> {
        let token = lab.kubectl.run(["create", "token", account])?;
        Self::new(lab, format!("Bearer {}", token.trim()))
    }

    fn with_secret(lab: &Lab, principal: &str, secret: &str) -> Result<Self> {
        Self::new(lab, format!("Basic {}", STANDARD.encode(format!("{principal}:{secret}"))))
    }

    /// Status and body of a GET.
    fn get(&self, path: &str) -> Result<(u16, String)> {
        let url = format!("http://127.0.0.1:{}{path}", self.tunnel.port());
        let request = ureq::get(&url).header("Authorization", &self.authorization);
        let request = request.config().http_status_as_error(false).timeout_global(Some(SOON)).build();
        let mut answer = request.call().with_context(|| format!("GET {url}"))?;
        let body = answer.body_mut().read_to_string().with_context(|| format!("the answer to GET {url} broke off"))?;
        Ok((answer.status().as_u16(), body))
    }

    /// Waits until a GET is answered with this status, and returns the body.
    fn wait(&self, path: &str, status: u16) -> Result<String> {
        wait_every(LOOK, &format!("GET {path} to answer {status}"), SOON, || {
            let (answered, body) = self.get(path)?;
            Ok((answered == status).then_some(body))
        })
    }
}

/// Who comes from elsewhere in the cluster without credentials is refused, and told how to come again.
pub(super) fn nobody_is_let_in_without_credentials(lab: &Lab) -> Result<()> {
    lab.framework("fw")?;
    let url = "http://proffer.proffer-system.svc.cluster.local:5050";
    let command = format!("wget -q -O - {url}/version && if wget -O - {url}/state; then exit 9; fi");
    lab.apply(&lab.task("fw", "caller", &command))?;
    lab.wait_task("caller", &["Finished"], SOON)?;
    contains(&lab.sandbox_file("caller", "stdout")?, "\"version\"")?;
    contains(&lab.sandbox_file("caller", "stderr")?, "401 Unauthorized")
}

/// A `ServiceAccount`'s token lets in; what it may do is what a `RoleBinding` says, in its namespace.
pub(super) fn a_token_may_do_what_a_role_binding_says(lab: &Lab) -> Result<()> {
    lab.framework("fw")?;
    lab.apply(&lab.task("fw", "talks", "echo said"))?;
    let task = lab.wait_task("talks", &["Finished"], SOON)?;
    let file = format!("/files/read?path={}/stdout&offset=0", task["status"]["sandbox"].as_str().unwrap_or_default());
    lab.kubectl.run(["create", "serviceaccount", "reader"])?;
    let reader = Caller::with_token(lab, "reader")?;

    let (status, body) = reader.get(&file)?;
    ensure!(status == 403, "without any right: {status} {body}");
    let user = format!("system:serviceaccount:{}:reader", lab.namespace());
    contains(
        &body,
        &format!("{user} may not get tasks/sandbox of group proffer.dev in namespace {}", lab.namespace()),
    )?;
    let (status, body) = reader.get("/tasks")?;
    ensure!(status == 200 && !body.contains("talks"), "it sees nobody's tasks: {status} {body}");

    let account = format!("--serviceaccount={}:reader", lab.namespace());
    lab.kubectl.run(["create", "rolebinding", "reader", "--clusterrole=proffer-framework", &account])?;
    contains(&reader.wait(&file, 200)?, "said")?;
    wait_every(LOOK, "the task to be seen", SOON, || Ok(reader.get("/tasks")?.1.contains("talks").then_some(())))?;

    let stranger = Caller::new(lab, "Bearer nonsense".to_owned())?;
    let (status, body) = stranger.get("/state")?;
    ensure!(status == 401, "a token of nobody's: {status} {body}");
    Ok(())
}

/// Principals from the Secret are let in, may do what is bound to them, and a changed secret counts without a restart.
pub(super) fn principals_follow_their_secret(lab: &Lab) -> Result<()> {
    let system = lab.system();
    let secret = |value: &str| {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": {"case-principal": value},
            "metadata": {"name": PRINCIPALS, "annotations": {"namespace.proffer.dev/case-principal": lab.namespace()}},
        });
        system.apply(&secret.to_string())
    };
    let told = (|| {
        secret("first")?;
        let first = Caller::with_secret(lab, "case-principal", "first")?;
        first.wait("/state", 200)?;
        let wrong = Caller::with_secret(lab, "case-principal", "second")?;
        ensure!(wrong.get("/state")?.0 == 401, "a wrong secret is refused");

        lab.framework("fw")?;
        lab.apply(&lab.task("fw", "talks", "echo said"))?;
        let task = lab.wait_task("talks", &["Finished"], SOON)?;
        let sandbox = task["status"]["sandbox"].as_str().unwrap_or_default();
        let file = format!("/files/read?path={sandbox}/stdout&offset=0");
        ensure!(first.get(&file)?.0 == 403, "it has no right yet");
        let user = "--user=proffer:principal:case-principal";
        lab.kubectl.run(["create", "rolebinding", "principal", "--clusterrole=proffer-framework", user])?;
        contains(&first.wait(&file, 200)?, "said")?;

        secret("second")?;
        wrong.wait("/state", 200)?;
        first.wait("/state", 401).map(drop)
    })();
    system.run(["delete", "secret", PRINCIPALS, "--ignore-not-found"])?;
    told?;
    Caller::with_secret(lab, "case-principal", "second")?.wait("/state", 401).map(drop)
}
