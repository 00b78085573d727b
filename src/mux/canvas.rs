//! A whole terminal's screen put together from several: panes' screens at their places, and text around them.
//! What is drawn is a difference to what the terminal shows already, cell by cell, in one synchronized update.

use std::io::Write as _;

use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{Color, NamedColor, Rgb};
use unicode_width::UnicodeWidthChar;

pub use self::pictures::Picture;
use super::frame::{Frame, MOUSE, copy_row, row};
use super::layout::Rect;
use super::recorder::EXTRA_MODES;
use super::repaint;
use super::screen::Screen;
use crate::model::Size;

mod pictures;

/// Modes that only make sense for who has the whole terminal: other forms of the mouse, its size told in band.
pub const WHOLE: [u16; 5] = [9, 1001, 1015, 1016, 2048];

/// A colour, as programs and people name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ink {
    /// The terminal's own.
    #[default]
    Default,
    /// The first 16 are the terminal's palette.
    Indexed(u8),
    Rgb(u8, u8, u8),
}

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    pub fg: Ink,
    pub bg: Ink,
    pub bold: bool,
    pub dim: bool,
    pub italic: bool,
    pub underline: bool,
    pub reverse: bool,
    pub strike: bool,
}

/// How a pane's program wants to hear of the mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MouseWish {
    pub clicks: bool,
    pub drags: bool,
    pub motion: bool,
    /// In the form of 1006, else in the old one.
    pub sgr: bool,
    /// In the form of 1005.
    pub utf8: bool,
}

impl MouseWish {
    pub fn any(self) -> bool {
        self.clicks || self.drags || self.motion
    }
}

impl Screen {
    /// What its program has asked for of the mouse.
    pub fn mouse(&self) -> MouseWish {
        let has = |mode| self.core().has(mode);
        MouseWish {
            clicks: has(TermMode::MOUSE_REPORT_CLICK),
            drags: has(TermMode::MOUSE_DRAG),
            motion: has(TermMode::MOUSE_MOTION),
            sgr: has(TermMode::SGR_MOUSE),
            utf8: has(TermMode::UTF8_MOUSE),
        }
    }

    /// Whether it wants to hear of the terminal's focus.
    pub fn focus_events(&self) -> bool {
        self.core().has(TermMode::FOCUS_IN_OUT)
    }

    /// Whether the wheel is to be sent as arrow keys: a full-screen program that knows no mouse.
    pub fn wheel_is_arrows(&self) -> bool {
        self.alternate() && self.core().rec.alternate_scroll != Some(false)
    }

    /// Whether the cursor is shown.
    pub fn shows_cursor(&self) -> bool {
        self.core().has(TermMode::SHOW_CURSOR)
    }
}

/// One frame, while it is put together.
#[derive(Clone)]
pub struct Canvas {
    size: Size,
    frame: Frame,
    /// Images that are drawn over cells which are marked with them.
    pictures: Vec<Picture>,
    /// Some cells are marked.
    marked: bool,
}

impl Canvas {
    /// Blank, the cursor hidden.
    pub fn new(size: Size) -> Self {
        let size = size.clamped();
        Self {
            size,
            frame: Frame::blank(size),
            pictures: Vec::new(),
            marked: false,
        }
    }

    pub fn size(&self) -> Size {
        self.size
    }

    /// All of it.
    pub fn area(&self) -> Rect {
        Rect::new(0, 0, self.size.cols, self.size.rows)
    }

    /// Writes text from a cell on, as far as `width` and the row go; returns the columns it took.
    pub fn text(&mut self, x: u16, y: u16, width: u16, text: &str, look: Look) -> u16 {
        let Some(row) = self.frame.rows.get_mut(usize::from(y)) else {
            return 0;
        };
        let end = row.len().min(usize::from(x) + usize::from(width));
        let template = cell(look);
        let (first, mut at) = (usize::from(x), usize::from(x));
        for c in text.chars().filter(|c| !c.is_control()) {
            let wide = match c.width() {
                Some(0) | None => {
                    // It belongs to the character before.
                    let before = at.checked_sub(1).filter(|b| *b >= first);
                    if let Some(before) = before.and_then(|b| row.get_mut(b)) {
                        before.push_zerowidth(c);
                    }
                    continue;
                }
                Some(width) => width,
            };
            if at + wide > end {
                break;
            }
            mend(row, at, wide);
            for (n, to) in row.iter_mut().skip(at).take(wide).enumerate() {
                to.clone_from(&template);
                if n > 0 {
                    to.flags.insert(Flags::WIDE_CHAR_SPACER);
                } else {
                    to.c = c;
                    to.flags.set(Flags::WIDE_CHAR, wide > 1);
                }
            }
            at += wide;
        }
        u16::try_from(at.saturating_sub(first)).unwrap_or(u16::MAX)
    }

    /// Erases a rectangle in a look.
    pub fn fill(&mut self, rect: Rect, look: Look) {
        let template = cell(look);
        let (from, to) = (
            usize::from(rect.x),
            usize::from(rect.x.saturating_add(rect.w)),
        );
        let rows = self.frame.rows.iter_mut().skip(usize::from(rect.y));
        for row in rows.take(usize::from(rect.h)) {
            mend(row, from, to.saturating_sub(from));
            row.iter_mut()
                .skip(from)
                .take(to.saturating_sub(from))
                .for_each(|c| c.clone_from(&template));
        }
    }

    /// A pane's screen, its upper left corner in that of `rect`, cut where it is larger.
    pub fn blit(&mut self, screen: &Screen, rect: Rect) {
        self.fill(rect, Look::default());
        let core = screen.core();
        let cols = usize::from(screen.size().cols);
        for y in 0..core.rows().min(usize::from(rect.h)) {
            if let Some(to) = self.part(rect, y) {
                copy_row(row(core, y), cols, to);
            }
        }
    }

    /// The cells of another frame of the same size.
    pub fn keep(&mut self, other: &Self, rect: Rect) {
        self.keep_pictures(other, rect);
        for y in 0..usize::from(rect.h) {
            let from = usize::from(rect.x);
            let old = other.frame.rows.get(usize::from(rect.y) + y);
            let old = old.and_then(|row| row.get(from..from + usize::from(rect.w)));
            if let (Some(to), Some(old)) = (self.part(rect, y), old) {
                to.clone_from_slice(old);
            }
        }
    }

    /// Row `y` of a rectangle.
    fn part(&mut self, rect: Rect, y: usize) -> Option<&mut [Cell]> {
        let row = self.frame.rows.get_mut(usize::from(rect.y) + y)?;
        let from = usize::from(rect.x);
        let to = row.len().min(from + usize::from(rect.w));
        row.get_mut(from..to)
    }

    /// Changes how cells look that have their text already: a selection, what was found.
    pub fn relook(&mut self, rect: Rect, look: Look) {
        let looks = cell(look);
        for y in 0..usize::from(rect.h) {
            for cell in self.part(rect, y).into_iter().flatten() {
                let wide = cell.flags & (Flags::WIDE_CHAR | Flags::WIDE_CHAR_SPACER);
                (cell.fg, cell.bg) = (looks.fg, looks.bg);
                cell.flags = looks.flags | wide;
            }
        }
    }

    /// Whether anything is written in a cell.
    pub fn is_blank(&self, x: u16, y: u16) -> bool {
        let row = self.frame.rows.get(usize::from(y));
        row.and_then(|r| r.get(usize::from(x)))
            .is_none_or(|c| c.c == ' ')
    }

    /// Shows the cursor, where that is within the screen.
    pub fn cursor(&mut self, x: u16, y: u16) {
        let within = x < self.size.cols && y < self.size.rows;
        self.frame.cursor = within.then_some((usize::from(y), usize::from(x)));
    }

    pub fn hide_cursor(&mut self) {
        self.frame.cursor = None;
    }

    /// The terminal is set as a pane's program has it, its mouse apart; the cursor is that program's.
    pub fn focus(&mut self, screen: &Screen, rect: Rect) {
        self.frame.set_as(screen.core());
        for (bit, mode) in EXTRA_MODES.iter().enumerate() {
            if WHOLE.contains(mode) {
                self.frame.extra &= !(1 << bit);
            }
        }
        self.frame.modes &= !MOUSE;
        let (y, x) = screen.cursor();
        if screen.shows_cursor() && x < rect.w && y < rect.h {
            self.cursor(rect.x.saturating_add(x), rect.y.saturating_add(y));
        }
    }

    /// The terminal is set for the multiplexer's own lines.
    pub fn own(&mut self) {
        self.frame.modes.insert(TermMode::BRACKETED_PASTE);
        // A bar, steady: text is typed here.
        self.frame.style = 6;
    }

    /// The terminal tells of clicks and drags in SGR form; of all motion where that is wanted.
    pub fn mouse(&mut self, motion: bool) {
        self.frame.modes.insert(TermMode::SGR_MOUSE);
        self.frame.modes.insert(match motion {
            true => TermMode::MOUSE_MOTION,
            false => TermMode::MOUSE_DRAG,
        });
    }

    pub fn title(&mut self, title: &str) {
        let clean = title.chars().filter(|c| !c.is_control());
        self.frame.title = Some(clean.take(200).collect());
    }

    /// The lines as text, for tests and for selections.
    pub fn lines(&self) -> Vec<String> {
        self.frame.rows.iter().map(|row| plain(row)).collect()
    }
}

/// What stands in cells, right-trimmed.
fn plain(row: &[Cell]) -> String {
    let mut line = String::new();
    for cell in row {
        if !cell.flags.contains(Flags::WIDE_CHAR_SPACER) {
            line.push(cell.c);
            line.extend(cell.zerowidth().unwrap_or_default());
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// Blanks the halves of wide characters that would be left over by writing over a part of a row.
fn mend(row: &mut [Cell], from: usize, len: usize) {
    let is = |row: &[Cell], at: usize, flag| row.get(at).is_some_and(|c| c.flags.contains(flag));
    if from > 0
        && is(row, from, Flags::WIDE_CHAR_SPACER)
        && let Some(half) = row.get_mut(from - 1)
    {
        half.clear_wide();
    }
    let end = from.saturating_add(len);
    if is(row, end, Flags::WIDE_CHAR_SPACER)
        && let Some(half) = row.get_mut(end)
    {
        half.flags.remove(Flags::WIDE_CHAR_SPACER);
        half.c = ' ';
    }
}

fn cell(look: Look) -> Cell {
    let mut cell = Cell {
        fg: color(look.fg, NamedColor::Foreground),
        bg: color(look.bg, NamedColor::Background),
        ..Cell::default()
    };
    for (on, flag) in [
        (look.bold, Flags::BOLD),
        (look.dim, Flags::DIM),
        (look.italic, Flags::ITALIC),
        (look.underline, Flags::UNDERLINE),
        (look.reverse, Flags::INVERSE),
        (look.strike, Flags::STRIKEOUT),
    ] {
        cell.flags.set(flag, on);
    }
    cell
}

fn color(ink: Ink, default: NamedColor) -> Color {
    const PALETTE: [NamedColor; 16] = [
        NamedColor::Black,
        NamedColor::Red,
        NamedColor::Green,
        NamedColor::Yellow,
        NamedColor::Blue,
        NamedColor::Magenta,
        NamedColor::Cyan,
        NamedColor::White,
        NamedColor::BrightBlack,
        NamedColor::BrightRed,
        NamedColor::BrightGreen,
        NamedColor::BrightYellow,
        NamedColor::BrightBlue,
        NamedColor::BrightMagenta,
        NamedColor::BrightCyan,
        NamedColor::BrightWhite,
    ];
    match ink {
        Ink::Default => Color::Named(default),
        Ink::Indexed(n) => match PALETTE.get(usize::from(n)) {
            Some(named) => Color::Named(*named),
            None => Color::Indexed(n),
        },
        Ink::Rgb(r, g, b) => Color::Spec(Rgb { r, g, b }),
    }
}

/// What a terminal shows, and the way from there to the next frame.
#[derive(Default)]
pub struct Painted {
    shown: Option<Canvas>,
}

impl Painted {
    /// What was painted last, where it has that size.
    pub fn shown(&self, size: Size) -> Option<&Canvas> {
        self.shown.as_ref().filter(|c| c.size == size.clamped())
    }

    /// The terminal shows something else by now: the next frame is whole.
    pub fn forget(&mut self) {
        self.shown = None;
    }

    /// The bytes from what is shown to `next`; none where nothing differs.
    pub fn frame(&mut self, mut next: Canvas) -> Vec<u8> {
        next.settle();
        let last = self.shown.take();
        let before = last.as_ref().map_or(&[][..], |old| &old.pictures);
        let mut gone = Vec::new();
        for picture in before.iter().filter(|old| !next.pictures.contains(old)) {
            gone.extend_from_slice(&picture.remove);
        }
        let old = last.as_ref().filter(|old| old.size == next.size);
        if old.is_some_and(|old| old.frame == next.frame && old.pictures == next.pictures) {
            self.shown = Some(next);
            return Vec::new();
        }
        let mut out = b"\x1b[?2026h".to_vec();
        out.append(&mut gone);
        let blank = Frame::blank(next.size);
        let frame = old.map_or_else(
            || {
                repaint::reset(Screen::new(next.size).core(), false, &mut out);
                out.extend_from_slice(b"\x1b[H\x1b[J");
                &blank
            },
            |old| &old.frame,
        );
        frame.paint(&next.frame, &mut out);
        for picture in &next.pictures {
            let there = old.is_some_and(|old| old.pictures.contains(picture));
            if !there || picture.is_touched(frame, &next.frame) {
                picture.draw(&mut out);
            }
        }
        frame.set(&next.frame, &mut out);
        let _ = out.write_all(b"\x1b[?2026l");
        self.shown = Some(next);
        out
    }
}

#[cfg(test)]
mod tests;
