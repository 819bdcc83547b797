//! What operators change over HTTP.

use super::cluster::Served;
use crate::api_server::Fault;
use crate::files::{LOOPBACK, user};
use axum::http::Method;
use proffer_controller::auth::Anonymous;
use serde_json::json;

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn teardown(id: &str) -> Vec<u8> {
    json!({"type": "TEARDOWN", "teardown": {"framework_id": {"value": id}}}).to_string().into_bytes()
}

#[tokio::test]
async fn a_torn_down_framework_is_deleted() {
    let served = Served::leader(LOOPBACK).await;
    let objects = &served.replica.server;
    assert_eq!(served.ask("POST", "/api/v1", &[JSON], &teardown("fw-2")).await.status, 200);
    assert!(objects.get("frameworks", "other", "fw").is_none());
    let form = served.ask("POST", "/master/teardown", &[], b"frameworkId=fw%2D1&x=y").await;
    assert_eq!((form.status, form.body.len()), (200, 0), "{}", form.text());
    assert!(objects.get("frameworks", "ns", "fw").is_none());
}

#[tokio::test]
async fn a_teardown_that_cannot_be_says_why() {
    let served = Served::leader(LOOPBACK).await;
    let unknown = served.ask("POST", "/api/v1", &[JSON], &teardown("nope")).await;
    assert_eq!((unknown.status, unknown.text().as_str()), (400, "No framework found with specified ID"));
    let unnamed = served.ask("POST", "/teardown", &[], b"framework=fw-1").await;
    assert_eq!(
        (unnamed.status, unnamed.text().as_str()),
        (400, "Missing 'frameworkId' query parameter in the request body")
    );
    let get = served.get("/teardown").await;
    assert_eq!((get.status, get.headers["allow"].as_str()), (405, "POST"));
    served.replica.server.fault(Method::DELETE, "/frameworks/fw", Fault::Refuse(500));
    assert_eq!(served.ask("POST", "/api/v1", &[JSON], &teardown("fw-1")).await.status, 503);
    assert!(served.replica.server.get("frameworks", "ns", "fw").is_some());
}

#[tokio::test]
async fn who_may_not_change_something_does_not() {
    let served = Served::leader(Anonymous { loopback: false, everybody: false }).await;
    let objects = &served.replica.server;
    user(objects, "alice");
    objects.allow("alice", "ns");
    objects.grant("alice", "get /logging/toggle", "");
    let alice = ("Authorization", "Bearer alice");
    assert_eq!(served.ask("POST", "/api/v1", &[JSON, alice], &teardown("fw-2")).await.status, 403);
    assert!(objects.get("frameworks", "other", "fw").is_some());
    let deactivate = br#"{"type":"DEACTIVATE_AGENT","deactivate_agent":{"agent_id":{"value":"a1"}}}"#;
    assert_eq!(served.ask("POST", "/api/v1", &[JSON, alice], deactivate).await.status, 403);
    assert_eq!(served.ask("GET", "/logging/toggle?level=2&duration=1hrs", &[alice], b"").await.status, 403);
    assert_eq!(served.ask("GET", "/logging/toggle", &[alice], b"").await.text(), "0\n");
    assert_eq!(served.ask("POST", "/api/v1", &[JSON, alice], &teardown("fw-1")).await.status, 200);
}

#[tokio::test]
async fn an_agent_is_deactivated_and_reactivated_in_its_object() {
    let served = Served::leader(LOOPBACK).await;
    let act = async |kind: &str, id: &str| {
        let body = json!({"type": kind, kind.to_lowercase(): {"agent_id": {"value": id}}}).to_string();
        let answer = served.ask("POST", "/api/v1", &[JSON], body.as_bytes()).await;
        (answer.status, answer.text())
    };
    assert_eq!(act("DEACTIVATE_AGENT", "nope").await, (400, "Unknown agent".to_owned()));
    assert_eq!(act("REACTIVATE_AGENT", "a1").await, (400, "Agent is not deactivated".to_owned()));
    assert_eq!(act("DEACTIVATE_AGENT", "a1").await, (200, String::new()));
    assert_eq!(served.replica.server.get("agents", "", "node1").unwrap()["spec"]["deactivated"], true);
    served.deactivated("node1").await;
    assert_eq!(act("REACTIVATE_AGENT", "a1").await, (200, String::new()));
    assert_eq!(served.replica.server.get("agents", "", "node1").unwrap()["spec"]["deactivated"], false);
}

#[tokio::test]
async fn how_much_is_logged_is_set_for_a_while() {
    let served = Served::leader(LOOPBACK).await;
    let level = async || {
        let answer = served.ask("POST", "/api/v1", &[JSON], br#"{"type":"GET_LOGGING_LEVEL"}"#).await;
        answer.json()["get_logging_level"]["level"].clone()
    };
    assert_eq!(level().await, 0);
    let set = br#"{"type":"SET_LOGGING_LEVEL","set_logging_level":{"level":2,"duration":{"nanoseconds":300000000}}}"#;
    assert_eq!(served.ask("POST", "/api/v1", &[JSON], set).await.status, 200);
    assert_eq!(level().await, 2);
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    assert_eq!(level().await, 0, "its time is over");

    for (query, status, told) in [
        ("?level=1", 400, "Expecting 'duration=value' in query.\n"),
        ("?duration=1secs", 400, "Expecting 'level=value' in query.\n"),
        ("?level=x&duration=1secs", 400, "Failed to convert 'x' to number.\n"),
        ("?level=-1&duration=1secs", 400, "Invalid level '-1'.\n"),
        ("?level=1&duration=1sec", 400, "Invalid duration '1sec'.\n"),
        ("?level=1&duration=10mins", 200, ""),
        ("", 200, "1\n"),
    ] {
        let answer = served.get(&format!("/logging/toggle{query}")).await;
        assert_eq!((answer.status, answer.text().as_str()), (status, told), "{query}");
    }
}
