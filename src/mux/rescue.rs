//! What an agent's screen shows when the emulator has failed on its output: vt100, written by other hands,
//! reads the same bytes, and its `state_formatted` (bytes that make one screen of another) fills a fresh one.
//! It knows less (no charsets, links or underline styles), which beats a blank screen.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Screen;
use crate::model::Size;

/// A screen of `size` that shows what `bytes`, from a keyframe on, have drawn; blank where this fails too.
pub fn rescue<'a>(bytes: impl IntoIterator<Item = &'a [u8]>, size: Size) -> Screen {
    let size = size.clamped();
    let cells = |n: u16| NonZero::new(n).unwrap_or(NonZero::<u16>::MIN);
    let shown = catch_unwind(AssertUnwindSafe(|| {
        let mut parser = vt100::Parser::new(cells(size.rows), cells(size.cols), 0);
        for part in bytes {
            parser.process(part);
        }
        let screen = parser.screen();
        let mut state = Vec::new();
        if screen.alternate_screen() {
            state.extend_from_slice(b"\x1b[?1049h");
        }
        state.extend_from_slice(screen.state_formatted().as_ref());
        state
    }));
    let mut screen = Screen::new(size);
    screen.feed(&shown.unwrap_or_default());
    screen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_colours_cursor_and_modes_are_there_again() {
        let size = Size { cols: 20, rows: 4 };
        let output: [&[u8]; 2] = [
            b"\x1b[?2004hone\r\n\x1b[31mtwo",
            b"\x1b[m\r\nthree \x1b[4;7H",
        ];
        let mut direct = Screen::new(size);
        output.iter().for_each(|part| direct.feed(part));
        let rescued = rescue(output, size);
        assert_eq!(rescued.text(), direct.text());
        assert_eq!(rescued.cursor(), direct.cursor());
        assert!(rescued.bracketed_paste() && !rescued.alternate());
        assert!(rescue([b"\x1b[?1049hvim".as_slice()], size).alternate());
    }
}
