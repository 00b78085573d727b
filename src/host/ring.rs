//! The newest output of one agent in memory, numbered by agent byte: what clients are fed from, and what one
//! that comes back after a short gap resumes from. Older bytes are on disk, in the history.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// What one chunk weighs beside its bytes, so that a million tiny chunks are bounded too.
const CHUNK_WEIGHT: usize = 96;

/// Who gets a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    All,
    /// Queries that the host does not know: only the client whose size the terminal has may answer.
    Owner,
    /// What a person copied is asked for: only the client whose size the terminal has, if it asks them first, and
    /// never twice.
    Asker,
    /// Bells, notifications, clipboard: never to be had twice by a client that comes back.
    Once,
}

/// A run of output: agent bytes `[from, to)` and what clients get for them (nothing for a cut query).
#[derive(Debug, Clone)]
pub struct Chunk {
    pub from: u64,
    pub to: u64,
    pub bytes: Bytes,
    pub audience: Audience,
}

/// Which chunks a reader is to get, see [`Ring::read`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    pub owner: bool,
    /// Its person is asked before their clipboard is told.
    pub asks: bool,
    /// Once-only chunks that begin before this byte were sent already.
    pub once_from: u64,
}

/// What [`Ring::read`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    pub to: u64,
    pub bytes: Bytes,
}

/// Bounded, contiguous, numbered output.
#[derive(Debug)]
pub struct Ring {
    chunks: VecDeque<Chunk>,
    weight: usize,
    limit: usize,
    end: u64,
}

impl Ring {
    /// Empty, with the next byte being number `end`.
    pub fn new(end: u64, limit: usize) -> Self {
        Self {
            chunks: VecDeque::new(),
            weight: 0,
            limit,
            end,
        }
    }

    /// The number of the byte after the newest.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The oldest byte that can still be had.
    pub fn start(&self) -> u64 {
        self.chunks.front().map_or(self.end, |c| c.from)
    }

    /// Appends a chunk; it must begin where the last one ended. The oldest fall out beyond the limit.
    pub fn push(&mut self, chunk: Chunk) {
        debug_assert_eq!(chunk.from, self.end);
        self.end = chunk.to;
        self.weight = self.weight.saturating_add(chunk.bytes.len() + CHUNK_WEIGHT);
        self.chunks.push_back(chunk);
        while self.weight > self.limit {
            let Some(old) = self.chunks.pop_front() else {
                break;
            };
            self.weight = self.weight.saturating_sub(old.bytes.len() + CHUNK_WEIGHT);
        }
    }

    /// Gives all memory back; the next byte is number `end`.
    pub fn clear(&mut self, end: u64) {
        self.chunks = VecDeque::new();
        self.weight = 0;
        self.end = end;
    }

    /// At most `max` bytes from agent byte `from` on; `None` where that has left the ring.
    pub fn read(&self, from: u64, max: usize, wanted: Wanted) -> Option<Slice> {
        if from < self.start() || from > self.end {
            return None;
        }
        let first = self.chunks.partition_point(|c| c.to <= from);
        let mut to = from;
        let mut only: Option<Bytes> = None;
        let mut joined = BytesMut::new();
        let mut room = max;
        for chunk in self.chunks.iter().skip(first) {
            let offset = usize::try_from(from.saturating_sub(chunk.from)).unwrap_or(usize::MAX);
            let leave_out = match chunk.audience {
                Audience::All => false,
                Audience::Owner => !wanted.owner,
                // What was begun is finished.
                Audience::Asker => {
                    offset == 0 && !(wanted.owner && wanted.asks && chunk.from >= wanted.once_from)
                }
                Audience::Once => offset == 0 && chunk.from < wanted.once_from,
            };
            if leave_out {
                to = chunk.to;
                continue;
            }
            let rest = chunk.bytes.slice(offset.min(chunk.bytes.len())..);
            if rest.len() > room {
                // Only bytes that stand for themselves can be cut anywhere.
                let verbatim = chunk.to - chunk.from == chunk.bytes.len() as u64;
                if verbatim && room > 0 {
                    to = to.max(chunk.from).saturating_add(room as u64);
                    append(&mut only, &mut joined, rest.slice(..room));
                } else if only.is_none() && joined.is_empty() && room > 0 {
                    to = chunk.to;
                    only = Some(rest);
                }
                break;
            }
            room -= rest.len();
            to = chunk.to;
            append(&mut only, &mut joined, rest);
        }
        let bytes = match only {
            Some(bytes) if joined.is_empty() => bytes,
            _ => joined.freeze(),
        };
        Some(Slice { to, bytes })
    }
}

/// One piece stays as it is, without a copy; several are joined.
fn append(only: &mut Option<Bytes>, joined: &mut BytesMut, bytes: Bytes) {
    if bytes.is_empty() {
        return;
    }
    match only.take() {
        Some(first) => {
            joined.extend_from_slice(&first);
            joined.extend_from_slice(&bytes);
        }
        None if joined.is_empty() => *only = Some(bytes),
        None => joined.extend_from_slice(&bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(ring: &mut Ring, bytes: &'static str, audience: Audience) {
        let from = ring.end();
        ring.push(Chunk {
            from,
            to: from + bytes.len() as u64,
            bytes: Bytes::from_static(bytes.as_bytes()),
            audience,
        });
    }

    fn cut(ring: &mut Ring, length: u64) {
        let from = ring.end();
        ring.push(Chunk {
            from,
            to: from + length,
            bytes: Bytes::new(),
            audience: Audience::All,
        });
    }

    fn text(ring: &Ring, from: u64, max: usize, wanted: Wanted) -> (u64, String) {
        let slice = ring.read(from, max, wanted).expect("in the ring");
        (slice.to, String::from_utf8_lossy(&slice.bytes).into_owned())
    }

    #[test]
    fn reads_join_chunks_and_can_begin_and_stop_anywhere() {
        let mut ring = Ring::new(100, 1 << 20);
        push(&mut ring, "hello ", Audience::All);
        cut(&mut ring, 4);
        push(&mut ring, "world", Audience::All);
        let all = Wanted::default();
        assert_eq!(text(&ring, 100, 99, all), (115, "hello world".into()));
        assert_eq!(text(&ring, 102, 99, all), (115, "llo world".into()));
        assert_eq!(text(&ring, 102, 2, all), (104, "ll".into()));
        assert_eq!(text(&ring, 107, 2, all), (112, "wo".into()));
        assert_eq!(text(&ring, 115, 9, all), (115, String::new()));
        assert!(ring.read(99, 9, all).is_none() && ring.read(116, 9, all).is_none());
    }

    #[test]
    fn queries_go_to_the_owner_and_bells_once() {
        let mut ring = Ring::new(0, 1 << 20);
        push(&mut ring, "a", Audience::All);
        push(&mut ring, "?", Audience::Owner);
        push(&mut ring, "\x07", Audience::Once);
        push(&mut ring, "b", Audience::All);
        push(&mut ring, "c", Audience::Asker);
        let owner = Wanted {
            owner: true,
            ..Wanted::default()
        };
        assert_eq!(text(&ring, 0, 9, owner), (5, "a?\x07b".into()));
        // One whose person is not asked, and one that is not the owner, are not asked for it either.
        for owner in [true, false] {
            let asks = Wanted {
                owner,
                asks: true,
                ..Wanted::default()
            };
            let told = if owner { "a?\x07bc" } else { "a\x07b" };
            assert_eq!(text(&ring, 0, 9, asks), (5, told.into()));
        }
        let again = Wanted {
            once_from: 3,
            ..Wanted::default()
        };
        assert_eq!(text(&ring, 0, 9, again), (5, "ab".into()));
    }

    #[test]
    fn the_oldest_fall_out() {
        let mut ring = Ring::new(0, 1000);
        for _ in 0..100 {
            push(&mut ring, "0123456789", Audience::All);
        }
        assert_eq!(ring.end(), 1000);
        assert!(ring.start() > 850 && ring.start() < 1000);
        ring.clear(2000);
        assert_eq!(ring.start(), 2000);
    }
}
