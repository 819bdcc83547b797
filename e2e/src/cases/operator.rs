//! Mesos' operator API at a real leader: what tools that read a master read of it, and its event stream.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::lab::{Lab, SOON};
use crate::forward::{self, Tunnel};

/// `/state`, `/tasks`, `/slaves` and `GET_STATE` tell of a task that ran what its object tells.
pub(super) fn endpoints_tell_what_objects_tell(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    lab.apply(&lab.task("first", "read-me", "true"))?;
    let task = lab.wait_task("read-me", &["Finished"], SOON)?;
    let (agent, container) = (&task["status"]["agent"]["id"], &task["metadata"]["uid"]);
    let framework = lab.kubectl.get("framework", "first")?.context("the framework is gone")?;
    let id = framework["status"]["frameworkId"].as_str().context("a framework has an ID")?.to_owned();
    let tunnel = Tunnel::open(&lab.system(), "service/proffer")?;

    let state = get(&tunnel, "/state")?;
    let agents = lab.kubectl.list("agents", "")?.len();
    let listed = |list: &str| state[list].as_array().map_or(0, Vec::len);
    let unreachable = state["unreachable_slaves"].as_f64().unwrap_or_default();
    let told = f64::from(u32::try_from(listed("slaves") + listed("recovered_slaves"))?) + unreachable;
    ensure!(told.to_string() == agents.to_string(), "there are {agents} agents, and /state tells of {told}");
    let told = find(&state["frameworks"], "id", &id)?;
    ensure!(told["name"] == "first" && told["active"] == true, "{told}");
    let completed = find(&told["completed_tasks"], "id", "read-me")?;
    ensure!(completed["state"] == "TASK_FINISHED" && completed["slave_id"] == *agent, "{completed}");
    let status = &completed["statuses"][0];
    ensure!(status["container_status"]["container_id"]["value"] == *container, "{status}");

    let tasks = get(&tunnel, &format!("/master/tasks.json?framework_id={id}"))?;
    ensure!(*find(&tasks["tasks"], "id", "read-me")? == *completed, "/tasks differs from /state: {tasks}");
    let slaves = get(&tunnel, "/slaves")?;
    let slave = find(&slaves["slaves"], "id", agent.as_str().unwrap_or_default())?;
    ensure!(slave["active"] == true && slave["hostname"] == task["status"]["agent"]["name"], "{slave}");
    let script = forward::get(tunnel.port(), "/version?jsonp=cb")?;
    ensure!(script.starts_with("cb({") && script.ends_with(");"), "{script}");

    let v1 = call(&tunnel, &json!({"type": "GET_STATE"}))?;
    let v1: Value = serde_json::from_str(&v1).with_context(|| format!("GET_STATE answered {v1}"))?;
    let tasks = &v1["get_state"]["get_tasks"]["completed_tasks"];
    let ours = tasks.as_array().into_iter().flatten().find(|one| one["framework_id"]["value"] == id.as_str());
    ensure!(ours.is_some_and(|one| one["state"] == "TASK_FINISHED"), "no task of {id} in {tasks}");
    Ok(())
}

/// The event stream tells of a task from its launch to its end, and of a framework that is torn down over HTTP.
pub(super) fn events_follow_a_task(lab: &Lab) -> Result<()> {
    lab.framework("first")?;
    lab.kubectl.wait("condition=Ready", "framework/first", SOON)?;
    let framework = lab.kubectl.get("framework", "first")?.context("the framework is gone")?;
    let id = framework["status"]["frameworkId"].as_str().context("a framework has an ID")?.to_owned();
    let tunnel = Tunnel::open(&lab.system(), "service/proffer")?;
    let mut events = Events::subscribe(&tunnel)?;
    let first = events.next()?;
    ensure!(first["type"] == "SUBSCRIBED", "{first}");
    let frameworks = &first["subscribed"]["get_state"]["get_frameworks"]["frameworks"];
    ensure!(frameworks.to_string().contains(&id), "framework {id} is not in {frameworks}");
    let second = events.next()?;
    ensure!(second == json!({"type": "HEARTBEAT"}), "{second}");

    lab.apply(&lab.task("first", "watch-me", "sleep 1"))?;
    let of_task = |event: &Value| event["task_updated"]["status"]["task_id"]["value"] == "watch-me";
    events.until("TASK_ADDED", |event| event["task_added"]["task"]["task_id"]["value"] == "watch-me")?;
    let running = events.until("TASK_UPDATED", of_task)?;
    ensure!(running["task_updated"]["state"] == "TASK_RUNNING", "{running}");
    let finished = events.until("TASK_UPDATED", of_task)?;
    ensure!(finished["task_updated"]["state"] == "TASK_FINISHED", "{finished}");
    events.until("HEARTBEAT", |_| true)?;

    call(&tunnel, &json!({"type": "TEARDOWN", "teardown": {"framework_id": {"value": id}}}))?;
    events.until("FRAMEWORK_REMOVED", |event| {
        event["framework_removed"]["framework_info"]["id"]["value"] == id.as_str()
    })?;
    ensure!(lab.kubectl.get("framework", "first")?.is_none(), "a torn down framework is gone");
    Ok(())
}

pub(super) fn get(tunnel: &Tunnel, path: &str) -> Result<Value> {
    let text = forward::get(tunnel.port(), path)?;
    serde_json::from_str(&text).with_context(|| format!("GET {path} answered {text}"))
}

pub(super) fn call(tunnel: &Tunnel, call: &Value) -> Result<String> {
    let request = ureq::post(format!("http://127.0.0.1:{}/api/v1", tunnel.port()))
        .content_type("application/json")
        .config()
        .timeout_global(Some(SOON))
        .build();
    let mut answer = request.send(call.to_string()).with_context(|| format!("POST /api/v1 {call}"))?;
    answer.body_mut().read_to_string().with_context(|| format!("the answer to {call} broke off"))
}

/// The element of a list whose field has this text.
fn find<'a>(list: &'a Value, field: &str, text: &str) -> Result<&'a Value> {
    let found = list.as_array().into_iter().flatten().find(|one| one[field] == text);
    found.with_context(|| format!("nothing with {field} {text} in {list}"))
}

/// The event stream, read as it comes over the wire.
struct Events(BufReader<TcpStream>);

impl Events {
    fn subscribe(tunnel: &Tunnel) -> Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", tunnel.port()))?;
        // Longer than between two heartbeats.
        stream.set_read_timeout(Some(SOON))?;
        let body = r#"{"type":"SUBSCRIBE"}"#;
        let length = body.len();
        write!(
            stream,
            "POST /api/v1 HTTP/1.1\r\nHost: proffer\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            ensure!(reader.read_line(&mut head)? > 0, "the connection ended after {head:?}");
        }
        let lower = head.to_lowercase();
        ensure!(lower.starts_with("http/1.1 200 ") && lower.contains("transfer-encoding: chunked"), "{head}");
        Ok(Self(reader))
    }

    /// The next event: one chunk, which is one record.
    fn next(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.0.read_line(&mut line).context("no event")?;
        let size = usize::from_str_radix(line.trim_end(), 16).with_context(|| format!("a chunk's size: {line:?}"))?;
        let mut chunk = vec![0; size + 2];
        self.0.read_exact(&mut chunk)?;
        let chunk = String::from_utf8(chunk)?;
        let (length, record) = chunk.trim_end_matches("\r\n").split_once('\n').context("a record has a length")?;
        ensure!(length.parse() == Ok(record.len()), "a record of {length} bytes in a chunk with {}", record.len());
        serde_json::from_str(record).with_context(|| format!("an event that is no JSON: {record}"))
    }

    /// The next event of this type for which `wanted` holds. Others belong to somebody else.
    fn until(&mut self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let begun = Instant::now();
        while begun.elapsed() < SOON {
            let event = self.next().with_context(|| format!("waiting for {kind}"))?;
            if event["type"] == kind && wanted(&event) {
                return Ok(event);
            }
        }
        anyhow::bail!("no {kind} within {} s", SOON.as_secs())
    }
}
