//! Guesses on the terminal: drawn over what the mirror knows it to show, and taken off before the agent's own bytes.

use std::time::Duration;

use super::super::Options;
use super::super::outlet::Kind;
use super::super::predict::{Acks, Predict};
use super::Engine;
use super::paint::PORTION;
use crate::mux::Overlay;

impl Engine {
    /// Whether anything typed may ever be guessed at.
    pub(super) fn may_guess(options: &Options) -> bool {
        options.predict != Predict::Never
            && (options.keyboard || options.pane)
            && options.display
            && !options.read_only
    }

    /// The terminal's screen is known, and cheap to look at.
    fn is_seen(&self) -> bool {
        self.primed && self.mirror.is_good() && self.mirror.behind() <= PORTION
    }

    /// These bytes were typed and are on their way.
    pub(super) fn guess(&mut self, bytes: &[u8]) {
        let Some(input) = self.link.typed() else {
            return;
        };
        let now = self.mono();
        if self.is_seen()
            && let Some(screen) = self.mirror.screen()
        {
            self.predictor.typed(bytes, input.last, screen, now);
        } else {
            self.predictor.forget();
        }
    }

    /// Draws what is guessed now, where the terminal has all that has arrived.
    pub(super) fn show_guesses(&mut self, now: Duration) {
        if !self.predictor.is_active() && self.guessed.is_empty() {
            return;
        }
        if !self.can_draw() || !self.is_seen() || self.banner.is_drawn() {
            return;
        }
        let Some(input) = self.link.typed() else {
            self.predictor.forget();
            return self.withdraw_guesses();
        };
        let trip = self.link.round_trip();
        let Some(screen) = self.mirror.screen() else {
            return;
        };
        let acks = Acks {
            applied: input.applied,
            echoed: input.echoed,
        };
        self.predictor.heard(acks, trip, screen, now);
        let next = self.predictor.overlay(screen);
        if next != self.guessed {
            let bytes = self.guessed.turn_into(&next, screen);
            self.guessed = next;
            self.outlet.push(Kind::Own, bytes.into());
        }
    }

    /// The next time at which a guess changes by its age alone.
    pub(super) fn guesses_due(&self) -> Option<Duration> {
        let can = self.can_draw() && self.is_seen() && !self.banner.is_drawn();
        can.then(|| self.predictor.due())?
    }

    /// The agent's bytes are written to the terminal that they were meant for.
    pub(super) fn take_off_guesses(&mut self) {
        if self.guessed.is_empty() {
            return;
        }
        match self.outlet.front() {
            Some((Kind::Repaint, _)) => self.guessed = Overlay::default(),
            Some((Kind::Agent, _)) => {
                let bytes = self.without_guesses();
                self.outlet.push_front(bytes.into());
            }
            _ => {}
        }
    }

    /// Before something else of ours is drawn. Only where nothing of the agent's waits.
    pub(super) fn withdraw_guesses(&mut self) {
        let bytes = self.without_guesses();
        self.outlet.push(Kind::Own, bytes.into());
    }

    /// What takes the guesses off the terminal.
    pub(super) fn without_guesses(&mut self) -> Vec<u8> {
        let guessed = std::mem::take(&mut self.guessed);
        match self.mirror.screen() {
            Some(screen) => guessed.turn_into(&Overlay::default(), screen),
            None => Vec::new(),
        }
    }
}
