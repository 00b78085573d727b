//! The frozen outer shape of every frame, and its bound.

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes before the body: kind and length.
pub const HEADER: usize = 5;

/// The largest body: 1 MiB. Output is cut far below it; the largest real body is a status of many agents.
pub const MAX_BODY: usize = 1 << 20;

/// What makes a stream of frames end.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {length} bytes (kind {kind}) is over the limit of {MAX_BODY}")]
    TooLong { kind: u8, length: usize },
    #[error("a frame of kind {kind} ({name}) cannot be read: {why}")]
    Malformed {
        kind: u8,
        name: &'static str,
        why: String,
    },
    #[error("the other side speaks protocol {theirs}, this is {ours}; {remedy}")]
    Version {
        theirs: String,
        ours: String,
        remedy: &'static str,
    },
    #[error("expected {expected}, got a frame of kind {kind}")]
    Unexpected { expected: &'static str, kind: u8 },
    #[error("the connection ended in the middle of a frame")]
    Truncated,
    #[error("the connection was closed")]
    Closed,
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A frame as it lies on the wire, its body not yet understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFrame {
    pub kind: u8,
    pub body: Bytes,
}

/// Reads a header: the kind and the body's length.
///
/// # Errors
/// [`FrameError::TooLong`] for a length over [`MAX_BODY`].
pub fn decode_header(header: [u8; HEADER]) -> Result<(u8, usize), FrameError> {
    let [kind, a, b, c, d] = header;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length > MAX_BODY {
        return Err(FrameError::TooLong { kind, length });
    }
    Ok((kind, length))
}

/// Appends a frame to `out`.
///
/// # Errors
/// [`FrameError::TooLong`] for a body over [`MAX_BODY`]; nothing is appended then.
pub fn encode(out: &mut BytesMut, kind: u8, body: &[&[u8]]) -> Result<(), FrameError> {
    let length: usize = body.iter().map(|p| p.len()).sum();
    if length > MAX_BODY {
        return Err(FrameError::TooLong { kind, length });
    }
    out.reserve(HEADER + length);
    out.put_u8(kind);
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    for part in body {
        out.put_slice(part);
    }
    Ok(())
}
