//! What is fuzzed: bytes in, and what must hold of what comes out. The fuzz targets use this file too.

use proffer_mesos_api::recordio::Decoder;
use proffer_mesos_api::v1::{agent, executor, master, scheduler};
use proffer_mesos_api::{Described, Limits, decode_within, encode, json};

/// What one message may take; small, so that the limit itself is met.
const LIMITS: Limits = Limits { memory: 4 << 20 };

/// RecordIO: the first byte says in which pieces the rest comes. Pieces make no difference, and the limit holds.
pub(crate) fn recordio(data: &[u8]) {
    const LIMIT: usize = 64;
    let Some((piece, stream)) = data.split_first() else { return };
    let read = |piece: usize| {
        let mut decoder = Decoder::new(LIMIT);
        let mut records = Vec::new();
        for mut input in stream.chunks(piece) {
            loop {
                match decoder.decode(&mut input) {
                    Ok(Some(record)) => {
                        assert!(record.len() <= LIMIT && record.capacity() <= LIMIT);
                        records.push(record);
                    }
                    Ok(None) => break,
                    Err(error) => return (records, Some(error)),
                }
            }
            assert!(input.is_empty());
        }
        (records, None)
    };
    assert_eq!(read(usize::from(*piece) + 1), read(stream.len().max(1)));
}

/// Protobuf, as each kind of message that comes from outside.
pub(crate) fn protobuf(data: &[u8]) {
    fn of<M: Described>(data: &[u8]) {
        if let Ok(message) = decode_within::<M>(data, LIMITS) {
            survives(&message);
        }
    }
    of::<scheduler::Call>(data);
    of::<scheduler::Event>(data);
    of::<executor::Call>(data);
    of::<executor::Event>(data);
    of::<master::Call>(data);
    of::<master::Response>(data);
    of::<master::Event>(data);
    of::<agent::Call>(data);
    of::<agent::Response>(data);
    of::<agent::ProcessIo>(data);
}

/// JSON, as each kind of message that comes from outside.
pub(crate) fn json(data: &[u8]) {
    fn of<M: Described>(data: &[u8]) {
        match json::decode_within::<M>(data, LIMITS) {
            Ok(message) => survives(&message),
            // Whatever it says goes into an answer.
            Err(error) => assert!(error.to_string().len() < 3 * data.len() + 4096),
        }
    }
    of::<scheduler::Call>(data);
    of::<scheduler::Event>(data);
    of::<executor::Call>(data);
    of::<executor::Event>(data);
    of::<master::Call>(data);
    of::<agent::Call>(data);
}

/// A message that was read goes through both encodings; compared as bytes, since NaN is not itself.
fn survives<M: Described>(message: &M) {
    let bytes = encode(message);
    let again: M = decode_within(&bytes, Limits::default()).unwrap();
    assert_eq!(encode(&again), bytes);
    let text = json::encode(message);
    assert!(text.is_ascii() && !text.contains('\n'));
    let same: M = json::decode(text.as_bytes()).unwrap();
    assert_eq!(json::encode(&same), text);
}
