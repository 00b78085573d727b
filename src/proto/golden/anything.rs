//! Decoders fed with anything at all, and with golden bytes that were damaged on the way.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_anything_never_panics(kind in 0u8..24, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let raw = RawFrame { kind, body: Bytes::from(body) };
        let _ = ToHost::decode(raw.clone());
        let _ = ToClient::decode(raw);
    }

    #[test]
    fn damaged_golden_bytes_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), which in any::<prop::sample::Index>()) {
        let all: Vec<Vec<u8>> = include_str!("1.3.txt")
            .lines().filter_map(|l| l.rsplit_once(' ')).map(|(_, h)| unhex(h)).collect();
        if !all.is_empty() {
            let mut bytes = which.get(&all).clone();
            let i = at.index(bytes.len());
            bytes[i] = byte;
            let body = Bytes::from(bytes.split_off(HEADER.min(bytes.len())));
            let raw = RawFrame { kind: bytes[0], body };
            let _ = ToHost::decode(raw.clone());
            let _ = ToClient::decode(raw);
        }
    }

    #[test]
    fn streams_of_anything_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut buf = BytesMut::from(&bytes[..]);
        while let Ok(Some(_)) = decode_bridge(&mut buf) {}
        if let Some(header) = bytes.first_chunk::<HEADER>() {
            let _ = decode_header(*header);
        }
        let mut records = Bytes::from(bytes);
        while let Ok(Some(_)) = crate::model::LogRecord::decode(&mut records) {}
    }
}
