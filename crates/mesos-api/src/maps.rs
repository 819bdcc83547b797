//! Completes the entries of maps that prost wrote without their values.

use crate::descriptor::{Kind, Label, Message};
use crate::wire::{Reader, Value, put_bytes, put_tag, put_varint};

/// The message with every map's value in it; nothing if it is complete as it is.
pub(crate) fn completed(message: &'static Message, bytes: &[u8]) -> Option<Vec<u8>> {
    if !message.has_demanding_maps {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len() + 16);
    let mut changed = false;
    let mut reader = Reader::new(bytes);
    // The bytes are of our own making; were they not well formed, the rest would be left as it is.
    while let Ok(Some((number, value))) = reader.next() {
        match value {
            Value::Varint(value) => {
                put_tag(&mut out, number, 0);
                put_varint(&mut out, value);
            }
            Value::Fixed64(bits) => {
                put_tag(&mut out, number, 1);
                out.extend_from_slice(&bits.to_le_bytes());
            }
            Value::Bytes(inside) => {
                put_tag(&mut out, number, 2);
                let field = message.index_of_number(number).map(|index| &message.fields[index]);
                let better = match field.map(|field| (&field.kind, field.label)) {
                    Some((Kind::Message(entry), Label::Map)) => completed_entry(entry, inside),
                    Some((Kind::Message(inner), _)) => completed(inner, inside),
                    _ => None,
                };
                changed |= better.is_some();
                put_bytes(&mut out, better.as_deref().unwrap_or(inside));
            }
            Value::Skipped => return None,
        }
    }
    changed.then_some(out)
}

/// The entry with its value; nothing if it is complete as it is.
fn completed_entry(entry: &'static Message, bytes: &[u8]) -> Option<Vec<u8>> {
    let Kind::Message(value) = &entry.fields[entry.index_of_number(2)?].kind else { return None };
    let mut out = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Ok(Some((number, found))) = reader.next() {
        let Value::Bytes(found) = found else { return None };
        if number == 2 {
            let better = completed(value, found)?;
            put_tag(&mut out, 2, 2);
            put_bytes(&mut out, &better);
            return Some(out);
        }
        put_tag(&mut out, number, 2);
        put_bytes(&mut out, found);
    }
    put_tag(&mut out, 2, 2);
    put_bytes(&mut out, &zero(value));
    Some(out)
}

/// The message of a type whose required fields are all zero.
fn zero(message: &'static Message) -> Vec<u8> {
    let mut out = Vec::new();
    for field in message.fields.iter().filter(|field| field.label == Label::Required) {
        put_tag(&mut out, field.number, field.kind.wire_type());
        match &field.kind {
            Kind::Double => out.extend_from_slice(&[0; 8]),
            Kind::Message(inner) => put_bytes(&mut out, &zero(inner)),
            // A number that is zero, or a length that is.
            _ => out.push(0),
        }
    }
    out
}
