//! The checks of a call, each with Mesos' status and words.

use super::world::{World, info};
use crate::operator::cluster::Served;
use serde_json::json;

const JSON: (&str, &str) = ("Content-Type", "application/json");
const PATH: &str = "/api/v1/scheduler";

#[expect(clippy::too_many_lines, clippy::type_complexity, reason = "a table")]
#[tokio::test]
async fn every_check_has_the_status_and_the_words_of_mesos() {
    let world = World::new().await;
    let mut scheduler = world.subscribe(&info()).await;
    let ask = async |method: &str, headers: &[(&str, &str)], body: &str| {
        let answer = world.served.ask(method, PATH, headers, body.as_bytes()).await;
        (answer.status, answer.text())
    };
    let id = &scheduler.id;
    let revive = |id: &str| json!({"type": "REVIVE", "framework_id": {"value": id}}).to_string();
    let subscribe = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info()}}).to_string();
    let stream = ("Mesos-Stream-Id", scheduler.stream_id.as_str());
    let table: Vec<(&str, Vec<(&str, &str)>, String, u16, String)> = vec![
        (
            "GET",
            vec![],
            String::new(),
            405,
            "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'.".to_owned(),
        ),
        ("POST", vec![], "{}".to_owned(), 400, "Expecting 'Content-Type' to be present".to_owned()),
        (
            "POST",
            vec![("Content-Type", "text/plain")],
            "{}".to_owned(),
            415,
            "Expecting 'Content-Type' of application/json or application/x-protobuf".to_owned(),
        ),
        (
            "POST",
            vec![("Content-Type", "application/x-protobuf")],
            "\u{1}".to_owned(),
            400,
            "Failed to parse body into Call protobuf".to_owned(),
        ),
        (
            "POST",
            vec![JSON],
            "{}".to_owned(),
            400,
            "Failed to validate scheduler::Call: Expecting 'type' to be present".to_owned(),
        ),
        (
            "POST",
            vec![JSON],
            r#"{"type":"REVIVE"}"#.to_owned(),
            400,
            "Failed to validate scheduler::Call: Expecting 'framework_id' to be present".to_owned(),
        ),
        (
            "POST",
            vec![JSON, ("Accept", "text/html")],
            subscribe.clone(),
            406,
            "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'".to_owned(),
        ),
        (
            "POST",
            vec![JSON, stream],
            subscribe,
            400,
            "Subscribe calls should not include the 'Mesos-Stream-Id' header".to_owned(),
        ),
        ("POST", vec![JSON], revive("nobody"), 400, "Framework cannot be found".to_owned()),
        (
            "POST",
            vec![JSON],
            revive(id),
            400,
            "All non-subscribe calls should include the 'Mesos-Stream-Id' header".to_owned(),
        ),
        (
            "POST",
            vec![JSON, ("Mesos-Stream-Id", "wrong")],
            revive(id),
            400,
            format!(
                "The stream ID 'wrong' included in this request didn't match the stream ID currently associated with \
                 framework ID {id}"
            ),
        ),
        ("POST", vec![JSON, stream], revive(id), 202, String::new()),
    ];
    for (method, headers, body, status, text) in table {
        assert_eq!(ask(method, &headers, &body).await, (status, text), "{method} {headers:?} {body}");
    }
    let malformed = ask("POST", &[JSON], "{").await;
    assert!(malformed.0 == 400 && malformed.1.starts_with("Failed to parse body into JSON: "), "{malformed:?}");
    let odd = ask("POST", &[JSON], r#"{"type":5.5}"#).await;
    assert!(odd.0 == 400 && odd.1.starts_with("Failed to convert JSON into Call protobuf: "), "{odd:?}");

    for line in ["content-type: application/json", "transfer-encoding: chunked"] {
        assert!(scheduler.events.head.lines().any(|header| header == line), "{}", scheduler.events.head);
    }
    let mut update = info();
    update["id"] = json!({"value": id});
    update["user"] = json!("somebody");
    let call = json!({"type": "UPDATE_FRAMEWORK", "framework_id": {"value": id}, "update_framework": {"framework_info": update}});
    let refused = ask("POST", &[JSON, stream], &call.to_string()).await;
    assert_eq!(
        refused,
        (
            400,
            "FrameworkInfo update is not valid: Updating 'FrameworkInfo.user' is unsupported; attempted to update from \
             'root' to 'somebody'"
                .to_owned()
        )
    );
    update["user"] = json!("root");
    update["webui_url"] = json!("http://example.com");
    let call = json!({"type": "UPDATE_FRAMEWORK", "framework_id": {"value": id}, "update_framework": {"framework_info": update}});
    assert_eq!(ask("POST", &[JSON, stream], &call.to_string()).await, (200, String::new()));
    world
        .object("frameworks", |framework| {
            framework["spec"]["scheduler"]["external"]["frameworkInfo"]["webui_url"] == "http://example.com"
        })
        .await;

    // Who reads no more is not subscribed any more.
    let (id, stream_id) = (id.clone(), scheduler.stream_id.clone());
    drop(std::mem::replace(&mut scheduler.events, world.open(&info()).await));
    world.object("frameworks", |framework| framework["status"]["phase"] == "Disconnected").await;
    let answer = ask("POST", &[JSON, ("Mesos-Stream-Id", &stream_id)], &revive(&id)).await;
    assert_eq!(answer, (403, "Framework is not subscribed".to_owned()));
}

#[tokio::test]
async fn errors_of_a_subscription_come_as_an_event() {
    let world = World::new().await;
    let mut bad = info();
    bad["roles"] = json!(["/x"]);
    let mut events = world.open(&bad).await;
    let error = events.expect("ERROR").await;
    assert!(error["error"]["message"].as_str().unwrap().starts_with("'FrameworkInfo.roles' contains invalid role: "));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_standby_says_where_the_leader_is() {
    let served = Served::standby().await;
    let answer = served.ask("POST", PATH, &[JSON], b"{}").await;
    assert_eq!((answer.status, answer.text().as_str()), (503, "No leader elected"));
}
