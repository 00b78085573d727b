//! All that an agent wrote, with times, on disk in bounded segments: the side that appends. Each segment
//! opens with the size and a repaint of the screen, so that the oldest can be dropped and the rest still
//! be read. A full disk stops the history, never the agent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::reader::{MAGIC, Segment, end_of, segments};
use crate::model::{HistoryKind, LogRecord, MAX_RECORD, Millis, Size};

/// How long to leave a full disk alone before the next try.
const RETRY_MS: Millis = 1000;

/// A disk that is full now and then leaves short segments: of them at most so many times as of full ones.
const SHORT_SEGMENTS: u64 = 4;

/// How much history is kept.
#[derive(Debug, Clone, Copy)]
pub struct HistoryLimits {
    /// Bytes after which a segment is closed.
    pub segment: u64,
    /// Bytes in all; the oldest segments beyond it are dropped.
    pub total: u64,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self {
            segment: 4 << 20,
            total: 256 << 20,
        }
    }
}

/// Why a history cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("the history in {dir} cannot be {what}: {source}")]
    Io {
        dir: PathBuf,
        what: &'static str,
        source: io::Error,
    },
    #[error("{0} is not a history segment")]
    NotASegment(PathBuf),
    #[error("{path}: {source}")]
    Damaged {
        path: PathBuf,
        source: crate::model::RecordTooLong,
    },
    #[error("{path}: a record of byte {found} stands at byte {at}; the history is damaged here")]
    OutOfPlace { path: PathBuf, at: u64, found: u64 },
}

impl HistoryError {
    /// The disk gave what was never written: later segments may be sound.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Io { .. } => false,
            Self::NotASegment(_) | Self::Damaged { .. } | Self::OutOfPlace { .. } => true,
        }
    }
}

impl From<HistoryError> for crate::error::Error {
    fn from(e: HistoryError) -> Self {
        Self::user(e.to_string())
    }
}

/// The appending side of one agent's history.
#[derive(Debug)]
pub struct History {
    dir: PathBuf,
    limits: HistoryLimits,
    current: Option<Current>,
    closed: Vec<Segment>,
    next_number: u64,
    offset: u64,
    failure: Option<Failure>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Current {
    file: File,
    segment: Segment,
}

#[derive(Debug)]
struct Failure {
    why: String,
    /// The first byte that was not kept.
    from: u64,
    retry_at: Millis,
}

impl History {
    /// Opens (or makes) the history in `dir`; one that was left is continued in a new segment.
    ///
    /// # Errors
    /// Where the directory cannot be made or read.
    pub fn open(dir: &Path, limits: HistoryLimits) -> Result<Self, HistoryError> {
        let fail = |what| {
            move |source| HistoryError::Io {
                dir: dir.to_owned(),
                what,
                source,
            }
        };
        fs::create_dir_all(dir).map_err(fail("made"))?;
        let closed = segments(dir).map_err(fail("read"))?;
        let offset = match closed.last() {
            Some(last) => end_of(last)?,
            None => 0,
        };
        Ok(Self {
            dir: dir.to_owned(),
            limits,
            current: None,
            next_number: closed.last().map_or(0, |s| s.number.saturating_add(1)),
            closed,
            offset,
            failure: None,
            scratch: Vec::new(),
        })
    }

    /// Bytes of output so far, those that could not be kept included.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What keeps the history from being written now: `no space left on device`.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_ref().map(|f| f.why.as_str())
    }

    /// Appends. `keyframe` gives the size and a repaint of the screen as it is *before* these bytes; it is
    /// asked for only where a segment begins. Never fails: see [`History::failure`].
    pub fn append(
        &mut self,
        kind: HistoryKind,
        bytes: &[u8],
        now: Millis,
        keyframe: impl FnOnce() -> (Size, Vec<u8>),
    ) {
        if self.failure.as_ref().is_none_or(|f| now >= f.retry_at) {
            match self.try_append(kind, bytes, now, keyframe) {
                Ok(()) => self.failure = None,
                Err(e) => {
                    let from = self.failure.take().map_or(self.offset, |f| f.from);
                    self.failure = Some(Failure {
                        why: e.to_string(),
                        from,
                        retry_at: now.saturating_add(RETRY_MS),
                    });
                    // What comes after a gap begins with a keyframe of its own.
                    self.close();
                }
            }
        }
        if kind == HistoryKind::Output {
            self.offset = self.offset.saturating_add(bytes.len() as u64);
        }
    }

    fn try_append(
        &mut self,
        kind: HistoryKind,
        bytes: &[u8],
        now: Millis,
        keyframe: impl FnOnce() -> (Size, Vec<u8>),
    ) -> io::Result<()> {
        let full = |c: &Current| c.segment.length >= self.limits.segment;
        if self.current.as_ref().is_some_and(full) {
            self.close();
        }
        if self.current.is_none() {
            self.begin(now, keyframe)?;
        }
        let mut offset = self.offset;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        for part in bytes.chunks(MAX_RECORD.min(256 << 10)) {
            record(&mut scratch, offset, now, kind, part);
            if kind == HistoryKind::Output {
                offset = offset.saturating_add(part.len() as u64);
            }
        }
        let result = self.write(&scratch);
        scratch.clear();
        scratch.shrink_to(64 << 10);
        self.scratch = scratch;
        result
    }

    /// Writes whole records or none: a torn one is cut off again.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(current) = &mut self.current else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if let Err(e) = current.file.write_all(bytes) {
            let _ = current.file.set_len(current.segment.length);
            let _ = current.file.seek(io::SeekFrom::End(0));
            return Err(e);
        }
        current.segment.length = current.segment.length.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn begin(&mut self, now: Millis, keyframe: impl FnOnce() -> (Size, Vec<u8>)) -> io::Result<()> {
        self.drop_oldest();
        let segment = Segment::new(&self.dir, self.next_number, self.offset);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&segment.path)?;
        self.next_number = self.next_number.saturating_add(1);
        self.current = Some(Current { file, segment });
        let mut head = MAGIC.to_vec();
        let (size, screen) = keyframe();
        let mut cells = [0; 4];
        cells[..2].copy_from_slice(&size.cols.to_be_bytes());
        cells[2..].copy_from_slice(&size.rows.to_be_bytes());
        if let Some(failure) = &self.failure {
            let lost = self.offset.saturating_sub(failure.from);
            let mark = format!("{lost} bytes of output are missing here: {}", failure.why);
            record(
                &mut head,
                self.offset,
                now,
                HistoryKind::Mark,
                mark.as_bytes(),
            );
        }
        record(&mut head, self.offset, now, HistoryKind::Size, &cells);
        let screen = bounded(&screen);
        record(&mut head, self.offset, now, HistoryKind::Keyframe, screen);
        if let Err(e) = self.write(&head) {
            if let Some(current) = self.current.take() {
                let _ = fs::remove_file(current.segment.path);
            }
            return Err(e);
        }
        Ok(())
    }

    fn drop_oldest(&mut self) {
        let mut total: u64 = self.closed.iter().map(|s| s.length).sum();
        let most = self.limits.total / self.limits.segment.max(1) * SHORT_SEGMENTS;
        while (total > self.limits.total.saturating_sub(self.limits.segment)
            || self.closed.len() as u64 >= most.max(1))
            && !self.closed.is_empty()
        {
            let oldest = self.closed.remove(0);
            total = total.saturating_sub(oldest.length);
            let _ = fs::remove_file(&oldest.path);
        }
    }

    fn close(&mut self) {
        if let Some(current) = self.current.take() {
            self.closed.push(current.segment);
        }
    }

    /// Waits until what was appended is on the disk.
    pub fn sync(&mut self) {
        if let Some(current) = &self.current {
            let _ = current.file.sync_data();
        }
    }
}

/// What of a repaint fits a record: never the half of a sequence, which would swallow what follows.
fn bounded(screen: &[u8]) -> &[u8] {
    match screen.get(..MAX_RECORD) {
        Some(cut) if screen.len() > MAX_RECORD => {
            let end = cut.iter().rposition(|b| *b == 0x1b).unwrap_or(0);
            cut.get(..end).unwrap_or_default()
        }
        _ => screen,
    }
}

fn record(out: &mut Vec<u8>, offset: u64, at: Millis, kind: HistoryKind, bytes: &[u8]) {
    LogRecord {
        offset,
        at,
        kind,
        bytes: Bytes::copy_from_slice(bytes),
    }
    .encode(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_files_is_bounded_however_short_they_are() {
        let dir = tempfile::tempdir().expect("a directory");
        let limits = HistoryLimits {
            segment: 1 << 10,
            total: 4 << 10,
        };
        for _ in 0..50 {
            let mut history = History::open(dir.path(), limits).expect("opens");
            let size = crate::model::DEFAULT_SIZE;
            history.append(HistoryKind::Output, b"x", 1, || (size, Vec::new()));
        }
        let files = segments(dir.path()).expect("lists").len();
        assert!(files <= 17, "{files}");
    }

    #[test]
    fn a_repaint_that_is_too_long_is_cut_between_sequences() {
        let cell = b"\x1b[38;2;1;2;3mx";
        let long = cell.repeat(MAX_RECORD / cell.len() + 9);
        let cut = bounded(&long);
        assert!(cut.len() <= MAX_RECORD && cut.ends_with(b"x"));
        assert_eq!(bounded(cell), cell);
    }
}
