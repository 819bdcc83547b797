//! The framing of Mesos' streams: each record's length in decimal, a line feed, then the record.

use std::fmt;

/// The most digits of a length; no 64-bit number has more.
const MAX_DIGITS: usize = 20;

/// Frames a record.
#[must_use]
pub fn encode(record: &[u8]) -> Vec<u8> {
    let mut out = record.len().to_string().into_bytes();
    out.reserve_exact(record.len() + 1);
    out.push(b'\n');
    out.extend_from_slice(record);
    out
}

/// Why a stream cannot be read on. Where the next record starts is not known any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What should be a length is none.
    #[error("Failed to decode length '{0}': Failed to convert '{0}' to number")]
    Length(String),
    /// A record is larger than the decoder takes.
    #[error("Record of {length} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// The record's length, in bytes.
        length: u64,
        /// The decoder's limit, in bytes.
        limit: usize,
    },
    /// The stream could not be read on before.
    #[error("Decoder is in a FAILED state")]
    Failed,
}

/// Takes records out of a stream that comes in pieces of any size.
///
/// Never holds more than one record, nor asks for the room of one before its bytes come.
pub struct Decoder {
    limit: usize,
    state: State,
}

enum State {
    /// The digits so far.
    Header(Vec<u8>),
    /// The record so far and its length.
    Record(Vec<u8>, usize),
    Failed,
}

impl Decoder {
    /// A decoder that takes records of at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, state: State::Header(Vec::new()) }
    }

    /// Reads on in `input` until a record is complete; `input` is left at what follows it. Nothing if `input` ends
    /// before that.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, Error> {
        loop {
            match &mut self.state {
                State::Failed => return Err(Error::Failed),
                State::Header(digits) => {
                    let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
                    *input = rest;
                    if byte != b'\n' {
                        digits.push(byte);
                        if !byte.is_ascii_digit() || digits.len() > MAX_DIGITS {
                            return Err(self.fail_in_header());
                        }
                        continue;
                    }
                    let Some(length) = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u64>().ok())
                    else {
                        return Err(self.fail_in_header());
                    };
                    match usize::try_from(length) {
                        Ok(length) if length <= self.limit => self.state = State::Record(Vec::new(), length),
                        _ => {
                            self.state = State::Failed;
                            return Err(Error::TooLarge { length, limit: self.limit });
                        }
                    }
                }
                State::Record(record, length) => {
                    let (head, rest) = input.split_at(input.len().min(*length - record.len()));
                    *input = rest;
                    if record.capacity() < record.len() + head.len() {
                        // Doubled, so that copies stay few, but never past the record's end.
                        let room = (2 * record.capacity()).clamp(record.len() + head.len(), *length);
                        record.reserve_exact(room - record.len());
                    }
                    record.extend_from_slice(head);
                    if record.len() < *length {
                        return Ok(None);
                    }
                    let record = std::mem::take(record);
                    self.state = State::Header(Vec::new());
                    return Ok(Some(record));
                }
            }
        }
    }

    /// Whether the stream may end here: no record has begun.
    #[must_use]
    pub fn is_between_records(&self) -> bool {
        matches!(&self.state, State::Header(digits) if digits.is_empty())
    }

    fn fail_in_header(&mut self) -> Error {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Header(digits) => Error::Length(digits.escape_ascii().to_string()),
            State::Record(..) | State::Failed => Error::Failed,
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, held) = match &self.state {
            State::Header(digits) => ("header", digits.len()),
            State::Record(record, _) => ("record", record.len()),
            State::Failed => ("failed", 0),
        };
        f.debug_struct("Decoder").field("limit", &self.limit).field("state", &state).field("held", &held).finish()
    }
}
