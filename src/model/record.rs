//! One record of an agent's history, the same on disk and on the wire.

use bytes::{Buf, Bytes};

use super::Millis;

/// The most bytes one record may hold.
pub const MAX_RECORD: usize = 1 << 20;

/// A record that claims more than [`MAX_RECORD`] bytes: what follows is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a history record of {0} bytes is over the limit of {MAX_RECORD}; the history is damaged here"
)]
pub struct RecordTooLong(pub usize);

/// What a history record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryKind {
    /// The agent's bytes.
    Output,
    /// The screen at this point, for whoever begins to read here; covers no bytes.
    Keyframe,
    /// The PTY's size from here on: cols u16, rows u16, big-endian.
    Size,
    /// Something happened: started, restarted, older history dropped. UTF-8 text.
    Mark,
}

impl HistoryKind {
    pub fn to_u8(self) -> u8 {
        match self {
            Self::Output => 0,
            Self::Keyframe => 1,
            Self::Size => 2,
            Self::Mark => 3,
        }
    }

    pub fn from_u8(n: u8) -> Option<Self> {
        Some(match n {
            0 => Self::Output,
            1 => Self::Keyframe,
            2 => Self::Size,
            3 => Self::Mark,
            _ => return None,
        })
    }
}

/// One record of an agent's history, the same on disk and on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// The agent byte before which it stands.
    pub offset: u64,
    pub at: Millis,
    pub kind: HistoryKind,
    pub bytes: Bytes,
}

/// Bytes before a record's own: offset u64, at u64, kind u8, length u32, all big-endian.
const RECORD_HEADER: usize = 21;

impl LogRecord {
    /// Appends `offset u64, at u64, kind u8, length u32, bytes`, big-endian.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(RECORD_HEADER + self.bytes.len());
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&self.at.to_be_bytes());
        out.push(self.kind.to_u8());
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&self.bytes);
    }

    /// Takes one record off the front of `buf`; `None` when it is not all there yet.
    /// A record of unknown kind is skipped over. Lengths over [`MAX_RECORD`] are refused.
    ///
    /// # Errors
    /// A length that no record has: the data is damaged from here on.
    pub fn decode(buf: &mut Bytes) -> Result<Option<Self>, RecordTooLong> {
        loop {
            let Some(header) = buf.get(..RECORD_HEADER) else {
                return Ok(None);
            };
            let mut h = header;
            let (offset, at, kind) = (h.get_u64(), h.get_u64(), h.get_u8());
            let length = h.get_u32() as usize;
            if length > MAX_RECORD {
                return Err(RecordTooLong(length));
            }
            if buf.len() < RECORD_HEADER + length {
                return Ok(None);
            }
            buf.advance(RECORD_HEADER);
            let bytes = buf.split_to(length);
            if let Some(kind) = HistoryKind::from_u8(kind) {
                return Ok(Some(Self {
                    offset,
                    at,
                    kind,
                    bytes,
                }));
            }
        }
    }
}
