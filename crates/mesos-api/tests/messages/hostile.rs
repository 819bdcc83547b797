//! Input that was made to do harm.

use proffer_mesos_api::v1::scheduler::{Call, Event};
use proffer_mesos_api::v1::{ContainerId, Labels, master};
use proffer_mesos_api::{DecodeError, Limits, decode, decode_within, encode, json};

/// A container's ID with so many parents, as protobuf.
fn nested(parents: usize) -> Vec<u8> {
    let mut bytes = vec![0x0a, 1, b'x'];
    for _ in 0..parents {
        let mut outer = [vec![0x0a, 1, b'x', 0x12], length(bytes.len())].concat();
        outer.append(&mut bytes);
        bytes = outer;
    }
    bytes
}

#[test]
fn protobuf_nests_a_hundred_deep_and_no_deeper() {
    for (parents, expected) in [(0, true), (98, true), (99, true), (100, false), (101, false), (10_000, false)] {
        let found = decode::<ContainerId>(&nested(parents));
        assert_eq!(found.is_ok(), expected, "{parents} parents: {:?}", found.err());
    }
    assert_eq!(decode::<ContainerId>(&nested(10_000)), Err(DecodeError::TooDeep));
}

#[test]
fn json_nests_no_deeper_than_protobuf() {
    let text = |parents: usize| {
        [r#"{"value":"x","parent":"#.repeat(parents), r#"{"value":"x"}"#.to_owned(), "}".repeat(parents)].concat()
    };
    for (parents, expected) in [(0, true), (99, true), (100, false), (127, false), (128, false), (100_000, false)] {
        assert_eq!(json::decode::<ContainerId>(text(parents).as_bytes()).is_ok(), expected, "{parents} parents");
    }
    // In what is ignored, brackets are only counted.
    for depth in [127, 128, 129, 100_000] {
        let text = format!(r#"{{"value":"x","more":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        drop(json::decode::<ContainerId>(text.as_bytes()));
        drop(json::decode::<ContainerId>("[".repeat(depth).as_bytes()));
        drop(json::decode::<Labels>(format!(r#"{{"labels":{}"#, "[".repeat(depth)).as_bytes()));
    }
}

#[test]
fn what_would_grow_is_not_decoded() {
    // Two bytes each on the wire, hundreds in memory.
    let empty = [[0x0a, 0].repeat(1 << 20), Vec::new()].concat();
    let bytes = [vec![0x08, 2, 0x1a], length(empty.len()), empty].concat();
    assert_eq!(decode_within::<Event>(&bytes, Limits { memory: 1 << 20 }), Err(DecodeError::TooLarge));
    let text = format!(r#"{{"labels":[{}]}}"#, vec![r#"{"key":""}"#; 100_000].join(","));
    assert!(json::decode::<Labels>(text.as_bytes()).is_ok());
    assert!(json::decode_within::<Labels>(text.as_bytes(), Limits { memory: 1 << 20 }).is_err());
}

fn length(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes
}

#[test]
fn of_a_hundred_thousand_missing_fields_a_few_are_named() {
    let text = format!(r#"{{"type":"ACCEPT","accept":{{"offer_ids":[{}]}}}}"#, vec!["{}"; 100_000].join(","));
    let error = json::decode::<Call>(text.as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("Missing required fields: accept.offer_ids[0].value, "), "{error}");
    assert!(error.len() < 2000, "{}", error.len());
}

#[test]
fn names_given_again_and_again_count_once() {
    let once = r#""type":"REVIVE","revive":{"roles":["a","b"]},"framework_id":{"value":"f"},"#;
    let text =
        format!(r#"{{"kill":{{"task_id":{{"value":"{}"}}}},{}"x":1}}"#, "t".repeat(1 << 20), once.repeat(30_000));
    let call: Call = json::decode(text.as_bytes()).unwrap();
    assert_eq!(call.revive.unwrap().roles, ["a", "b"]);
}

#[test]
fn a_message_in_parts_is_one_message() {
    // A task's status whose task ID comes in two parts, the required field in the second.
    let whole: Call = json::decode(
        br#"{"type":"KILL","framework_id":{"value":"f"},"kill":{"task_id":{"value":"t"},"agent_id":{"value":"a"}}}"#,
    )
    .unwrap();
    let bytes = encode(&whole);
    let parts = [&bytes[..], &[0x0a, 0x00], &bytes[..]].concat();
    assert_eq!(decode::<Call>(&parts), Ok(whole));
    assert_eq!(decode::<Call>(&[0x0a, 0x00]), Err(DecodeError::Missing(vec!["framework_id.value".to_owned()])));
}

#[test]
fn wrong_types_on_the_wire_are_refused() {
    for (what, bytes) in [
        ("a number for a message", vec![0x08, 0x01, 0x18, 0x01]),
        ("a text for a number", vec![0x0a, 0x01, b'x', 0x12, 0x00]),
        ("no UTF-8", vec![0x0a, 0x02, 0x0a, 0x00, 0x12, 0x03, 0x0a, 0x01, 0xff]),
        ("a length past the end", vec![0x0a, 0x7f]),
    ] {
        assert!(decode::<Call>(&bytes).is_err(), "{what}");
    }
    // An unknown group is skipped, one that does not end is not.
    assert!(decode::<Call>(&[0xa3, 0x06, 0xa4, 0x06]).is_ok());
    assert_eq!(decode::<Call>(&[0xa3, 0x06]), Err(DecodeError::Malformed));
}

#[test]
fn durations_at_their_ends_are_only_numbers() {
    for (seconds, nanos) in [(i64::MIN, i32::MIN), (i64::MAX, i32::MAX), (0, -1)] {
        let text = format!(
            r#"{{"agent_id":{{"value":"a"}},"max_grace_period":{{"seconds":{seconds},"nanos":{nanos}}},"mark_gone":false}}"#
        );
        let drain: master::call::DrainAgent = json::decode(text.as_bytes()).unwrap();
        let expected = if seconds == 0 { text.replace(r#""seconds":0,"#, "") } else { text };
        assert_eq!(json::encode(&drain), expected);
        assert_eq!(decode(&encode(&drain)), Ok(drain));
    }
}
