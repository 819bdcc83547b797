//! From JSON to protobuf, by the message's table, without building a document in between.

use std::fmt;
use std::ops::Range;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Error;
use crate::descriptor::{Field, Kind, Label, Message};
use crate::wire::{put_bytes, put_length_before, put_tag, put_varint};

/// Base64 as Mesos takes it: padding may be missing, and the bits after the last byte may be anything.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads a JSON object into the bytes of a message.
pub(super) fn to_protobuf(message: &'static Message, text: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = Root { message, out: &mut out }.deserialize(&mut reader).and_then(|()| reader.end());
    match read {
        Ok(()) => Ok(out),
        Err(error) if error.is_data() => {
            // Mesos parses the whole text before it looks at what it says.
            match parse::<IgnoredAny>(text) {
                Ok(_) => Err(Error::Conversion(without_position(&error))),
                Err(error) => Err(Error::Syntax(syntax(text, &error))),
            }
        }
        Err(error) => Err(Error::Syntax(syntax(text, &error))),
    }
}

fn parse<'a, T: serde::Deserialize<'a>>(text: &'a [u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(text)
}

/// The error as Mesos' parser tells it: the line, and what stands there.
fn syntax(text: &[u8], error: &serde_json::Error) -> String {
    if error.to_string().starts_with("number out of range") {
        return "Value out of range".to_owned();
    }
    let line = text.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let at_end = error.is_eof();
    let near = line.get(error.column().saturating_sub(usize::from(!at_end))..).unwrap_or_default();
    let near = &near[..near.len().min(128)];
    format!("syntax error at line {} near: {}", error.line().max(1), String::from_utf8_lossy(near))
}

/// An error of ours: without the position that `serde_json` adds.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).map(str::to_owned).unwrap_or(text)
}

/// The whole text.
struct Root<'a> {
    message: &'static Message,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        read_fields(self.message, self.out, map)
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Err(E::custom("Expecting a JSON object"))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        Err(E::custom("Expecting a JSON object"))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        Err(E::custom("Expecting a JSON object"))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Err(E::custom("Expecting a JSON object"))
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom("Expecting a JSON object"))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Err(E::custom("Expecting a JSON object"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom("Expecting a JSON object"))
    }
}

/// Reads the fields of an object. Of a name that occurs twice, the last value counts.
fn read_fields<'de, A: MapAccess<'de>>(
    message: &'static Message,
    out: &mut Vec<u8>,
    mut map: A,
) -> Result<(), A::Error> {
    let mut written: Vec<(usize, Range<usize>)> = Vec::new();
    while let Some(found) = map.next_key_seed(FieldName { message })? {
        let Some(index) = found else {
            map.next_value::<IgnoredAny>()?;
            continue;
        };
        if let Some(position) = written.iter().position(|(earlier, _)| *earlier == index) {
            let (_, gone) = written.remove(position);
            out.drain(gone.clone());
            for (_, range) in &mut written[position..] {
                *range = range.start - gone.len()..range.end - gone.len();
            }
        }
        let start = out.len();
        map.next_value_seed(FieldValue { field: &message.fields[index], out })?;
        written.push((index, start..out.len()));
    }
    Ok(())
}

/// Reads a name: the field's index, or nothing if it is not known.
struct FieldName {
    message: &'static Message,
}

impl<'de> DeserializeSeed<'de> for FieldName {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_identifier(self)
    }
}

impl Visitor<'_> for FieldName {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.message.index_of_name(name))
    }
}

/// Reads a field's value, or one element of it.
struct FieldValue<'a> {
    field: &'static Field,
    out: &'a mut Vec<u8>,
}

impl FieldValue<'_> {
    fn refuse<E: serde::de::Error>(&self, what: &str) -> E {
        E::custom(format_args!("Not expecting a JSON {what} for field '{}'", self.field.name))
    }

    fn varint(self, value: u64) {
        put_tag(self.out, self.field.number, 0);
        put_varint(self.out, value);
    }

    fn bytes(self, value: &[u8]) {
        put_tag(self.out, self.field.number, 2);
        put_bytes(self.out, value);
    }

    fn double(self, value: f64) {
        put_tag(self.out, self.field.number, 1);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// A number, whichever way it was written.
    fn number<E: serde::de::Error>(self, number: Number) -> Result<(), E> {
        let field = self.field;
        let range = || E::custom(format_args!("Value out of range for field '{}'", field.name));
        let whole = number.whole();
        match self.field.kind {
            Kind::Double => self.double(number.double()),
            Kind::Int32 => {
                let value = whole.and_then(|value| i32::try_from(value).ok()).ok_or_else(range)?;
                self.varint(i64::from(value).cast_unsigned());
            }
            Kind::Int64 => {
                let value = whole.and_then(|value| i64::try_from(value).ok()).ok_or_else(range)?;
                self.varint(value.cast_unsigned());
            }
            Kind::Uint32 => {
                let value = whole.and_then(|value| u32::try_from(value).ok()).ok_or_else(range)?;
                self.varint(u64::from(value));
            }
            Kind::Uint64 => {
                let value = whole.and_then(|value| u64::try_from(value).ok()).ok_or_else(range)?;
                self.varint(value);
            }
            _ => return Err(self.refuse("number")),
        }
        Ok(())
    }
}

/// A number as JSON has it.
#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Double(f64),
}

impl Number {
    /// The number without its fraction; nothing if it fits no field.
    fn whole(self) -> Option<i128> {
        match self {
            Self::Whole(value) => Some(value),
            // 2^65 is past every field and far within i128.
            #[allow(clippy::cast_possible_truncation, reason = "the fraction is meant to go")]
            Self::Double(value) => (value.abs() < 36_893_488_147_419_103_232.0).then(|| value.trunc() as i128),
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "a double has the precision that it has")]
    fn double(self) -> f64 {
        match self {
            Self::Whole(value) => value as f64,
            Self::Double(value) => value,
        }
    }
}

impl<'de> DeserializeSeed<'de> for FieldValue<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value for field '{}'", self.field.name)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        match self.field.kind {
            Kind::Bool => {
                self.varint(u64::from(value));
                Ok(())
            }
            _ => Err(self.refuse("boolean")),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.number(Number::Whole(i128::from(value)))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.number(Number::Whole(i128::from(value)))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.number(Number::Double(value))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let name = self.field.name;
        match self.field.kind {
            Kind::String => self.bytes(text.as_bytes()),
            Kind::Bytes => {
                let bytes = base64(text)
                    .map_err(|why| E::custom(format_args!("Failed to base64 decode bytes field '{name}': {why}")))?;
                self.bytes(&bytes);
            }
            Kind::Enum(table) => match table.number(text) {
                Some(number) => self.varint(i64::from(number).cast_unsigned()),
                None if self.field.label == Label::Required => {
                    return Err(E::custom(format_args!("Failed to find enum for '{text}'")));
                }
                None => {}
            },
            Kind::Double if text == "Infinity" => self.double(f64::INFINITY),
            Kind::Double if text == "-Infinity" => self.double(f64::NEG_INFINITY),
            Kind::Double if text == "NaN" => self.double(f64::NAN),
            Kind::Bool => match parse::<bool>(text.as_bytes()) {
                Ok(value) => self.varint(u64::from(value)),
                Err(error) => return Err(not_parsed(text, "boolean", name, &error)),
            },
            Kind::Message(_) => return Err(self.refuse("string")),
            _ => match parse::<serde_json::Number>(text.as_bytes()) {
                Ok(number) => return self.number(number_of(&number)),
                Err(error) => return Err(not_parsed(text, "number", name, &error)),
            },
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        if !matches!(self.field.label, Label::Repeated | Label::Map) {
            return Err(self.refuse("array"));
        }
        while elements.next_element_seed(FieldValue { field: self.field, out: self.out })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Kind::Message(message) = self.field.kind else { return Err(self.refuse("object")) };
        if self.field.label != Label::Map {
            put_tag(self.out, self.field.number, 2);
            let start = self.out.len();
            read_fields(message, self.out, map)?;
            put_length_before(self.out, start);
            return Ok(());
        }
        let value = message.index_of_number(2).map(|index| &message.fields[index]);
        while let Some(key) = map.next_key::<String>()? {
            put_tag(self.out, self.field.number, 2);
            let start = self.out.len();
            put_tag(self.out, 1, 2);
            put_bytes(self.out, key.as_bytes());
            match value {
                Some(field) => map.next_value_seed(FieldValue { field, out: self.out })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            put_length_before(self.out, start);
        }
        Ok(())
    }
}

fn number_of(number: &serde_json::Number) -> Number {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(value), _, _) => Number::Whole(i128::from(value)),
        (None, Some(value), _) => Number::Whole(i128::from(value)),
        (None, None, value) => Number::Double(value.unwrap_or(f64::NAN)),
    }
}

fn not_parsed<E: serde::de::Error>(text: &str, what: &str, field: &str, error: &serde_json::Error) -> E {
    let why = syntax(text.as_bytes(), error);
    E::custom(format_args!("Failed to parse '{text}' as a JSON {what} for field '{field}': {why}"))
}

/// Reads base64 as Mesos does: white space is skipped, and the first `=` ends it.
fn base64(text: &str) -> Result<Vec<u8>, String> {
    let mut digits = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'=' => break,
            b' ' | b'\t'..=b'\r' => {}
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => digits.push(byte),
            _ => return Err(format!("Invalid character '{}'", char::from(byte).escape_default())),
        }
    }
    // One digit alone is less than a byte.
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    LENIENT.decode(&digits).map_err(|error| error.to_string())
}
