//! Actions that need more than the emulator's own method: printing what is not plain, cursor moves within
//! margins, private modes, and the bound on hyperlinks.

use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{Handler, NamedPrivateMode, PrivateMode};
use unicode_width::UnicodeWidthChar;

use super::core::Core;

/// Combining characters kept in one cell.
const MAX_COMBINING: usize = 16;
/// Bytes of hyperlinks that may be in use on both screens.
const MAX_LINKS: usize = 512 * 1024;
impl Core {
    pub fn before_print(&mut self, wide: bool) {
        let cursor = &self.term.grid().cursor;
        let wraps = cursor.input_needs_wrap || (wide && cursor.point.column.0 + 1 >= self.cols());
        if wraps && self.has(TermMode::LINE_WRAP) {
            self.before_linefeed();
        }
        if self.has(TermMode::INSERT) {
            let width = 1 + usize::from(wide);
            self.split(self.grid().cursor.point.column.0);
            self.split(self.cols().saturating_sub(width));
        }
    }

    /// The cell that a combining character would join.
    fn combining_cell(&self) -> &Cell {
        let cursor = &self.term.grid().cursor;
        let mut col = cursor.point.column.0;
        if !cursor.input_needs_wrap {
            col = col.saturating_sub(1);
        }
        let row = &self.term.grid()[cursor.point.line];
        if row[Column(col)].flags.contains(Flags::WIDE_CHAR_SPACER) {
            col = col.saturating_sub(1);
        }
        &row[Column(col)]
    }

    #[cold]
    pub fn input_other(&mut self, c: char) {
        match c.width() {
            None => return,
            Some(0) => {
                let full = self.combining_cell().zerowidth().map_or(0, <[char]>::len);
                if full >= MAX_COMBINING {
                    return;
                }
            }
            Some(width) => self.before_print(width > 1),
        }
        self.term.input(c);
        self.rec.last = Some(c);
    }

    /// Moves to an absolute place, as cursor movement does: no origin, no wrap.
    pub fn set_place(&mut self, row: usize, col: usize) {
        let (rows, cols) = (self.rows(), self.cols());
        let cursor = &mut self.term.grid_mut().cursor;
        cursor.point.line = Line(i32::try_from(row.min(rows - 1)).unwrap_or(0));
        cursor.point.column = Column(col.min(cols - 1));
        cursor.input_needs_wrap = false;
    }

    /// The row `n` up, not over the top margin if the cursor is below it.
    pub fn row_up(&self, n: usize) -> usize {
        let (row, top) = (self.place().0, self.rec.region.0);
        let floor = if row >= top { top } else { 0 };
        row.saturating_sub(n).max(floor)
    }

    pub fn row_down(&self, n: usize) -> usize {
        let (row, bottom) = (self.place().0, self.rec.region.1);
        let ceiling = if row < bottom { bottom } else { self.rows() };
        row.saturating_add(n).min(ceiling.saturating_sub(1))
    }

    fn set_alternate(&mut self, mode: u16, on: bool) {
        match (mode, on) {
            (1048, true) => self.save_cursor(),
            (1048, false) => self.restore_cursor(),
            (_, true) => self.enter_alt(mode),
            (_, false) => self.leave_alt(mode),
        }
    }

    pub fn private_mode(&mut self, mode: PrivateMode, on: bool) {
        use NamedPrivateMode as P;
        match mode {
            PrivateMode::Named(P::SwapScreenAndSetRestoreCursor) => self.set_alternate(1049, on),
            PrivateMode::Unknown(m @ (47 | 1047 | 1048)) => self.set_alternate(m, on),
            PrivateMode::Unknown(66) if on => self.term.set_keypad_application_mode(),
            PrivateMode::Unknown(66) => self.term.unset_keypad_application_mode(),
            PrivateMode::Unknown(m) => self.rec.extra.set(m, on),
            PrivateMode::Named(P::SyncUpdate) => self.rec.sync = on,
            PrivateMode::Named(P::BlinkingCursor) => self.rec.set_blinking(on),
            // Terminals ignore DECCOLM unless told otherwise.
            PrivateMode::Named(P::ColumnMode) => {}
            PrivateMode::Named(named) => {
                match named {
                    P::AlternateScroll => self.rec.alternate_scroll = Some(on),
                    P::UrgencyHints => self.rec.urgency = Some(on),
                    _ => {}
                }
                if on {
                    self.term.set_private_mode(mode);
                } else {
                    self.term.unset_private_mode(mode);
                    if named == P::Origin {
                        self.set_place(0, 0);
                    }
                }
            }
        }
    }

    /// Whether another link of so many bytes fits; counts those in use when it seems not to.
    pub fn admit_link(&mut self, bytes: usize) -> bool {
        self.link_bytes += bytes;
        if self.link_bytes > MAX_LINKS / 2 {
            let mut seen = std::collections::HashMap::new();
            for grid in [Some(self.term.grid()), self.primary.as_ref()]
                .into_iter()
                .flatten()
            {
                for cell in grid.display_iter() {
                    if let Some(link) = cell.cell.hyperlink() {
                        seen.insert(link.uri().as_ptr() as usize, link.uri().len());
                    }
                }
            }
            self.links_full = seen.values().sum::<usize>() > MAX_LINKS / 2;
            self.link_bytes = 0;
        }
        !self.links_full
    }
}
