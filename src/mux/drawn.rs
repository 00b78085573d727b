//! A screen for clients of another size than its PTY's: clipped, as differences between frames. vt100's
//! `state_diff` could say these too, but knows neither underline styles, links, strike-through nor kitty's
//! keyboard; comparing cells and painting the rows that differ is shorter, quicker and loses nothing.

use std::io::Write as _;

use alacritty_terminal::index::Line;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};

use super::core::Core;
use super::paint::{LOOKS, Painter, content_len};
use super::recorder::Extra;
use super::repaint::{self, MODES, style_number};
use super::screen::Screen;
use crate::model::Size;

const MOUSE: TermMode = TermMode::MOUSE_MODE
    .union(TermMode::SGR_MOUSE)
    .union(TermMode::UTF8_MOUSE);
/// The emulator's modes that do not concern a client that is drawn for.
const INNER: TermMode = TermMode::INSERT.union(TermMode::LINE_FEED_NEW_LINE);

/// What a client's terminal shows and is set to.
#[derive(Clone, PartialEq, Eq)]
struct Frame {
    rows: Vec<Vec<Cell>>,
    /// `None` while the cursor is hidden or out of sight.
    cursor: Option<(usize, usize)>,
    modes: TermMode,
    extra: u16,
    kitty: u8,
    other_keys: u8,
    style: u8,
    title: Option<String>,
}

/// Draws one screen for one client.
pub struct Drawn {
    size: Size,
    shown: Option<Frame>,
}

impl Drawn {
    pub fn new(size: Size) -> Self {
        Self {
            size: size.clamped(),
            shown: None,
        }
    }

    /// The client's terminal has another size: the next frame is whole.
    pub fn resize(&mut self, size: Size) {
        self.size = size.clamped();
        self.shown = None;
    }

    /// The client's terminal shows something else: the next frame is whole.
    pub fn reset(&mut self) {
        self.shown = None;
    }

    /// The bytes that make the client show `screen` as it is now; empty where nothing has changed.
    pub fn frame(&mut self, screen: &Screen) -> Vec<u8> {
        let core = screen.core();
        let top = self.top(core);
        let next = self.look(core, top, usize::from(screen.size().cols));
        let mut out = Vec::new();
        if self.shown.as_ref() == Some(&next) {
            return out;
        }
        let old = self.shown.take().unwrap_or_else(|| {
            repaint::reset(core, false, &mut out);
            out.extend_from_slice(b"\x1b[H\x1b[J");
            self.blank()
        });
        paint(&old, &next, &mut out);
        set(&old, &next, &mut out);
        self.shown = Some(next);
        out
    }

    /// The first row shown: the lowest rows that have content, but never without the cursor's.
    fn top(&self, core: &Core) -> usize {
        let height = usize::from(self.size.rows);
        let cursor = core.place().0;
        let last = (cursor + 1..core.rows())
            .rev()
            .find(|y| content_len(row(core, *y)) > 0)
            .unwrap_or(cursor);
        let top = (last + 1).saturating_sub(height);
        if cursor >= top {
            top
        } else {
            (cursor + 1).saturating_sub(height)
        }
    }

    fn blank(&self) -> Frame {
        let row = vec![Cell::default(); usize::from(self.size.cols)];
        Frame {
            rows: vec![row; usize::from(self.size.rows)],
            cursor: None,
            modes: TermMode::empty(),
            extra: 0,
            kitty: 0,
            other_keys: 0,
            style: 0,
            title: None,
        }
    }

    fn look(&self, core: &Core, top: usize, real_cols: usize) -> Frame {
        let mut frame = self.blank();
        let cols = usize::from(self.size.cols);
        for (y, to) in frame.rows.iter_mut().enumerate() {
            if top + y >= core.rows() {
                break;
            }
            for (to, from) in to.iter_mut().zip(row(core, top + y).iter().take(real_cols)) {
                *to = from.clone();
                to.flags &= LOOKS | Flags::WIDE_CHAR | Flags::WIDE_CHAR_SPACER;
                if to.c == '\t' {
                    to.c = ' ';
                }
            }
            // A wide character that the edge cuts in two.
            if let Some(last) = to.last_mut().filter(|c| c.flags.contains(Flags::WIDE_CHAR)) {
                last.clear_wide();
            }
        }
        let (y, x) = core.place();
        let visible = core.has(TermMode::SHOW_CURSOR) && x < cols;
        frame.cursor = Some((y - top, x)).filter(|_| visible);
        frame.modes = *core.term.mode() & !INNER;
        if top > 0 {
            // The mouse would speak of other rows than the program has.
            frame.modes &= !MOUSE;
        }
        frame.extra = core.rec.extra.on;
        frame.kitty = core.rec.kitty_flags(core.alt());
        frame.other_keys = core.rec.other_keys;
        frame.style = style_number(core);
        frame.title = core.rec.title.clone();
        frame
    }
}

fn row(core: &Core, y: usize) -> &[Cell] {
    &core.grid()[Line(i32::try_from(y).unwrap_or(0))][..]
}

/// The cells that differ, and the cursor.
fn paint(old: &Frame, new: &Frame, out: &mut Vec<u8>) {
    let changed = old.rows != new.rows;
    if changed && old.cursor.is_some() {
        out.extend_from_slice(b"\x1b[?25l");
    }
    let mut painter = Painter::new(out);
    for (y, (was, is)) in old.rows.iter().zip(&new.rows).enumerate() {
        let differs = |(a, b): (&Cell, &Cell)| a != b;
        let Some(mut from) = was.iter().zip(is).position(differs) else {
            continue;
        };
        let spacer =
            |c: Option<&Cell>| c.is_some_and(|c| c.flags.contains(Flags::WIDE_CHAR_SPACER));
        if spacer(is.get(from)) || spacer(was.get(from)) {
            from = from.saturating_sub(1);
        }
        let mut to = was
            .iter()
            .zip(is)
            .rposition(differs)
            .map_or(from, |p| p + 1);
        if spacer(is.get(to)) || spacer(was.get(to)) {
            to += 1;
        }
        painter.patch(is, y, from, to);
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
fn set(old: &Frame, new: &Frame, out: &mut Vec<u8>) {
    for (mode, number) in MODES {
        let (was, is) = (old.modes.contains(mode), new.modes.contains(mode));
        if was != is && !INNER.contains(mode) {
            let _ = write!(out, "\x1b[{number}{}", if is { 'h' } else { 'l' });
        }
    }
    let keypad = |f: &Frame| f.modes.contains(TermMode::APP_KEYPAD);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(cols: u16, rows: u16) -> Size {
        Size { cols, rows }
    }

    /// What a client of `at` sees after each of `steps`.
    fn client(pty: Size, at: Size, steps: &[&[u8]]) -> (Screen, Screen) {
        let (mut screen, mut drawn) = (Screen::new(pty), Drawn::new(at));
        let mut seen = Screen::new(at);
        seen.feed(b"\x1b[?1049hold\x1b[?6h\x1b[31m");
        for step in steps {
            screen.feed(step);
            seen.feed(&drawn.frame(&screen));
        }
        (screen, seen)
    }

    #[test]
    fn the_lowest_rows_with_the_cursor() {
        let lines = b"1\r\n2\r\n3\r\n4\r\n5\r\n6";
        let (_, seen) = client(size(10, 6), size(4, 3), &[lines]);
        assert_eq!(seen.text(), ["4", "5", "6"]);
        assert_eq!(seen.cursor(), (2, 1));
        let (_, seen) = client(size(10, 6), size(4, 3), &[lines, b"\x1b[2;1HX"]);
        assert_eq!(seen.text(), ["1", "X", "3"]);
        let (_, seen) = client(
            size(10, 6),
            size(20, 10),
            &["12345678漢\x1b[?1000h\x1b]2;t\x07".as_bytes()],
        );
        assert_eq!((seen.text()[0].as_str(), seen.title()), ("12345678漢", "t"));
        let (_, seen) = client(size(10, 6), size(9, 2), &["12345678漢".as_bytes()]);
        assert_eq!(seen.text()[0], "12345678");
    }

    #[test]
    fn nothing_new_is_no_bytes_and_little_is_few() {
        let mut screen = Screen::new(size(80, 24));
        let mut drawn = Drawn::new(size(60, 20));
        screen.feed(b"\x1b[4:3mhello\x1b[m\r\n");
        assert!(drawn.frame(&screen).len() < 300);
        assert_eq!(drawn.frame(&screen), b"");
        screen.feed(b"x");
        assert!(drawn.frame(&screen).len() < 25);
        drawn.reset();
        assert!(drawn.frame(&screen).len() > 50);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn differences_add_up(
            steps in prop::collection::vec("([ -~]{0,9}|漢|e\u{301}|\r\n|\x1b\\[[1-9];[1-9]H|\x1b\\[[0-2]?[JK]|\x1b\\[4[1-3]m|\x1b\\[m|\x1b\\[\\?25[hl]){0,8}", 1..6),
            cols in 1u16..16, rows in 1u16..8,
        ) {
            let at = size(cols, rows);
            let parts: Vec<&[u8]> = steps.iter().map(|s| s.as_bytes()).collect();
            let (screen, seen) = client(size(12, 6), at, &parts);
            let mut fresh = Screen::new(at);
            fresh.feed(&Drawn::new(at).frame(&screen));
            prop_assert_eq!(seen.text(), fresh.text());
            if cols >= 12 && rows >= 6 {
                prop_assert_eq!(&seen.text()[..6], &screen.text()[..]);
            }
        }
    }
}
