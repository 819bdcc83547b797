//! What a real Mesos wrote and read goes through both encodings without loss.

use std::fs;
use std::path::PathBuf;

use proffer_mesos_api::recordio::Decoder;
use proffer_mesos_api::v1::{executor, master, scheduler};
use proffer_mesos_api::{Described, decode, encode, json};
use serde_json::Value;

use crate::chunked;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/recorded")
}

/// Fields that Mesos' own JSON shows when they are not set, with their defaults.
const DEFAULTS: [&str; 12] = [
    "failover_timeout",
    "checkpoint",
    "shell",
    "extract",
    "refuse_seconds",
    "port",
    "protocol",
    "network",
    "privileged",
    "share_cgroups",
    "type",
    "cached",
];

/// Asserts that `ours` says all that `theirs` says, and beyond it only defaults.
fn assert_same(theirs: &Value, ours: &Value, path: &str) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (name, value) in theirs {
                let path = format!("{path}.{name}");
                match ours.get(name) {
                    Some(found) => assert_same(value, found, &path),
                    // A field of its inner messages that Mesos lets slip through; no v1 message has it.
                    None if path.ends_with(".agent_info.checkpoint") => {}
                    // Mesos writes some lists by hand, and then also the empty ones.
                    None => assert_eq!(value, &Value::Array(Vec::new()), "{path} is lost"),
                }
            }
            for name in ours.keys().filter(|name| !theirs.contains_key(*name)) {
                assert!(DEFAULTS.contains(&name.as_str()), "{path}.{name} came from nowhere");
            }
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            assert_eq!(theirs.len(), ours.len(), "{path}");
            for (index, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                assert_same(theirs, ours, &format!("{path}[{index}]"));
            }
        }
        (Value::Number(theirs), Value::Number(ours)) => assert_eq!(theirs.as_f64(), ours.as_f64(), "{path}"),
        _ => assert_eq!(theirs, ours, "{path}"),
    }
}

fn assert_round_trip<M: Described + PartialEq>(theirs: &[u8], what: &str) {
    let message: M = json::decode(theirs).unwrap_or_else(|error| panic!("{what}: {error}"));
    let ours = json::encode(&message);
    assert_same(&serde_json::from_slice(theirs).unwrap(), &serde_json::from_str(&ours).unwrap(), what);
    assert!(decode::<M>(&encode(&message)).unwrap() == message, "{what}: protobuf changes it");
}

#[test]
fn every_recorded_message_survives() {
    let mut count = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read(&path).unwrap();
        let request = || {
            let all: Value = serde_json::from_slice(&text).unwrap();
            all["request"].to_string().into_bytes()
        };
        match name.as_str() {
            _ if path.extension().is_some_and(|extension| extension == "txt") => continue,
            "SUBSCRIBE.request.json" => assert_round_trip::<scheduler::Call>(&text, &name),
            _ if name.starts_with("call.") => assert_round_trip::<scheduler::Call>(&request(), &name),
            _ if name.starts_with("event.") => assert_round_trip::<scheduler::Event>(&text, &name),
            _ if name.starts_with("executor.call.") => assert_round_trip::<executor::Call>(&request(), &name),
            _ if name.starts_with("executor.event.") => assert_round_trip::<executor::Event>(&text, &name),
            _ if name.starts_with("v1.master.") => assert_round_trip::<master::Response>(&text, &name),
            _ => panic!("{name} is of no known kind"),
        }
        count += 1;
    }
    assert!(count > 60, "only {count} files");
}

fn assert_stream<M: Described + PartialEq>(name: &str, expected: usize) {
    let body = chunked::body(&fs::read(folder().join(name)).unwrap());
    for piece in [1, 7, 4096, body.len()] {
        let mut decoder = Decoder::new(1 << 20);
        let mut count = 0;
        for mut input in body.chunks(piece) {
            while let Some(record) = decoder.decode(&mut input).unwrap() {
                if piece == body.len() {
                    assert_round_trip::<M>(&record, &format!("{name} record {count}"));
                }
                count += 1;
            }
        }
        assert_eq!(count, expected, "{name} in pieces of {piece} bytes");
    }
}

#[test]
fn recorded_streams_are_read_in_pieces_of_any_size() {
    assert_stream::<scheduler::Event>("scheduler.subscribe.raw_response.txt", 5);
    assert_stream::<master::Event>("v1.master.SUBSCRIBE.raw_response.txt", 54);
}

#[test]
fn a_subscribed_event_is_written_as_mesos_wrote_it_to_the_byte() {
    let body = chunked::body(&fs::read(folder().join("scheduler.subscribe.raw_response.txt")).unwrap());
    let mut input = body.as_slice();
    let mut decoder = Decoder::new(1 << 20);
    let mut records = Vec::new();
    while let Some(record) = decoder.decode(&mut input).unwrap() {
        records.push(record);
    }
    for record in &records {
        let event: scheduler::Event = json::decode(record).unwrap();
        assert_eq!(json::encode(&event), String::from_utf8_lossy(record));
    }
}
