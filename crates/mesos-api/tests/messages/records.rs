//! RecordIO: what is written is read, in pieces of any size, and nothing is held beyond the limit.

use proffer_mesos_api::recordio::{Decoder, Error, encode};
use proptest::prelude::*;

fn all(decoder: &mut Decoder, mut input: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let mut records = Vec::new();
    while let Some(record) = decoder.decode(&mut input)? {
        records.push(record);
    }
    Ok(records)
}

#[test]
fn lengths() {
    let length = |text: &str| Err(Error::Length(text.to_owned()));
    for (input, expected) in [
        ("5\nhello6\nworld!", Ok(vec![b"hello".to_vec(), b"world!".to_vec()])),
        ("0\n0\n", Ok(vec![Vec::new(), Vec::new()])),
        ("005\nhello", Ok(vec![b"hello".to_vec()])),
        ("5\nhell", Ok(vec![])),
        ("", Ok(vec![])),
        ("5", Ok(vec![])),
        ("\n", length("")),
        ("-1\n", length("-")),
        ("+5\n", length("+")),
        (" 5\n", length(" ")),
        ("0x10\n", length("0x")),
        ("5\r\nhello", length("5\\r")),
        ("18446744073709551616\n", length("18446744073709551616")),
        ("111111111111111111111", length("111111111111111111111")),
        ("17\n", Err(Error::TooLarge { length: 17, limit: 16 })),
        ("18446744073709551615\n", Err(Error::TooLarge { length: u64::MAX, limit: 16 })),
    ] {
        assert_eq!(all(&mut Decoder::new(16), input.as_bytes()), expected, "{input:?}");
    }
}

#[test]
fn a_broken_stream_stays_broken() {
    let mut decoder = Decoder::new(16);
    assert!(all(&mut decoder, b"x").is_err());
    assert_eq!(all(&mut decoder, b"5\nhello"), Err(Error::Failed));
}

#[test]
fn a_length_alone_takes_no_room() {
    let mut decoder = Decoder::new(usize::MAX);
    assert_eq!(all(&mut decoder, format!("{}\n", usize::MAX).as_bytes()), Ok(Vec::new()));
    assert_eq!(all(&mut decoder, &[7; 1000]), Ok(Vec::new()));
    assert!(format!("{decoder:?}").contains("held: 1000"));
}

#[test]
fn ten_megabytes_of_digits_are_refused_at_the_twenty_first() {
    let digits = vec![b'1'; 10 << 20];
    let mut input = digits.as_slice();
    assert!(Decoder::new(16).decode(&mut input).is_err());
    assert_eq!(digits.len() - input.len(), 21);
}

proptest! {
    #[test]
    fn any_records_in_any_pieces(
        records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8),
        piece in 1_usize..50,
    ) {
        let stream: Vec<u8> = records.iter().flat_map(|record| encode(record)).collect();
        let mut decoder = Decoder::new(300);
        let mut found = Vec::new();
        for input in stream.chunks(piece) {
            found.extend(all(&mut decoder, input).unwrap());
        }
        prop_assert_eq!(found, records);
        prop_assert!(decoder.is_between_records());
    }
}
