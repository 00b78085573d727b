//! What a terminal shows and is set to, and the bytes from one such frame to the next: shared by clients of
//! another size than their agent's, and by the multiplexer's whole screen.

use std::io::Write as _;

use alacritty_terminal::index::Line;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};

use super::core::Core;
use super::paint::{LOOKS, Painter};
use super::recorder::Extra;
use super::repaint::{MODES, style_number};
use crate::model::Size;

pub(super) const MOUSE: TermMode = TermMode::MOUSE_MODE
    .union(TermMode::SGR_MOUSE)
    .union(TermMode::UTF8_MOUSE);
/// The emulator's modes that do not concern a client that is drawn for.
const INNER: TermMode = TermMode::INSERT.union(TermMode::LINE_FEED_NEW_LINE);

/// Untouched cells between two that changed are skipped from so many on.
const GAP: usize = 8;

/// What a client's terminal shows and is set to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub rows: Vec<Vec<Cell>>,
    /// `None` while the cursor is hidden or out of sight.
    pub cursor: Option<(usize, usize)>,
    pub modes: TermMode,
    pub extra: u16,
    pub kitty: u8,
    pub other_keys: u8,
    pub style: u8,
    pub title: Option<String>,
}

impl Frame {
    pub fn blank(size: Size) -> Self {
        let row = vec![Cell::default(); usize::from(size.cols)];
        Self {
            rows: vec![row; usize::from(size.rows)],
            cursor: None,
            modes: TermMode::empty(),
            extra: 0,
            kitty: 0,
            other_keys: 0,
            style: 0,
            title: None,
        }
    }

    /// The modes, keyboard, cursor's style and title that a screen's program has set.
    pub fn set_as(&mut self, core: &Core) {
        self.modes = *core.term.mode() & !INNER;
        self.extra = core.rec.extra.on;
        self.kitty = core.rec.kitty_flags(core.alt());
        self.other_keys = core.rec.other_keys;
        self.style = style_number(core);
        self.title = core.rec.title.clone();
    }

    /// The cells that differ, and the cursor.
    pub fn paint(&self, new: &Self, out: &mut Vec<u8>) {
        let old = self;
        let changed = old.rows != new.rows;
        if changed && old.cursor.is_some() {
            out.extend_from_slice(b"\x1b[?25l");
        }
        let mut painter = Painter::new(out);
        for (y, (was, is)) in old.rows.iter().zip(&new.rows).enumerate() {
            changes(was, is, |from, to| painter.patch(is, y, from, to));
        }
        painter.plain();
        if changed || old.cursor != new.cursor {
            match new.cursor {
                Some((y, x)) => {
                    painter.forget_place();
                    painter.move_to(y, x);
                    if changed || old.cursor.is_none() {
                        painter.bytes(b"\x1b[?25h");
                    }
                }
                None if old.cursor.is_some() && !changed => painter.bytes(b"\x1b[?25l"),
                None => {}
            }
        }
    }

    /// Modes, keyboard, style and title that differ.
    pub fn set(&self, new: &Self, out: &mut Vec<u8>) {
        let old = self;
        for (mode, number) in MODES {
            let (was, is) = (old.modes.contains(mode), new.modes.contains(mode));
            if was != is && !INNER.contains(mode) {
                let _ = write!(out, "\x1b[{number}{}", if is { 'h' } else { 'l' });
            }
        }
        let keypad = |f: &Self| f.modes.contains(TermMode::APP_KEYPAD);
        if keypad(old) != keypad(new) {
            out.extend_from_slice(if keypad(new) { b"\x1b=" } else { b"\x1b>" });
        }
        for mode in Extra::modes(old.extra & !new.extra) {
            let _ = write!(out, "\x1b[?{mode}l");
        }
        for mode in Extra::modes(new.extra & !old.extra) {
            let _ = write!(out, "\x1b[?{mode}h");
        }
        if old.kitty != new.kitty {
            let _ = write!(out, "\x1b[={};1u", new.kitty);
        }
        if old.other_keys != new.other_keys {
            let _ = write!(out, "\x1b[>4;{}m", new.other_keys);
        }
        if old.style != new.style {
            let _ = write!(out, "\x1b[{} q", new.style);
        }
        if old.title != new.title
            && let Some(title) = &new.title
        {
            let _ = write!(out, "\x1b]2;{title}\x1b\\");
        }
    }
}

/// The runs of columns in which two rows differ, none beginning or ending within a wide character.
pub(super) fn changes(was: &[Cell], is: &[Cell], mut run: impl FnMut(usize, usize)) {
    let spacer = |at: usize| {
        let is_one =
            |c: Option<&Cell>| c.is_some_and(|c| c.flags.contains(Flags::WIDE_CHAR_SPACER));
        is_one(is.get(at)) || is_one(was.get(at))
    };
    let mut found: Option<(usize, usize)> = None;
    for (at, _) in was.iter().zip(is).enumerate().filter(|(_, (a, b))| a != b) {
        let from = if spacer(at) { at.saturating_sub(1) } else { at };
        let to = if spacer(at + 1) { at + 2 } else { at + 1 };
        found = match found {
            Some((first, end)) if from <= end + GAP => Some((first, end.max(to))),
            Some((first, end)) => {
                run(first, end);
                Some((from, to))
            }
            None => Some((from, to)),
        };
    }
    if let Some((from, to)) = found {
        run(from, to);
    }
}

pub(super) fn row(core: &Core, y: usize) -> &[Cell] {
    &core.grid()[Line(i32::try_from(y).unwrap_or(0))][..]
}

/// The first `cols` cells of a row as they are shown; a wide character that the edge cuts is a space.
pub(super) fn copy_row(from: &[Cell], cols: usize, to: &mut [Cell]) {
    for (to, from) in to.iter_mut().zip(from.iter().take(cols)) {
        to.clone_from(from);
        to.flags &= LOOKS | Flags::WIDE_CHAR | Flags::WIDE_CHAR_SPACER;
        if to.c == '\t' {
            to.c = ' ';
        }
    }
    if let Some(last) = to.last_mut().filter(|c| c.flags.contains(Flags::WIDE_CHAR)) {
        last.clear_wide();
    }
}
