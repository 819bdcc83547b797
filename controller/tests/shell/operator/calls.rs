//! `POST /api/v1`.

use super::cluster::{Answer, Served};
use super::shape::missing;
use crate::files::{LOOPBACK, user};
use proffer_controller::auth::Anonymous;
use proffer_controller::leader::Identity;
use proffer_mesos_api::v1::master::call::Type;
use proffer_mesos_api::v1::master::{Call, Response};
use proffer_mesos_api::{decode, encode};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// What the objects do not have of a task: identities of updates, process ids, and why a task that runs does so.
const NOT_KEPT: [&str; 3] = ["uuid", "executor_pid", "checkpoint"];

macro_rules! recorded {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!(
            "../../../../crates/mesos-api/tests/data/recorded/v1.master.", $name, ".json"
        )))),+]
    };
}

async fn call(served: &Served, body: &Value) -> Answer {
    served.ask("POST", "/api/v1", &[JSON], body.to_string().as_bytes()).await
}

#[tokio::test]
async fn every_reading_call_answers_like_a_real_mesos() {
    let served = Served::leader(LOOPBACK).await;
    for (name, recorded) in recorded![
        "GET_HEALTH",
        "GET_FLAGS",
        "GET_VERSION",
        "GET_LOGGING_LEVEL",
        "GET_AGENTS",
        "GET_EXECUTORS",
        "GET_OPERATIONS",
        "GET_TASKS",
        "GET_ROLES",
        "GET_WEIGHTS",
        "GET_MASTER",
        "GET_MAINTENANCE_STATUS",
        "GET_MAINTENANCE_SCHEDULE",
        "GET_QUOTA",
        "GET_FRAMEWORKS",
        "GET_STATE",
    ] {
        let answer = call(&served, &json!({"type": name})).await;
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/json"), "{name}");
        let recorded: Value = serde_json::from_str(recorded).unwrap();
        let mut missing = missing(&recorded, &answer.json(), &[]);
        // Frameworks that are over have no object.
        missing.retain(|path| {
            !NOT_KEPT.iter().any(|part| path.contains(part)) && !path.ends_with("completed_frameworks[]")
        });
        assert_eq!(missing, Vec::<String>::new(), "{name}");
    }
    let metrics = call(&served, &json!({"type": "GET_METRICS", "get_metrics": {}})).await.json();
    let figures = metrics["get_metrics"]["metrics"].as_array().unwrap();
    assert!(figures.contains(&json!({"name": "master/tasks_running", "value": 1.0})));
}

#[tokio::test]
async fn protobuf_says_the_same() {
    let served = Served::leader(LOOPBACK).await;
    let body = encode(&Call { r#type: Some(Type::GetState.into()), ..Call::default() });
    let types = [("Content-Type", "application/x-protobuf"), ("Accept", "application/x-protobuf")];
    let answer = served.ask("POST", "/master/api/v1/operator", &types, &body).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/x-protobuf"));
    let state = decode::<Response>(&answer.body).unwrap().get_state.unwrap();
    let tasks = state.get_tasks.unwrap();
    let ids: Vec<&str> = tasks.tasks.iter().map(|task| task.task_id.value.as_str()).collect();
    assert_eq!(ids, ["run", "theirs"]);
    assert_eq!(tasks.completed_tasks[0].statuses.len(), 2);
    let agents = state.get_agents.unwrap();
    assert_eq!((agents.agents.len(), agents.recovered_agents.len()), (1, 1));
    assert_eq!(agents.agents[0].registered_time.unwrap().nanoseconds, 1_795_362_000_000_000_000);
}

#[tokio::test]
async fn bad_calls_are_refused_in_mesos_words() {
    let served = Served::leader(LOOPBACK).await;
    let protobuf = ("Content-Type", "application/x-protobuf");
    for (headers, body, status, told) in [
        (vec![], "{}", 400, "Expecting 'Content-Type' to be present"),
        (vec![JSON], "{", 400, "Failed to parse body into JSON: "),
        (vec![JSON], r#"{"type": {}}"#, 400, "Failed to convert JSON into Call protobuf: "),
        (vec![JSON], r#"{"type":"NOPE"}"#, 400, "Failed to validate master::Call: Expecting 'type' to be present"),
        (
            vec![JSON],
            r#"{"type":"GET_METRICS"}"#,
            400,
            "Failed to validate master::Call: Expecting 'get_metrics' to be present",
        ),
        (vec![protobuf], "{", 400, "Failed to parse body into Call protobuf"),
        (
            vec![("Content-Type", "text/plain")],
            "x",
            415,
            "Expecting 'Content-Type' of application/json or application/x-protobuf",
        ),
        (
            vec![JSON, ("Accept", "text/plain")],
            r#"{"type":"GET_HEALTH"}"#,
            406,
            "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
        ),
    ] {
        let answer = served.ask("POST", "/api/v1", &headers, body.as_bytes()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.text().starts_with(told), "{body}: {}", answer.text());
    }
    let get = served.get("/api/v1").await;
    assert_eq!((get.status, get.headers["allow"].as_str()), (405, "POST"));
    assert_eq!(get.text(), "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'.");
}

#[tokio::test]
async fn callers_and_standbys_are_told_apart() {
    let served = Served::leader(Anonymous { loopback: false, everybody: false }).await;
    user(&served.replica.server, "alice");
    served.replica.server.allow_list("alice", "ns", "frameworks");
    let body = json!({"type": "GET_FRAMEWORKS"}).to_string();
    assert_eq!(served.ask("POST", "/api/v1", &[JSON], body.as_bytes()).await.status, 401);
    let alice = served.ask("POST", "/api/v1", &[JSON, ("Authorization", "Bearer alice")], body.as_bytes()).await.json();
    let seen = alice["get_frameworks"]["frameworks"].as_array().unwrap();
    assert_eq!((seen.len(), &seen[0]["framework_info"]["id"]["value"]), (1, &json!("fw-1")));

    let standby = Served::standby().await;
    standby.replica.holder.send_replace(Some(Identity::new("other", "10.244.1.9".parse().unwrap())));
    let answer = standby.ask("POST", "/api/v1", &[], b"").await;
    assert_eq!((answer.status, answer.headers["location"].as_str()), (307, "//10.244.1.9:5050/api/v1"));
}
