//! An agent's output on its way in: taken apart, kept on disk, shown on the screen, and numbered for clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::kept::Kept;

use crate::host::hub::Written;
use crate::host::ring::{Audience, Chunk, Ring};
use crate::host::scrollback;
use crate::host::state::rules::{Book, View};
use crate::host::state::{Belief, Said};
use crate::model::{HistoryKind, Millis, Size, Terminal};
use crate::mux::{
    History, HistoryLimits, HistoryReader, Piece, Query, Scanner, Screen, What, answer, psp, rescue,
};
use crate::secret::redact::Redactor;

/// Output kept in memory for those who are attached or may come back.
const RING: usize = 1 << 20;

/// Segments are short, so that the lines above a screen are quickly found.
const LIMITS: HistoryLimits = HistoryLimits {
    segment: 1 << 20,
    total: 256 << 20,
};

/// The screen is looked at no more often, whatever is drawn on it.
const LOOK_MS: Millis = 250;

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
    /// What tells its state from its screen.
    book: Book,
    /// There was output since the screen was looked at last, which was then.
    unseen: bool,
    looked: Millis,
    /// What knows the session's secrets, which may get more.
    redactors: watch::Receiver<Arc<Redactor>>,
    /// What is stored, where that is not the output itself.
    kept: Option<Kept>,
}

impl Output {
    /// Goes on with the history in `dir`, if there is one.
    pub fn open(
        dir: &Path,
        screen: Screen,
        book: Book,
        mut redactors: watch::Receiver<Arc<Redactor>>,
    ) -> Self {
        redactors.mark_changed();
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
            book,
            unseen: false,
            looked: 0,
            redactors,
            kept: None,
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
        self.unseen = true;
        if !keep {
            let end = self.end();
            self.ring.clear(end);
        }
        answers
    }

    /// The history gets what the scanner has told of, so that a keyframe in it never stands within a sequence.
    fn keep_history(&mut self, bytes: &Bytes, now: Millis) {
        self.look_for_secrets();
        let held = self.scanner.held();
        if let Some(kept) = &mut self.kept {
            let stored = kept.take(bytes);
            self.held.extend_from_slice(bytes);
            self.held.drain(..self.held.len().saturating_sub(held));
            return self.store(&stored, now);
        }
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

    /// From the first secret on, what is stored is another stream than the agent's.
    fn look_for_secrets(&mut self) {
        if !self.redactors.has_changed().unwrap_or(false) {
            return;
        }
        let redactor = self.redactors.borrow_and_update().clone();
        match &mut self.kept {
            Some(kept) => kept.redactor = redactor,
            None if redactor.is_idle() => {}
            None => {
                let mut screen = Screen::new(self.screen.size());
                screen.feed(&self.screen.repaint());
                let mut kept = Kept::new(redactor, screen);
                // Nothing of an unfinished sequence is stored yet.
                kept.take(&self.held);
                self.kept = Some(kept);
            }
        }
    }

    /// Appends redacted output to the history.
    fn store(&mut self, bytes: &[u8], now: Millis) {
        if bytes.is_empty() {
            return;
        }
        self.record(HistoryKind::Output, bytes, now);
        if let Some(kept) = &mut self.kept {
            kept.stored(bytes);
        }
    }

    /// Appends to the history.
    pub fn record(&mut self, kind: HistoryKind, bytes: &[u8], now: Millis) {
        self.look_for_secrets();
        let Some(history) = &mut self.history else {
            return;
        };
        match &self.kept {
            None => {
                let screen = &self.screen;
                history.append(kind, bytes, now, || (screen.size(), screen.repaint()));
            }
            Some(kept) => {
                let mut bytes = bytes.to_vec();
                if kind == HistoryKind::Mark {
                    kept.redactor.bytes(&mut bytes);
                }
                history.append(kind, &bytes, now, || kept.keyframe());
            }
        }
    }

    /// A text about the agent, without the values of secrets.
    pub fn redacted(&self, text: String) -> String {
        let redactor = self.redactors.borrow();
        match redactor.is_idle() {
            true => text,
            false => redactor.text(&text),
        }
    }

    /// What an earlier binary told of and had not stored: it may be the beginning of a value.
    pub fn behind(&self) -> Vec<u8> {
        let kept = self.kept.as_ref();
        kept.map_or_else(Vec::new, |k| k.behind(self.held.len()))
    }

    /// Goes on with what an earlier binary was [behind](Self::behind) with.
    pub fn catch_up(&mut self, behind: &[u8], now: Millis) {
        self.look_for_secrets();
        let end = self.end().saturating_add(behind.len() as u64);
        self.ring = Ring::new(end, RING);
        let Some(kept) = &mut self.kept else {
            return self.store(behind, now);
        };
        // Where there is none, none of it was stored.
        if let Ok(screen) = scrollback::replay(&self.dir, 0) {
            kept.screen = screen;
        }
        let stored = kept.take(behind);
        self.store(&stored, now);
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
            What::Query(Query::ClipboardRead) if terminal.asks_for_clipboard => {
                (Audience::Asker, false)
            }
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
        if let Some(kept) = &mut self.kept {
            kept.screen = rescue(parts.iter().map(|b| &b[..]), size);
        }
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
        self.look_for_secrets();
        if let Some(kept) = &mut self.kept {
            let stored = kept.finish();
            self.store(&stored, now);
        }
        for piece in rest {
            if self.kept.is_none() {
                self.record(HistoryKind::Output, &piece.bytes, now);
            }
            self.screen.feed(&piece.bytes);
            let length = piece.bytes.len();
            self.push(piece.bytes, length, Audience::All);
        }
    }

    pub fn resize(&mut self, size: Size) {
        self.screen.resize(size);
        if let Some(kept) = &mut self.kept {
            kept.screen.resize(size);
        }
    }

    /// The screen as it may be told, without the values of secrets.
    pub fn shown(&self) -> &Screen {
        self.kept.as_ref().map_or(&self.screen, |k| &k.screen)
    }

    /// What a person would look at to know its state.
    pub fn view(&self) -> View {
        view_of(&self.screen)
    }

    /// As [`Output::view`], of what may be told.
    pub fn shown_view(&self) -> View {
        view_of(self.shown())
    }

    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Looks at the screen where there is something new on it; when to look again, if it is too early.
    pub fn look(&mut self, now: Millis, belief: &mut Belief) -> Option<Millis> {
        if !self.unseen {
            return None;
        }
        let due = self.looked.saturating_add(LOOK_MS);
        // A frame that is being drawn may show anything; a program that never ends one is not waited for.
        let drawing = self.screen.synchronized() && now < due.saturating_add(LOOK_MS);
        if now < due || drawing {
            return Some(due.max(now.saturating_add(LOOK_MS / 10)));
        }
        self.unseen = false;
        self.looked = now;
        let (screen, title) = self.book.read(&self.view());
        belief.seen(screen, title, now);
        None
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

fn view_of(screen: &Screen) -> View {
    View {
        lines: screen.text(),
        cursor: screen.cursor(),
        title: screen.title().to_owned(),
    }
}
