//! The short way for floods: of many plain lines at once only the last screenful needs the emulator. What
//! would scroll off before anybody could see it goes to the scrolled lines as it is, which is what rendering
//! its cells would give.

use alacritty_terminal::index::Line;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Cell;
use alacritty_terminal::vte::ansi::{Processor, StandardCharset, Timeout};

use super::core::Core;
use super::paint::{content_len, same_looks};

impl Core {
    /// Feeds `bytes`, which are whole sequences, to the emulator, the short way where that is the same.
    pub fn advance<T: Timeout>(&mut self, parser: &mut Processor<T>, bytes: &[u8]) {
        let (rows, cols) = (self.rows(), self.cols());
        let (mut fed, mut at) = (0, 0);
        while let Some(rest) = bytes.get(at..).filter(|r| r.len() > 2 * rows) {
            let run = plain_lines(rest, cols);
            if run.len() <= rows {
                at += run.last().copied().unwrap_or(0);
                let Some(end) = memchr::memchr(b'\n', bytes.get(at..).unwrap_or_default()) else {
                    break;
                };
                at += end + 1;
                continue;
            }
            parser.advance(self, bytes.get(fed..at).unwrap_or_default());
            let taken = if self.takes_floods() {
                self.flood(parser, rest, &run)
            } else {
                0
            };
            let end = run.last().copied().unwrap_or(0);
            fed = at + taken;
            at += end;
        }
        parser.advance(self, bytes.get(fed..).unwrap_or_default());
    }

    /// Whether plain lines come out as they go in.
    fn takes_floods(&self) -> bool {
        let cursor = &self.grid().cursor;
        !self.alt()
            && self.rec.region == (0, self.rows())
            && !self.has(TermMode::INSERT)
            && cursor.charsets[self.rec.active] == StandardCharset::Ascii
            && same_looks(&cursor.template, &Cell::default())
    }

    /// Takes lines that end at `ends` in `text`; tells how many bytes were fed or passed by.
    fn flood<T: Timeout>(
        &mut self,
        parser: &mut Processor<T>,
        text: &[u8],
        ends: &[usize],
    ) -> usize {
        let rows = self.rows();
        // Where lines before index `n` end.
        let end = |n: usize| {
            n.checked_sub(1)
                .and_then(|i| ends.get(i))
                .copied()
                .unwrap_or(0)
        };
        let mut first = 0;
        if !self.at_fresh_bottom() {
            // A screenful of lines brings the cursor there from anywhere in column 0.
            first = rows;
            parser.advance(self, text.get(..end(first)).unwrap_or_default());
            if !self.at_fresh_bottom() {
                return end(first);
            }
        }
        // One line less than the screen has rows stays on it; the cursor's row is blank.
        let stay = ends.len().saturating_sub(rows - 1);
        if stay <= first {
            return end(first);
        }
        self.capture(rows - 1);
        for n in first..stay {
            let line = text.get(end(n)..end(n + 1)).unwrap_or_default();
            self.scrolled.push_text(line.trim_ascii_end());
        }
        // What these push out has been taken above.
        self.muted = true;
        parser.advance(
            self,
            text.get(end(stay)..end(ends.len())).unwrap_or_default(),
        );
        self.muted = false;
        end(ends.len())
    }

    fn at_fresh_bottom(&self) -> bool {
        let bottom = i32::try_from(self.rows()).unwrap_or(i32::MAX) - 1;
        let cursor = &self.grid().cursor;
        cursor.point.line.0 == bottom
            && cursor.point.column.0 == 0
            && !cursor.input_needs_wrap
            && content_len(&self.grid()[Line(bottom)][..]) == 0
    }
}

/// The ends of the lines at the front of `text` that are printable ASCII, fit `cols` and end in CR LF.
fn plain_lines(text: &[u8], cols: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some(newline) = memchr::memchr(b'\n', rest) else {
            break;
        };
        let line = rest.get(..newline).and_then(|l| l.strip_suffix(b"\r"));
        let plain = |l: &&[u8]| l.len() <= cols && l.iter().all(|c| matches!(c, b' '..=b'~'));
        if line.filter(plain).is_none() {
            break;
        }
        at += newline + 1;
        ends.push(at);
    }
    ends
}

#[cfg(test)]
mod tests;
