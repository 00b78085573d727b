//! Any bytes as the stream of a connection: no panic, nothing allocated that was not received, and whatever
//! is understood comes out the same when it is sent on.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use rooms::model::LogRecord;
use rooms::proto::{HEADER, Message, RawFrame, ToClient, ToHost, decode_header};

fn frames<M: Message + PartialEq + std::fmt::Debug>(mut data: &[u8]) {
    while let Some((header, rest)) = data.split_first_chunk::<HEADER>() {
        let Ok((kind, length)) = decode_header(*header) else {
            return;
        };
        let Some((body, rest)) = rest.split_at_checked(length) else {
            return;
        };
        let body = Bytes::copy_from_slice(body);
        if let Ok(Some(message)) = M::decode(RawFrame { kind, body }) {
            again(&message);
        }
        data = rest;
    }
}

/// Encoded and decoded once more it is the same message.
fn again<M: Message + PartialEq + std::fmt::Debug>(message: &M) {
    let mut out = BytesMut::new();
    if message.encode(&mut out).is_err() {
        // Only what is over the bound cannot be sent, and then nothing of it is.
        assert!(out.is_empty());
        return;
    }
    let header: [u8; HEADER] = out[..HEADER].try_into().expect("a header");
    let (kind, length) = decode_header(header).expect("our own header");
    assert_eq!(out.len(), HEADER + length);
    let body = out.freeze().slice(HEADER..);
    let back = M::decode(RawFrame { kind, body }).expect("our own frame");
    assert_eq!(back.as_ref(), Some(message));
}

fuzz_target!(|data: &[u8]| {
    frames::<ToHost>(data);
    frames::<ToClient>(data);
    let mut records = Bytes::copy_from_slice(data);
    while let Ok(Some(record)) = LogRecord::decode(&mut records) {
        let mut out = Vec::new();
        record.encode(&mut out);
        let back = LogRecord::decode(&mut Bytes::from(out)).expect("our own record");
        assert_eq!(back, Some(record));
    }
});
