//! Messages as protobuf.

use crate::check::{self, Problem};
use crate::descriptor::Described;
use crate::maps;

/// What a decoder may spend on one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes that the decoded message may take in memory, counted roughly; from 1.
    pub memory: usize,
}

impl Default for Limits {
    /// 256 MiB: more than any call needs, and the whole state of a cluster with 100,000 tasks.
    fn default() -> Self {
        Self { memory: 256 << 20 }
    }
}

/// Why bytes are not the message they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No message of this type. The text is Mesos'.
    #[error("Failed to parse body into a protobuf object")]
    Malformed,
    /// Messages within messages, more than a hundred deep.
    #[error("Messages are nested too deeply")]
    TooDeep,
    /// More than the limit once decoded.
    #[error("Message is too large")]
    TooLarge,
    /// Required fields are not there: their paths. The text is Mesos'.
    #[error("Missing required fields: {}", .0.join(", "))]
    Missing(Vec<String>),
}

impl From<Problem> for DecodeError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Malformed => Self::Malformed,
            Problem::TooDeep => Self::TooDeep,
            Problem::TooLarge => Self::TooLarge,
            Problem::Missing(paths) => Self::Missing(paths),
        }
    }
}

/// Reads a message from protobuf, within the default limits.
pub fn decode<M: Described>(bytes: &[u8]) -> Result<M, DecodeError> {
    decode_within(bytes, Limits::default())
}

/// Reads a message from protobuf.
///
/// Fields that are not known are ignored; so is an enum's value that is not known, which for a required field makes the
/// message incomplete.
pub fn decode_within<M: Described>(bytes: &[u8], limits: Limits) -> Result<M, DecodeError> {
    check::check(M::descriptor(), bytes, limits.memory)?;
    M::decode(bytes).map_err(|_| DecodeError::Malformed)
}

/// Writes a message as protobuf.
///
/// Not the same as prost's own encoder, which leaves out a map's value that is all zero: other implementations then miss
/// the value's required fields and refuse the message.
#[must_use]
pub fn encode<M: Described>(message: &M) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    maps::completed(M::descriptor(), &bytes).unwrap_or(bytes)
}
