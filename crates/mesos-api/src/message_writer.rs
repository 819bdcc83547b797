//! Writes messages as protobuf field by field, for answers that are too large to be built first.

use crate::wire::{put_bytes, put_tag, put_varint};

/// Writes the fields of one message. Which field has which type is for the caller to know.
///
/// ```
/// use proffer_mesos_api::{MessageWriter, encode, v1};
///
/// let mut out = Vec::new();
/// MessageWriter::new(&mut out).bytes(1, b"task-1");
/// assert_eq!(out, encode(&v1::TaskId { value: "task-1".to_owned() }));
/// ```
#[derive(Debug)]
pub struct MessageWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> MessageWriter<'a> {
    /// Writes at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// A number, a bool or an enum's value.
    pub fn varint(&mut self, number: u32, value: u64) {
        put_tag(self.out, number, 0);
        put_varint(self.out, value);
    }

    /// A double.
    pub fn double(&mut self, number: u32, value: f64) {
        put_tag(self.out, number, 1);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// A text, bytes, or a message that is encoded already.
    pub fn bytes(&mut self, number: u32, value: &[u8]) {
        put_tag(self.out, number, 2);
        put_bytes(self.out, value);
    }

    /// A message.
    pub fn message(&mut self, number: u32, fields: impl FnOnce(&mut MessageWriter<'_>)) {
        put_tag(self.out, number, 2);
        // Most messages are short, so there is room for a length of one byte; a longer one moves what was written.
        let length_at = self.out.len();
        self.out.push(0);
        fields(&mut MessageWriter::new(self.out));
        let start = length_at + 1;
        let length = self.out.len() - start;
        if let Ok(short @ 0..0x80) = u8::try_from(length) {
            if let Some(byte) = self.out.get_mut(length_at) {
                *byte = short;
            }
            return;
        }
        let mut prefix = Vec::with_capacity(10);
        put_varint(&mut prefix, length as u64);
        self.out.splice(length_at..start, prefix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{self, value};
    use crate::{decode, encode};

    #[test]
    fn what_is_written_is_the_message() {
        for length in [0, 1, 100, 127, 128, 200, 20_000] {
            let name = "x".repeat(length);
            let mut out = Vec::new();
            let mut message = MessageWriter::new(&mut out);
            message.bytes(1, name.as_bytes());
            message.varint(2, 0);
            message.message(3, |scalar| scalar.double(1, 1.5));
            message.message(11, |allocation| allocation.bytes(1, name.as_bytes()));
            let expected = v1::Resource {
                name: name.clone(),
                r#type: value::Type::Scalar.into(),
                scalar: Some(value::Scalar { value: 1.5 }),
                allocation_info: Some(v1::resource::AllocationInfo { role: Some(name) }),
                ..v1::Resource::default()
            };
            assert_eq!(decode::<v1::Resource>(&out), Ok(expected.clone()), "{length}");
            assert_eq!(out.len(), encode(&expected).len(), "{length}");
        }
    }
}
