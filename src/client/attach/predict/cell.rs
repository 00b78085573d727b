//! One guessed cell, and when it counts as right or wrong.

use std::time::Duration;

use super::Acks;
use crate::mux::Glyph;

/// What one cell is remembered to have held; with more nothing is proved by what it holds now.
const BEFORE: usize = 32;
/// The host's word that the program has a key comes right behind the output that answers it. A cell that changed longer
/// before that word was not changed by that key.
const RIGHT_BEHIND: Duration = Duration::from_millis(20);

/// What the host's screen says of a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Pending,
    Right,
    /// Perhaps right, but no reason to believe the next one.
    NoProof,
    Wrong,
}

/// What a cell will hold once the program has answered input `number`.
#[derive(Debug)]
pub(super) struct Guess {
    pub epoch: u64,
    pub number: u64,
    pub at: Duration,
    /// `None` where something changes, but nobody knows into what.
    pub glyph: Option<Glyph>,
    /// What it held before, and what was guessed earlier: that it holds one of these proves nothing.
    pub before: Vec<Glyph>,
    /// When it was first seen to hold something else, if that was before the program was known to have the input.
    pub early: Option<Duration>,
    /// It is what was typed, not what that has moved.
    pub own: bool,
    pub shown: bool,
}

impl Guess {
    /// What the cell held when this one is made over `earlier`.
    pub(super) fn before(earlier: Option<Self>, actual: Glyph) -> Vec<Glyph> {
        let mut before = Vec::new();
        if let Some(earlier) = earlier
            && let Some(glyph) = earlier.glyph
        {
            before = earlier.before;
            before.push(glyph);
        }
        if !before.iter().any(|b: &Glyph| b.same_text(&actual)) {
            before.push(actual);
        }
        before
    }

    /// A guess is right as soon as the program has its input and the cell shows what was guessed and was not there
    /// before; it is wrong if the cell does not show it when the answer, if there is one, is there.
    pub(super) fn verdict(&mut self, actual: &Glyph, acks: Acks, now: Duration) -> Verdict {
        let late = acks.echoed >= self.number;
        let known = self.before.iter().any(|b| b.same_text(actual));
        if acks.applied < self.number && !known {
            self.early.get_or_insert(now);
        }
        let caused = (self.early).is_none_or(|at| now.saturating_sub(at) <= RIGHT_BEHIND);
        let Some(glyph) = self.glyph.as_ref().filter(|_| self.before.len() <= BEFORE) else {
            return if late {
                Verdict::NoProof
            } else {
                Verdict::Pending
            };
        };
        let (same, blank) = (actual.same_text(glyph), glyph.is_blank());
        let proof = same && !blank && caused && !known;
        match (late, acks.applied >= self.number) {
            (_, true) | (true, _) if proof => Verdict::Right,
            (true, _) if same || blank => Verdict::NoProof,
            (true, _) => Verdict::Wrong,
            _ => Verdict::Pending,
        }
    }

    /// What is to be drawn over a cell that holds `actual`; nothing where that is so already, or where the host has
    /// written what was never expected: its word counts.
    pub(super) fn over(&self, actual: &Glyph) -> Option<Glyph> {
        let glyph = self
            .glyph
            .as_ref()
            .filter(|_| self.before.len() <= BEFORE)?;
        let expected = self.before.iter().any(|b| b.same_text(actual));
        (expected && !actual.is_wide() && !actual.same_text(glyph)).then(|| glyph.clone())
    }
}
