//! A history on its way to a player: its records in a file that has no name, the times between them cut to what a
//! person waits, and every so often the whole screen, so that any moment is near one of them. Memory holds these
//! screens and the marks alone.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crate::client::logs::{Screenplay, size_of};
use crate::error::{Context, Result};
use crate::model::{AgentState, DEFAULT_SIZE, LogRecord, Millis, SessionEvent, Size, What};
use crate::mux::Screen;

/// Output after which the whole screen is kept again.
const KEY_BYTES: usize = 256 << 10;
/// And records.
const KEY_RECORDS: usize = 4000;
/// Of a record in the file: time u64 in microseconds, size u16 and u16 or length u32, kind u8.
const HEADER: usize = 13;
/// Shown at once while it is searched, at most.
const LITTLE: usize = 2048;
/// Read from the file at a time.
const READ: usize = 64 << 10;
const OUTPUT: u8 = 0;
const SIZE: u8 = 1;

/// What is marked on the time line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    State(AgentState),
    Resized(Size),
}

/// A moment that something happened in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub at: Duration,
    pub sign: Sign,
    pub word: String,
}

struct Key {
    at: Duration,
    /// Of the first record after it.
    pos: u64,
    size: Size,
    screen: Vec<u8>,
}

/// See the module.
pub struct Film {
    file: File,
    written: u64,
    buffer: Vec<u8>,
    keys: Vec<Key>,
    marks: Vec<Mark>,
    /// States that are still to be marked, by the host's clock.
    events: VecDeque<(Millis, AgentState, String)>,
    max_idle: Duration,
    play: Screenplay,
    screen: Screen,
    last: Option<Millis>,
    end: Duration,
    since_key: (usize, usize),
}

/// A place in a film, and the screen there.
pub struct Reel {
    pub screen: Screen,
    pub at: Duration,
    pos: u64,
    /// Of the record that was taken last, what is not shown yet.
    rest: Vec<u8>,
    chunk: Vec<u8>,
    chunk_at: u64,
}

impl Reel {
    /// Another one at the same place.
    pub fn copy(&self) -> Self {
        let mut screen = Screen::new(self.screen.size());
        screen.feed(&self.screen.repaint());
        Self {
            screen,
            at: self.at,
            pos: self.pos,
            rest: self.rest.clone(),
            chunk: Vec::new(),
            chunk_at: 0,
        }
    }
}

/// The next record.
enum Next {
    Output(Vec<u8>),
    Size(Size),
}

impl Film {
    /// Of nothing yet. `events` are those of the session; only this agent's states are marked.
    ///
    /// # Errors
    /// There is no room for a file.
    pub fn new(max_idle: Duration, events: &[SessionEvent], agent: u32) -> Result<Self> {
        let states = events.iter().filter_map(|e| match &e.what {
            What::State {
                agent: of,
                state,
                message,
                ..
            } if *of == agent => {
                let word = match message {
                    Some(message) => format!("{}: {message}", state.word()),
                    None => state.word().to_owned(),
                };
                Some((e.at, *state, word))
            }
            _ => None,
        });
        let mut film = Self {
            file: tempfile::tempfile().context("the history cannot be held for a replay")?,
            written: 0,
            buffer: Vec::new(),
            keys: Vec::new(),
            marks: Vec::new(),
            events: states.collect(),
            max_idle,
            play: Screenplay::default(),
            screen: Screen::new(DEFAULT_SIZE),
            last: None,
            end: Duration::ZERO,
            since_key: (0, 0),
        };
        film.key();
        Ok(film)
    }

    /// How long it is by now.
    pub fn end(&self) -> Duration {
        self.end
    }

    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Takes the history's next record.
    ///
    /// # Errors
    /// The file cannot be written to.
    pub fn record(&mut self, record: &LogRecord) -> Result<()> {
        if let Some(size) = size_of(record) {
            let size = size.clamped();
            if size == self.screen.size() {
                return Ok(());
            }
            self.advance(record.at);
            let first = self.last.is_none();
            self.screen.resize(size);
            if first {
                // It began so.
                self.keys.clear();
                self.key();
                return Ok(());
            }
            self.marks.push(Mark {
                at: self.end,
                sign: Sign::Resized(size),
                word: format!("resized to {}x{}", size.cols, size.rows),
            });
            let cells = (u32::from(size.cols) << 16) | u32::from(size.rows);
            return self.put(SIZE, cells, &[]);
        }
        if !self.play.shows(record) {
            return Ok(());
        }
        self.advance(record.at);
        self.last = Some(self.last.unwrap_or(0).max(record.at));
        self.screen.feed(&record.bytes);
        let length = u32::try_from(record.bytes.len()).unwrap_or(u32::MAX);
        self.put(OUTPUT, length, &record.bytes)?;
        self.since_key.0 += record.bytes.len();
        self.since_key.1 += 1;
        if self.since_key.0 >= KEY_BYTES || self.since_key.1 >= KEY_RECORDS {
            self.key();
        }
        Ok(())
    }

    /// There is no more: what happened after the last output is at the end.
    ///
    /// # Errors
    /// The file cannot be written to.
    pub fn finish(&mut self) -> Result<()> {
        self.mark_until(Millis::MAX);
        self.flush()
    }

    /// The time goes on to `at`; what happened until then is marked.
    fn advance(&mut self, at: Millis) {
        self.mark_until(at);
        self.end += self.pause(at);
        if let Some(last) = &mut self.last {
            *last = at.max(*last);
        }
    }

    fn pause(&self, at: Millis) -> Duration {
        let last = self.last.unwrap_or(at);
        Duration::from_millis(at.saturating_sub(last)).min(self.max_idle)
    }

    fn mark_until(&mut self, at: Millis) {
        while let Some((when, state, word)) = self.events.pop_front_if(|(when, ..)| *when <= at) {
            let pause = match at {
                Millis::MAX => Duration::ZERO,
                _ => self.pause(when),
            };
            let sign = Sign::State(state);
            let at = self.end + pause;
            self.marks.push(Mark { at, sign, word });
        }
    }

    fn key(&mut self) {
        self.since_key = (0, 0);
        self.keys.push(Key {
            at: self.end,
            pos: self.written + self.buffer.len() as u64,
            size: self.screen.size(),
            screen: self.screen.repaint(),
        });
    }

    fn put(&mut self, kind: u8, number: u32, bytes: &[u8]) -> Result<()> {
        let micros = u64::try_from(self.end.as_micros()).unwrap_or(u64::MAX);
        self.buffer.extend_from_slice(&micros.to_be_bytes());
        self.buffer.extend_from_slice(&number.to_be_bytes());
        self.buffer.push(kind);
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= READ {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what is still held, so that it can be played.
    ///
    /// # Errors
    /// The file cannot be written to.
    pub fn flush(&mut self) -> Result<()> {
        let wrote = self.file.write_all(&self.buffer);
        wrote.context("the history cannot be held for a replay")?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// The screen at a time, all that came until then shown.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn seek(&self, to: Duration) -> io::Result<Reel> {
        let mut reel = self.reel(to);
        self.play(&mut reel, to)?;
        reel.at = to;
        Ok(reel)
    }

    /// At the screen that was kept last before a time.
    fn reel(&self, to: Duration) -> Reel {
        let key = self.keys.iter().rev().find(|key| key.at < to);
        let key = key.or(self.keys.first());
        let size = key.map_or(DEFAULT_SIZE, |key| key.size);
        let mut screen = Screen::new(size);
        screen.feed(key.map_or(&[], |key| &key.screen));
        Reel {
            screen,
            at: key.map_or(Duration::ZERO, |key| key.at),
            pos: key.map_or(0, |key| key.pos),
            rest: Vec::new(),
            chunk: Vec::new(),
            chunk_at: 0,
        }
    }

    /// Shows all that came until a time; whether anything did.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn play(&self, reel: &mut Reel, to: Duration) -> io::Result<bool> {
        let mut changed = false;
        while let Some(at) = self.due(reel)?.filter(|at| *at <= to) {
            let Some(next) = self.take(reel)? else {
                break;
            };
            match next {
                Next::Output(bytes) => reel.screen.feed(&bytes),
                Next::Size(size) => reel.screen.resize(size),
            }
            reel.at = at;
            changed = true;
        }
        Ok(changed)
    }

    /// When the next record is due; `None` where there is none yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn due(&self, reel: &mut Reel) -> io::Result<Option<Duration>> {
        if !reel.rest.is_empty() {
            return Ok(Some(reel.at));
        }
        let Some(head) = self.bytes(reel, 0, HEADER)? else {
            return Ok(None);
        };
        let micros = head.first_chunk().map_or(0, |b| u64::from_be_bytes(*b));
        Ok(Some(Duration::from_micros(micros)))
    }

    /// The time of the last record that comes before one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn before(&self, time: Duration) -> io::Result<Duration> {
        let mut reel = self.reel(time);
        let mut last = reel.at.min(time);
        while let Some(at) = self.due(&mut reel)?.filter(|at| *at < time) {
            last = at;
            self.take(&mut reel)?;
        }
        Ok(last)
    }

    /// Shows so little more that no line is gone again by then; false where there is no more.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn creep(&self, reel: &mut Reel) -> io::Result<bool> {
        let Some(at) = self.due(reel)? else {
            return Ok(false);
        };
        match self.take(reel)? {
            Some(Next::Output(mut bytes)) => {
                let rows = usize::from(reel.screen.size().rows / 2).max(1);
                let end = memchr::memchr_iter(b'\n', &bytes).nth(rows - 1);
                let end = end.map_or(LITTLE, |end| end + 1).min(LITTLE);
                reel.rest = bytes.split_off(end.min(bytes.len()));
                reel.screen.feed(&bytes);
            }
            Some(Next::Size(size)) => reel.screen.resize(size),
            None => return Ok(false),
        }
        reel.at = at;
        Ok(true)
    }

    fn take(&self, reel: &mut Reel) -> io::Result<Option<Next>> {
        if !reel.rest.is_empty() {
            return Ok(Some(Next::Output(std::mem::take(&mut reel.rest))));
        }
        let Some(head) = self.bytes(reel, 0, HEADER)? else {
            return Ok(None);
        };
        let number = head.get(8..12).and_then(|b| b.first_chunk());
        let number = number.map_or(0, |b| u32::from_be_bytes(*b));
        if head.get(12) == Some(&SIZE) {
            reel.pos += HEADER as u64;
            let half = |n: u32| u16::try_from(n & 0xffff).unwrap_or(u16::MAX);
            return Ok(Some(Next::Size(Size {
                cols: half(number >> 16),
                rows: half(number),
            })));
        }
        let length = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(bytes) = self.bytes(reel, HEADER, length)?.map(<[u8]>::to_vec) else {
            return Ok(None);
        };
        reel.pos += (HEADER + length) as u64;
        Ok(Some(Next::Output(bytes)))
    }

    /// Bytes behind a reel's place; `None` where they are not there yet.
    fn bytes<'a>(
        &self,
        reel: &'a mut Reel,
        skip: usize,
        length: usize,
    ) -> io::Result<Option<&'a [u8]>> {
        let from = reel.pos + skip as u64;
        let to = from.saturating_add(length as u64);
        if to > self.written {
            return Ok(None);
        }
        let held = reel.chunk_at..reel.chunk_at + reel.chunk.len() as u64;
        if from < held.start || to > held.end {
            let room = (self.written - from).min(length.max(READ) as u64);
            let room = usize::try_from(room).unwrap_or(READ);
            reel.chunk.resize(room, 0);
            self.file.read_exact_at(&mut reel.chunk, from)?;
            reel.chunk_at = from;
        }
        let start = usize::try_from(from - reel.chunk_at).unwrap_or(usize::MAX);
        Ok(reel.chunk.get(start..start.saturating_add(length)))
    }
}
