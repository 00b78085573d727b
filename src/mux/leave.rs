//! The way back from a screen: the bytes that undo what is set in a terminal that shows it.

use std::io::Write as _;

use alacritty_terminal::grid::Grid;
use alacritty_terminal::index::Line;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Cell;
use alacritty_terminal::vte::ansi::{CharsetIndex, StandardCharset};

use super::core::Core;
use super::paint::content_len;
use super::recorder::Extra;
use super::repaint::{CANCEL, CHARSETS, MODES};

/// Undoes what is set, and no more; the cursor ends on a fresh line below the content.
pub(super) fn leave(core: &Core) -> Vec<u8> {
    let rec = &core.rec;
    let mut out = CANCEL.to_vec();
    pop_kitty(&rec.kitty[usize::from(core.alt())], &mut out);
    if core.alt() {
        let _ = write!(out, "\x1b[?{}l", rec.alt_mode);
        pop_kitty(&rec.kitty[0], &mut out);
    }
    if rec.region != (0, core.rows()) {
        out.extend_from_slice(b"\x1b[r");
    }
    if core.has(TermMode::ORIGIN) {
        out.extend_from_slice(b"\x1b[?6l");
    }
    for (mode, number) in MODES {
        if core.has(mode) {
            let _ = write!(out, "\x1b[{number}l");
        }
    }
    if core.has(TermMode::APP_KEYPAD) {
        out.extend_from_slice(b"\x1b>");
    }
    if !core.has(TermMode::LINE_WRAP) {
        out.extend_from_slice(b"\x1b[?7h");
    }
    if rec.alternate_scroll == Some(false) {
        out.extend_from_slice(b"\x1b[?1007h");
    }
    for mode in Extra::modes(rec.extra.on) {
        let _ = write!(out, "\x1b[?{mode}l");
    }
    if rec.other_keys != 0 {
        out.extend_from_slice(b"\x1b[>4;0m");
    }
    if rec.pointer.is_some() {
        out.extend_from_slice(b"\x1b]22;default\x1b\\");
    }
    if rec.style.is_some() {
        out.extend_from_slice(b"\x1b[0 q");
    }
    for index in rec.touched_colors() {
        if core.term.colors()[index].is_some() {
            let _ = match index {
                256..=258 => write!(out, "\x1b]{}\x1b\\", index - 146),
                _ => write!(out, "\x1b]104;{index}\x1b\\"),
            };
        }
    }
    if rec.tabs_touched {
        out.extend_from_slice(b"\x1b[3g");
        for col in (0..core.cols()).step_by(8) {
            let _ = write!(out, "\x1b[{}G\x1bH", col + 1);
        }
    }
    charsets_off(core, &mut out);
    out.extend_from_slice(b"\x1b]8;;\x1b\\\x1b[m");
    if !core.has(TermMode::SHOW_CURSOR) {
        out.extend_from_slice(b"\x1b[?25h");
    }
    let _ = write!(out, "\x1b[{}H\r\n", last_line(core) + 1);
    out
}

fn pop_kitty(stack: &[u8], out: &mut Vec<u8>) {
    if !stack.is_empty() {
        let _ = write!(out, "\x1b[<{}u", stack.len());
    }
}

fn charsets_off(core: &Core, out: &mut Vec<u8>) {
    for (index, intro) in CHARSETS {
        let set = |grid: &Grid<Cell>| grid.cursor.charsets[index] != StandardCharset::Ascii;
        if set(core.grid()) || set(core.main_grid()) {
            out.extend_from_slice(&[0x1b, intro, b'B']);
        }
    }
    if core.rec.active != CharsetIndex::G0 || core.rec.saved[0].active != CharsetIndex::G0 {
        out.push(0x0f);
    }
}

/// The main screen's last line with content, or the cursor's where that is lower.
fn last_line(core: &Core) -> usize {
    let grid = core.main_grid();
    let cursor = usize::try_from(grid.cursor.point.line.0).unwrap_or(0);
    (cursor + 1..core.rows())
        .rev()
        .find(|y| content_len(&grid[Line(i32::try_from(*y).unwrap_or(0))][..]) > 0)
        .unwrap_or(cursor)
}
