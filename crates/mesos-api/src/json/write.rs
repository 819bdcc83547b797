//! From protobuf to JSON, by the message's table.
//!
//! The bytes come from a message of ours, so they are well formed; should they not be, what can be read is written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::writer::{ArrayWriter, ObjectWriter, ValueWriter};
use crate::descriptor::{DefaultValue, Field, Kind, Label, Message};
use crate::wire::{Reader, Value};

/// Writes the message that `bytes` hold.
pub(super) fn from_protobuf(message: &'static Message, bytes: &[u8], out: ValueWriter<'_>) {
    out.object(|out| fields(message, bytes, out));
}

fn fields(message: &'static Message, bytes: &[u8], out: &mut ObjectWriter<'_>) {
    let mut found = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Ok(Some((number, value))) = reader.next() {
        if let Some(index) = message.index_of_number(number) {
            found.push((index, value));
        }
    }
    // The wire has the order of numbers, JSON that of declaration. Stable, so repeated fields keep theirs.
    found.sort_by_key(|(index, _)| *index);
    let mut rest = found.as_slice();
    for (index, field) in message.fields.iter().enumerate() {
        let count = rest.iter().take_while(|(found, _)| *found == index).count();
        let (values, after) = rest.split_at(count);
        rest = after;
        match (field.label, values) {
            (Label::Map, [_, ..]) => {
                out.object(field.name, |out| values.iter().for_each(|(_, entry)| map_entry(field, *entry, out)));
            }
            (Label::Repeated, [_, ..]) => {
                out.array(field.name, |out| values.iter().for_each(|(_, value)| elements(field, *value, out)));
            }
            (_, [.., (_, value)]) if is_known(field, *value) => single(field, *value, out.value(field.name)),
            // An enum's value that is not known is as good as none.
            _ => default(field, out),
        }
    }
}

fn default(field: &Field, out: &mut ObjectWriter<'_>) {
    match field.default {
        None => {}
        Some(DefaultValue::Bool(value)) => out.bool(field.name, value),
        Some(DefaultValue::Unsigned(value)) => out.unsigned(field.name, value),
        Some(DefaultValue::Double(value)) => out.double(field.name, value),
        Some(DefaultValue::Text(value)) => out.string(field.name, value),
    }
}

fn is_known(field: &Field, value: Value<'_>) -> bool {
    match (&field.kind, value) {
        (Kind::Enum(table), Value::Varint(number)) => table.name(low_half(number)).is_some(),
        _ => true,
    }
}

/// What protobuf makes of a number for a field of 32 bits.
#[allow(clippy::cast_possible_truncation, reason = "protobuf cuts to 32 bits")]
fn low_half(number: u64) -> i32 {
    number as i32
}

fn elements(field: &Field, value: Value<'_>, out: &mut ArrayWriter<'_>) {
    match (&field.kind, value) {
        (Kind::String | Kind::Bytes | Kind::Message(_), _) => single(field, value, out.value()),
        (Kind::Double, Value::Bytes(packed)) => {
            let mut reader = Reader::new(packed);
            while let Ok(Some(bits)) = reader.next_fixed64() {
                single(field, Value::Fixed64(bits), out.value());
            }
        }
        (_, Value::Bytes(packed)) => {
            let mut reader = Reader::new(packed);
            while let Ok(Some(number)) = reader.next_varint() {
                elements(field, Value::Varint(number), out);
            }
        }
        _ if is_known(field, value) => single(field, value, out.value()),
        _ => {}
    }
}

fn single(field: &Field, value: Value<'_>, out: ValueWriter<'_>) {
    match (&field.kind, value) {
        (Kind::Bool, Value::Varint(number)) => out.bool(number != 0),
        (Kind::Int32, Value::Varint(number)) => out.signed(i64::from(low_half(number))),
        (Kind::Int64, Value::Varint(number)) => out.signed(number.cast_signed()),
        (Kind::Uint32, Value::Varint(number)) => out.unsigned(number & u64::from(u32::MAX)),
        (Kind::Uint64, Value::Varint(number)) => out.unsigned(number),
        (Kind::Double, Value::Fixed64(bits)) => out.double(f64::from_bits(bits)),
        (Kind::String, Value::Bytes(text)) => out.string(&String::from_utf8_lossy(text)),
        (Kind::Bytes, Value::Bytes(bytes)) => out.string(&STANDARD.encode(bytes)),
        (Kind::Enum(table), Value::Varint(number)) => match table.name(low_half(number)) {
            Some(name) => out.string(name),
            None => out.null(),
        },
        (Kind::Message(inner), Value::Bytes(bytes)) => from_protobuf(inner, bytes, out),
        _ => out.null(),
    }
}

/// Writes one entry of a map. An entry without its key has an empty one, and without its value the type's default.
fn map_entry(field: &Field, entry: Value<'_>, out: &mut ObjectWriter<'_>) {
    let (Kind::Message(message), Value::Bytes(bytes)) = (&field.kind, entry) else { return };
    let (mut key, mut value) = (&b""[..], Value::Bytes(b""));
    let mut reader = Reader::new(bytes);
    while let Ok(Some((number, found))) = reader.next() {
        match (number, found) {
            (1, Value::Bytes(text)) => key = text,
            (2, found) => value = found,
            _ => {}
        }
    }
    if let Some(index) = message.index_of_number(2) {
        single(&message.fields[index], value, out.value(&String::from_utf8_lossy(key)));
    }
}
