//! A history in other forms: an asciicast, and the pace at which a replay shows it.

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use crate::error::Result;
use crate::model::{DEFAULT_SIZE, HistoryKind, LogRecord, Millis, Size};

/// Reads a `Size` record's bytes.
pub fn size_of(record: &LogRecord) -> Option<Size> {
    let [a, b, c, d] = *record.bytes.first_chunk::<4>()?;
    (record.kind == HistoryKind::Size).then(|| Size {
        cols: u16::from_be_bytes([a, b]),
        rows: u16::from_be_bytes([c, d]),
    })
}

/// What of a history is shown: all output, and a keyframe where output before it is missing.
#[derive(Debug, Default)]
pub struct Screenplay {
    /// The agent byte that comes next.
    at: Option<u64>,
}

impl Screenplay {
    /// Whether this record's bytes go to the screen.
    pub fn shows(&mut self, record: &LogRecord) -> bool {
        let gap = self.at.is_none_or(|at| at != record.offset);
        match record.kind {
            HistoryKind::Output => {
                let length = u64::try_from(record.bytes.len()).unwrap_or(0);
                self.at = Some(record.offset.saturating_add(length));
                true
            }
            HistoryKind::Keyframe if gap => {
                self.at = Some(record.offset);
                record.offset > 0
            }
            _ => false,
        }
    }
}

/// Writes an asciicast, version 2 (asciinema.org and its players read it).
pub struct Cast<W> {
    out: W,
    title: String,
    /// When the recording began; `None` until the header is written.
    start: Option<Millis>,
    size: Size,
    play: Screenplay,
    /// The beginning of a character whose end is still to come.
    partial: Vec<u8>,
}

impl<W: Write> Cast<W> {
    pub fn new(out: W, title: &str) -> Self {
        Self {
            out,
            title: title.to_owned(),
            start: None,
            size: DEFAULT_SIZE,
            play: Screenplay::default(),
            partial: Vec::new(),
        }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// The output's own.
    pub fn record(&mut self, record: &LogRecord) -> Result<()> {
        if let Some(size) = size_of(record) {
            if self.start.is_some() && size != self.size {
                self.event(record.at, "r", &format!("{}x{}", size.cols, size.rows))?;
            }
            self.size = size;
            return Ok(());
        }
        if !self.play.shows(record) {
            return Ok(());
        }
        let text = decode(&mut self.partial, &record.bytes);
        if text.is_empty() {
            return Ok(());
        }
        self.event(record.at, "o", &text)
    }

    /// Writes what is left. A recording of nothing has its header.
    ///
    /// # Errors
    /// The output's own.
    pub fn finish(mut self, now: Millis) -> Result<()> {
        let rest = String::from_utf8_lossy(&std::mem::take(&mut self.partial)).into_owned();
        if !rest.is_empty() || self.start.is_none() {
            self.event(self.start.unwrap_or(now), "o", &rest)?;
        }
        Ok(self.out.flush()?)
    }

    fn event(&mut self, at: Millis, kind: &str, text: &str) -> Result<()> {
        if self.start.is_none() {
            self.start = Some(at);
            let header = json!({
                "version": 2,
                "width": self.size.cols,
                "height": self.size.rows,
                "timestamp": at / 1000,
                "title": self.title,
                "env": {"TERM": "xterm-256color"},
            });
            writeln!(self.out, "{header}")?;
        }
        let millis = at.saturating_sub(self.start.unwrap_or(at));
        let time = format!("{}.{:03}", millis / 1000, millis % 1000);
        let text = json!(text);
        writeln!(self.out, "[{time}, \"{kind}\", {text}]")?;
        Ok(())
    }
}

/// `bytes` after what was left over, as text; the beginning of an unfinished character is kept.
fn decode(partial: &mut Vec<u8>, bytes: &[u8]) -> String {
    let mut all = std::mem::take(partial);
    all.extend_from_slice(bytes);
    let tail = all.len().saturating_sub(3);
    for from in tail..all.len() {
        let rest = all.get(from..).unwrap_or_default();
        if let Err(e) = std::str::from_utf8(rest)
            && e.error_len().is_none()
            && e.valid_up_to() == 0
        {
            *partial = all.split_off(from);
            break;
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// How long a replay waits before it shows what came at `at`.
#[derive(Debug)]
pub struct Pace {
    speed: f64,
    max_idle: Duration,
    last: Option<Millis>,
}

impl Pace {
    /// `speed` 2.0 is twice as fast; no pause is longer than `max_idle`, before `speed` counts.
    pub fn new(speed: f64, max_idle: Duration) -> Self {
        Self {
            speed,
            max_idle,
            last: None,
        }
    }

    pub fn wait(&mut self, at: Millis) -> Duration {
        let last = self.last.replace(at).unwrap_or(at);
        let pause = Duration::from_millis(at.saturating_sub(last)).min(self.max_idle);
        Duration::try_from_secs_f64(pause.as_secs_f64() / self.speed).unwrap_or(self.max_idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn record(offset: u64, at: Millis, kind: HistoryKind, bytes: &'static [u8]) -> LogRecord {
        LogRecord {
            offset,
            at,
            kind,
            bytes: Bytes::from_static(bytes),
        }
    }

    #[test]
    fn a_cast_has_times_sizes_and_whole_characters() -> Result<()> {
        let mut out = Vec::new();
        let mut cast = Cast::new(&mut out, "t");
        use HistoryKind::{Keyframe, Mark, Output, Size};
        cast.record(&record(0, 5000, Size, &[0, 80, 0, 24]))?;
        cast.record(&record(0, 5000, Keyframe, b"blank"))?;
        cast.record(&record(0, 5000, Output, b"a\xc3"))?;
        cast.record(&record(2, 5250, Output, b"\xa4\"\xff"))?;
        cast.record(&record(5, 5300, Size, &[0, 100, 0, 24]))?;
        cast.record(&record(5, 5300, Keyframe, b"not shown"))?;
        cast.record(&record(9, 7000, Mark, b"older history dropped"))?;
        cast.record(&record(9, 7000, Keyframe, b"K"))?;
        cast.finish(0)?;
        let text = String::from_utf8_lossy(&out);
        let lines: Vec<&str> = text.lines().collect();
        let header: serde_json::Value = serde_json::from_str(lines[0]).expect("JSON");
        assert_eq!(
            (&header["version"], &header["width"]),
            (&json!(2), &json!(80))
        );
        assert_eq!(
            lines[1..],
            [
                "[0.000, \"o\", \"a\"]",
                "[0.250, \"o\", \"ä\\\"\u{fffd}\"]",
                "[0.300, \"r\", \"100x24\"]",
                "[2.000, \"o\", \"K\"]",
            ]
        );
        Ok(())
    }

    #[test]
    fn a_cast_of_nothing_is_a_cast() -> Result<()> {
        let mut out = Vec::new();
        Cast::new(&mut out, "t").finish(1000)?;
        assert!(out.starts_with(b"{"));
        Ok(())
    }

    #[test]
    fn long_pauses_are_shortened_and_speed_divides() {
        let mut pace = Pace::new(2.0, Duration::from_secs(2));
        assert_eq!(pace.wait(10_000), Duration::ZERO);
        assert_eq!(pace.wait(11_000), Duration::from_millis(500));
        assert_eq!(pace.wait(99_000), Duration::from_secs(1));
        assert_eq!(pace.wait(1), Duration::ZERO);
    }
}
