//! A small cluster as objects, and HTTP of its leader on a real socket.

use crate::api_server::eventually;
use crate::files::master;
use crate::link::Replica;
use proffer_controller::auth::Anonymous;
use proffer_controller::http::serve;
use proffer_controller::leader::Identity;
use proffer_controller::registry::Registry;
use proffer_controller::runner::Arrived;
use proffer_crds::{Agent, Framework, Offer, Task};
use proffer_master::ObjectKey;
use proffer_mesos_api::recordio::Decoder;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// HTTP of a replica.
pub(crate) struct Served {
    /// The replica.
    pub(crate) replica: Replica,
    /// Its identity.
    pub(crate) me: Identity,
    /// What it knows.
    registry: Arc<Registry>,
    address: SocketAddr,
    _events: Option<mpsc::Receiver<Arrived>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its headers, by their names in lower case.
    pub(crate) headers: HashMap<String, String>,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

impl Served {
    /// The leader of the cluster below.
    pub(crate) async fn leader(anonymous: Anonymous) -> Self {
        Self::start(anonymous, true).await
    }

    /// A standby.
    pub(crate) async fn standby() -> Self {
        Self::start(Anonymous { loopback: true, everybody: false }, false).await
    }

    async fn start(anonymous: Anonymous, leads: bool) -> Self {
        let replica = Replica::start().await;
        let objects = objects();
        let count = objects.len();
        for object in objects {
            replica.server.put(object);
        }
        let master = master(&replica, anonymous).await;
        let (registry, me) = (Arc::clone(&master.registry), master.me.clone());
        eventually("all objects are known", || {
            let known = registry.count::<Framework>()
                + registry.count::<Task>()
                + registry.count::<Offer>()
                + registry.count::<Agent>();
            (known == count).then_some(())
        })
        .await;
        let events = leads.then(|| replica.lead());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(master, listener));
        Self { replica, me, registry, address, _events: events }
    }

    /// HTTP of a replica of which more than endpoints is tested, served at this address.
    pub(crate) fn at(replica: Replica, me: Identity, registry: Arc<Registry>, address: SocketAddr) -> Self {
        Self { replica, me, registry, address, _events: None }
    }

    /// Waits until the replica knows that this agent is deactivated.
    pub(crate) async fn deactivated(&self, name: &str) {
        eventually("the agent is deactivated", || {
            let entry = self.registry.get::<Agent>(&ObjectKey::new("", name))?;
            entry.value().is_ok_and(|agent| agent.spec.deactivated).then_some(())
        })
        .await;
    }

    /// GET without a token.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"").await
    }

    /// GET with a token.
    pub(crate) async fn get_as(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, &[("Authorization", &format!("Bearer {token}"))], b"").await
    }

    /// A call of the operator API in JSON: status and text of its answer.
    pub(crate) async fn call(&self, call: &Value) -> (u16, String) {
        let answer =
            self.ask("POST", "/api/v1", &[("Content-Type", "application/json")], call.to_string().as_bytes()).await;
        (answer.status, answer.text())
    }

    /// The answer to a call that only reads.
    pub(crate) async fn read(&self, kind: &str) -> Value {
        let (status, text) = self.call(&json!({"type": kind})).await;
        assert_eq!(status, 200, "{kind}: {text}");
        serde_json::from_str::<Value>(&text).unwrap()[kind.to_lowercase()].clone()
    }

    /// Any request.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len().to_string();
        let sent = [("Host", "test"), ("Connection", "close"), ("Content-Length", length.as_str())];
        let headers: String =
            sent.iter().chain(headers).flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
        let request = format!("{method} {path} HTTP/1.1\r\n{headers}\r\n");
        stream.write_all(&[request.as_bytes(), body].concat()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: HashMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        assert!(
            !headers.contains_key("transfer-encoding"),
            "an answer with a length is one message to clients: {head}"
        );
        Answer { status, headers, body: answer[end + 4..].to_vec() }
    }
}

/// A stream of records that is being read.
pub(crate) struct Reader {
    /// Its status line and headers.
    pub(crate) head: String,
    stream: BufReader<TcpStream>,
}

impl Reader {
    /// The next record; nothing when the stream has ended. A record is one chunk, and the chunk is the record.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        let mut size = String::new();
        self.stream.read_line(&mut size).await.unwrap();
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).await.unwrap();
        assert_eq!(chunk.split_off(size), b"\r\n");
        if size == 0 {
            return None;
        }
        let mut rest = chunk.as_slice();
        let record = Decoder::new(1 << 20).decode(&mut rest).unwrap().unwrap();
        assert!(rest.is_empty(), "one record in one chunk");
        Some(record)
    }

    /// The next record as JSON, which must be one of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let record = tokio::time::timeout(Duration::from_secs(10), self.next()).await;
        let record =
            record.unwrap_or_else(|_| panic!("no {kind}")).unwrap_or_else(|| panic!("the end instead of {kind}"));
        assert!(record.is_ascii() && !record.contains(&b'\n'), "clients slice it by bytes and lines");
        let event: Value = serde_json::from_slice(&record).unwrap();
        assert_eq!(event["type"], kind, "{event}");
        event
    }
}

impl Served {
    /// POST whose answer is a stream.
    pub(crate) async fn stream(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reader {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let headers: String = headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
        let request = format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
        stream.write_all(&[request.as_bytes(), body].concat()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut head).await.unwrap(), 0, "{head}");
        }
        Reader { head: head.to_lowercase(), stream }
    }
}

fn ready(status: &str, reason: &str) -> Value {
    json!([{"type": "Ready", "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-11-22T15:40:00Z"}])
}

/// An agent with this condition.
pub(crate) fn agent(name: &str, id: &str, status: &str, reason: &str) -> Value {
    json!({
        "apiVersion": "proffer.dev/v1alpha1", "kind": "Agent",
        "metadata": {"name": name, "uid": format!("uid-of-{id}"), "creationTimestamp": "2026-11-22T15:40:00Z"},
        "spec": {"attributes": {"rack": "r1"}},
        "status": {
            "agentId": id, "version": "0.1.0", "masterEpoch": 5, "ports": "[31000-32000]",
            "slot": {"pod": "p", "uid": "u", "address": "10.244.1.7", "cpu": "4", "memory": "8Gi"},
            "conditions": ready(status, reason),
        },
    })
}

/// A framework that the master took in.
pub(crate) fn framework(namespace: &str, name: &str, id: &str) -> Value {
    json!({
        "apiVersion": "proffer.dev/v1alpha1", "kind": "Framework",
        "metadata": {
            "name": name, "namespace": namespace, "uid": format!("uid-of-{id}"),
            "creationTimestamp": "2026-11-22T15:41:00Z",
        },
        "spec": {},
        "status": {"frameworkId": id, "masterEpoch": 5, "offers": 1, "conditions": ready("True", "Registered")},
    })
}

/// A task with this status.
#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
pub(crate) fn task(namespace: &str, framework: &str, name: &str, status: Value) -> Value {
    json!({
        "apiVersion": "proffer.dev/v1alpha1", "kind": "Task",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-of-{name}")},
        "spec": {
            "frameworkRef": {"name": framework}, "command": {"value": "true"}, "user": "daemon",
            "resources": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "1"},
        },
        "status": status,
    })
}

/// The status of a task on the first agent.
#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
pub(crate) fn status(state: &str, ports: &[u16], times: Value) -> Value {
    json!({
        "masterEpoch": 5, "state": state, "ports": ports, "times": times,
        "agent": {"name": "node1", "id": "a1", "address": "10.244.1.7"},
    })
}

/// Two frameworks in two namespaces, with tasks in several states, an offer, and agents in every standing.
fn objects() -> Vec<Value> {
    vec![
        agent("node1", "a1", "True", "Registered"),
        agent("node2", "a2", "False", "NotRegistered"),
        agent("node3", "a3", "False", "Unreachable"),
        framework("ns", "fw", "fw-1"),
        framework("other", "fw", "fw-2"),
        task(
            "ns",
            "fw",
            "run",
            status("Running", &[31_000, 31_001], json!({"running": "2026-11-22T15:42:00.500000Z"})),
        ),
        task(
            "ns",
            "fw",
            "done",
            status(
                "Failed",
                &[],
                json!({"running": "2026-11-22T15:43:00.000000Z", "completed": "2026-11-22T15:44:00.250000Z"}),
            ),
        ),
        task("ns", "fw", "away", status("Unreachable", &[], json!({"running": "2026-11-22T15:41:30.000000Z"}))),
        task("ns", "fw", "waits", json!({"masterEpoch": 5, "state": "Pending"})),
        task("other", "fw", "theirs", status("Staging", &[], json!({}))),
        json!({
            "apiVersion": "proffer.dev/v1alpha1", "kind": "Offer",
            "metadata": {"name": "offer-1", "namespace": "ns"},
            "spec": {"terms": {
                "framework": "fw", "agent": {"name": "node1", "id": "a1"}, "role": "*", "masterEpoch": 5,
                "resources": {"cpu": "1", "memory": "1Gi", "disk": "0", "ports": "[31002-31003]"},
                "expiresAt": "2026-11-22T15:50:00Z",
            }},
        }),
    ]
}
