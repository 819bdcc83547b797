//! Every call and every endpoint, in every state of the master: what is answered, and how.

use super::cluster::{Answer, Served};
use crate::files::LOOPBACK;
use proffer_controller::auth::Anonymous;
use proffer_controller::leader::Identity;
use proffer_mesos_api::v1::master::{Call, Response};
use proffer_mesos_api::{decode, encode, json};
use serde_json::Value;

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";

/// How a call is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// 200 with an answer.
    Answer,
    /// 200 with a stream.
    Stream,
    /// 200 without a body and without a type.
    Done,
    /// 400 in these words: the call is served, but not so.
    Wrong(&'static str),
    /// 404: the call is served, but not what it names.
    NotFound,
}

const NO_AGENT: Said = Said::Wrong("No agent found with specified ID");
const NO_MACHINE: Said = Said::Wrong("List of machines is empty");

/// Every call of a master, the least that it must say, and how it is answered.
const CALLS: [(&str, &str, Said); 39] = [
    ("GET_HEALTH", "", Said::Answer),
    ("GET_FLAGS", "", Said::Answer),
    ("GET_VERSION", "", Said::Answer),
    ("GET_METRICS", r#""get_metrics":{"timeout":{"nanoseconds":5000000000}}"#, Said::Answer),
    ("GET_LOGGING_LEVEL", "", Said::Answer),
    ("SET_LOGGING_LEVEL", r#""set_logging_level":{"level":1,"duration":{"nanoseconds":60000000000}}"#, Said::Done),
    ("LIST_FILES", r#""list_files":{"path":"/var/lib/proffer/none"}"#, Said::NotFound),
    ("READ_FILE", r#""read_file":{"path":"/var/lib/proffer/none/stdout","offset":0}"#, Said::NotFound),
    ("GET_STATE", "", Said::Answer),
    ("GET_AGENTS", "", Said::Answer),
    ("GET_FRAMEWORKS", "", Said::Answer),
    ("GET_EXECUTORS", "", Said::Answer),
    ("GET_OPERATIONS", "", Said::Answer),
    ("GET_TASKS", "", Said::Answer),
    ("GET_ROLES", "", Said::Answer),
    ("GET_WEIGHTS", "", Said::Answer),
    ("UPDATE_WEIGHTS", r#""update_weights":{"weight_infos":[{"role":"a","weight":2}]}"#, Said::Done),
    ("GET_MASTER", "", Said::Answer),
    ("SUBSCRIBE", "", Said::Stream),
    ("RESERVE_RESOURCES", r#""reserve_resources":{"agent_id":{"value":"a9"},"resources":[]}"#, NO_AGENT),
    ("UNRESERVE_RESOURCES", r#""unreserve_resources":{"agent_id":{"value":"a9"},"resources":[]}"#, NO_AGENT),
    ("CREATE_VOLUMES", r#""create_volumes":{"agent_id":{"value":"a9"},"volumes":[]}"#, NO_AGENT),
    ("DESTROY_VOLUMES", r#""destroy_volumes":{"agent_id":{"value":"a9"},"volumes":[]}"#, NO_AGENT),
    ("GROW_VOLUME", r#""grow_volume":{"agent_id":{"value":"a9"},"volume":DISK,"addition":DISK}"#, NO_AGENT),
    ("SHRINK_VOLUME", r#""shrink_volume":{"agent_id":{"value":"a9"},"volume":DISK,"subtract":{"value":1}}"#, NO_AGENT),
    ("GET_MAINTENANCE_STATUS", "", Said::Answer),
    ("GET_MAINTENANCE_SCHEDULE", "", Said::Answer),
    ("UPDATE_MAINTENANCE_SCHEDULE", r#""update_maintenance_schedule":{"schedule":{}}"#, Said::Done),
    ("START_MAINTENANCE", r#""start_maintenance":{"machines":[]}"#, NO_MACHINE),
    ("STOP_MAINTENANCE", r#""stop_maintenance":{"machines":[]}"#, NO_MACHINE),
    ("DRAIN_AGENT", r#""drain_agent":{"agent_id":{"value":"a2"}}"#, Said::Done),
    ("DEACTIVATE_AGENT", r#""deactivate_agent":{"agent_id":{"value":"a1"}}"#, Said::Done),
    ("REACTIVATE_AGENT", r#""reactivate_agent":{"agent_id":{"value":"a1"}}"#, Said::Done),
    ("GET_QUOTA", "", Said::Answer),
    ("UPDATE_QUOTA", r#""update_quota":{"quota_configs":[]}"#, Said::Done),
    (
        "SET_QUOTA",
        r#""set_quota":{"quota_request":{}}"#,
        Said::Wrong("Failed to validate set quota request: QuotaInfo must specify a role"),
    ),
    (
        "REMOVE_QUOTA",
        r#""remove_quota":{"role":"a"}"#,
        Said::Wrong("Failed to remove quota: Role 'a' has no quota set"),
    ),
    ("TEARDOWN", r#""teardown":{"framework_id":{"value":"fw-2"}}"#, Said::Done),
    ("MARK_AGENT_GONE", r#""mark_agent_gone":{"agent_id":{"value":"a3"}}"#, Said::Done),
];

fn body(kind: &str, more: &str) -> String {
    let disk = r#"{"name":"disk","type":"SCALAR","scalar":{"value":1}}"#;
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"type":"{kind}"{comma}{}}}"#, more.replace("DISK", disk))
}

/// Sends a call in this encoding, and wants the answer in the same.
async fn call(served: &Served, encoding: &str, text: &str) -> Answer {
    let bytes = if encoding == JSON {
        text.as_bytes().to_vec()
    } else {
        encode(&json::decode::<Call>(text.as_bytes()).unwrap())
    };
    served.ask("POST", "/api/v1", &[("Content-Type", encoding), ("Accept", encoding)], &bytes).await
}

#[tokio::test]
async fn every_call_is_answered_in_both_encodings() {
    for encoding in [JSON, PROTOBUF] {
        let served = Served::leader(LOOPBACK).await;
        for (kind, more, said) in CALLS {
            let text = body(kind, more);
            if said == Said::Stream {
                let bytes = encode(&json::decode::<Call>(text.as_bytes()).unwrap());
                let types = [("Content-Type", PROTOBUF), ("Accept", encoding)];
                let head = served.stream("/api/v1", &types, &bytes).await.head;
                assert!(
                    head.starts_with("http/1.1 200 ok\r\n") && head.contains("transfer-encoding: chunked"),
                    "{head}"
                );
                continue;
            }
            if kind == "REACTIVATE_AGENT" {
                served.deactivated("node1").await;
            }
            let answer = call(&served, encoding, &text).await;
            let content_type = answer.headers.get("content-type").map(String::as_str);
            match said {
                Said::Answer => {
                    assert_eq!((answer.status, content_type), (200, Some(encoding)), "{kind}");
                    let named = if encoding == JSON {
                        answer.json()["type"].as_str().unwrap().to_owned()
                    } else {
                        decode::<Response>(&answer.body).unwrap().r#type().as_str_name().to_owned()
                    };
                    assert_eq!(named, kind);
                }
                Said::Done => {
                    assert_eq!(
                        (answer.status, content_type, answer.body.len()),
                        (200, None, 0),
                        "{kind}: {}",
                        answer.text()
                    );
                    assert_eq!(answer.headers["content-length"], "0", "{kind}");
                }
                Said::Wrong(why) => assert_eq!((answer.status, answer.text().as_str()), (400, why), "{kind}"),
                Said::NotFound => assert_eq!(answer.status, 404, "{kind}"),
                Said::Stream => {}
            }
        }
    }
}

#[tokio::test]
async fn no_call_goes_past_a_master_that_does_not_lead() {
    let served = Served::standby().await;
    let states: [(Option<Identity>, u16, &str); 3] = [
        (None, 503, "No leader elected"),
        (Some(served.me.clone()), 503, "Master has not finished recovery"),
        (Some(Identity::new("other", "10.244.1.9".parse().unwrap())), 307, ""),
    ];
    for (holder, status, told) in states {
        served.replica.holder.send_replace(holder);
        for (kind, more, _) in CALLS {
            let answer = call(&served, JSON, &body(kind, more)).await;
            assert_eq!((answer.status, answer.text().as_str()), (status, told), "{kind}");
            let location = answer.headers.get("location").map(String::as_str);
            assert_eq!(location, (status == 307).then_some("//10.244.1.9:5050/api/v1"), "{kind}");
        }
        // What is wrong with a request is for the leader to say.
        for (method, headers) in [("GET", vec![]), ("POST", vec![]), ("POST", vec![("Content-Type", "text/plain")])] {
            assert_eq!(served.ask(method, "/api/v1", &headers, b"?").await.status, status);
        }
    }
}

/// What is wrong with a request: its method, headers and body, and what Mesos says to it.
type Wrong = (&'static str, Vec<(&'static str, &'static str)>, Vec<u8>, u16, &'static str);

#[tokio::test]
async fn what_is_wrong_is_said_in_mesos_order_and_words() {
    let served = Served::leader(LOOPBACK).await;
    let (typed, typed_protobuf) = (("Content-Type", JSON), ("Content-Type", PROTOBUF));
    let health = br#"{"type":"GET_HEALTH"}"#.to_vec();
    let wrong: Vec<Wrong> = vec![
        ("PUT", vec![], vec![], 405, "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'PUT'."),
        ("POST", vec![], health.clone(), 400, "Expecting 'Content-Type' to be present"),
        (
            "POST",
            vec![("Content-Type", "text/plain"), ("Accept", "text/plain")],
            health.clone(),
            415,
            "Expecting 'Content-Type' of ",
        ),
        ("POST", vec![typed, ("Accept", "text/plain")], b"{".to_vec(), 400, "Failed to parse body into JSON: "),
        ("POST", vec![typed], vec![], 400, "Failed to parse body into JSON: "),
        ("POST", vec![typed], vec![0xff, 0xfe], 400, "Failed to parse body into JSON: "),
        ("POST", vec![typed], b"[]".to_vec(), 400, "Failed to "),
        ("POST", vec![typed], [b"[".repeat(10_000), vec![]].concat(), 400, "Failed to parse body into JSON: "),
        (
            "POST",
            vec![typed],
            br#"{"type":"TEARDOWN","teardown":{}}"#.to_vec(),
            400,
            "Failed to convert JSON into Call protobuf: ",
        ),
        ("POST", vec![typed], b"{}".to_vec(), 400, "Failed to validate master::Call: Expecting 'type' to be present"),
        (
            "POST",
            vec![typed],
            br#"{"type":"TEARDOWN"}"#.to_vec(),
            400,
            "Failed to validate master::Call: Expecting 'teardown' to be present",
        ),
        ("POST", vec![typed_protobuf], vec![0x08], 400, "Failed to parse body into Call protobuf"),
        ("POST", vec![typed_protobuf], vec![0xff; 64], 400, "Failed to parse body into Call protobuf"),
        ("POST", vec![typed, ("Accept", "text/plain")], health, 406, "Expecting 'Accept' to allow "),
        ("POST", vec![typed], br#"{"type":"UNKNOWN"}"#.to_vec(), 501, "501 Not Implemented. UNKNOWN "),
        ("POST", vec![typed], vec![b' '; (4 << 20) + 1], 413, "The call is larger than 4194304 bytes"),
    ];
    for (method, headers, body, status, told) in wrong {
        let answer = served.ask(method, "/api/v1", &headers, &body).await;
        assert_eq!(answer.status, status, "{headers:?} {told}: {}", answer.text());
        assert!(answer.text().starts_with(told), "{told}: {}", answer.text());
    }
}

#[tokio::test]
async fn what_nobody_set_reads_as_in_mesos_and_what_is_wrong_is_said() {
    let served = Served::leader(LOOPBACK).await;
    for (name, read, methods) in [
        ("weights", "[]", "GET, PUT"),
        ("quota", "{}", "GET, POST, DELETE"),
        ("maintenance/schedule", "{}", "GET, POST"),
        ("maintenance/status", "{}", "GET"),
    ] {
        for path in [format!("/{name}"), format!("/master/{name}"), format!("/{name}.json")] {
            let answer = served.get(&path).await;
            assert_eq!((answer.status, answer.text().as_str()), (200, read), "{path}");
            assert_eq!(served.get(&format!("{path}?jsonp=cb")).await.text(), format!("cb({read});"));
            let patch = served.ask("PATCH", &path, &[], b"[]").await;
            assert_eq!((patch.status, patch.headers["allow"].as_str()), (405, methods), "{path}");
        }
    }
    let machine = "Both 'hostname' and 'ip' for a machine are empty";
    for (method, path, body, told) in [
        ("PUT", "weights", "{}", "Failed to parse update weights request JSON '{}': "),
        ("PUT", "weights", "[{}]", "Failed to convert weights JSON array to protobuf '[{}]': "),
        ("POST", "quota", "[", "Failed to parse set quota request JSON '[': "),
        ("POST", "quota", r#"{"force":1}"#, r#"Failed to validate set quota request JSON '{"force":1}': "#),
        (
            "DELETE",
            "quota",
            "",
            "Failed to parse remove quota request for path '/master/quota': expected 3 tokens, found 2 tokens",
        ),
        ("DELETE", "quota/eng", "", "Failed to remove quota for path '/master/quota/eng': Role 'eng' has no quota set"),
        ("POST", "maintenance/schedule", "", ""),
        ("POST", "maintenance/schedule", r#"{"windows":[{}]}"#, ""),
        ("POST", "machine/down", "{}", ""),
        ("POST", "machine/down", "[]", "List of machines is empty"),
        ("POST", "machine/up", "[{}]", machine),
        ("POST", "reserve", "", "Missing 'slaveId' query parameter in the request body"),
        ("POST", "reserve", "slaveId=a1", "Missing 'resources' query parameter in the request body"),
        (
            "POST",
            "reserve",
            "slaveId=a1&resources=x",
            "Error parsing 'resources' query parameter in the request body: ",
        ),
        ("POST", "unreserve", "slaveId=a1&resources=x", "Error in parsing 'resources' query parameter"),
        ("POST", "create-volumes", "slaveId=a1", "Missing 'volumes' query parameter in the request body"),
        ("POST", "destroy-volumes", "slaveId=a9&volumes=[]", "No agent found with specified ID"),
    ] {
        let answer = served.ask(method, &format!("/{path}"), &[], body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{method} {path} {body}: {}", answer.text());
        assert!(answer.text().starts_with(told), "{method} {path} {body}: {}", answer.text());
    }
    for name in ["machine/down", "machine/up", "reserve", "unreserve", "create-volumes", "destroy-volumes"] {
        let get = served.get(&format!("/master/{name}")).await;
        assert_eq!((get.status, get.headers["allow"].as_str()), (405, "POST"), "{name}");
    }
    let standby = Served::standby().await;
    standby.replica.holder.send_replace(Some(Identity::new("other", "10.244.1.9".parse().unwrap())));
    for name in ["weights", "reserve", "machine/up", "teardown"] {
        let answer = standby.ask("POST", &format!("/master/{name}?x=y"), &[], b"").await;
        assert_eq!(
            (answer.status, &answer.headers["location"]),
            (307, &format!("//10.244.1.9:5050/master/{name}?x=y"))
        );
    }
}

#[tokio::test]
async fn nobody_is_answered_without_a_token() {
    let served = Served::leader(Anonymous { loopback: false, everybody: false }).await;
    for (kind, more, _) in CALLS {
        let answer = call(&served, JSON, &body(kind, more)).await;
        assert_eq!((answer.status, answer.headers["www-authenticate"].is_empty()), (401, false), "{kind}");
    }
    for (method, path) in [
        ("GET", "/weights"),
        ("PUT", "/weights"),
        ("POST", "/teardown"),
        ("GET", "/logging/toggle"),
        ("GET", "/logging/toggle?level=1&duration=1secs"),
        ("GET", "/files/debug"),
        ("GET", "/system/stats.json"),
        ("GET", "/metrics/snapshot"),
    ] {
        assert_eq!(served.ask(method, path, &[], b"frameworkId=fw-1").await.status, 401, "{method} {path}");
    }
}

#[tokio::test]
async fn the_machine_and_the_sandboxes_are_told() {
    let served = Served::leader(LOOPBACK).await;
    let stats = served.get("/system/stats.json").await.json();
    for name in ["avg_load_1min", "avg_load_5min", "avg_load_15min", "cpus_total", "mem_total_bytes", "mem_free_bytes"]
    {
        assert!(stats[name].as_f64().is_some(), "{name}: {stats}");
    }
    let sandbox = "/var/lib/proffer/slaves/a1/run";
    served.replica.server.merge("tasks", "ns", "run", &serde_json::json!({"status": {"sandbox": sandbox}}));
    let mut told = Value::Null;
    for _ in 0..500 {
        told = served.get("/files/debug").await.json();
        if told != serde_json::json!({}) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(told, serde_json::json!({sandbox: sandbox}));
}
