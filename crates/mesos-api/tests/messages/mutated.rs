//! The fuzz targets' entry points on recorded messages with random changes: what a short run on the stable toolchain can
//! do. `fuzz/README.md` tells the long one.

use std::fs;
use std::path::PathBuf;

use proffer_mesos_api::v1::scheduler::Event;
use proffer_mesos_api::{encode, json, recordio};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::entries;

/// A change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    Repeat(Index, u8),
    Truncate(Index),
}

fn change() -> impl Strategy<Value = Change> {
    // What parsers trip over.
    let pieces = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..9),
        proptest::sample::select(vec![
            "{",
            "}",
            "[",
            "\"",
            "\\u0000",
            "1e999",
            "null",
            "\u{0}",
            "\n",
            "-1",
            "9999999999999999999"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        Just(vec![0xff; 9]),
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), pieces).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, count)| Change::Repeat(at, count)),
        any::<Index>().prop_map(Change::Truncate),
    ]
}

fn apply(changes: &[Change], mut data: Vec<u8>) -> Vec<u8> {
    for change in changes {
        if data.is_empty() {
            break;
        }
        match change {
            Change::Set(at, byte) => {
                let at = at.index(data.len());
                data[at] = *byte;
            }
            Change::Insert(at, bytes) => {
                let at = at.index(data.len());
                data.splice(at..at, bytes.iter().copied());
            }
            Change::Remove(at, count) => {
                let at = at.index(data.len());
                data.drain(at..data.len().min(at + usize::from(*count)));
            }
            Change::Repeat(at, count) => {
                let at = at.index(data.len());
                let part = data[at..data.len().min(at + usize::from(*count))].to_vec();
                data.splice(at..at, part);
            }
            Change::Truncate(at) => data.truncate(at.index(data.len())),
        }
    }
    data
}

/// The recorded events as they are.
fn seeds() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/recorded");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let is_event = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("event.");
    paths.into_iter().filter(is_event).map(|path| fs::read(path).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_change_of_json_breaks_the_decoder(seed in any::<Index>(), changes in proptest::collection::vec(change(), 0..6)) {
        let seeds = seeds();
        entries::json(&apply(&changes, seeds[seed.index(seeds.len())].clone()));
    }

    #[test]
    fn no_change_of_protobuf_breaks_the_decoder(
        seed in any::<Index>(),
        changes in proptest::collection::vec(change(), 0..6),
    ) {
        let seeds = seeds();
        let event: Event = json::decode(&seeds[seed.index(seeds.len())]).unwrap();
        entries::protobuf(&apply(&changes, encode(&event)));
    }

    #[test]
    fn no_change_of_a_stream_breaks_the_decoder(
        records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..8),
        changes in proptest::collection::vec(change(), 0..4),
    ) {
        let stream = records.iter().flat_map(|record| recordio::encode(record)).collect();
        entries::recordio(&apply(&changes, stream));
    }

    #[test]
    fn any_bytes_break_no_decoder(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        entries::json(&data);
        entries::protobuf(&data);
        entries::recordio(&data);
    }
}
