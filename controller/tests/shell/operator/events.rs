//! The event stream of `POST /api/v1`.

use super::cluster::{Served, agent, framework, status, task};
use crate::files::{LOOPBACK, user};
use proffer_controller::auth::Anonymous;
use proffer_mesos_api::decode;
use proffer_mesos_api::v1::master::{Event, event};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const SUBSCRIBE: &[u8] = br#"{"type":"SUBSCRIBE"}"#;
/// When a task ran.
const RUN_AT: &str = "2026-11-22T15:45:00.000000Z";

#[tokio::test]
async fn everything_comes_first_then_a_heartbeat_then_what_happens() {
    let served = Served::leader(LOOPBACK).await;
    let mut reader = served.stream("/api/v1", &[JSON], SUBSCRIBE).await;
    assert!(reader.head.starts_with("http/1.1 200 ok\r\n"), "{}", reader.head);
    assert!(reader.head.contains("\r\ntransfer-encoding: chunked\r\n"), "{}", reader.head);
    assert!(reader.head.contains("\r\ncontent-type: application/json\r\n"), "exactly so: {}", reader.head);
    let subscribed = reader.expect("SUBSCRIBED").await;
    assert_eq!(subscribed["subscribed"]["heartbeat_interval_seconds"], 15.0);
    let state = served.ask("POST", "/api/v1", &[JSON], br#"{"type":"GET_STATE"}"#).await.json();
    assert_eq!(subscribed["subscribed"]["get_state"], state["get_state"]);
    assert_eq!(reader.expect("HEARTBEAT").await, json!({"type": "HEARTBEAT"}));

    let objects = &served.replica.server;
    objects.put(task("ns", "fw", "new", json!({"masterEpoch": 5, "state": "Pending"})));
    objects.put(task("ns", "fw", "new", status("Staging", &[], json!({}))));
    let added = reader.expect("TASK_ADDED").await;
    assert_eq!(added["task_added"]["task"]["task_id"]["value"], "new");
    assert_eq!(added["task_added"]["task"]["state"], "TASK_STAGING");
    objects.put(task("ns", "fw", "new", status("Running", &[], json!({"running": RUN_AT}))));
    let updated = &reader.expect("TASK_UPDATED").await["task_updated"];
    assert_eq!((&updated["framework_id"]["value"], &updated["state"]), (&json!("fw-1"), &json!("TASK_RUNNING")));
    assert_eq!(updated["status"]["timestamp"], 1_795_362_300.0);
    objects.put(task("ns", "fw", "new", status("Unreachable", &[], json!({"running": RUN_AT}))));
    let updated = &reader.expect("TASK_UPDATED").await["task_updated"];
    assert_eq!(
        (&updated["status"]["state"], &updated["status"]["source"]),
        (&json!("TASK_UNREACHABLE"), &json!("SOURCE_MASTER"))
    );

    objects.put(agent("node2", "a2", "True", "Registered"));
    let added = &reader.expect("AGENT_ADDED").await["agent_added"]["agent"];
    assert_eq!((&added["agent_info"]["id"]["value"], &added["active"]), (&json!("a2"), &json!(true)));
    objects.put(agent("node2", "a2", "False", "Disconnected"));
    objects.put(agent("node2", "a2", "False", "Unreachable"));
    let removed = reader.expect("AGENT_REMOVED").await;
    assert_eq!(removed["agent_removed"], json!({"agent_id": {"value": "a2"}}));

    objects.put(framework("ns", "late", "fw-3"));
    let added = &reader.expect("FRAMEWORK_ADDED").await["framework_added"]["framework"];
    assert_eq!((&added["framework_info"]["name"], &added["connected"]), (&json!("late"), &json!(true)));
    let mut going = framework("ns", "late", "fw-3");
    going["metadata"]["deletionTimestamp"] = json!("2026-11-22T15:50:00Z");
    objects.put(going);
    let updated = &reader.expect("FRAMEWORK_UPDATED").await["framework_updated"]["framework"];
    assert_eq!(updated["active"], false);
    objects.delete("frameworks", "ns", "late");
    let removed = &reader.expect("FRAMEWORK_REMOVED").await["framework_removed"];
    assert_eq!(removed["framework_info"]["id"]["value"], "fw-3");
}

#[tokio::test]
async fn protobuf_says_the_same() {
    let served = Served::leader(LOOPBACK).await;
    let types = [JSON, ("Accept", "application/x-protobuf")];
    let mut reader = served.stream("/master/api/v1", &types, SUBSCRIBE).await;
    assert!(reader.head.contains("\r\ncontent-type: application/x-protobuf\r\n"), "{}", reader.head);
    let mut next = async || decode::<Event>(&reader.next().await.unwrap()).unwrap();
    let subscribed = next().await;
    assert_eq!(subscribed.r#type(), event::Type::Subscribed);
    let state = subscribed.subscribed.unwrap().get_state.unwrap();
    assert_eq!(state.get_tasks.unwrap().tasks.len(), 2);
    assert_eq!(next().await.r#type(), event::Type::Heartbeat);
    served.replica.server.put(task("ns", "fw", "new", status("Staging", &[], json!({}))));
    let added = next().await;
    assert_eq!((added.r#type(), added.task_added.unwrap().task.name.as_str()), (event::Type::TaskAdded, "new"));
}

#[tokio::test]
async fn a_subscriber_hears_of_what_they_may_list() {
    let served = Served::leader(Anonymous { loopback: false, everybody: false }).await;
    let objects = &served.replica.server;
    user(objects, "alice");
    for plural in ["frameworks", "tasks"] {
        objects.allow_list("alice", "ns", plural);
    }
    let alice = ("Authorization", "Bearer alice");
    let mut reader = served.stream("/api/v1", &[JSON, alice], SUBSCRIBE).await;
    let subscribed = &reader.expect("SUBSCRIBED").await["subscribed"]["get_state"];
    assert_eq!(subscribed["get_agents"]["agents"], json!([]));
    let ids = |value: &Value| value.as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&subscribed["get_tasks"]["tasks"]), ["run"]);
    reader.expect("HEARTBEAT").await;
    objects.put(agent("node9", "a9", "True", "Registered"));
    objects.put(task("other", "fw", "hidden", status("Staging", &[], json!({}))));
    objects.put(task("ns", "fw", "seen", status("Staging", &[], json!({}))));
    assert_eq!(reader.expect("TASK_ADDED").await["task_added"]["task"]["name"], "seen");
    assert_eq!(
        served.stream("/api/v1", &[JSON], SUBSCRIBE).await.head.split("\r\n").next(),
        Some("http/1.1 401 unauthorized")
    );
}

#[tokio::test]
async fn subscribers_are_counted_until_they_go() {
    let served = Served::leader(LOOPBACK).await;
    let count =
        async || served.get("/metrics/snapshot").await.json()["master/operator_event_stream_subscribers"].clone();
    assert_eq!(count().await, 0.0);
    let mut first = served.stream("/api/v1", &[JSON], SUBSCRIBE).await;
    let mut second = served.stream("/api/v1", &[JSON], SUBSCRIBE).await;
    for reader in [&mut first, &mut second] {
        reader.expect("SUBSCRIBED").await;
    }
    assert_eq!(count().await, 2.0);
    drop(first);
    let mut left = Value::Null;
    for _ in 0..500 {
        left = count().await;
        if left == 1.0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(left, 1.0);
    drop(second);
    // With the last one the hub rests; who comes then finds everything again.
    let mut third = served.stream("/api/v1", &[JSON], SUBSCRIBE).await;
    third.expect("SUBSCRIBED").await;
    third.expect("HEARTBEAT").await;
    served.replica.server.put(task("ns", "fw", "new", status("Staging", &[], json!({}))));
    third.expect("TASK_ADDED").await;
}
