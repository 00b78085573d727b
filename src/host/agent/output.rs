//! An agent's output on its way in: taken apart, kept on disk, shown on the screen, and numbered for clients.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::watch;

use crate::host::hub::Written;
use crate::host::ring::{Audience, Chunk, Ring};
use crate::host::state::{Belief, Said};
use crate::model::{HistoryKind, Millis, Size, Terminal};
use crate::mux::{
    History, HistoryLimits, HistoryReader, Piece, Scanner, Screen, What, answer, psp, rescue,
};

/// Output kept in memory for those who are attached or may come back.
const RING: usize = 1 << 20;

/// Segments are short, so that the lines above a screen are quickly found.
const LIMITS: HistoryLimits = HistoryLimits {
    segment: 1 << 20,
    total: 256 << 20,
};

/// See the module.
pub struct Output {
    pub screen: Screen,
    pub ring: Ring,
    scanner: Scanner,
    pieces: Vec<Piece>,
    history: Option<History>,
    dir: PathBuf,
    /// How often this screen's emulator had failed when last looked at.
    poisoned: u32,
    /// Why there is no history at all.
    unkept: Option<String>,
    /// What the scanner has seen but not told of.
    held: Vec<u8>,
    full_screen: bool,
    /// What the program says of itself.
    records: psp::Table,
}

impl Output {
    /// Goes on with the history in `dir`, if there is one.
    pub fn open(dir: &Path, screen: Screen) -> Self {
        let (history, unkept) = match History::open(dir, LIMITS) {
            Ok(history) => (Some(history), None),
            Err(e) => (None, Some(e.to_string())),
        };
        let end = history.as_ref().map_or(0, History::offset);
        Self {
            screen,
            ring: Ring::new(end, RING),
            scanner: Scanner::new(),
            pieces: Vec::new(),
            history,
            dir: dir.to_owned(),
            poisoned: 0,
            unkept,
            held: Vec::new(),
            full_screen: false,
            records: psp::Table::new(),
        }
    }

    /// Agent bytes so far, those of an unfinished sequence left out.
    pub fn end(&self) -> u64 {
        self.ring.end()
    }

    pub fn title(&self) -> &str {
        self.screen.title()
    }

    /// It has shown the alternate screen.
    pub fn full_screen(&self) -> bool {
        self.full_screen
    }

    pub fn full_screen_before(&mut self, was: bool) {
        self.full_screen |= was;
    }

    /// The agent is in the middle of no sequence.
    pub fn at_ground(&self) -> bool {
        self.scanner.at_ground()
    }

    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// The history is not being kept.
    pub fn failing(&self) -> bool {
        self.history.as_ref().is_none_or(|h| h.failure().is_some())
    }

    /// What `status` warns of.
    pub fn warning(&self) -> Option<String> {
        let why = match &self.history {
            Some(history) => history.failure(),
            None => self.unkept.as_deref(),
        };
        why.map(|w| format!("its history is not being kept: {w}"))
    }

    /// Takes output in; returns what is to be typed in answer to its queries. `keep`: clients may want it.
    pub fn ingest(
        &mut self,
        bytes: &Bytes,
        now: Millis,
        terminal: &Terminal,
        keep: bool,
        belief: &mut Belief,
    ) -> Vec<u8> {
        let mut pieces = std::mem::take(&mut self.pieces);
        self.scanner.feed(bytes, &mut pieces);
        self.keep_history(bytes, now);
        let mut answers = Vec::new();
        for piece in pieces.drain(..) {
            self.piece(piece, now, terminal, belief, &mut answers);
        }
        pieces.shrink_to(256);
        self.pieces = pieces;
        if self.screen.poisoned() != self.poisoned {
            self.rescue();
        }
        self.full_screen |= self.screen.alternate();
        if !keep {
            let end = self.end();
            self.ring.clear(end);
        }
        answers
    }

    /// The history gets what the scanner has told of, so that a keyframe in it never stands within a sequence.
    fn keep_history(&mut self, bytes: &Bytes, now: Millis) {
        let held = self.scanner.held();
        if self.held.is_empty() && held == 0 {
            return self.record(HistoryKind::Output, bytes, now);
        }
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        self.held = all.split_off(all.len().saturating_sub(held));
        if !all.is_empty() {
            self.record(HistoryKind::Output, &all, now);
        }
    }

    /// Appends to the history.
    pub fn record(&mut self, kind: HistoryKind, bytes: &[u8], now: Millis) {
        if let Some(history) = &mut self.history {
            let screen = &self.screen;
            history.append(kind, bytes, now, || (screen.size(), screen.repaint()));
        }
    }

    /// Something happened: a line in the history.
    pub fn mark(&mut self, text: &str, now: Millis) {
        self.record(HistoryKind::Mark, text.as_bytes(), now);
    }

    fn piece(
        &mut self,
        piece: Piece,
        now: Millis,
        terminal: &Terminal,
        belief: &mut Belief,
        answers: &mut Vec<u8>,
    ) {
        let length = piece.bytes.len();
        // What the host answers or passes on itself is cut out of what clients get.
        let (audience, cut) = match &piece.what {
            What::Query(query) => {
                answers.extend_from_slice(&answer(query, &self.screen, terminal));
                (Audience::All, true)
            }
            What::UnknownQuery => (Audience::Owner, false),
            What::Status => {
                if let Some(report) = psp::parse(&piece.bytes, now) {
                    self.records.apply(report);
                }
                self.told(belief);
                (Audience::All, true)
            }
            _ if piece.replayable() => (Audience::All, false),
            _ => (Audience::Once, false),
        };
        match &piece.what {
            What::Bell => belief.bell(now),
            What::Notification { title, body } => match title {
                Some(title) => belief.notification(&format!("{title}: {body}"), now),
                None => belief.notification(body, now),
            },
            What::Progress { state, percent } => belief.progress(*state, *percent, now),
            What::Prompt => {
                self.records.ended();
                self.told(belief);
            }
            What::Reset => {
                self.records.reset();
                self.told(belief);
            }
            _ => {}
        }
        if cut {
            return self.push(Bytes::new(), length, audience);
        }
        self.screen.feed(&piece.bytes);
        self.push(piece.bytes, length, audience);
    }

    /// The emulator failed and its screen is blank: another one reads what the newest segment holds.
    fn rescue(&mut self) {
        let size = self.screen.size();
        let mut parts = Vec::new();
        if let Ok(mut reader) = HistoryReader::open(&self.dir)
            && reader.seek_tail(0).is_ok()
        {
            while let Ok(Some(record)) = reader.next_record() {
                if matches!(record.kind, HistoryKind::Output | HistoryKind::Keyframe) {
                    parts.push(record.bytes);
                }
            }
        }
        tracing::error!("the emulator failed; its screen is made from the history");
        self.screen = rescue(parts.iter().map(|b| &b[..]), size);
        self.poisoned = self.screen.poisoned();
    }

    /// The program's own records changed.
    fn told(&mut self, belief: &mut Belief) {
        belief.report(self.records.summary().map(|s| Said {
            state: s.state,
            message: s.message,
            progress: s.progress,
            at: s.at,
        }));
    }

    fn push(&mut self, bytes: Bytes, length: usize, audience: Audience) {
        let from = self.ring.end();
        self.ring.push(Chunk {
            from,
            to: from.saturating_add(length as u64),
            bytes,
            audience,
        });
    }

    /// The program is over: what was held back is told of, as it is.
    pub fn finish(&mut self, now: Millis) {
        let mut rest = Vec::new();
        self.scanner.flush(&mut rest);
        self.held.clear();
        self.records.ended();
        for piece in rest {
            self.record(HistoryKind::Output, &piece.bytes, now);
            self.screen.feed(&piece.bytes);
            let length = piece.bytes.len();
            self.push(piece.bytes, length, Audience::All);
        }
    }

    pub fn resize(&mut self, size: Size) {
        self.screen.resize(size);
    }

    /// Those who follow the history learn how far it has got.
    pub fn tell_written(&self, written: &watch::Sender<Written>) {
        let end = self.end();
        written.send_if_modified(|w| std::mem::replace(&mut w.end, end) != end);
    }

    /// Waits for the disk.
    pub fn sync(&mut self) {
        if let Some(history) = &mut self.history {
            history.sync();
        }
    }
}
