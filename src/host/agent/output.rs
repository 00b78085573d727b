//! An agent's output on its way in: taken apart, kept on disk, shown on the screen, and numbered for clients.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::host::hub::Written;
use crate::host::ring::{Audience, Chunk, Ring};
use crate::host::state::Belief;
use crate::host::stub::{Piece, Scanner, answer};
use crate::model::{HistoryKind, Millis, Size, Terminal};
use crate::mux::{History, HistoryLimits, Screen};

/// Output kept in memory for those who are attached or may come back.
const RING: usize = 1 << 20;

/// See the module.
pub struct Output {
    pub screen: Screen,
    pub ring: Ring,
    scanner: Scanner,
    pieces: Vec<Piece>,
    history: Option<History>,
    /// Why there is no history at all.
    unkept: Option<String>,
    /// What the scanner has seen but not told of.
    held: Vec<u8>,
    full_screen: bool,
}

impl Output {
    /// Goes on with the history in `dir`, if there is one.
    pub fn open(dir: &Path, screen: Screen) -> Self {
        let (history, unkept) = match History::open(dir, HistoryLimits::default()) {
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
            unkept,
            held: Vec::new(),
            full_screen: false,
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

    pub fn held(&self) -> &[u8] {
        &self.held
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
        self.screen.take_scrolled(0);
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
        _now: Millis,
        terminal: &Terminal,
        _belief: &mut Belief,
        answers: &mut Vec<u8>,
    ) {
        match piece {
            Piece::Pass(bytes) => {
                self.screen.feed(&bytes);
                let length = bytes.len();
                self.push(bytes, length, Audience::All);
            }
            Piece::Query(query, length) => {
                answers.extend_from_slice(&answer(&query, &self.screen, terminal));
                self.push(Bytes::new(), length, Audience::All);
            }
        }
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

    /// Nothing more comes: what was held back is told of, as it is.
    pub fn finish(&mut self, now: Millis) {
        let held = std::mem::take(&mut self.held);
        self.scanner = Scanner::new();
        if !held.is_empty() {
            self.record(HistoryKind::Output, &held, now);
            self.screen.feed(&held);
            let length = held.len();
            self.push(held.into(), length, Audience::All);
        }
    }

    pub fn resize(&mut self, size: Size) {
        self.screen.resize(size);
        self.screen.take_scrolled(0);
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

    /// When something is to be done about the output by time alone.
    pub fn wake(&self, _now: Duration) -> Option<Duration> {
        None
    }
}
