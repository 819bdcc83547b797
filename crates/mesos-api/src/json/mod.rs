//! JSON as Mesos writes and reads it.
//!
//! Fields have the names of the .proto files, in that order; 64-bit numbers are numbers; bytes are base64; maps are
//! objects; enums are names; fields that are not set are left out, but for those that have a default, which is shown.
//!
//! Read: numbers also as texts, `"Infinity"`, `"-Infinity"` and `"NaN"` for doubles, `null` for a field that is not set.
//! Fields that are not known are ignored, and so are values of an enum that are not known, unless it is required.
//!
//! Where we differ from Mesos: numbers that do not fit their field are refused and not cut; whole numbers above 2^63
//! keep their last digits; an infinite number is written as a text, since JSON has no other way; text beyond ASCII is
//! escaped, since clients slice decoded text by the record's length in bytes.

mod read;
mod write;
mod writer;

pub use writer::{ArrayWriter, ObjectWriter, ValueWriter, array, object};

use crate::descriptor::Described;
use crate::protobuf::{self, DecodeError, Limits};

/// Why a text is not the message it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No JSON. The text is Mesos', after "Failed to parse body into JSON: ".
    #[error("{0}")]
    Syntax(String),
    /// JSON, but not this message. The text is Mesos', after "Failed to convert JSON into Call protobuf: ".
    #[error("{0}")]
    Conversion(String),
    /// Each part fits, but not the whole: a required field is not there, or it is too much.
    #[error(transparent)]
    Message(#[from] DecodeError),
}

/// Reads a message from JSON, within the default limits.
pub fn decode<M: Described>(text: &[u8]) -> Result<M, Error> {
    decode_within(text, Limits::default())
}

/// Reads a message from JSON.
pub fn decode_within<M: Described>(text: &[u8], limits: Limits) -> Result<M, Error> {
    let bytes = read::to_protobuf(M::descriptor(), text)?;
    Ok(protobuf::decode_within(&bytes, limits)?)
}

/// Writes a message as JSON, on one line and in ASCII.
#[must_use]
pub fn encode<M: Described>(message: &M) -> String {
    let mut out = String::new();
    write(message, ValueWriter::new(&mut out));
    out
}

/// Writes a message as a value within other JSON.
pub fn write<M: Described>(message: &M, out: ValueWriter<'_>) {
    write::from_protobuf(M::descriptor(), &protobuf::encode(message), out);
}
