//! The whole state of a screen as bytes: any terminal that is fed with them looks and behaves from then on
//! as one that heard the program from the start.

use std::io::Write as _;

use alacritty_terminal::grid::{Cursor, Grid};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{CharsetIndex, CursorShape, StandardCharset};
use unicode_width::UnicodeWidthChar;

use super::core::Core;
use super::paint::{Painter, is_erased};
use super::recorder::{Extra, SavedExtra};

/// Ends whatever sequence and synchronized update a terminal is in.
pub(super) const CANCEL: &[u8] = b"\x18\x1b\\\x1b[?2026l";

/// What every repaint resets, whether it was set or not. The cursor stays hidden until the end.
const RESET: &[u8] = b"\x1b[!p\x1b[?25l\x1b[r\x1b[?6l\x1b[4l\x1b[20l\x1b[?7h\
\x1b[?1;5;9;1000;1002;1003;1004;1005;1006;1015;1016;2004l\x1b>\
\x1b(B\x1b)B\x1b*B\x1b+B\x0f\x1b]8;;\x1b\\\x1b[m";

pub(super) const CHARSETS: [(CharsetIndex, u8); 4] = [
    (CharsetIndex::G0, b'('),
    (CharsetIndex::G1, b')'),
    (CharsetIndex::G2, b'*'),
    (CharsetIndex::G3, b'+'),
];

/// Modes of the emulator that are off at the start, by the number that sets them.
pub(super) const MODES: [(TermMode, &str); 10] = [
    (TermMode::APP_CURSOR, "?1"),
    (TermMode::MOUSE_REPORT_CLICK, "?1000"),
    (TermMode::MOUSE_DRAG, "?1002"),
    (TermMode::MOUSE_MOTION, "?1003"),
    (TermMode::FOCUS_IN_OUT, "?1004"),
    (TermMode::UTF8_MOUSE, "?1005"),
    (TermMode::SGR_MOUSE, "?1006"),
    (TermMode::BRACKETED_PASTE, "?2004"),
    (TermMode::INSERT, "4"),
    (TermMode::LINE_FEED_NEW_LINE, "20"),
];

/// From a terminal that shows these cells, with its pen and charsets at their defaults: the cursor, its pen, and what
/// REP repeats.
pub(super) fn cursor(core: &Core, cols: usize, out: &mut Vec<u8>) {
    repeatable(core, cols, out);
    let now = SavedExtra {
        origin: core.has(TermMode::ORIGIN),
        active: core.rec.active,
    };
    let grid = core.grid();
    place(&grid.cursor, Some(grid), now, core.rec.region.0, cols, out);
}

/// Bytes that make any terminal's screen this one. `cols` is the real width.
pub(super) fn repaint(core: &Core, cols: usize, graphics: bool) -> Vec<u8> {
    let rec = &core.rec;
    let mut out = Vec::with_capacity(4096);
    reset(core, graphics, &mut out);
    titles(core, &mut out);
    colors(core, &mut out);
    if let Some(primary) = &core.primary {
        screen(core, primary, rec.saved[0], cols, &mut out);
        kitty(&rec.kitty[0], &mut out);
        if rec.alt_mode == 1049 {
            place(
                &primary.cursor,
                Some(primary),
                rec.saved[0],
                0,
                cols,
                &mut out,
            );
            out.extend_from_slice(b"\x1b[?1049h");
            unplace(rec.saved[0], &mut out);
        } else {
            let now = SavedExtra::default();
            place(&primary.cursor, Some(primary), now, 0, cols, &mut out);
            let _ = write!(out, "\x1b[?{}h", rec.alt_mode);
            unplace(now, &mut out);
        }
        screen(core, core.grid(), rec.saved[1], cols, &mut out);
        kitty(&rec.kitty[1], &mut out);
    } else {
        screen(core, core.grid(), rec.saved[0], cols, &mut out);
        kitty(&rec.kitty[0], &mut out);
    }
    repeatable(core, cols, &mut out);
    last_state(core, cols, &mut out);
    out
}

/// Brings a terminal in any state back to the start, but for what the program never touched.
pub(super) fn reset(core: &Core, graphics: bool, out: &mut Vec<u8>) {
    let rec = &core.rec;
    out.extend_from_slice(CANCEL);
    if rec.kitty_touched {
        out.extend_from_slice(b"\x1b[<99u");
    }
    out.extend_from_slice(b"\x1b[?1049l");
    if rec.kitty_touched {
        out.extend_from_slice(b"\x1b[<99u");
    }
    if rec.other_keys_touched {
        out.extend_from_slice(b"\x1b[>4;0m");
    }
    if rec.style_touched {
        out.extend_from_slice(b"\x1b[0 q");
    }
    out.extend_from_slice(RESET);
    for mode in Extra::modes(rec.extra.touched & !rec.extra.on) {
        let _ = write!(out, "\x1b[?{mode}l");
    }
    if graphics {
        out.extend_from_slice(b"\x1b_Ga=d,d=A\x1b\\");
    }
}

/// One screen's saved cursor and cells. Pen, margins, modes and charsets are at their defaults.
fn screen(core: &Core, grid: &Grid<Cell>, saved: SavedExtra, cols: usize, out: &mut Vec<u8>) {
    place(&grid.saved_cursor, None, saved, 0, cols, out);
    out.extend_from_slice(b"\x1b7");
    unplace(saved, out);
    out.extend_from_slice(b"\x1b[H\x1b[J");
    let mut painter = Painter::new(out);
    painter.rows(grid, 0, core.rows(), cols);
    painter.plain();
}

/// Puts the cursor, its pen, charsets and pending wrap where `cursor` has them, `top` lines being above
/// the origin. A pending wrap comes only of printing in the last column: its cell is printed again
/// (a blank where there is no `grid`).
fn place(
    cursor: &Cursor<Cell>,
    grid: Option<&Grid<Cell>>,
    extra: SavedExtra,
    top: usize,
    cols: usize,
    out: &mut Vec<u8>,
) {
    if extra.origin {
        out.extend_from_slice(b"\x1b[?6h");
    }
    let row = usize::try_from(cursor.point.line.0).unwrap_or(0);
    let row_in = row.saturating_sub(if extra.origin { top } else { 0 });
    let mut col = cursor.point.column.0.min(cols - 1);
    let mut cell = Cell::default();
    if cursor.input_needs_wrap
        && let Some(grid) = grid
    {
        let line = &grid[Line(i32::try_from(row).unwrap_or(0))];
        if col > 0 && line[Column(col)].flags.contains(Flags::WIDE_CHAR_SPACER) {
            col -= 1;
        }
        cell = line[Column(col)].clone();
    }
    let mut painter = Painter::new(out);
    painter.move_to(row_in, col);
    if cursor.input_needs_wrap {
        painter.pen(&cell);
        painter.glyph(&cell, cols - col);
    }
    painter.pen(&cursor.template);
    for (index, intro) in CHARSETS {
        if cursor.charsets[index] == StandardCharset::SpecialCharacterAndLineDrawing {
            painter.bytes(&[0x1b, intro, b'0']);
        }
    }
    if extra.active == CharsetIndex::G1 {
        painter.bytes(b"\x0e");
    }
}

/// Back from [`place`] to the defaults.
fn unplace(extra: SavedExtra, out: &mut Vec<u8>) {
    if extra.origin {
        out.extend_from_slice(b"\x1b[?6l");
    }
    out.extend_from_slice(b"\x1b(B\x1b)B\x1b*B\x1b+B\x0f\x1b]8;;\x1b\\\x1b[m");
}

/// Makes REP repeat what it would repeat here: the character is printed where an erase takes it away.
fn repeatable(core: &Core, cols: usize, out: &mut Vec<u8>) {
    let Some(c) = core.rec.last else { return };
    let width = match c.width() {
        _ if core.grid().cursor.input_needs_wrap || cols < 3 => return,
        None => return,
        Some(w) => w.max(1),
    };
    let grid = core.grid();
    for y in (0..core.rows()).rev() {
        let line = &grid[Line(i32::try_from(y).unwrap_or(0))][..];
        // The last column would wrap; the first follows a line that may have wrapped into it.
        let Some(x) = (1..cols - width)
            .rev()
            .find(|&x| line.get(x..x + width).is_some_and(erased_alike))
        else {
            continue;
        };
        let mut painter = Painter::new(out);
        painter.move_to(y, x);
        let mut pen = Cell::default();
        pen.bg = line.get(x).map_or(pen.bg, |cell| cell.bg);
        if c.width() == Some(0) {
            painter.bytes(b" ");
        }
        painter.bytes(c.encode_utf8(&mut [0; 4]).as_bytes());
        painter.forget_place();
        painter.move_to(y, x);
        painter.pen(&pen);
        let _ = write!(painter.out, "\x1b[{width}X");
        painter.plain();
        return;
    }
}

fn erased_alike(cells: &[Cell]) -> bool {
    cells
        .iter()
        .all(|c| is_erased(c) && cells.first().is_some_and(|f| f.bg == c.bg))
}

fn last_state(core: &Core, cols: usize, out: &mut Vec<u8>) {
    let rec = &core.rec;
    if rec.tabs_touched {
        out.extend_from_slice(b"\x1b[3g");
        for (col, _) in rec.tabs.iter().enumerate().filter(|(_, on)| **on) {
            let _ = write!(out, "\x1b[{}G\x1bH", col + 1);
        }
    }
    if rec.region != (0, core.rows()) {
        let _ = write!(out, "\x1b[{};{}r", rec.region.0 + 1, rec.region.1);
    }
    let now = SavedExtra {
        origin: core.has(TermMode::ORIGIN),
        active: rec.active,
    };
    place(
        &core.grid().cursor,
        Some(core.grid()),
        now,
        rec.region.0,
        cols,
        out,
    );
    for (mode, number) in MODES {
        if core.has(mode) {
            let _ = write!(out, "\x1b[{number}h");
        }
    }
    if core.has(TermMode::APP_KEYPAD) {
        out.extend_from_slice(b"\x1b=");
    }
    if !core.has(TermMode::LINE_WRAP) {
        out.extend_from_slice(b"\x1b[?7l");
    }
    for (touched, mode) in [(rec.alternate_scroll, 1007), (rec.urgency, 1042)] {
        if let Some(on) = touched {
            let _ = write!(out, "\x1b[?{mode}{}", if on { 'h' } else { 'l' });
        }
    }
    for mode in Extra::modes(rec.extra.on) {
        let _ = write!(out, "\x1b[?{mode}h");
    }
    if rec.other_keys != 0 {
        let _ = write!(out, "\x1b[>4;{}m", rec.other_keys);
    }
    if rec.pointer_touched {
        let name = rec.pointer.map_or("default", |p| p.name());
        let _ = write!(out, "\x1b]22;{name}\x1b\\");
    }
    if rec.style.is_some() {
        let _ = write!(out, "\x1b[{} q", style_number(core));
    }
    if core.has(TermMode::SHOW_CURSOR) {
        out.extend_from_slice(b"\x1b[?25h");
    }
}

/// DECSCUSR's number for the cursor's style; 0 for the terminal's own.
pub(super) fn style_number(core: &Core) -> u8 {
    core.rec.style.map_or(0, |style| {
        let steady = match style.shape {
            CursorShape::Underline => 4,
            CursorShape::Beam => 6,
            _ => 2,
        };
        steady - u8::from(style.blinking)
    })
}

fn kitty(stack: &[u8], out: &mut Vec<u8>) {
    for flags in stack {
        let _ = write!(out, "\x1b[>{flags}u");
    }
}

fn titles(core: &Core, out: &mut Vec<u8>) {
    let title = |out: &mut Vec<u8>, t: &Option<String>| {
        if let Some(t) = t {
            let _ = write!(out, "\x1b]2;{t}\x1b\\");
        }
    };
    for saved in &core.rec.titles {
        title(out, saved);
        out.extend_from_slice(b"\x1b[22;2t");
    }
    title(out, &core.rec.title);
}

fn colors(core: &Core, out: &mut Vec<u8>) {
    for index in core.rec.touched_colors() {
        let color = core.term.colors()[index];
        let _ = match (index, color) {
            (256..=258, Some(c)) => write!(
                out,
                "\x1b]{};rgb:{:02x}/{:02x}/{:02x}\x1b\\",
                index - 246,
                c.r,
                c.g,
                c.b
            ),
            (256..=258, None) => write!(out, "\x1b]{}\x1b\\", index - 146),
            (_, Some(c)) => write!(
                out,
                "\x1b]4;{index};rgb:{:02x}/{:02x}/{:02x}\x1b\\",
                c.r, c.g, c.b
            ),
            (_, None) => write!(out, "\x1b]104;{index}\x1b\\"),
        };
    }
}
