//! The emulator with its recorder: alacritty_terminal's `Term`, whose inactive screen and scrolled-off lines
//! cannot be reached, so both screens are held here and lines are taken just before they leave.

use std::mem;

use alacritty_terminal::Term;
use alacritty_terminal::event::VoidListener;
use alacritty_terminal::grid::{Dimensions, Grid};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::{Config, TermMode};
use alacritty_terminal::vte::ansi::Handler;

use super::paint::{Painter, content_len};
use super::recorder::{Recorder, SavedExtra};
use super::scrolled::Scrolled;

/// Lines that a resize may push out at once and that are still caught.
const RESIZE_HISTORY: usize = 4000;

#[derive(Clone, Copy)]
struct Dims {
    cols: usize,
    rows: usize,
}

impl Dimensions for Dims {
    fn total_lines(&self) -> usize {
        self.rows
    }
    fn screen_lines(&self) -> usize {
        self.rows
    }
    fn columns(&self) -> usize {
        self.cols
    }
}

pub(super) struct Core {
    pub term: Term<VoidListener>,
    /// The main screen while the alternate one is shown.
    pub primary: Option<Grid<Cell>>,
    pub rec: Recorder,
    pub scrolled: Scrolled,
    /// Bytes of hyperlinks named since the last count of those in use.
    pub link_bytes: usize,
    pub links_full: bool,
    /// Lines that leave were taken already.
    pub muted: bool,
}

impl Core {
    /// `cols` at least 2, `rows` at least 1.
    pub fn new(cols: usize, rows: usize) -> Self {
        let config = Config {
            scrolling_history: 0,
            kitty_keyboard: false,
            ..Config::default()
        };
        let mut core = Self {
            term: Term::new(config, &Dims { cols, rows }, VoidListener),
            primary: None,
            rec: Recorder::new(cols, rows),
            scrolled: Scrolled::default(),
            link_bytes: 0,
            links_full: false,
            muted: false,
        };
        core.drop_inactive();
        core
    }

    pub fn grid(&self) -> &Grid<Cell> {
        self.term.grid()
    }

    pub fn cols(&self) -> usize {
        self.term.grid().columns()
    }

    pub fn rows(&self) -> usize {
        self.term.grid().screen_lines()
    }

    pub fn has(&self, mode: TermMode) -> bool {
        self.term.mode().contains(mode)
    }

    pub fn alt(&self) -> bool {
        self.primary.is_some()
    }

    /// The cursor's line and column.
    pub fn place(&self) -> (usize, usize) {
        let point = self.grid().cursor.point;
        (usize::try_from(point.line.0).unwrap_or(0), point.column.0)
    }

    /// The main screen, shown or not.
    pub fn main_grid(&self) -> &Grid<Cell> {
        self.primary.as_ref().unwrap_or_else(|| self.term.grid())
    }

    /// Term keeps a second grid of full size that is never looked at: trade it for the smallest one.
    fn drop_inactive(&mut self) {
        let shown = mem::replace(self.term.grid_mut(), smallest());
        self.term.swap_alt();
        *self.term.grid_mut() = smallest();
        self.term.swap_alt();
        *self.term.grid_mut() = shown;
    }

    /// Shows an erased alternate screen. By 1049 the cursor is saved first.
    pub fn enter_alt(&mut self, mode: u16) {
        if self.alt() {
            return;
        }
        let mut alt = Grid::new(self.rows(), self.cols(), 0);
        alt.cursor = self.grid().cursor.clone();
        alt.reset_region(..);
        let mut primary = mem::replace(self.term.grid_mut(), smallest());
        if mode == 1049 {
            primary.saved_cursor = primary.cursor.clone();
            self.rec.saved[0] = self.saved_extra();
        }
        self.term.swap_alt();
        *self.term.grid_mut() = alt;
        self.primary = Some(primary);
        self.rec.alt_mode = mode;
        self.rec.saved[1] = SavedExtra::default();
    }

    /// Shows the main screen again. By 1049 its cursor is restored; by 47 and 1047 the cursor comes along.
    pub fn leave_alt(&mut self, mode: u16) {
        let Some(mut primary) = self.primary.take() else {
            return;
        };
        self.rec.kitty[1].clear();
        let alt = mem::replace(self.term.grid_mut(), smallest());
        self.term.swap_alt();
        if mode != 1049 {
            primary.cursor = alt.cursor;
        }
        *self.term.grid_mut() = primary;
        if mode == 1049 {
            self.restore_cursor();
        }
    }

    fn saved_extra(&self) -> SavedExtra {
        SavedExtra {
            origin: self.has(TermMode::ORIGIN),
            active: self.rec.active,
        }
    }

    pub fn save_cursor(&mut self) {
        self.term.save_cursor_position();
        self.rec.saved[usize::from(self.alt())] = self.saved_extra();
    }

    pub fn restore_cursor(&mut self) {
        self.rec.images.restored();
        let extra = self.rec.saved[usize::from(self.alt())];
        self.set_origin(extra.origin);
        self.term.restore_cursor_position();
        self.rec.active = extra.active;
        self.term.set_active_charset(extra.active);
        if extra.origin {
            let (top, bottom) = self.rec.region;
            let line = &mut self.term.grid_mut().cursor.point.line;
            *line = Line(
                line.0
                    .clamp(int(top), int(bottom.saturating_sub(1).max(top))),
            );
        }
    }

    fn set_origin(&mut self, on: bool) {
        use alacritty_terminal::vte::ansi::NamedPrivateMode::Origin;
        if on {
            self.term.set_private_mode(Origin.into());
        } else {
            self.term.unset_private_mode(Origin.into());
        }
    }

    /// Takes the `n` lines that are about to leave the top of the main screen.
    pub fn capture(&mut self, n: usize) {
        if self.alt() || self.muted {
            return;
        }
        let grid = self.term.grid();
        for y in 0..n.min(grid.screen_lines()) {
            self.scrolled.push(&grid[Line(int(y))][..]);
        }
    }

    /// A line feed is about to be executed: if it scrolls, its line is taken.
    pub fn before_linefeed(&mut self) {
        let (top, bottom) = self.rec.region;
        if top == 0 && self.place().0 + 1 == bottom {
            self.capture(1);
        }
    }

    /// The erase of the whole main screen pushes its lines out, as in most terminals.
    pub fn capture_screen(&mut self) {
        if self.alt() || !self.scrolled.wanted {
            return;
        }
        let grid = self.term.grid();
        let rows = (0..grid.screen_lines())
            .rposition(|y| content_len(&grid[Line(int(y))][..]) > 0)
            .map_or(0, |y| y + 1);
        self.scrolled.begin_cleared();
        self.capture(rows);
        self.scrolled.end_cleared();
    }

    /// Blanks a wide character that the border between columns `col - 1` and `col` cuts in two.
    pub fn split(&mut self, col: usize) {
        let line = self.grid().cursor.point.line;
        let row = &mut self.term.grid_mut()[line];
        if col == 0 || col >= row.len() {
            return;
        }
        if row[Column(col)].flags.contains(Flags::WIDE_CHAR_SPACER) {
            row[Column(col)].flags.remove(Flags::WIDE_CHAR_SPACER);
            row[Column(col - 1)].clear_wide();
        }
    }

    /// Takes on another size. Lines that leave the main screen's top are taken.
    pub fn resize(&mut self, cols: usize, rows: usize) {
        if (cols, rows) == (self.cols(), self.rows()) {
            return;
        }
        let shrinks = cols < self.cols() || rows < self.rows();
        mend(self.term.grid_mut());
        if let Some(mut primary) = self.primary.take() {
            let together = primary.saved_cursor == primary.cursor;
            mend(&mut primary);
            if shrinks {
                primary.update_history(RESIZE_HISTORY);
            }
            primary.resize(true, rows, cols);
            let back = comes_back(&primary);
            if back > 0 {
                primary.resize(true, rows - back, cols);
                primary.resize(true, rows, cols);
            }
            take_history(&mut primary, &mut self.scrolled);
            settle(&mut primary);
            if together {
                primary.saved_cursor = primary.cursor.clone();
            }
            self.term.resize(Dims { cols, rows });
            self.primary = Some(primary);
        } else {
            if shrinks {
                self.term.grid_mut().update_history(RESIZE_HISTORY);
            }
            self.term.resize(Dims { cols, rows });
            let back = comes_back(self.term.grid());
            if back > 0 {
                let fewer = rows - back;
                self.term.resize(Dims { cols, rows: fewer });
                self.term.resize(Dims { cols, rows });
            }
            take_history(self.term.grid_mut(), &mut self.scrolled);
        }
        settle(self.term.grid_mut());
        self.drop_inactive();
        self.rec.resize(cols, rows);
    }

    /// DECSTR.
    pub fn soft_reset(&mut self) {
        use alacritty_terminal::vte::ansi::{Attr, CharsetIndex, NamedMode, NamedPrivateMode as P};
        let point = self.grid().cursor.point;
        self.set_origin(false);
        self.set_region(1, None);
        self.term.set_private_mode(P::ShowCursor.into());
        self.term.set_private_mode(P::LineWrap.into());
        self.term.unset_private_mode(P::CursorKeys.into());
        self.term.unset_mode(NamedMode::Insert.into());
        self.term.unset_keypad_application_mode();
        self.term.terminal_attribute(Attr::Reset);
        self.rec.active = CharsetIndex::G0;
        self.term.set_active_charset(CharsetIndex::G0);
        let grid = self.term.grid_mut();
        grid.cursor.charsets = Default::default();
        grid.cursor.point = point;
        grid.saved_cursor = Default::default();
        self.rec.saved[usize::from(self.alt())] = SavedExtra::default();
    }

    /// DECSTBM, with a region that the emulator cannot get lost in.
    pub fn set_region(&mut self, top: usize, bottom: Option<usize>) {
        let rows = self.rows();
        let bottom = bottom.unwrap_or(rows).min(rows);
        if top < bottom {
            self.rec.region = (top.saturating_sub(1), bottom);
            self.term.set_scrolling_region(top, Some(bottom));
        }
    }

    /// A row that left the screen, or any other, as bytes.
    pub fn render(row: &[Cell], out: &mut Vec<u8>) {
        Painter::new(out).line(row);
    }
}

fn smallest() -> Grid<Cell> {
    Grid::new(1, 2, 0)
}

fn int(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// The emulator pushes a line out for each that is wrapped anew, even where rows are free below: so many of them
/// come back when the screen loses those rows and gets them again.
fn comes_back(grid: &Grid<Cell>) -> usize {
    let rows = grid.screen_lines();
    let free = (0..rows)
        .rev()
        .take_while(|y| {
            int(*y) > grid.cursor.point.line.0 && content_len(&grid[Line(int(*y))][..]) == 0
        })
        .count();
    free.min(grid.history_size())
}

fn take_history(grid: &mut Grid<Cell>, scrolled: &mut Scrolled) {
    let lines = grid.history_size();
    for y in (1..=lines).rev() {
        scrolled.push(&grid[Line(-int(y))][..]);
    }
    grid.clear_history();
    grid.update_history(0);
    grid.truncate();
}

/// Drops marks of wrapping that mean nothing, which would make a resize reflow what never wrapped.
fn mend(grid: &mut Grid<Cell>) {
    let (rows, cols) = (grid.screen_lines(), grid.columns());
    for y in 0..rows {
        let next_wide = y + 1 < rows
            && grid[Line(int(y + 1))][Column(0)]
                .flags
                .contains(Flags::WIDE_CHAR);
        let row = &mut grid[Line(int(y))];
        for x in 0..cols {
            let flags = &mut row[Column(x)].flags;
            if x + 1 < cols || y + 1 == rows {
                flags.remove(Flags::WRAPLINE);
            }
            if x + 1 < cols || !next_wide {
                flags.remove(Flags::LEADING_WIDE_CHAR_SPACER);
            }
        }
    }
}

/// After a resize: no half of a wide character alone, and no cursor that waits to wrap in mid-row.
fn settle(grid: &mut Grid<Cell>) {
    let (rows, cols) = (grid.screen_lines(), grid.columns());
    for y in 0..rows {
        let row = &mut grid[Line(int(y))];
        for x in 0..cols {
            let flags = row[Column(x)].flags;
            let spacer_next =
                x + 1 < cols && row[Column(x + 1)].flags.contains(Flags::WIDE_CHAR_SPACER);
            if flags.contains(Flags::WIDE_CHAR) && !spacer_next {
                row[Column(x)].clear_wide();
            }
            let wide_before = x > 0 && row[Column(x - 1)].flags.contains(Flags::WIDE_CHAR);
            if flags.contains(Flags::WIDE_CHAR_SPACER) && !wide_before {
                row[Column(x)].flags.remove(Flags::WIDE_CHAR_SPACER);
            }
        }
    }
    let (last_row, last_col) = (int(rows) - 1, cols - 1);
    for cursor in [&mut grid.cursor, &mut grid.saved_cursor] {
        cursor.point.line = Line(cursor.point.line.0.clamp(0, last_row));
        cursor.point.column = Column(cursor.point.column.0.min(last_col));
        cursor.input_needs_wrap &= cursor.point.column.0 == last_col;
    }
}
