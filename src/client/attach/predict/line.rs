//! What each key is guessed to do: what line editors and editors have in common. Text behind the cursor moves with
//! it up to the first gap, so that a frame around the input, or a prompt at the right, stays.

use std::time::Duration;

use unicode_width::UnicodeWidthChar;

use super::cell::Guess;
use super::keys::Typed;
use super::{Cursor, Predictor};
use crate::mux::{Glyph, Screen};

/// The input that a guess is made for.
#[derive(Clone, Copy)]
struct Cause {
    number: u64,
    at: Duration,
}

impl Predictor {
    pub(super) fn key(&mut self, key: Typed, number: u64, screen: &Screen, at: Duration) {
        let cause = Cause { number, at };
        match key {
            Typed::Char(c) if c.width() == Some(1) && !screen.as_written(c).is_doubtful() => {
                self.insert(c, cause, screen);
            }
            Typed::Back => self.back(cause, screen),
            Typed::Left => self.left(cause, screen),
            Typed::Right => self.right(cause, screen),
            Typed::Enter => {
                self.become_tentative();
                self.newline(cause, screen);
            }
            Typed::Char(_) | Typed::Other => self.become_tentative(),
        }
    }

    /// Where the next guess begins; `None` where that cannot be said.
    fn begin(&mut self, screen: &Screen) -> Option<(u16, u16)> {
        if let Some(cursor) = self.cursors.last() {
            return Some((cursor.row, cursor.col));
        }
        let at = screen.cursor();
        if self.rest != Some(at) || screen.wraps_next() {
            // Not our doing: the program has moved on, and may have stopped to echo.
            self.become_tentative();
        }
        (!screen.wraps_next()).then_some(at)
    }

    fn move_to(&mut self, row: u16, col: u16, cause: Cause) {
        self.cursors.push(Cursor {
            row,
            col,
            epoch: self.epoch,
            number: cause.number,
        });
    }

    fn newline(&mut self, cause: Cause, screen: &Screen) {
        if let Some((row, _)) = self.begin(screen) {
            let last = self.size.rows.saturating_sub(1);
            self.move_to(row.saturating_add(1).min(last), 0, cause);
        }
    }

    fn insert(&mut self, c: char, cause: Cause, screen: &Screen) {
        let Some((row, col)) = self.begin(screen) else {
            return;
        };
        let last = self.size.cols.saturating_sub(1);
        if col >= last {
            // Some programs wrap here and others scroll.
            self.become_tentative();
            return self.newline(cause, screen);
        }
        let mut moved = self.seen(row, col, screen);
        self.set(row, col, Some(screen.as_written(c)), true, cause, screen);
        for x in col + 1..last {
            let here = self.seen(row, x, screen);
            let blank = |g: &Option<Glyph>| g.as_ref().is_some_and(Glyph::is_blank);
            if blank(&moved) && blank(&here) {
                break;
            }
            let known = moved.is_some();
            self.set(row, x, moved, false, cause, screen);
            if !known {
                break;
            }
            moved = here;
        }
        self.floor = match self.floor {
            Some((r, from)) if r == row => Some((row, from.min(col))),
            _ => Some((row, col)),
        };
        self.move_to(row, col + 1, cause);
    }

    fn back(&mut self, cause: Cause, screen: &Screen) {
        let Some((row, to)) = self.before_cursor(screen) else {
            return;
        };
        let last = self.size.cols.saturating_sub(1);
        for x in to..last {
            let next = self.seen(row, x + 1, screen);
            let gap = |g: &Option<Glyph>| g.as_ref().is_none_or(Glyph::is_blank);
            let over = next.is_none() || (gap(&next) && gap(&self.seen(row, x + 2, screen)));
            self.set(row, x, next, x == to, cause, screen);
            if over {
                break;
            }
        }
        self.move_to(row, to, cause);
    }

    fn left(&mut self, cause: Cause, screen: &Screen) {
        if let Some((row, to)) = self.before_cursor(screen) {
            self.move_to(row, to, cause);
        }
    }

    /// The place before the cursor. What stands there and was not typed just now may be a prompt, which stays.
    fn before_cursor(&mut self, screen: &Screen) -> Option<(u16, u16)> {
        let (row, col) = self.begin(screen)?;
        let to = col.checked_sub(1)?;
        if !matches!(self.floor, Some((r, from)) if r == row && from <= to) {
            self.become_tentative();
        }
        Some((row, to))
    }

    fn right(&mut self, cause: Cause, screen: &Screen) {
        let Some((row, col)) = self.begin(screen) else {
            return;
        };
        let text = |x: u16| self.seen(row, x, screen).is_some_and(|g| !g.is_blank());
        let inside = col + 1 < self.size.cols && (text(col) || text(col + 1));
        if inside {
            self.move_to(row, col + 1, cause);
        } else {
            // At the end of what is written most programs stay where they are.
            self.become_tentative();
        }
    }

    /// What a cell will hold as far as is known; `None` where it is not, and for half of a wide character.
    fn seen(&self, row: u16, col: u16, screen: &Screen) -> Option<Glyph> {
        match self.cells.get(&(row, col)) {
            Some(guess) => guess.glyph.clone(),
            None => screen.glyph(row, col).filter(|g| !g.is_wide()),
        }
    }

    fn set(
        &mut self,
        row: u16,
        col: u16,
        glyph: Option<Glyph>,
        own: bool,
        cause: Cause,
        screen: &Screen,
    ) {
        let Some(actual) = screen.glyph(row, col) else {
            return;
        };
        let earlier = self.cells.remove(&(row, col));
        let guess = Guess {
            epoch: self.epoch,
            number: cause.number,
            at: cause.at,
            glyph,
            before: Guess::before(earlier, actual),
            early: None,
            own,
            shown: false,
        };
        self.cells.insert((row, col), guess);
    }
}
