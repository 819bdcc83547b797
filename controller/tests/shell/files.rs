//! HTTP: who is sent where, who may see what, and sandboxes read through the link.

use crate::api_server::{ApiServer, eventually};
use crate::link::{Replica, TestAgent};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::MockConnectInfo;
use axum::http::{Request, Response, StatusCode, header};
use clap::Parser;
use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};
use kube::Api;
use proffer_agent_link::v1::{self, file_reply, file_request, from_agent, from_master};
use proffer_controller::args::Arguments;
use proffer_controller::auth::{Access, Anonymous, Credentials, ReadState, Reviewer};
use proffer_controller::http::{About, Master, Subscribers, router};
use proffer_controller::leader::Identity;
use proffer_controller::logging::Levels;
use proffer_controller::metrics::Metrics;
use proffer_controller::operators::Operators;
use proffer_controller::registry::{Registry, Watches};
use proffer_controller::schedulers::Schedulers;
use proffer_crds::{Agent, AllocationRole, Framework, Maintenance, Offer, Reservation, Task};
use proffer_master::{ObjectKey, Time};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

/// Where the sandbox of the test's task is.
const SANDBOX: &str = "/var/lib/proffer/slaves/a1/t1";

/// HTTP of a replica, asked by somebody from this address.
async fn http(replica: &Replica, peer: &str, anonymous: Anonymous) -> (Router, Arc<Registry>) {
    let master = master(replica, anonymous).await;
    let registry = Arc::clone(&master.registry);
    let peer: SocketAddr = peer.parse().unwrap();
    (router(master).layer(MockConnectInfo(peer)), registry)
}

/// What the handlers of a replica need, with all its watches synced.
pub(crate) async fn master(replica: &Replica, anonymous: Anonymous) -> Master {
    let server: &ApiServer = &replica.server;
    let (registry, client, metrics) = (Registry::new(), server.client(), Arc::new(Metrics::new()));
    let mut watches = Watches::new(Arc::clone(&registry), Arc::clone(&metrics), Duration::from_secs(30));
    watches.start::<Framework>(&client, Api::all(client.clone()), None);
    watches.start::<Task>(&client, Api::all(client.clone()), None);
    watches.start::<Offer>(&client, Api::all(client.clone()), None);
    watches.start::<Agent>(&client, Api::all(client.clone()), None);
    watches.start::<AllocationRole>(&client, Api::all(client.clone()), None);
    watches.start::<Reservation>(&client, Api::all(client.clone()), None);
    watches.start::<Maintenance>(&client, Api::all(client.clone()), None);
    watches.synced().await;
    let about = About::new(Time(1_795_364_528_431_522), &Arguments::parse_from(["proffer-controller"]).run);
    about.elected(Time(1_795_364_528_432_953));
    Master {
        me: Identity::new("me", "10.0.0.1".parse().unwrap()),
        standing: replica.standing.subscribe(),
        holder: replica.holder.subscribe(),
        port: 5050,
        watches,
        registry,
        links: Arc::clone(&replica.links),
        access: Arc::new(Access::new(
            Arc::new(Reviewer::new(client.clone())),
            Credentials::new(ReadState::Off),
            anonymous,
            "default",
        )),
        levels: Levels::new("info", drop),
        client,
        metrics,
        about: Arc::new(about),
        subscribers: Subscribers::default(),
        schedulers: Schedulers::default(),
        operators: Operators::default(),
    }
}

async fn get(router: &Router, path: &str, token: Option<&str>) -> (StatusCode, Response<()>, String) {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
    (parts.status, Response::from_parts(parts, ()), body)
}

fn task() -> serde_json::Value {
    json!({
        "apiVersion": "proffer.dev/v1alpha1", "kind": "Task",
        "metadata": {"name": "t", "namespace": "ns", "uid": "t1"},
        "spec": {"frameworkRef": {"name": "fw"}, "command": {"value": "true"}},
        "status": {"masterEpoch": 5, "state": "Running", "sandbox": SANDBOX, "agent": {"name": "node1", "id": "a1"}},
    })
}

pub(crate) fn user(server: &ApiServer, token: &str) {
    let user = UserInfo { username: Some(token.to_owned()), ..UserInfo::default() };
    server.token(
        token,
        TokenReviewStatus { authenticated: Some(true), user: Some(user), ..TokenReviewStatus::default() },
    );
}

/// Answers every file request from one file, `stdout`.
async fn serve_stdout(mut agent: TestAgent, content: Vec<u8>) {
    while let Some(message) = agent.hears().await {
        let from_master::Message::FileRequest(request) = message else { continue };
        let size = u64::try_from(content.len()).unwrap();
        let result = match (request.operation, request.path.strip_prefix(SANDBOX)) {
            (Some(file_request::Operation::Browse(_)), Some("")) => file_reply::Result::List(v1::FileList {
                files: vec![v1::FileInfo {
                    path: format!("{SANDBOX}/stdout"),
                    nlink: 1,
                    size,
                    mtime: 5.0,
                    mode: "-rw-r--r--".to_owned(),
                    uid: "nobody".to_owned(),
                    gid: "nogroup".to_owned(),
                }],
            }),
            (Some(file_request::Operation::Read(read)), Some("/stdout")) => {
                let begin = usize::try_from(read.offset).unwrap_or(content.len()).min(content.len());
                let length = usize::try_from(read.length).unwrap_or(65_536).min(65_536);
                let end = (begin + length).min(content.len());
                file_reply::Result::Data(v1::FileData {
                    offset: u64::try_from(begin).unwrap(),
                    data: content[begin..end].to_vec(),
                    size,
                })
            }
            _ => file_reply::Result::Error(v1::FileError { status: 404, message: "no such file".to_owned() }),
        };
        let reply = v1::FileReply { id: request.id, result: Some(result) };
        agent.say(from_agent::Message::FileReply(reply)).await;
    }
}

pub(crate) const LOOPBACK: Anonymous = Anonymous { loopback: true, everybody: false };

#[tokio::test]
async fn a_standby_sends_everybody_to_the_leader() {
    let replica = Replica::start().await;
    let (router, _) = http(&replica, "127.0.0.1:999", LOOPBACK).await;
    let (status, _, body) = get(&router, "/redirect", None).await;
    assert_eq!((status, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "No leader elected"));
    replica.holder.send_replace(Some(Identity::new("other", "10.244.1.9".parse().unwrap())));
    for (path, location) in [
        ("/redirect", "//10.244.1.9:5050"),
        ("/master/redirect", "//10.244.1.9:5050"),
        ("/state?jsonp=x", "//10.244.1.9:5050/state?jsonp=x"),
        ("/files/read?path=/a&offset=0", "//10.244.1.9:5050/files/read?path=/a&offset=0"),
    ] {
        let (status, response, _) = get(&router, path, None).await;
        assert_eq!(status, StatusCode::TEMPORARY_REDIRECT, "{path}");
        assert_eq!(response.headers()[header::LOCATION], location);
    }
    assert_eq!(get(&router, "/readyz", None).await.2, "ok: stands by\n");
    assert_eq!(get(&router, "/healthz", None).await.0, StatusCode::OK);
    let (_, _, version) = get(&router, "/version", None).await;
    let version: serde_json::Value = serde_json::from_str(&version).unwrap();
    let fields: Vec<&String> = version.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["build_date", "build_time", "build_user", "git_sha", "version"]);
}

#[tokio::test]
async fn a_leader_serves_what_there_is_and_tells_what_there_is_not() {
    let replica = Replica::start().await;
    let (router, _) = http(&replica, "127.0.0.1:999", LOOPBACK).await;
    let _events = replica.lead();
    assert_eq!(get(&router, "/readyz", None).await.2, "ok: leads\n");
    let (status, _, body) = get(&router, "/api/v1/executor", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("/api/v1/executor is not served by this version"), "{body}");
    assert!(get(&router, "/metrics", None).await.2.contains("proffer_leader"));
}

#[tokio::test]
async fn files_are_for_who_may_get_the_tasks_sandbox() {
    let replica = Replica::start().await;
    replica.server.put(task());
    let (router, registry) = http(&replica, "10.9.9.9:999", LOOPBACK).await;
    eventually("the task is known", || registry.get::<Task>(&ObjectKey::new("ns", "t"))).await;
    let mut events = replica.lead();
    let (agent, _) = replica.register("node1", &mut events).await;
    tokio::spawn(serve_stdout(agent, b"hello\n".to_vec()));
    user(&replica.server, "alice");
    user(&replica.server, "mallory");
    replica.server.allow("alice", "ns");

    let path = format!("/files/read?path={SANDBOX}/stdout&offset=0");
    let (status, response, body) = get(&router, &path, None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
    assert!(body.contains("send the header Authorization: Bearer TOKEN"), "{body}");
    assert_eq!(get(&router, &path, Some("nobody-knows-me")).await.0, StatusCode::UNAUTHORIZED);
    let (status, _, body) = get(&router, &path, Some("mallory")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body.contains("mallory may not get tasks/sandbox of group proffer.dev in namespace ns"), "{body}");
    let (status, _, body) = get(&router, &path, Some("alice")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"data":"hello\n","offset":0}"#));
}

#[tokio::test]
async fn files_are_read_as_mesos_gives_them() {
    let replica = Replica::start().await;
    replica.server.put(task());
    let (router, registry) = http(&replica, "[::ffff:127.0.0.1]:999", LOOPBACK).await;
    eventually("the task is known", || registry.get::<Task>(&ObjectKey::new("ns", "t"))).await;
    let mut events = replica.lead();
    let (agent, _) = replica.register("node1", &mut events).await;
    tokio::spawn(serve_stdout(agent, b"hello\n".to_vec()));
    let stdout = format!("{SANDBOX}/stdout");
    for (path, status, expected) in [
        (format!("/files/read?path={stdout}&offset=2&length=3"), 200, r#"{"data":"llo","offset":2}"#.to_owned()),
        (format!("/files/read.json?path={stdout}&offset=0"), 200, r#"{"data":"hello\n","offset":0}"#.to_owned()),
        (format!("/files/read?path={stdout}&offset=-1&length=-1"), 200, r#"{"data":"","offset":6}"#.to_owned()),
        (format!("/files/read?path={stdout}"), 200, r#"{"data":"","offset":6}"#.to_owned()),
        (
            format!("/files/read?path={stdout}&offset=0&jsonp=cb"),
            200,
            r#"cb({"data":"hello\n","offset":0});"#.to_owned(),
        ),
        (
            format!("/files/read?path={stdout}&offset=0&jsonp=a(b)"),
            400,
            "jsonp must be the name of a function.\n".to_owned(),
        ),
        (format!("/files/read?path={stdout}&offset=-2"), 400, "Negative offset provided: -2.\n".to_owned()),
        (format!("/files/read?path={stdout}&length=-2"), 400, "Negative length provided: -2.\n".to_owned()),
        (
            format!("/files/read?path={stdout}&offset=x"),
            400,
            "Failed to parse offset: \"x\": invalid digit found in string.\n".to_owned(),
        ),
        ("/files/read".to_owned(), 400, "Expecting 'path=value' in query.\n".to_owned()),
        (format!("/files/read?path={SANDBOX}/nothing&offset=0"), 404, "no such file.\n".to_owned()),
        (
            "/files/read?path=/etc/passwd&offset=0".to_owned(),
            404,
            "No task's sandbox is at \"/etc/passwd\": a Task's own path stands in its status.sandbox.\n".to_owned(),
        ),
        (
            format!("/files/read?path={SANDBOX}/../../x&offset=0"),
            400,
            "The path must not have .. or a zero byte in it.\n".to_owned(),
        ),
        (
            format!("/files/browse?path={SANDBOX}"),
            200,
            format!(
                r#"[{{"path":"{stdout}","nlink":1,"size":6,"mtime":5.0,"mode":"-rw-r--r--","uid":"nobody","gid":"nogroup"}}]"#
            ),
        ),
    ] {
        let (code, response, body) = get(&router, &path, None).await;
        assert_eq!((code.as_u16(), body), (status, expected), "{path}");
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
    }
}

#[tokio::test]
async fn a_download_is_whole_and_no_page() {
    let replica = Replica::start().await;
    replica.server.put(task());
    let (router, registry) = http(&replica, "127.0.0.1:999", LOOPBACK).await;
    eventually("the task is known", || registry.get::<Task>(&ObjectKey::new("ns", "t"))).await;
    let mut events = replica.lead();
    let (agent, _) = replica.register("node1", &mut events).await;
    let content = "0123456789".repeat(20_000);
    tokio::spawn(serve_stdout(agent, content.clone().into_bytes()));
    let (status, response, body) = get(&router, &format!("/files/download?path={SANDBOX}/stdout"), None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body == content, "{} bytes", body.len());
    for (name, value) in [
        (header::CONTENT_LENGTH, "200000"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"stdout\""),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
    ] {
        assert_eq!(response.headers()[&name], value);
    }
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_named() {
    let replica = Replica::start().await;
    replica.server.put(task());
    let (router, registry) = http(&replica, "127.0.0.1:999", LOOPBACK).await;
    eventually("the task is known", || registry.get::<Task>(&ObjectKey::new("ns", "t"))).await;
    let _events = replica.lead();
    let (status, _, body) = get(&router, &format!("/files/browse?path={SANDBOX}"), None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, "agent node1 is not connected: try again when it is Ready again.\n");
}
