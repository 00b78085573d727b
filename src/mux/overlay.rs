//! A few cells drawn over a screen that a terminal shows, and taken off again without a trace: afterwards the
//! terminal is as the program left it, cursor, pen and pending wrap included.

use std::collections::BTreeMap;

use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{CharsetIndex, StandardCharset};

use super::paint::{Painter, is_doubtful};
use super::repaint;
use super::screen::Screen;

/// What one cell holds, with its looks.
#[derive(Debug, Clone, PartialEq)]
pub struct Glyph(Cell);

impl Glyph {
    /// Nothing is to be seen of a character.
    pub fn is_blank(&self) -> bool {
        matches!(self.0.c, ' ' | '\t' | '\0') && self.marks().is_empty()
    }

    /// It is one half of a wide character, or keeps the place of one.
    pub fn is_wide(&self) -> bool {
        let wide = Flags::WIDE_CHAR | Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER;
        self.0.flags.intersects(wide)
    }

    /// Terminals disagree about its width.
    pub fn is_doubtful(&self) -> bool {
        is_doubtful(&self.0)
    }

    /// The same characters, whatever they look like.
    pub fn same_text(&self, other: &Self) -> bool {
        let both_blank = self.is_blank() && other.is_blank();
        both_blank || (self.0.c == other.0.c && self.marks() == other.marks())
    }

    pub fn underlined(mut self) -> Self {
        self.0.flags.remove(Flags::ALL_UNDERLINES);
        self.0.flags.insert(Flags::UNDERLINE);
        self
    }

    fn marks(&self) -> &[char] {
        self.0.zerowidth().unwrap_or_default()
    }
}

impl Screen {
    /// What a cell holds; `None` outside of the screen.
    pub fn glyph(&self, row: u16, col: u16) -> Option<Glyph> {
        let size = self.size();
        (row < size.rows && col < size.cols).then(|| {
            let mut cell =
                self.core().grid()[Line(i32::from(row))][Column(usize::from(col))].clone();
            cell.flags.remove(Flags::WRAPLINE);
            Glyph(cell)
        })
    }

    /// A character as the program's pen would write it now.
    pub fn as_written(&self, c: char) -> Glyph {
        let mut cell = self.core().grid().cursor.template.clone();
        cell.c = c;
        cell.flags.remove(Flags::WRAPLINE);
        Glyph(cell)
    }

    /// The cursor stands behind the last column: what is written next goes to the next line.
    pub fn wraps_next(&self) -> bool {
        self.core().grid().cursor.input_needs_wrap
    }

    /// Nothing is half done, as far as can be told: no sequence, no frame, and no repaint, which hides the cursor until
    /// it is whole.
    pub fn at_rest(&self) -> bool {
        self.core().has(TermMode::SHOW_CURSOR) && !self.synchronized() && !self.in_sequence()
    }

    /// Terminals may disagree about the columns of a row: something in it, or in what wraps into it, is of doubtful width.
    pub fn is_doubtful(&self, row: u16) -> bool {
        let grid = self.core().grid();
        let rows = 0..=i32::from(row.min(self.size().rows.saturating_sub(1)));
        for (i, line) in rows.rev().enumerate() {
            let cells = &grid[Line(line)][..];
            let wraps = cells
                .last()
                .is_some_and(|c| c.flags.contains(Flags::WRAPLINE));
            if i > 0 && !wraps {
                return false;
            }
            if cells.iter().any(is_doubtful) {
                return true;
            }
        }
        false
    }

    /// A wrap that is pending is made again by writing the last column, which is then what REP repeats: it must be
    /// that now.
    fn wraps_as_it_was_written(&self) -> bool {
        let grid = self.core().grid();
        let cell = &grid[grid.cursor.point];
        !self.wraps_next() || self.core().rec.last == Some(cell.c)
    }

    /// Cells can be drawn over it and taken off again: something was printed and the cursor is shown, nothing is half
    /// done, a character written anywhere is this character there, and the terminal's cursor is where it is here.
    pub fn takes_overlay(&self) -> bool {
        let core = self.core();
        let charset = core.grid().cursor.charsets[CharsetIndex::G0];
        self.at_rest()
            && !core.has(TermMode::INSERT)
            && !core.has(TermMode::ORIGIN)
            && core.rec.active == CharsetIndex::G0
            && charset == StandardCharset::Ascii
            && core.rec.last.is_some()
            && self.wraps_as_it_was_written()
            && !core.rec.images.mislead()
            && !self.is_doubtful(self.cursor().0)
    }
}

/// Cells over a screen, by row and column from 0, and where the cursor stands instead.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overlay {
    pub cells: BTreeMap<(u16, u16), Glyph>,
    pub cursor: Option<(u16, u16)>,
}

impl Overlay {
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.cursor.is_none()
    }

    /// The bytes for a terminal that shows `screen` with this over it, to show it with `next` over it; `next` empty:
    /// to be as the program left it.
    pub fn turn_into(&self, next: &Self, screen: &Screen) -> Vec<u8> {
        if self == next {
            return Vec::new();
        }
        let core = screen.core();
        let template = &core.grid().cursor.template;
        let mut out = Vec::new();
        if self.is_empty() {
            // The pen is the program's; from now on it is plain.
            if template.hyperlink().is_some() {
                out.extend_from_slice(b"\x1b]8;;\x1b\\");
            }
            if *template != Cell::default() {
                out.extend_from_slice(b"\x1b[m");
            }
        }
        let place = |at: &(u16, u16)| (usize::from(at.0), usize::from(at.1));
        let mut painter = Painter::new(&mut out);
        for at in self.cells.keys().filter(|at| !next.cells.contains_key(at)) {
            if let Some(glyph) = screen.glyph(at.0, at.1) {
                let (row, col) = place(at);
                painter.put(row, col, &glyph.0);
            }
        }
        for (at, glyph) in &next.cells {
            if self.cells.get(at) != Some(glyph) {
                let (row, col) = place(at);
                painter.put(row, col, &glyph.0);
            }
        }
        painter.plain();
        let cols = usize::from(screen.size().cols);
        if next.is_empty() {
            repaint::cursor(core, cols, &mut out);
        } else {
            let (row, col) = place(&next.cursor.unwrap_or_else(|| screen.cursor()));
            painter.move_to(row, col);
        }
        out
    }
}

#[cfg(test)]
mod tests;
