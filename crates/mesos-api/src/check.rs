//! Walks over a message's bytes before they are decoded: required fields, depth, and how much memory the decoded message
//! would take.
//!
//! prost takes a missing required field for its default and reads as much as it is given; Mesos refuses the one, and
//! nobody can afford the other: two bytes on the wire can be a kilobyte in memory.

use crate::descriptor::{Field, Kind, Label, Message};
use crate::wire::{MAX_DEPTH, Malformed, Reader, Value};

/// Most missing fields that are named in one error.
const MAX_NAMED: usize = 32;

/// Why a message is not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Malformed,
    TooDeep,
    TooLarge,
    /// Paths of required fields that are not there, as in `subscribe.framework_info.user`.
    Missing(Vec<String>),
}

impl From<Malformed> for Problem {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

/// Checks a whole message against its table, allowing at most `memory` bytes of decoded parts.
pub(crate) fn check(message: &'static Message, bytes: &[u8], memory: usize) -> Result<(), Problem> {
    let mut walk = Walk { memory, path: Vec::new(), missing: Vec::new() };
    walk.take(message.size)?;
    walk.message(message, bytes, false)?;
    if walk.missing.is_empty() { Ok(()) } else { Err(Problem::Missing(walk.missing)) }
}

struct Walk {
    /// What may still be taken, in bytes.
    memory: usize,
    /// Where in the message the walk is: fields with the index of a repeated one.
    path: Vec<(&'static str, Option<usize>)>,
    missing: Vec<String>,
}

impl Walk {
    fn take(&mut self, bytes: usize) -> Result<(), Problem> {
        self.memory = self.memory.checked_sub(bytes).ok_or(Problem::TooLarge)?;
        Ok(())
    }

    fn message(&mut self, message: &'static Message, bytes: &[u8], is_map_entry: bool) -> Result<(), Problem> {
        if self.path.len() >= MAX_DEPTH {
            return Err(Problem::TooDeep);
        }
        // How often each field was seen; Mesos' largest message has fewer than 64 fields with messages in them.
        let mut seen = vec![0_usize; message.fields.len()];
        let mut reader = Reader::new(bytes);
        let mut merge = false;
        while let Some((number, value)) = reader.next()? {
            let Some(index) = message.index_of_number(number) else { continue };
            let field = &message.fields[index];
            if self.counts(field, value)? {
                seen[index] += 1;
                merge |= seen[index] > 1 && matches!(field.label, Label::Required | Label::Optional | Label::Implicit);
            }
        }
        for (index, field) in message.fields.iter().enumerate() {
            if field.label == Label::Required && seen[index] == 0 && self.missing.len() < MAX_NAMED {
                self.missing.push(self.path_to(field));
            }
        }
        if is_map_entry
            && let Some(index) = message.index_of_number(2).filter(|&index| seen[index] == 0)
            && let Kind::Message(inner) = &message.fields[index].kind
        {
            // A value that is not there is an empty message, which may not be enough.
            self.step(&message.fields[index], 0, inner, &[])?;
        }
        if merge { self.merged_messages(message, bytes) } else { self.inner_messages(message, bytes) }
    }

    /// Whether the value makes its field present; takes the memory that it needs by itself.
    fn counts(&mut self, field: &Field, value: Value<'_>) -> Result<bool, Problem> {
        let repeated = matches!(field.label, Label::Repeated | Label::Map);
        match (&field.kind, value) {
            (Kind::Enum(table), Value::Varint(number)) => {
                if repeated {
                    self.take(size_of::<i32>())?;
                }
                // An enum's value that is not known is as good as none; what is stored is its low half.
                #[allow(clippy::cast_possible_truncation, reason = "protobuf cuts enums to 32 bits")]
                Ok(table.name(number as i32).is_some())
            }
            (kind, Value::Varint(_)) if kind.wire_type() == 0 => {
                if repeated {
                    self.take(size_of::<u64>())?;
                }
                Ok(true)
            }
            (Kind::Double, Value::Fixed64(_)) => {
                if repeated {
                    self.take(size_of::<f64>())?;
                }
                Ok(true)
            }
            (Kind::String | Kind::Bytes, Value::Bytes(bytes)) => {
                self.take(bytes.len() + if repeated { size_of::<String>() } else { 0 })?;
                Ok(true)
            }
            // One that is not repeated lies within the outer one or in a box of its own.
            (Kind::Message(inner), Value::Bytes(_)) => {
                self.take(inner.size)?;
                Ok(true)
            }
            // Packed: any decoder takes it for a repeated number.
            (_, Value::Bytes(bytes)) if repeated => {
                self.take(bytes.len().saturating_mul(size_of::<u64>()))?;
                Ok(true)
            }
            _ => Err(Problem::Malformed),
        }
    }

    fn inner_messages(&mut self, message: &'static Message, bytes: &[u8]) -> Result<(), Problem> {
        let mut reader = Reader::new(bytes);
        let mut last = (usize::MAX, 0);
        while let Some((number, value)) = reader.next()? {
            let Some(index) = message.index_of_number(number) else { continue };
            let field = &message.fields[index];
            if let (Kind::Message(inner), Value::Bytes(inside)) = (&field.kind, value) {
                let position = if last.0 == index { last.1 + 1 } else { 0 };
                last = (index, position);
                self.step(field, position, inner, inside)?;
            }
        }
        Ok(())
    }

    /// As `inner_messages`, for the rare sender who gives one message in parts: parts of a field are one message.
    fn merged_messages(&mut self, message: &'static Message, bytes: &[u8]) -> Result<(), Problem> {
        for (index, field) in message.fields.iter().enumerate() {
            let Kind::Message(inner) = &field.kind else { continue };
            let repeated = matches!(field.label, Label::Repeated | Label::Map);
            let mut reader = Reader::new(bytes);
            let mut parts = Vec::new();
            let mut position = 0;
            while let Some((number, value)) = reader.next()? {
                let (Some(found), Value::Bytes(inside)) = (message.index_of_number(number), value) else { continue };
                if found != index {
                    continue;
                }
                if repeated {
                    self.step(field, position, inner, inside)?;
                } else {
                    parts.extend_from_slice(inside);
                }
                position += 1;
            }
            if !repeated && position > 0 {
                self.step(field, 0, inner, &parts)?;
            }
        }
        Ok(())
    }

    fn step(
        &mut self,
        field: &'static Field,
        position: usize,
        inner: &'static Message,
        bytes: &[u8],
    ) -> Result<(), Problem> {
        let repeated = matches!(field.label, Label::Repeated | Label::Map);
        self.path.push((field.name, repeated.then_some(position)));
        let result = self.message(inner, bytes, field.label == Label::Map);
        self.path.pop();
        result
    }

    fn path_to(&self, field: &Field) -> String {
        let mut text = String::new();
        for (name, index) in &self.path {
            text.push_str(name);
            if let Some(index) = index {
                text.push('[');
                text.push_str(&index.to_string());
                text.push(']');
            }
            text.push('.');
        }
        text.push_str(field.name);
        text
    }
}
