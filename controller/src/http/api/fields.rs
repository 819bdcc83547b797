//! Messages written field by field, in either encoding, without being built first.

use super::super::encoding::Encoding;
use proffer_mesos_api::json::{self, ObjectWriter};
use proffer_mesos_api::{Described, MessageWriter, encode};

/// A field: its name, for JSON, and its number, for protobuf.
#[derive(Clone, Copy)]
pub(super) struct Field(pub(super) &'static str, pub(super) u32);

/// The fields of a message that is being written.
pub(super) enum Fields<'a, 'b> {
    Json(&'a mut ObjectWriter<'b>),
    Protobuf(&'a mut MessageWriter<'b>),
}

/// Writes one message.
pub(super) fn message(encoding: Encoding, fields: impl FnOnce(&mut Fields<'_, '_>)) -> Vec<u8> {
    match encoding {
        Encoding::Json => {
            let mut out = String::new();
            json::object(&mut out, |out| fields(&mut Fields::Json(out)));
            out.into_bytes()
        }
        Encoding::Protobuf => {
            let mut out = Vec::new();
            fields(&mut Fields::Protobuf(&mut MessageWriter::new(&mut out)));
            out
        }
    }
}

impl Fields<'_, '_> {
    /// A text.
    pub(super) fn string(&mut self, Field(name, number): Field, value: &str) {
        match self {
            Self::Json(out) => out.string(name, value),
            Self::Protobuf(out) => out.bytes(number, value.as_bytes()),
        }
    }

    /// A double.
    pub(super) fn double(&mut self, Field(name, number): Field, value: f64) {
        match self {
            Self::Json(out) => out.double(name, value),
            Self::Protobuf(out) => out.double(number, value),
        }
    }

    /// A number that is not negative.
    pub(super) fn unsigned(&mut self, Field(name, number): Field, value: u64) {
        match self {
            Self::Json(out) => out.unsigned(name, value),
            Self::Protobuf(out) => out.varint(number, value),
        }
    }

    /// A value of an enum, by its name and its number, which is not negative in any of Mesos'.
    pub(super) fn value(&mut self, Field(name, number): Field, value: (&str, i32)) {
        match self {
            Self::Json(out) => out.string(name, value.0),
            Self::Protobuf(out) => out.varint(number, u64::from(value.1.unsigned_abs())),
        }
    }

    /// A message.
    pub(super) fn message(&mut self, Field(name, number): Field, fields: impl FnOnce(&mut Fields<'_, '_>)) {
        match self {
            Self::Json(out) => out.object(name, |out| fields(&mut Fields::Json(out))),
            Self::Protobuf(out) => out.message(number, |out| fields(&mut Fields::Protobuf(out))),
        }
    }

    /// A message of which only the field `value` of number 1 is there, as Mesos' IDs are.
    pub(super) fn id(&mut self, field: Field, value: &str) {
        self.message(field, |out| out.string(Field("value", 1), value));
    }

    /// Messages. In JSON the list is there even when it is empty.
    pub(super) fn list<T>(
        &mut self,
        Field(name, number): Field,
        items: impl Iterator<Item = T>,
        each: impl Fn(&mut Fields<'_, '_>, T),
    ) {
        match self {
            Self::Json(out) => {
                out.array(name, |out| {
                    for item in items {
                        out.object(|out| each(&mut Fields::Json(out), item));
                    }
                });
            }
            Self::Protobuf(out) => {
                for item in items {
                    out.message(number, |out| each(&mut Fields::Protobuf(out), item));
                }
            }
        }
    }

    /// Messages; nothing at all if there are none.
    pub(super) fn some<T>(
        &mut self,
        field: Field,
        items: impl Iterator<Item = T>,
        each: impl Fn(&mut Fields<'_, '_>, T),
    ) {
        let mut items = items.peekable();
        if items.peek().is_some() {
            self.list(field, items, each);
        }
    }

    /// Messages, each built only when it is its turn. In JSON the list is there even when it is empty.
    pub(super) fn built<M: Described>(&mut self, Field(name, number): Field, messages: impl Iterator<Item = M>) {
        match self {
            Self::Json(out) => {
                out.array(name, |out| messages.for_each(|message| json::write(&message, out.value())));
            }
            Self::Protobuf(out) => messages.for_each(|message| out.bytes(number, &encode(&message))),
        }
    }

    /// A message that is built, if there is one.
    pub(super) fn one<M: Described>(&mut self, Field(name, number): Field, message: Option<M>) {
        let Some(message) = message else { return };
        match self {
            Self::Json(out) => json::write(&message, out.value(name)),
            Self::Protobuf(out) => out.bytes(number, &encode(&message)),
        }
    }
}
