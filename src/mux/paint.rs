//! Cells as bytes: the one place that knows how a cell's looks are written as SGR and OSC 8.

use std::io::Write as _;

use alacritty_terminal::grid::Grid;
use alacritty_terminal::index::Line;
use alacritty_terminal::term::cell::{Cell, Flags, Hyperlink};
use alacritty_terminal::vte::ansi::{Color, NamedColor};

use super::images::is_mark;

/// Blinking, which the emulator does not know: kept in a flag that it leaves unused.
pub(super) const BLINK: Flags = Flags::from_bits_retain(0x8000);

/// The flags that are looks, not geometry.
pub(super) const LOOKS: Flags = Flags::INVERSE
    .union(Flags::BOLD)
    .union(Flags::ITALIC)
    .union(Flags::DIM)
    .union(Flags::HIDDEN)
    .union(Flags::STRIKEOUT)
    .union(Flags::ALL_UNDERLINES)
    .union(BLINK);

const FOREGROUND: Color = Color::Named(NamedColor::Foreground);
const BACKGROUND: Color = Color::Named(NamedColor::Background);

/// A run of untouched cells shorter than this is written as spaces.
const SHORT_GAP: usize = 4;

/// Whether a cell is as an erase with default colours leaves it. Without branches: each line that scrolls
/// off is searched for its end by this.
#[inline(always)]
pub(super) fn is_blank(cell: &Cell) -> bool {
    const MARKS: Flags = LOOKS.union(Flags::WIDE_CHAR).union(Flags::WIDE_CHAR_SPACER);
    ((cell.c == ' ') | (cell.c == '\t'))
        & cell.extra.is_none()
        & matches!(cell.bg, BACKGROUND)
        & matches!(cell.fg, FOREGROUND)
        & !cell.flags.intersects(MARKS)
}

/// Whether an erase leaves a cell so: blank but for its background.
pub(super) fn is_erased(cell: &Cell) -> bool {
    cell.c == ' '
        && cell.extra.is_none()
        && cell.fg == FOREGROUND
        && !cell
            .flags
            .intersects(LOOKS.union(Flags::WIDE_CHAR).union(Flags::WIDE_CHAR_SPACER))
}

/// Columns up to the last cell that is not blank.
pub(super) fn content_len(row: &[Cell]) -> usize {
    let mut end = row.len();
    for eight in row.rchunks(8) {
        if !eight.iter().fold(true, |all, c| all & is_blank(c)) {
            break;
        }
        end -= eight.len();
    }
    let rest = row.get(..end).unwrap_or(row);
    rest.iter().rposition(|c| !is_blank(c)).map_or(0, |i| i + 1)
}

/// How many cells at the front of `row` are ASCII and look like the first, which is not wide.
fn ascii_run(row: &[Cell]) -> usize {
    let Some(first) = row.first().filter(|c| c.extra.is_none()) else {
        return 0;
    };
    let (fg, bg, looks) = (first.fg, first.bg, first.flags & LOOKS);
    row.iter()
        .position(|c| {
            let alike = (c.fg == fg) & (c.bg == bg) & (c.flags & LOOKS == looks);
            let narrow = !c
                .flags
                .intersects(Flags::WIDE_CHAR.union(Flags::WIDE_CHAR_SPACER));
            !(alike & narrow & c.extra.is_none() & matches!(c.c, ' '..='~'))
        })
        .unwrap_or(row.len())
}

/// Whether two cells look alike but for what they hold.
pub(super) fn same_looks(a: &Cell, b: &Cell) -> bool {
    a.fg == b.fg
        && a.bg == b.bg
        && a.flags & LOOKS == b.flags & LOOKS
        && a.underline_color() == b.underline_color()
        && a.hyperlink() == b.hyperlink()
}

/// Writes cells to a terminal whose pen is at its default when it begins.
pub(super) struct Painter<'a> {
    pub out: &'a mut Vec<u8>,
    fg: Color,
    bg: Color,
    flags: Flags,
    underline: Option<Color>,
    link: Option<Hyperlink>,
    /// Where the terminal's cursor is known to stand.
    at: Option<(usize, usize)>,
}

impl<'a> Painter<'a> {
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            fg: FOREGROUND,
            bg: BACKGROUND,
            flags: Flags::empty(),
            underline: None,
            link: None,
            at: None,
        }
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Sets the pen to a cell's looks.
    pub fn pen(&mut self, cell: &Cell) {
        let flags = cell.flags & LOOKS;
        let plain = cell.extra.is_none() && self.underline.is_none() && self.link.is_none();
        if plain && cell.fg == self.fg && cell.bg == self.bg && flags == self.flags {
            return;
        }
        let underline = cell.underline_color();
        if cell.fg != self.fg
            || cell.bg != self.bg
            || flags != self.flags
            || underline != self.underline
        {
            (self.fg, self.bg, self.flags) = (cell.fg, cell.bg, flags);
            self.underline = underline;
            self.sgr();
        }
        let link = cell.hyperlink().filter(|link| !is_mark(link));
        if link != self.link {
            match &link {
                Some(l) => {
                    let _ = write!(self.out, "\x1b]8;id={};{}\x1b\\", l.id(), l.uri());
                }
                None => self.bytes(b"\x1b]8;;\x1b\\"),
            }
            self.link = link;
        }
    }

    /// Sets the pen to the default.
    pub fn plain(&mut self) {
        let linked = self.link.is_some() || self.underline.is_some();
        if linked || self.fg != FOREGROUND || self.bg != BACKGROUND || !self.flags.is_empty() {
            self.pen(&Cell::default());
        }
    }

    fn sgr(&mut self) {
        self.bytes(b"\x1b[");
        let before = self.out.len();
        let codes: [(Flags, &[u8]); 12] = [
            (Flags::BOLD, b";1"),
            (Flags::DIM, b";2"),
            (Flags::ITALIC, b";3"),
            (Flags::UNDERLINE, b";4"),
            (Flags::DOUBLE_UNDERLINE, b";4:2"),
            (Flags::UNDERCURL, b";4:3"),
            (Flags::DOTTED_UNDERLINE, b";4:4"),
            (Flags::DASHED_UNDERLINE, b";4:5"),
            (BLINK, b";5"),
            (Flags::INVERSE, b";7"),
            (Flags::HIDDEN, b";8"),
            (Flags::STRIKEOUT, b";9"),
        ];
        for (flag, code) in codes {
            if self.flags.contains(flag) {
                self.bytes(code);
            }
        }
        if self.fg != FOREGROUND {
            self.color(self.fg, 30, "38;5;", "38;2;");
        }
        if self.bg != BACKGROUND {
            self.color(self.bg, 40, "48;5;", "48;2;");
        }
        match self.underline {
            Some(Color::Spec(c)) => {
                let _ = write!(self.out, ";58:2::{}:{}:{}", c.r, c.g, c.b);
            }
            Some(Color::Indexed(n)) => {
                let _ = write!(self.out, ";58:5:{n}");
            }
            _ => {}
        }
        // Each SGR begins with a reset, so that it says all there is; an empty one is that reset.
        if self.out.len() > before {
            self.out.insert(before, b'0');
        }
        self.out.push(b'm');
    }

    fn color(&mut self, color: Color, base: u16, indexed: &str, direct: &str) {
        let _ = match color {
            Color::Named(named) => match named as u16 {
                n @ 0..8 => write!(self.out, ";{}", base + n),
                n @ 8..16 => write!(self.out, ";{}", base + 60 + n - 8),
                _ => Ok(()),
            },
            Color::Indexed(n) => write!(self.out, ";{indexed}{n}"),
            Color::Spec(c) => write!(self.out, ";{direct}{};{};{}", c.r, c.g, c.b),
        };
    }

    /// What a cell holds, a wide character as a space where it has no room.
    pub fn glyph(&mut self, cell: &Cell, room: usize) -> usize {
        let wide = cell.flags.contains(Flags::WIDE_CHAR);
        let c = match cell.c {
            _ if wide && room < 2 => ' ',
            '\t' => ' ',
            c => c,
        };
        if c.is_ascii() {
            self.out.push(c as u8);
        } else {
            self.out
                .extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        for c in cell.zerowidth().unwrap_or_default() {
            self.out
                .extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        if wide { 2 } else { 1 }
    }

    /// Moves the terminal's cursor, by as few bytes as it takes.
    pub fn move_to(&mut self, row: usize, col: usize) {
        match self.at {
            Some(at) if at == (row, col) => return,
            Some((r, _)) if r == row => {
                let _ = write!(self.out, "\x1b[{}G", col + 1);
            }
            _ if col == 0 => {
                let _ = write!(self.out, "\x1b[{}H", row + 1);
            }
            _ => {
                let _ = write!(self.out, "\x1b[{};{}H", row + 1, col + 1);
            }
        }
        self.at = Some((row, col));
    }

    /// The cursor was moved by other means.
    pub fn forget_place(&mut self) {
        self.at = None;
    }

    /// A row that left the screen: text and looks from its beginning, the pen at its default behind it.
    pub fn line(&mut self, row: &[Cell]) {
        let mut row = row.get(..content_len(row)).unwrap_or_default();
        if let Some((last, rest)) = row.split_last()
            && last.flags.contains(Flags::LEADING_WIDE_CHAR_SPACER)
        {
            row = rest;
        }
        while let Some(cell) = row.first() {
            self.pen(cell);
            let mut run = ascii_run(row);
            if run > 0 {
                let ascii = row.get(..run).unwrap_or_default();
                self.out.extend(ascii.iter().map(|c| c.c as u8));
            } else {
                run = self.glyph(cell, row.len());
            }
            row = row.get(run..).unwrap_or_default();
        }
        self.plain();
    }

    /// Rows `first..first + rows` of a grid, `cols` wide, onto a screen that is erased in default colours.
    /// Where a row wraps into the next the terminal's own wrapping is used, so that it knows of it too.
    pub fn rows(&mut self, grid: &Grid<Cell>, first: usize, rows: usize, cols: usize) {
        let row_at = |y: usize| {
            let row = &grid[Line(i32::try_from(first + y).unwrap_or(i32::MAX))][..];
            row.get(..cols).unwrap_or(row)
        };
        let mut carried = false;
        for y in 0..rows {
            let row = row_at(y);
            let wraps = y + 1 < rows && wraps_into(row, row_at(y + 1));
            let leading = wraps
                && row
                    .last()
                    .is_some_and(|c| c.flags.contains(Flags::LEADING_WIDE_CHAR_SPACER));
            let end = match wraps {
                true if leading => row.len() - 1,
                true => row.len(),
                false => content_len(row).max(usize::from(carried)),
            };
            self.cells(row, y, end, carried, wraps && !leading);
            if leading {
                self.move_to(y, end);
            }
            carried = wraps;
            self.at = carried.then_some((y + 1, 0));
        }
    }

    /// Columns `from..to` of a row, over whatever stands there.
    pub fn patch(&mut self, row: &[Cell], y: usize, from: usize, to: usize) {
        let content = content_len(row);
        let mut x = from;
        while let Some(cell) = row.get(x).filter(|_| x < to.min(content)) {
            self.move_to(y, x);
            self.pen(cell);
            let width = self.glyph(cell, row.len() - x);
            x += width;
            self.at = (x < row.len() && !is_doubtful(cell)).then_some((y, x));
        }
        if x < to {
            self.move_to(y, x);
            self.plain();
            self.bytes(b"\x1b[K");
        }
    }

    /// One narrow cell, over whatever stands there; a blank one is erased.
    pub fn put(&mut self, y: usize, x: usize, cell: &Cell) {
        self.move_to(y, x);
        self.pen(cell);
        if is_blank(cell) {
            return self.bytes(b"\x1b[X");
        }
        self.glyph(cell, 1);
        self.at = (!is_doubtful(cell)).then_some((y, x + 1));
    }

    fn cells(&mut self, row: &[Cell], y: usize, end: usize, carried: bool, to_edge: bool) {
        let mut x = 0;
        while let Some(cell) = row.get(x).filter(|_| x < end) {
            let must = (x == 0 && carried) || (to_edge && x + 1 == end);
            if !must && is_blank(cell) {
                let gap = row
                    .get(x..end - usize::from(to_edge))
                    .unwrap_or_default()
                    .iter()
                    .take_while(|c| is_blank(c))
                    .count();
                if gap >= SHORT_GAP {
                    x += gap;
                    continue;
                }
            }
            self.move_to(y, x);
            self.pen(cell);
            let width = self.glyph(cell, row.len() - x);
            x += width;
            self.at = (x < row.len() && !is_doubtful(cell)).then_some((y, x));
        }
    }
}

/// Terminals disagree about the width of these: behind them the place must be said.
pub(super) fn is_doubtful(cell: &Cell) -> bool {
    cell.c >= '\u{1F000}' || cell.zerowidth().is_some_and(|z| !z.is_empty())
}

/// Whether writing on at the end of `row` wraps into `next` as it once did.
fn wraps_into(row: &[Cell], next: &[Cell]) -> bool {
    let (Some(last), Some(first)) = (row.last(), next.first()) else {
        return false;
    };
    if !last.flags.contains(Flags::WRAPLINE) || row.len() < 2 {
        return false;
    }
    let leading = last.flags.contains(Flags::LEADING_WIDE_CHAR_SPACER);
    !leading || (first.flags.contains(Flags::WIDE_CHAR) && same_looks(last, first))
}
