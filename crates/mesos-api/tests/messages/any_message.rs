//! Messages of every type with any contents, against an independent implementation of protobuf and its JSON.

use proffer_mesos_api::{Described, decode, encode, json};
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, ReflectMessage, SerializeOptions, Value};

use crate::generator::{Supply, pool, with_defaults};

include!(concat!(env!("OUT_DIR"), "/every_message.rs"));

type Check = fn(&DynamicMessage) -> Result<(), TestCaseError>;

macro_rules! checks {
    ($($name:literal => $type:ty,)*) => { &[$(($name, check::<$type>)),*] };
}

const CHECKS: &[(&str, Check)] = every_message!(checks);

/// Whether there is a Duration in it, which standard JSON writes as a text and Mesos as an object.
fn has_duration(message: &DynamicMessage) -> bool {
    fn within(value: &Value) -> bool {
        match value {
            Value::Message(message) => has_duration(message),
            Value::List(values) => values.iter().any(within),
            Value::Map(entries) => entries.values().any(within),
            _ => false,
        }
    }
    message.descriptor().full_name() == "google.protobuf.Duration" || message.fields().any(|(_, value)| within(value))
}

/// As `prop_assert_eq`, but shows the messages as JSON: their `Debug` goes through descriptors in circles.
fn same(what: &str, left: &DynamicMessage, right: &DynamicMessage) -> Result<(), TestCaseError> {
    let text = |message: &DynamicMessage| serde_json::to_string(message).unwrap();
    prop_assert!(left == right, "{} {what}:\n{}\n{}", left.descriptor().full_name(), text(left), text(right));
    Ok(())
}

fn check<M: Described + PartialEq>(theirs: &DynamicMessage) -> Result<(), TestCaseError> {
    let descriptor = theirs.descriptor();
    let read = |bytes: &[u8]| DynamicMessage::decode(descriptor.clone(), bytes).unwrap();

    // Protobuf: theirs is read, and what we write of it is read as the same.
    let ours: M = decode(&theirs.encode_to_vec()).unwrap();
    same("protobuf", &read(&encode(&ours)), theirs)?;

    // JSON: there and back is the same, but that defaults are set.
    let text = json::encode(&ours);
    prop_assert!(text.is_ascii() && !text.contains('\n'));
    let again: M = json::decode(text.as_bytes()).unwrap();
    let full = with_defaults(theirs);
    same("our JSON", &read(&encode(&again)), &full)?;

    if !has_duration(theirs) {
        // Their JSON is read by us, our JSON by them.
        let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
        for options in [options.clone(), options.stringify_64_bit_integers(true)] {
            let mut text = Vec::new();
            theirs.serialize_with_options(&mut serde_json::Serializer::new(&mut text), &options).unwrap();
            let ours: M = json::decode(&text).unwrap();
            same("their JSON", &read(&encode(&ours)), theirs)?;
        }
        let mut reader = serde_json::Deserializer::from_str(&text);
        let options = DeserializeOptions::new();
        let found = DynamicMessage::deserialize_with_options(descriptor, &mut reader, &options).unwrap();
        same("our JSON read by them", &found, &full)?;
    }
    Ok(())
}

fn check_named(index: usize, contents: &[u8]) -> Result<(), TestCaseError> {
    let (name, check) = CHECKS[index % CHECKS.len()];
    let descriptor = pool().get_message_by_name(name).unwrap();
    let message = Supply(contents).message(&descriptor, 0);
    // Over the wire once: to the independent implementation an empty list that was set is not one that was not.
    check(&DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).unwrap())
}

#[test]
fn there_are_all_messages_of_the_table() {
    assert_eq!(CHECKS.len(), proffer_mesos_api::Descriptor::all().len() - 1, "all but google.protobuf.Duration");
    assert!(CHECKS.len() > 300, "{}", CHECKS.len());
}

#[test]
fn an_empty_message_of_every_type_survives() {
    for index in 0..CHECKS.len() {
        check_named(index, &[]).unwrap();
    }
}

#[test]
fn a_full_message_of_every_type_survives() {
    // Each byte taken from this supply says yes to a field that may be left out.
    let contents: Vec<u8> = (0..85).map(|index: u8| index * 3 + 1).cycle().step_by(7).take(4000).collect();
    for index in 0..CHECKS.len() {
        check_named(index, &contents).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_message_survives(index in any::<usize>(), contents in proptest::collection::vec(any::<u8>(), 0..600)) {
        check_named(index, &contents)?;
    }
}
