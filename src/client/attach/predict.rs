//! Predictive echo: what a typed key will most likely do to the screen, shown before the host can say. The rules are
//! mosh's: guesses come in epochs, an epoch is hidden until the host has confirmed one of its guesses (so that hidden
//! input is never shown), and one wrong guess takes all back. No I/O and no clock: keys, acknowledgements, the
//! confirmed screen and the time come in, an overlay comes out.

mod cell;
mod keys;
mod line;
mod trigger;

use std::collections::{BTreeMap, VecDeque};
use std::str::FromStr;
use std::time::Duration;

use cell::{Guess, Verdict};
use keys::{Keys, Typed};
use trigger::Trigger;

use crate::model::Size;
use crate::mux::{Overlay, Screen};

/// More than this at once is a paste.
const PASTE: usize = 100;
/// Keys under way, and cursors guessed, that are remembered; with more of them nothing is guessed.
const UNDER_WAY: usize = 512;

/// When guesses are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Predict {
    Always,
    /// Where the host is far, or slow.
    #[default]
    Adaptive,
    Never,
}

impl FromStr for Predict {
    type Err = &'static str;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "always" => Ok(Self::Always),
            "adaptive" => Ok(Self::Adaptive),
            "never" => Ok(Self::Never),
            _ => Err("is none of `always`, `adaptive` and `never`"),
        }
    }
}

/// How the guesses that were shown fared, each typed character counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guessed {
    pub shown: u64,
    pub wrong: u64,
}

/// What the host has said of input: the newest number that the program has been given, and the newest whose answer,
/// if there is one, is on the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Acks {
    pub applied: u64,
    pub echoed: u64,
}

/// Where the cursor will be once the host has answered input `number`.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    row: u16,
    col: u16,
    epoch: u64,
    number: u64,
}

/// The guesses of one attachment.
#[derive(Debug)]
pub(super) struct Predictor {
    when: Predict,
    keys: Keys,
    trigger: Trigger,
    acks: Acks,
    size: Size,
    /// The epoch of new guesses, and the newest one of which the host has confirmed a guess.
    epoch: u64,
    confirmed: u64,
    cells: BTreeMap<(u16, u16), Guess>,
    cursors: Vec<Cursor>,
    /// Where the last confirmed guess left the cursor: elsewhere nothing is known.
    rest: Option<(u16, u16)>,
    /// The row and column from which on the text in this line was typed in this epoch.
    floor: Option<(u16, u16)>,
    /// Keys that the program has not been given yet, as far as is known.
    under_way: VecDeque<(u64, Typed, Duration)>,
    /// The screen is half drawn: nothing can be judged by it.
    blind: bool,
    counts: Guessed,
}

impl Predictor {
    pub(super) fn new(when: Predict) -> Self {
        Self {
            when,
            keys: Keys::default(),
            trigger: Trigger::default(),
            acks: Acks::default(),
            size: Size { cols: 0, rows: 0 },
            epoch: 1,
            confirmed: 0,
            cells: BTreeMap::new(),
            cursors: Vec::new(),
            rest: None,
            floor: None,
            under_way: VecDeque::new(),
            blind: false,
            counts: Guessed::default(),
        }
    }

    pub(super) fn counts(&self) -> Guessed {
        self.counts
    }

    /// Something is guessed that the host has not judged yet.
    pub(super) fn is_active(&self) -> bool {
        !self.cells.is_empty() || !self.cursors.is_empty()
    }

    /// Nothing is known any more, not even what is under way.
    pub(super) fn forget(&mut self) {
        self.under_way.clear();
        self.reset();
    }

    fn reset(&mut self) {
        self.cells.clear();
        self.cursors.clear();
        self.rest = None;
        self.become_tentative();
    }

    /// What is guessed from now on is hidden until one of it is confirmed.
    fn become_tentative(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
        self.floor = None;
    }

    /// `bytes` were typed as input `number` while the terminal showed `screen`.
    pub(super) fn typed(&mut self, bytes: &[u8], number: u64, screen: &Screen, now: Duration) {
        if self.when == Predict::Never {
            return;
        }
        let most = self.under_way.len().max(self.cursors.len());
        if bytes.len() > PASTE || most > UNDER_WAY {
            return self.forget();
        }
        self.judge(screen, now);
        let mut typed = Vec::new();
        self.keys.feed(bytes, &mut typed);
        for key in typed {
            self.under_way.push_back((number, key, now));
            self.key(key, number, screen, now);
        }
    }

    /// The newest word of the host on input; `screen` has all the output before it. The round trip is the link's.
    pub(super) fn heard(
        &mut self,
        acks: Acks,
        round_trip: Option<Duration>,
        screen: &Screen,
        now: Duration,
    ) {
        self.acks = acks;
        let active = self.is_active();
        self.trigger.round_trip(round_trip, active);
        self.judge(screen, now);
    }

    /// When [`Predictor::heard`] is wanted though nothing was heard.
    pub(super) fn due(&self) -> Option<Duration> {
        let oldest = self.cells.values().map(|g| g.at).min()?;
        // What ends a half-drawn frame is heard.
        (self.when == Predict::Adaptive && !self.blind).then(|| self.trigger.due(oldest))?
    }

    /// Compares what was guessed with what the host says.
    fn judge(&mut self, screen: &Screen, now: Duration) {
        let acks = self.acks;
        self.under_way.retain(|(number, ..)| *number > acks.applied);
        if self.size != screen.size() {
            self.size = screen.size();
            return self.reset();
        }
        // A frame or a repaint that is half drawn proves nothing.
        self.blind = !screen.at_rest();
        if self.blind {
            return;
        }
        let Self {
            cells,
            trigger,
            confirmed,
            counts,
            ..
        } = self;
        let mut wrong = false;
        cells.retain(|&(row, col), guess| {
            let verdict = match screen.glyph(row, col) {
                Some(actual) => guess.verdict(&actual, acks, now),
                None => Verdict::Wrong,
            };
            match verdict {
                Verdict::Pending => trigger.waited(now.saturating_sub(guess.at)),
                Verdict::Right => {
                    *confirmed = guess.epoch.max(*confirmed);
                    trigger.answered(now.saturating_sub(guess.at), now);
                }
                Verdict::NoProof => {}
                Verdict::Wrong => {
                    wrong = true;
                    counts.wrong += u64::from(guess.shown && guess.own);
                }
            }
            verdict == Verdict::Pending
        });
        let at = screen.cursor();
        let judged = |c: &Cursor| acks.echoed >= c.number;
        let newest = self.cursors.iter().rposition(judged);
        if let Some((index, c)) = newest.and_then(|n| Some((n, self.cursors.get(n)?))) {
            // Later input that was applied may have moved it on.
            let alone = index + 1 == self.cursors.len() || c.number >= acks.applied;
            wrong |= alone && (c.row, c.col) != at;
        }
        if wrong {
            return self.start_over(screen);
        }
        if !self.cursors.is_empty() {
            self.cursors.retain(|c| !judged(c));
            if self.cursors.is_empty() {
                self.rest = Some(at);
            }
        }
    }

    /// All was in vain; what is still under way is guessed anew from where the cursor really is.
    fn start_over(&mut self, screen: &Screen) {
        self.reset();
        for (number, key, at) in self.under_way.clone() {
            self.key(key, number, screen, at);
        }
    }

    /// What is to be drawn over `screen`.
    pub(super) fn overlay(&mut self, screen: &Screen) -> Overlay {
        let mut overlay = Overlay::default();
        let show = match self.when {
            Predict::Always => true,
            Predict::Adaptive => self.trigger.shows(),
            Predict::Never => false,
        };
        if !show || !screen.takes_overlay() || self.size != screen.size() {
            return overlay;
        }
        let underline = self.trigger.underlines();
        for (&(row, col), guess) in &mut self.cells {
            if guess.epoch > self.confirmed || screen.is_doubtful(row) {
                continue;
            }
            let Some(glyph) = screen.glyph(row, col).and_then(|g| guess.over(&g)) else {
                continue;
            };
            if !std::mem::replace(&mut guess.shown, true) && guess.own {
                self.counts.shown += 1;
            }
            let glyph = match underline && !glyph.is_blank() {
                true => glyph.underlined(),
                false => glyph,
            };
            overlay.cells.insert((row, col), glyph);
        }
        // Once the host has answered, its cursor counts.
        let known = |c: &&Cursor| c.epoch <= self.confirmed && !screen.is_doubtful(c.row);
        overlay.cursor = (self.cursors.iter().rev().find(known))
            .filter(|c| c.number > self.acks.applied || !overlay.cells.is_empty())
            .map(|c| (c.row, c.col))
            .filter(|at| *at != screen.cursor());
        overlay
    }
}

#[cfg(test)]
mod tests;
