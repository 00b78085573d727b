//! Any body for each kind of frame: what a hostile host or client can say inside well-formed frames.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use rooms::proto::{HEADER, Message, RawFrame, ToClient, ToHost};

fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first() else {
        return;
    };
    // Kinds are few: every byte means one of them, or one that is unknown.
    let kind = kind % 24;
    let body = Bytes::copy_from_slice(body);
    let mut out = BytesMut::new();
    if let Ok(Some(m)) = ToHost::decode(RawFrame {
        kind,
        body: body.clone(),
    }) && m.encode(&mut out).is_ok()
    {
        let body = out.split().freeze().slice(HEADER..);
        assert_eq!(ToHost::decode(RawFrame { kind, body }).expect("our own frame"), Some(m));
    }
    if let Ok(Some(m)) = ToClient::decode(RawFrame { kind, body }) && m.encode(&mut out).is_ok() {
        let body = out.freeze().slice(HEADER..);
        assert_eq!(ToClient::decode(RawFrame { kind, body }).expect("our own frame"), Some(m));
    }
});
