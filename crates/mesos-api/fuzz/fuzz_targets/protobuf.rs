//! The protobuf decoders.
#![no_main]

#[allow(dead_code, reason = "each target uses one of its functions")]
#[path = "../../tests/messages/entries.rs"]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::protobuf(data));
