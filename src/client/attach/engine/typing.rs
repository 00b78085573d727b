//! What comes from the person's side: keys, answers of the terminal, signals.

use std::time::Duration;

use bytes::Bytes;

use super::super::escape::{Escape, HELP, Typed};
use super::super::facts::{Facts, QUESTIONS};
use super::super::keys::{Key, next};
use super::super::outlet::Kind;
use super::super::{Ending, Outside};
use super::{Engine, Lesson};
use crate::client::link::Event;
use crate::mux::Overlay;

/// How long answers of the terminal are waited for.
const FACTS: Duration = Duration::from_millis(1500);
/// How long the rest of a sequence is waited for.
const SEQUENCE: Duration = Duration::from_millis(50);

impl Engine {
    /// Asks the terminal what it is. Nothing waits for the answers.
    pub(super) fn ask_terminal(&mut self) {
        let term = self.options.terminal.term.as_str();
        let can = !matches!(term, "" | "dumb" | "linux" | "unknown");
        if can && self.options.keyboard && self.options.display {
            self.facts = Some(Facts::new(self.options.terminal.clone()));
            self.facts_until = self.mono() + FACTS;
            self.outlet.push(Kind::Own, Bytes::from_static(QUESTIONS));
        }
    }

    pub(super) fn facts_due(&self) -> Option<Duration> {
        self.facts
            .as_ref()
            .filter(|f| f.is_waiting())
            .map(|_| self.facts_until)
    }

    pub(super) fn flush_due(&self) -> Option<Duration> {
        self.flush_at
    }

    pub(super) async fn typed(&mut self, read: &Bytes) {
        let Some(facts) = &mut self.facts else {
            return self.keys(read).await;
        };
        let before = facts.terminal().clone();
        let typed = facts.feed(read);
        let (over, waiting) = (facts.is_over(), facts.is_waiting());
        let changed = (*facts.terminal() != before).then(|| facts.terminal().clone());
        if over {
            self.facts = None;
        }
        if let Some(terminal) = changed {
            self.options.terminal = terminal;
            // Once for all answers, unless they are late.
            if over || !waiting {
                self.tell_terminal();
            }
        }
        if !typed.is_empty() {
            self.keys(&typed).await;
        }
    }

    fn tell_terminal(&mut self) {
        let terminal = self.options.terminal.clone();
        self.event(Event::Terminal(terminal));
    }

    /// What waited for the rest of an answer or a sequence is what was typed.
    pub(super) fn stop_waiting(&mut self) {
        let now = self.mono();
        if self.facts_due().is_some_and(|at| at <= now)
            && let Some(facts) = &mut self.facts
        {
            let held = facts.stop_waiting();
            self.tell_terminal();
            self.deliver(&held);
        }
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush_at = None;
            let mut out = Vec::new();
            self.escapes.flush(&mut out);
            for piece in out {
                if let Typed::Bytes(bytes) = piece {
                    self.deliver(&bytes);
                }
            }
        }
    }

    async fn keys(&mut self, read: &[u8]) {
        if !self.options.keyboard {
            return self.deliver(read);
        }
        let mut out = Vec::new();
        // While nothing can be typed anyway, leaving needs no newline.
        let anywhere = !self.link.is_attached() || self.banner.question.is_some();
        self.escapes.feed(read, anywhere, &mut out);
        for piece in out {
            match piece {
                Typed::Bytes(bytes) => self.deliver(&bytes),
                Typed::Escape(escape) => self.escape(escape).await,
            }
        }
        self.flush_at = self.escapes.waits().then(|| self.mono() + SEQUENCE);
    }

    /// To the agent; or to our question, if there is one.
    fn deliver(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.banner.question.is_none() {
            self.event(Event::Input(Bytes::copy_from_slice(bytes)));
            return self.guess(bytes);
        }
        let mut rest = bytes;
        while let Some(token) = next(rest) {
            rest = rest.get(token.len..).unwrap_or_default();
            let yes = match token.key {
                Key::Char('y' | 'Y', false) => true,
                Key::Char('n' | 'N' | '\x1b', false) | Key::Char('c', true) => false,
                _ => continue,
            };
            self.banner.question = None;
            return self.event(Event::Confirm(yes));
        }
    }

    async fn escape(&mut self, escape: Escape) {
        match escape {
            Escape::Leave => self.event(Event::Leave),
            Escape::Help => {
                let until = self.mono() + super::NOTICE;
                self.banner.notice = Some((format!("remote: {HELP}"), until));
            }
            Escape::Suspend => self.suspend().await,
            Escape::Repaint => self.repaint(),
        }
    }

    pub(super) fn input_over(&mut self) {
        self.input = None;
        if self.options.keyboard {
            // The terminal hung up.
            self.event(Event::Leave);
            self.ending = Some(Ending::Hangup);
        }
    }

    pub(super) async fn outside(&mut self, outside: Outside) {
        match outside {
            Outside::Resize(size, pixels) => {
                if size != self.options.size {
                    self.options.size = size;
                    self.mirror.resize(size);
                    self.banner.erased();
                    // The terminal has laid it all out anew, guesses too; a repaint follows.
                    self.predictor.forget();
                    self.guessed = Overlay::default();
                    self.event(Event::Resize(size));
                }
                if self.options.terminal.pixels != pixels {
                    self.options.terminal.pixels = pixels;
                    if let Some(facts) = &mut self.facts {
                        facts.set_pixels(pixels);
                    }
                    self.tell_terminal();
                }
            }
            Outside::Suspend => self.suspend().await,
            Outside::Continued => {
                self.console.resume();
                self.suspended = false;
                self.lesson = Lesson::None;
                self.event(Event::Woke);
                if self.primed {
                    self.show_again();
                    let lines = self.pushing_up();
                    self.outlet.push_front(lines);
                }
            }
            Outside::Told(bytes) => self.told.extend(bytes),
            Outside::Signal(signal) => {
                self.event(Event::Leave);
                self.ending = Some(Ending::Signal(signal));
            }
        }
    }
}
