//! The reading side of a history: from any byte, while it is still being written, and long after its host
//! has died, torn tail included.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes, BytesMut};

use super::history::HistoryError;
use crate::model::{HistoryKind, LogRecord, Millis};

/// What a segment begins with.
pub(super) const MAGIC: &[u8] = b"remote history 1\n";
const READ: usize = 256 << 10;

/// A segment file: `NUMBER-OFFSET.seg`, where OFFSET is the agent byte it begins at.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub number: u64,
    pub offset: u64,
    pub length: u64,
    pub path: PathBuf,
}

impl Segment {
    pub fn new(dir: &Path, number: u64, offset: u64) -> Self {
        Self {
            number,
            offset,
            length: 0,
            path: dir.join(format!("{number:08}-{offset:020}.seg")),
        }
    }
}

/// The segments in `dir`, oldest first. Other files are none of ours.
pub(super) fn segments(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let parts = name
            .to_str()
            .and_then(|n| n.strip_suffix(".seg"))
            .and_then(|n| n.split_once('-'));
        let Some((Ok(number), Ok(offset))) = parts.map(|(n, o)| (n.parse(), o.parse())) else {
            continue;
        };
        found.push(Segment {
            number,
            offset,
            length: entry.metadata().map_or(0, |m| m.len()),
            path: entry.path(),
        });
    }
    found.sort_by_key(|s| s.number);
    Ok(found)
}

/// The agent byte at which a segment's whole records end; where it is damaged (a power failure leaves zeros),
/// at which the good ones before that do. Never before its beginning: bytes are numbered once.
pub(super) fn end_of(segment: &Segment) -> Result<u64, HistoryError> {
    let mut end = segment.offset;
    let mut file = Open::new(segment.clone())?;
    loop {
        match file.next() {
            Ok(Some(record)) if record.kind == HistoryKind::Output => {
                end = end.max(record.offset.saturating_add(record.bytes.len() as u64));
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(e) if e.is_damage() => break,
            Err(e) => return Err(e),
        }
    }
    Ok(end)
}

/// Reads records in order. At the end it says `None`, and more once there is more.
#[derive(Debug)]
pub struct HistoryReader {
    dir: PathBuf,
    open: Option<Open>,
    /// The number of the next segment to open: a later one is taken where it was dropped meanwhile.
    next: u64,
    /// Deliver nothing before this byte.
    from: u64,
    /// Bytes delivered up to here; a segment that begins later has a gap before it.
    seen: Option<u64>,
    /// The last record's time: that of a mark of our own.
    at: Millis,
}

impl HistoryReader {
    /// Over the history in `dir`, from its beginning.
    ///
    /// # Errors
    /// Where `dir` cannot be read.
    pub fn open(dir: &Path) -> Result<Self, HistoryError> {
        let reader = Self {
            dir: dir.to_owned(),
            open: None,
            next: 0,
            from: 0,
            seen: None,
            at: 0,
        };
        reader.list()?;
        Ok(reader)
    }

    fn list(&self) -> Result<Vec<Segment>, HistoryError> {
        segments(&self.dir).map_err(|source| HistoryError::Io {
            dir: self.dir.clone(),
            what: "read",
            source,
        })
    }

    /// Goes to the agent byte `offset`: the next record begins there, or at the oldest byte kept.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub fn seek(&mut self, offset: u64) -> Result<(), HistoryError> {
        let list = self.list()?;
        let first = list
            .iter()
            .rev()
            .find(|s| s.offset <= offset)
            .or(list.first());
        self.open = None;
        self.next = first.map_or(0, |s| s.number);
        self.from = offset;
        self.seen = None;
        Ok(())
    }

    /// The agent byte at which it ends now.
    ///
    /// # Errors
    /// Where the directory or its newest segment cannot be read.
    pub fn end(&self) -> Result<u64, HistoryError> {
        match self.list()?.last() {
            Some(last) => end_of(last),
            None => Ok(0),
        }
    }

    /// Goes to the beginning of the segment that holds the byte `bytes` before the end, so that what
    /// follows begins with a keyframe.
    ///
    /// # Errors
    /// Where the directory or its newest segment cannot be read.
    pub fn seek_tail(&mut self, bytes: u64) -> Result<(), HistoryError> {
        self.seek(self.end()?.saturating_sub(bytes))?;
        self.from = 0;
        Ok(())
    }

    /// The next record; `None` at the end for now. A keyframe is delivered only where bytes are missing
    /// before it (the beginning of what was kept, or a gap), after a mark that says so. So is the rest of a
    /// damaged segment: the mark names it, and what follows is of the next one.
    ///
    /// # Errors
    /// Where the directory or a segment cannot be read.
    pub fn next_record(&mut self) -> Result<Option<LogRecord>, HistoryError> {
        loop {
            if self.open.is_none() {
                let next = self.next;
                let Some(segment) = self.list()?.into_iter().find(|s| s.number >= next) else {
                    return Ok(None);
                };
                self.next = segment.number.saturating_add(1);
                self.open = Some(Open::new(segment)?);
            }
            if let Some(record) = self.read_open()? {
                if let Some(record) = self.wanted(record) {
                    return Ok(Some(record));
                }
                continue;
            }
            // Only where a newer segment exists is this one's end the end of it; look once more for
            // what was written between the two looks.
            let next = self.next;
            if !self.list()?.iter().any(|s| s.number >= next) {
                return Ok(None);
            }
            match self.read_open()? {
                Some(record) => {
                    if let Some(record) = self.wanted(record) {
                        return Ok(Some(record));
                    }
                }
                None => self.open = None,
            }
        }
    }

    /// The open segment's next record; where it is damaged, a mark instead, and nothing more of it.
    fn read_open(&mut self) -> Result<Option<LogRecord>, HistoryError> {
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        match open.next() {
            Ok(record) => {
                self.at = record.as_ref().map_or(self.at, |r| r.at);
                Ok(record)
            }
            Err(e) if e.is_damage() => {
                let offset = open.offset;
                self.open = None;
                let from = self.next;
                let next = self.list()?.into_iter().find(|s| s.number >= from);
                Ok(Some(LogRecord {
                    offset,
                    at: self.at,
                    kind: HistoryKind::Mark,
                    bytes: missing(&e, offset, next.map(|s| s.offset)).into(),
                }))
            }
            Err(e) => Err(e),
        }
    }

    fn wanted(&mut self, mut record: LogRecord) -> Option<LogRecord> {
        match record.kind {
            HistoryKind::Output => {
                let end = record.offset.saturating_add(record.bytes.len() as u64);
                let from = self.from.max(self.seen.unwrap_or(0));
                if end <= from {
                    return None;
                }
                let skip = from.saturating_sub(record.offset);
                record.bytes.advance(
                    usize::try_from(skip)
                        .unwrap_or(usize::MAX)
                        .min(record.bytes.len()),
                );
                record.offset = record.offset.saturating_add(skip);
                self.seen = Some(end);
                Some(record)
            }
            HistoryKind::Keyframe => {
                let gap = match self.seen {
                    None => record.offset > 0 && record.offset >= self.from,
                    Some(seen) => record.offset > seen,
                };
                (gap && !record.bytes.is_empty()).then(|| {
                    self.seen = Some(record.offset);
                    record
                })
            }
            HistoryKind::Size => Some(record),
            HistoryKind::Mark => (record.offset >= self.from).then_some(record),
        }
    }

    /// The time of the first record, for clocks that begin there.
    pub fn started(&self) -> Option<Millis> {
        let first = self.list().ok()?.into_iter().next()?;
        Open::new(first).ok()?.next().ok()?.map(|r| r.at)
    }
}

/// What a reader is told of damage at agent byte `from`, where the next segment begins at `next`.
fn missing(e: &HistoryError, from: u64, next: Option<u64>) -> String {
    let lost = match next {
        Some(next) => format!("{} bytes of output", next.saturating_sub(from)),
        None => "the output that followed".to_owned(),
    };
    format!("{lost} cannot be read here: {e}")
}

/// One segment being read.
#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
    /// The agent byte at which its next record stands: a segment has no gaps.
    offset: u64,
    buf: Bytes,
    started: bool,
}

impl Open {
    fn new(segment: Segment) -> Result<Self, HistoryError> {
        let file = File::open(&segment.path).map_err(|source| HistoryError::Io {
            dir: segment.path.clone(),
            what: "opened",
            source,
        })?;
        Ok(Self {
            file,
            path: segment.path,
            offset: segment.offset,
            buf: Bytes::new(),
            started: false,
        })
    }

    fn next(&mut self) -> Result<Option<LogRecord>, HistoryError> {
        loop {
            if !self.started && self.buf.len() >= MAGIC.len() {
                if !self.buf.starts_with(MAGIC) {
                    return Err(HistoryError::NotASegment(self.path.clone()));
                }
                self.buf.advance(MAGIC.len());
                self.started = true;
            }
            if self.started {
                match LogRecord::decode(&mut self.buf) {
                    Ok(Some(record)) if record.offset != self.offset => {
                        return Err(HistoryError::OutOfPlace {
                            path: self.path.clone(),
                            at: self.offset,
                            found: record.offset,
                        });
                    }
                    Ok(Some(record)) => {
                        if record.kind == HistoryKind::Output {
                            let length = u64::try_from(record.bytes.len()).unwrap_or(u64::MAX);
                            self.offset = self.offset.saturating_add(length);
                        }
                        return Ok(Some(record));
                    }
                    Ok(None) => {}
                    Err(source) => {
                        return Err(HistoryError::Damaged {
                            path: self.path.clone(),
                            source,
                        });
                    }
                }
            }
            // Delivered records share the old buffer: only the incomplete rest moves to the next one.
            let mut next = BytesMut::with_capacity(self.buf.len().saturating_add(READ));
            next.extend_from_slice(&self.buf);
            let before = next.len();
            next.resize(before.saturating_add(READ), 0);
            let read = self.file.read(next.get_mut(before..).unwrap_or_default());
            next.truncate(before.saturating_add(*read.as_ref().unwrap_or(&0)));
            self.buf = next.freeze();
            match read {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(HistoryError::Io {
                        dir: self.path.clone(),
                        what: "read",
                        source,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
