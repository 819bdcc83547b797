//! The protobuf wire format, read and written without knowing the message's type.

/// Bytes that are no protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The deepest nesting of messages and groups, as in Google's own decoders.
pub(crate) const MAX_DEPTH: usize = 100;

/// A value as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// A value of a type that no field of Mesos has; it was skipped.
    Skipped,
}

/// Reads the fields of a message one by one.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field's number and value; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        let value = self.value(number, wire_type, MAX_DEPTH)?;
        Ok(Some((number, value)))
    }

    /// The next varint; for the elements of a packed field.
    pub(crate) fn next_varint(&mut self) -> Result<Option<u64>, Malformed> {
        if self.rest.is_empty() { Ok(None) } else { self.varint().map(Some) }
    }

    /// The next eight bytes; for the elements of a packed field.
    pub(crate) fn next_fixed64(&mut self) -> Result<Option<u64>, Malformed> {
        if self.rest.is_empty() { Ok(None) } else { self.fixed64().map(Some) }
    }

    fn tag(&mut self) -> Result<(u32, u8), Malformed> {
        let tag = u32::try_from(self.varint()?).map_err(|_| Malformed)?;
        let number = tag >> 3;
        if number == 0 {
            return Err(Malformed);
        }
        Ok((number, (tag & 7) as u8))
    }

    fn value(&mut self, number: u32, wire_type: u8, depth: usize) -> Result<Value<'a>, Malformed> {
        match wire_type {
            0 => self.varint().map(Value::Varint),
            1 => self.fixed64().map(Value::Fixed64),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                self.take(length).map(Value::Bytes)
            }
            3 => self.skip_group(number, depth).map(|()| Value::Skipped),
            5 => self.take(4).map(|_| Value::Skipped),
            _ => Err(Malformed),
        }
    }

    /// Skips to the end of a group; groups nest, so their depth is limited.
    fn skip_group(&mut self, number: u32, depth: usize) -> Result<(), Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed)?;
        loop {
            match self.tag()? {
                (end, 4) => return if end == number { Ok(()) } else { Err(Malformed) },
                (inner, wire_type) => {
                    self.value(inner, wire_type, depth)?;
                }
            }
        }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for (index, byte) in self.rest.iter().enumerate().take(10) {
            // The tenth byte has room for one bit.
            if index == 9 && *byte > 1 {
                return Err(Malformed);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn fixed64(&mut self) -> Result<u64, Malformed> {
        let (head, rest) = self.rest.split_first_chunk::<8>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*head))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(head)
    }
}

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// Appends a field's tag.
pub(crate) fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

/// Appends bytes with their length before them.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Puts the length of what was written since `start` before it.
pub(crate) fn put_length_before(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    let mut prefix = Vec::with_capacity(10);
    put_varint(&mut prefix, length as u64);
    out.splice(start..start, prefix);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut fields = Vec::new();
        while let Some(field) = reader.next()? {
            fields.push(field);
        }
        Ok(fields)
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        put_tag(&mut bytes, 1, 0);
        put_varint(&mut bytes, u64::MAX);
        put_tag(&mut bytes, 5000, 2);
        let start = bytes.len();
        bytes.extend_from_slice(&[7; 300]);
        put_length_before(&mut bytes, start);
        assert_eq!(all(&bytes), Ok(vec![(1, Value::Varint(u64::MAX)), (5000, Value::Bytes(&[7; 300]))]));
    }

    #[test]
    fn bad_bytes_are_refused() {
        for (what, bytes) in [
            ("number 0", vec![0x00, 0x01]),
            ("a varint without end", vec![0x08, 0xff, 0xff]),
            ("a varint of 65 bits", [vec![0x08], vec![0xff; 9], vec![0x02]].concat()),
            ("a length past the end", vec![0x0a, 0x05, 0x01]),
            ("a length of 2^64-1", [vec![0x0a], vec![0xff; 9], vec![0x01]].concat()),
            ("the end of a group that did not begin", vec![0x0c]),
            ("a group that ends as another", vec![0x0b, 0x14]),
            ("a group without end", vec![0x0b]),
            ("wire type 6", vec![0x0e]),
            ("half a double", vec![0x09, 1, 2, 3]),
        ] {
            assert_eq!(all(&bytes), Err(Malformed), "{what}");
        }
    }

    #[test]
    fn groups_nest_a_hundred_deep_and_no_deeper() {
        let nested = |depth| [vec![0x0b; depth], vec![0x0c; depth]].concat();
        assert_eq!(all(&nested(MAX_DEPTH)), Ok(vec![(1, Value::Skipped)]));
        assert_eq!(all(&nested(MAX_DEPTH + 1)), Err(Malformed));
        assert_eq!(all(&vec![0x0b; 1_000_000]), Err(Malformed));
    }
}
