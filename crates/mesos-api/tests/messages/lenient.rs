//! JSON is taken as liberally as Mesos takes it, and refused in its words.

use proffer_mesos_api::json::{self, Error};
use proffer_mesos_api::v1::scheduler::{Call, Event, call};
use proffer_mesos_api::v1::{CommandInfo, ContainerId, FrameworkInfo, HealthCheck, Label, TaskInfo, TaskStatus, value};

fn refusal<M: proffer_mesos_api::Described + std::fmt::Debug>(text: &str) -> Error {
    json::decode::<M>(text.as_bytes()).unwrap_err()
}

#[test]
fn numbers_come_as_numbers_or_as_texts() {
    for (text, expected) in [
        ("1", 1.0),
        ("1.5", 1.5),
        ("-0.0", -0.0),
        ("\"2.25\"", 2.25),
        ("\"Infinity\"", f64::INFINITY),
        ("\"-Infinity\"", f64::NEG_INFINITY),
    ] {
        let scalar: value::Scalar = json::decode(format!("{{\"value\":{text}}}").as_bytes()).unwrap();
        assert_eq!(scalar.value.to_bits(), expected.to_bits(), "{text}");
    }
    let scalar: value::Scalar = json::decode(br#"{"value":"NaN"}"#).unwrap();
    assert!(scalar.value.is_nan());
    for (text, expected) in
        [("7", 7), ("\"7\"", 7), ("7.0", 7), ("7.9", 7), ("7e0", 7), ("18446744073709551615", u64::MAX)]
    {
        let range: value::Range = json::decode(format!("{{\"begin\":{text},\"end\":0}}").as_bytes()).unwrap();
        assert_eq!(range.begin, expected, "{text}");
    }
    for text in ["-1", "18446744073709551616", "1e30", "\"-1\""] {
        assert_eq!(
            refusal::<value::Range>(&format!("{{\"begin\":{text},\"end\":0}}")),
            Error::Conversion("Value out of range for field 'begin'".to_owned()),
            "{text}"
        );
    }
}

#[test]
fn what_is_not_known_is_ignored() {
    let text = br#"{"type":"FROM_THE_FUTURE","new":{"deep":[[{"x":null}]]},"framework_id":{"value":"f","more":1}}"#;
    let call: Call = json::decode(text).unwrap();
    assert_eq!((call.r#type, call.framework_id.unwrap().value), (None, "f".to_owned()));
}

#[test]
fn null_is_not_set() {
    let call: Call = json::decode(br#"{"type":"REVIVE","framework_id":null,"revive":{"roles":null}}"#).unwrap();
    assert_eq!((call.framework_id, call.revive), (None, Some(call::Revive { roles: Vec::new() })));
}

#[test]
fn of_a_name_that_occurs_twice_the_last_counts() {
    let text = br#"{"framework_id":{"value":"a"},"revive":{"roles":["x"]},"framework_id":{"value":"b"},
        "type":"REVIVE","revive":{"roles":["y","z"]},"type":null,"framework_id":{"value":"c"}}"#;
    let call: Call = json::decode(text).unwrap();
    assert_eq!(call.r#type, None);
    assert_eq!(call.framework_id.unwrap().value, "c");
    assert_eq!(call.revive.unwrap().roles, ["y", "z"]);
}

#[test]
fn a_list_may_be_one_value_or_lists() {
    for text in [r#"{"roles":"x"}"#, r#"{"roles":["x"]}"#, r#"{"roles":[[["x"]]]}"#, r#"{"roles":[null,"x"]}"#] {
        assert_eq!(json::decode::<call::Revive>(text.as_bytes()).unwrap().roles, ["x"], "{text}");
    }
}

#[test]
fn base64_may_be_broken_up_and_lack_its_padding() {
    for text in ["AAECAw==", "AAECAw", "AA EC\\nAw=", "AAECAx==", "AAECAw==trailing"] {
        let status: TaskStatus =
            json::decode(format!(r#"{{"task_id":{{"value":"t"}},"state":"TASK_LOST","uuid":"{text}"}}"#).as_bytes())
                .unwrap();
        assert_eq!(status.uuid(), [0, 1, 2, 3], "{text}");
    }
    assert_eq!(
        refusal::<TaskStatus>(r#"{"uuid":"A-B_"}"#),
        Error::Conversion("Failed to base64 decode bytes field 'uuid': Invalid character '-'".to_owned())
    );
}

#[test]
fn texts_for_booleans() {
    let command: CommandInfo = json::decode(br#"{"shell":"false"}"#).unwrap();
    assert_eq!(command.shell, Some(false));
}

#[test]
fn wrong_kinds_are_refused_in_mesos_words() {
    for (text, expected) in [
        (r#"{"value":1}"#, "Not expecting a JSON number for field 'value'"),
        (r#"{"value":true}"#, "Not expecting a JSON boolean for field 'value'"),
        (r#"{"value":{}}"#, "Not expecting a JSON object for field 'value'"),
        (r#"{"value":["x"]}"#, "Not expecting a JSON array for field 'value'"),
        (r#"{"parent":"x"}"#, "Not expecting a JSON string for field 'parent'"),
        ("[]", "Expecting a JSON object"),
        (r#""x""#, "Expecting a JSON object"),
        ("null", "Expecting a JSON object"),
    ] {
        assert_eq!(refusal::<ContainerId>(text), Error::Conversion(expected.to_owned()), "{text}");
    }
    assert_eq!(
        refusal::<TaskStatus>(r#"{"task_id":{"value":"t"},"state":"TASK_NAPPING"}"#),
        Error::Conversion("Failed to find enum for 'TASK_NAPPING'".to_owned())
    );
    assert_eq!(
        refusal::<value::Scalar>(r#"{"value":"x"}"#),
        Error::Conversion(
            "Failed to parse 'x' as a JSON number for field 'value': syntax error at line 1 near: x".to_owned()
        )
    );
}

#[test]
fn no_json_is_told_with_its_line() {
    for (text, expected) in [
        ("{", "syntax error at line 1 near: "),
        ("", "syntax error at line 1 near: "),
        ("{\"a\":1,\n\"b\":?}", "syntax error at line 2 near: ?}"),
        ("{\"value\":1e400}", "Value out of range"),
        // Also when what it says would be refused as well.
        ("{\"value\":1,", "syntax error at line 1 near: "),
    ] {
        assert_eq!(refusal::<ContainerId>(text), Error::Syntax(expected.to_owned()), "{text}");
    }
    for text in
        ["{}x", "{\"value\":\"\\ud800\"}", "{\"value\":NaN}", "{\"value\":\"a\nb\"}", "{'value':1}", "\u{feff}{}"]
    {
        assert!(matches!(refusal::<ContainerId>(text), Error::Syntax(_)), "{text}");
    }
    assert!(matches!(json::decode::<ContainerId>(b"{\"value\":\"\xff\"}"), Err(Error::Syntax(_))));
}

#[test]
fn what_is_missing_is_named() {
    for (text, expected) in [
        (r#"{"type":"SUBSCRIBE","subscribe":{}}"#, "subscribe.framework_info"),
        (
            r#"{"type":"SUBSCRIBE","subscribe":{"framework_info":{"id":{}}}}"#,
            "subscribe.framework_info.user, subscribe.framework_info.name, subscribe.framework_info.id.value",
        ),
        (r#"{"type":"ACCEPT","accept":{"offer_ids":[{"value":"a"},{}]}}"#, "accept.offer_ids[1].value"),
    ] {
        assert_eq!(refusal::<Call>(text).to_string(), format!("Missing required fields: {expected}"), "{text}");
    }
    assert_eq!(
        refusal::<TaskInfo>(r#"{"name":"n","task_id":{"value":"t"},"agent_id":{"value":"a"},"limits":{"cpus":null}}"#)
            .to_string(),
        "Missing required fields: limits[0].value.value"
    );
}

#[test]
fn defaults_are_shown_unless_deprecated() {
    let info = FrameworkInfo { user: "u".into(), name: "n".into(), ..FrameworkInfo::default() };
    assert_eq!(json::encode(&info), r#"{"user":"u","name":"n","failover_timeout":0.0,"checkpoint":false}"#);
    assert_eq!(
        json::encode(&HealthCheck::default()),
        r#"{"delay_seconds":15.0,"interval_seconds":10.0,"timeout_seconds":20.0,"consecutive_failures":3,"grace_period_seconds":10.0}"#
    );
    assert_eq!(json::encode(&Event::default()), "{}");
    assert_eq!(json::encode(&Label { key: "k".into(), value: None }), r#"{"key":"k"}"#);
}

/// A value of an enum that is not known counts as none, so the field's default is what JSON shows.
#[test]
fn an_unknown_value_of_an_enum_leaves_the_default() {
    use proffer_mesos_api::v1::network_info::IpAddress;
    let unknown = IpAddress { protocol: Some(77), ip_address: Some("127.0.0.1".to_owned()) };
    let unset = IpAddress { protocol: None, ..unknown.clone() };
    assert_eq!(proffer_mesos_api::json::encode(&unknown), proffer_mesos_api::json::encode(&unset));
    assert!(proffer_mesos_api::json::encode(&unset).contains("IPv4"));
}
