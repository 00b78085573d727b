//! A screen for clients of another size than its PTY's: clipped, as differences between frames. vt100's
//! `state_diff` could say these too, but knows neither underline styles, links, strike-through nor kitty's
//! keyboard; comparing cells and painting the rows that differ is shorter, quicker and loses nothing.

use alacritty_terminal::term::TermMode;

use super::core::Core;
use super::frame::{Frame, MOUSE, copy_row, row};
use super::paint::content_len;
use super::repaint;
use super::screen::Screen;
use crate::model::Size;

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
            Frame::blank(self.size)
        });
        old.paint(&next, &mut out);
        old.set(&next, &mut out);
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

    fn look(&self, core: &Core, top: usize, real_cols: usize) -> Frame {
        let mut frame = Frame::blank(self.size);
        let cols = usize::from(self.size.cols);
        for (y, to) in frame.rows.iter_mut().enumerate() {
            if top + y >= core.rows() {
                break;
            }
            copy_row(row(core, top + y), real_cols, to);
        }
        let (y, x) = core.place();
        let visible = core.has(TermMode::SHOW_CURSOR) && x < cols;
        frame.cursor = Some((y - top, x)).filter(|_| visible);
        frame.set_as(core);
        if top > 0 {
            // The mouse would speak of other rows than the program has.
            frame.modes &= !MOUSE;
        }
        frame
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
