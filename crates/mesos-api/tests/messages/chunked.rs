//! Takes a recorded HTTP/1.1 answer apart.

/// The body of an answer with chunked transfer encoding, which a record of an open stream may end within.
pub(crate) fn body(answer: &[u8]) -> Vec<u8> {
    let start = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut rest = &answer[start..];
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let chunk = &rest[end + 2..];
        body.extend_from_slice(&chunk[..size.min(chunk.len())]);
        let Some(after) = chunk.get(size + 2..) else { break };
        rest = after;
    }
    body
}
