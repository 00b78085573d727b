//! The lines above an agent's screen, for a client that attaches: made from the end of its history by an
//! emulator of their own, so that nobody pays for them who does not look.

use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};

use crate::model::{DEFAULT_SIZE, HistoryKind, Size};
use crate::mux::{HistoryError, HistoryReader, Screen};

/// What a line is taken to have been written with, to know how far back to read; and how far at most.
const LINE: u64 = 120;
const READ: u64 = 1 << 20;
/// Give at most so much.
const GIVE: usize = 1 << 20;
const LINES: u32 = 20_000;

/// The newest `count` lines that have left the screen, each ended by CR LF. Empty where there are none or the
/// history cannot be read: that is not worth failing for.
pub async fn lines(dir: PathBuf, count: u32) -> Bytes {
    let made = tokio::task::spawn_blocking(move || make(&dir, count.min(LINES))).await;
    match made {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(e)) => {
            tracing::warn!("no scrollback: {e}");
            Bytes::new()
        }
        Err(_) => Bytes::new(),
    }
}

fn make(dir: &Path, count: u32) -> Result<Bytes, HistoryError> {
    let mut screen = replay(dir, (u64::from(count) * LINE).min(READ))?;
    let scrolled = screen.take_scrolled(usize::try_from(count).unwrap_or(usize::MAX));
    let mut out = Vec::new();
    for line in scrolled.iter() {
        out.extend_from_slice(line.bytes);
        if !line.wrapped {
            out.extend_from_slice(b"\r\n");
        }
    }
    if let Some(extra) = out.len().checked_sub(GIVE) {
        let cut = out.iter().skip(extra).position(|b| *b == b'\n');
        out.drain(..cut.map_or(out.len(), |at| extra + at + 1));
    }
    Ok(out.into())
}

/// The screen as the end of a history leaves it: what an agent showed last, long after its host has died.
///
/// # Errors
/// A history that cannot be read.
pub fn replay(dir: &Path, bytes: u64) -> Result<Screen, HistoryError> {
    let mut reader = HistoryReader::open(dir)?;
    reader.seek_tail(bytes)?;
    let end = reader.end()?;
    shown(&mut reader, end)
}

fn shown(reader: &mut HistoryReader, end: u64) -> Result<Screen, HistoryError> {
    let mut screen = Screen::new(DEFAULT_SIZE).keeping_scrolled();
    while let Some(record) = reader.next_record()? {
        // A flood may come faster than it is read here: what was there is enough.
        if record.offset > end {
            break;
        }
        match record.kind {
            HistoryKind::Output | HistoryKind::Keyframe => screen.feed(&record.bytes),
            HistoryKind::Size => {
                let mut cells = record.bytes;
                if cells.len() >= 4 {
                    screen.resize(Size {
                        cols: cells.get_u16(),
                        rows: cells.get_u16(),
                    });
                }
            }
            HistoryKind::Mark => {}
        }
    }
    Ok(screen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::{History, HistoryLimits};

    #[test]
    fn what_scrolled_off_is_found_and_what_is_on_the_screen_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut history = History::open(dir.path(), HistoryLimits::default()).expect("opens");
        let size = Size { cols: 20, rows: 5 };
        for n in 1..=12 {
            let line = format!("line {n}\r\n");
            history.append(HistoryKind::Output, line.as_bytes(), 1, || {
                (size, Vec::new())
            });
        }
        let lines = make(dir.path(), 3).expect("reads");
        // Lines 9 to 12 and the empty one below are on the screen.
        assert_eq!(
            String::from_utf8_lossy(&lines),
            "line 6\r\nline 7\r\nline 8\r\n"
        );
        let screen = replay(dir.path(), 1).expect("reads");
        assert_eq!(screen.text()[0], "line 9");
    }

    #[test]
    fn what_is_written_meanwhile_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut history = History::open(dir.path(), HistoryLimits::default()).expect("opens");
        let mut line = |text: &str| {
            history.append(HistoryKind::Output, text.as_bytes(), 1, || {
                (DEFAULT_SIZE, Vec::new())
            });
        };
        line("before\r\n");
        let mut reader = HistoryReader::open(dir.path()).expect("opens");
        let end = reader.end().expect("readable");
        (0..100).for_each(|_| line("meanwhile\r\n"));
        let screen = shown(&mut reader, end).expect("reads");
        assert_eq!(screen.text()[0], "before");
        assert!(reader.next_record().expect("reads").is_some());
    }
}
