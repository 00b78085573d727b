//! Raw output as plain lines, for logs and for following several agents at once: what a line finally said,
//! not how it was drawn. No screen is kept; programs that need one are only noticed.

use std::io::Write as _;

use alacritty_terminal::vte::{Params, Parser, Perform};
use unicode_width::UnicodeWidthChar;

use super::tail::{Fed, Tail};

/// The longest line; the rest of it is dropped and marked.
const MAX_LINE: usize = 64 * 1024;
const CUT_MARK: &str = "… (line cut)";

/// Turns a stream of output into lines of text.
#[derive(Default)]
pub struct Plain {
    tail: Tail,
    parser: Parser,
    state: State,
}

#[derive(Default)]
struct State {
    /// One entry a column; '\0' behind a wide character, combining ones in `marks`.
    line: Vec<char>,
    col: usize,
    cut: bool,
    marks: Vec<(usize, char)>,
    done: Vec<String>,
    /// It draws from that line of those of this feed on.
    drawn: Option<usize>,
    moved: Moved,
    /// No cursor is shown: what is written on an empty screen meanwhile is drawn.
    hidden: bool,
}

/// Where the cursor was last put, as far as that tells a program that draws from one that clears the screen
/// before it writes lines, or whose terminal is set right before it starts again.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Moved {
    /// Nowhere since something was written.
    #[default]
    No,
    Home,
    /// To an address: whatever is written there next is drawn.
    There,
    /// All is erased, and home is where the cursor would be anyway.
    Erased,
}

impl Plain {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes output; complete lines are appended to `lines`.
    pub fn feed(&mut self, bytes: &[u8], lines: &mut Vec<String>) {
        let Self {
            tail,
            parser,
            state,
        } = self;
        state.drawn = state.drawn.map(|_| 0);
        tail.feed(bytes, &mut |fed| {
            if let Fed::Bytes(bytes) = fed {
                advance(parser, state, bytes);
            }
        });
        lines.append(&mut self.state.done);
    }

    /// The line that no newline has ended, if any.
    pub fn finish(&mut self) -> Option<String> {
        let rest = self.tail.bytes();
        self.tail = Tail::default();
        if !rest.is_empty() && rest.first() != Some(&0x1b) {
            self.state.put('\u{FFFD}');
        }
        let unfinished = !self.state.line.is_empty() || self.state.cut;
        unfinished.then(|| {
            self.state.end_line();
            self.state.done.pop().unwrap_or_default()
        })
    }

    /// Whether the program has taken the whole screen (alternate screen, or it moves about): its lines
    /// mean little.
    pub fn full_screen(&self) -> bool {
        self.state.drawn.is_some()
    }

    /// How many of the lines of the last [`Plain::feed`] were written before that.
    pub fn written(&self) -> usize {
        self.state.drawn.unwrap_or(usize::MAX)
    }
}

/// Feeds whole lines of plain text past the parser, the rest through it.
fn advance(parser: &mut Parser, state: &mut State, mut bytes: &[u8]) {
    while let Some(end) = memchr::memchr(b'\n', bytes) {
        let (line, rest) = bytes.split_at(end + 1);
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let simple = state.line.is_empty()
            && !state.cut
            && state.moved == Moved::No
            && state.col == 0
            && text.len() <= MAX_LINE
            && text.iter().all(|c| matches!(c, 0x20..0x7f | b'\t'));
        if simple {
            state
                .done
                .push(String::from_utf8_lossy(text).trim_end().to_owned());
        } else {
            parser.advance(state, line);
        }
        bytes = rest;
    }
    parser.advance(state, bytes);
}

impl State {
    fn draws(&mut self) {
        self.drawn.get_or_insert(self.done.len());
    }

    fn put(&mut self, c: char) {
        match std::mem::take(&mut self.moved) {
            Moved::Home | Moved::There => self.draws(),
            Moved::Erased if self.hidden => self.draws(),
            Moved::Erased | Moved::No => {}
        }
        if self.col >= MAX_LINE {
            self.cut = true;
            return;
        }
        let width = c.width().unwrap_or(0);
        if width == 0 && c != '\t' {
            if self.marks.len() < MAX_LINE {
                self.marks.push((self.col, c));
            }
            return;
        }
        let width = width.max(1);
        if self.line.len() < self.col + width {
            self.line.resize(self.col + width, ' ');
        }
        let col = self.col;
        if !self.marks.is_empty() {
            self.marks.retain(|(at, _)| *at <= col || *at > col + width);
        }
        for (i, slot) in self.line.iter_mut().skip(col).take(width).enumerate() {
            *slot = if i == 0 { c } else { '\0' };
        }
        self.col += width;
    }

    fn end_line(&mut self) {
        let mut text = String::with_capacity(self.line.len() + 16);
        let mut marks = std::mem::take(&mut self.marks);
        marks.sort_by_key(|(at, _)| *at);
        let mut marks = marks.into_iter().peekable();
        for (i, c) in self.line.iter().enumerate() {
            while let Some((_, m)) = marks.next_if(|(at, _)| *at <= i) {
                text.push(m);
            }
            if *c != '\0' {
                text.push(*c);
            }
        }
        text.extend(marks.map(|(_, m)| m));
        text.truncate(text.trim_end().len());
        if self.cut {
            text.push_str(CUT_MARK);
        }
        self.done.push(text);
        self.line.clear();
        self.line.shrink_to(4096);
        (self.col, self.cut) = (0, false);
    }

    fn move_to(&mut self, row: u16, col: u16) {
        self.moved = match (row.max(1), col.max(1), self.moved) {
            (1, 1, Moved::Erased) => Moved::Erased,
            (1, 1, _) => Moved::Home,
            _ => Moved::There,
        };
    }

    /// What was written before the screen was erased stays a line of its own.
    fn erase_screen(&mut self, mode: u16) {
        if mode >= 2 || (mode == 0 && self.moved == Moved::Home) {
            if !self.line.is_empty() || self.cut {
                self.end_line();
            }
            self.moved = Moved::Erased;
        } else {
            self.erase(mode);
        }
    }

    fn erase(&mut self, mode: u16) {
        match mode {
            0 => self.line.truncate(self.col),
            1 => {
                let end = (self.col + 1).min(self.line.len());
                self.line.iter_mut().take(end).for_each(|c| *c = ' ');
            }
            _ => self.line.clear(),
        }
        let len = self.line.len();
        self.marks.retain(|(at, _)| *at <= len);
    }
}

impl Perform for State {
    fn print(&mut self, c: char) {
        self.put(c);
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\n' | 0x0b | 0x0c => {
                self.moved = Moved::No;
                self.end_line();
            }
            b'\r' => self.col = 0,
            0x08 => self.col = self.col.saturating_sub(1),
            b'\t' => self.put('\t'),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], _: bool, action: char) {
        let mut numbers = params.iter().filter_map(|p| p.first().copied());
        let first = numbers.next().unwrap_or(0);
        let n = usize::from(first.max(1));
        match (action, intermediates) {
            ('h', [b'?']) => {
                for mode in std::iter::once(first).chain(numbers) {
                    if matches!(mode, 47 | 1047 | 1049) {
                        self.draws();
                    }
                    self.hidden &= mode != 25;
                }
            }
            ('l', [b'?']) => self.hidden |= std::iter::once(first).chain(numbers).any(|m| m == 25),
            ('K', []) => self.erase(first),
            ('J', []) => self.erase_screen(first),
            ('G' | '`', []) => self.col = (n - 1).min(MAX_LINE),
            ('C' | 'a', []) => self.col = (self.col + n).min(MAX_LINE),
            ('D', []) => self.col = self.col.saturating_sub(n),
            // Up and down by a few lines is how progress of several things is shown; an address is more.
            ('H' | 'f', []) => self.move_to(first, numbers.next().unwrap_or(1)),
            ('d', []) => self.move_to(first.max(2), 1),
            // Without numbers it undoes an earlier one.
            ('r', []) if first > 0 => self.draws(),
            ('A' | 'F', []) if n > 10 => self.draws(),
            ('P', []) => {
                let to = self.col.saturating_add(n).min(self.line.len());
                if self.col < to {
                    self.line.drain(self.col..to);
                }
            }
            ('X', []) => {
                let col = self.col;
                self.line
                    .iter_mut()
                    .skip(col)
                    .take(n)
                    .for_each(|c| *c = ' ');
            }
            _ => {}
        }
    }
}

/// A rendered line's text, without escapes.
pub(super) fn strip(line: &[u8]) -> String {
    let mut lines = Vec::new();
    let mut plain = Plain::new();
    let mut all = Vec::with_capacity(line.len() + 1);
    let _ = all.write_all(line);
    all.push(b'\n');
    plain.feed(&all, &mut lines);
    lines.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let (mut plain, mut out) = (Plain::new(), Vec::new());
        for chunk in chunks {
            plain.feed(chunk, &mut out);
        }
        out.extend(plain.finish());
        out
    }

    #[test]
    fn progress_bars_end_as_they_last_stood() {
        assert_eq!(lines(&[b" 10%\r 20%\r", b"100%\n"]), ["100%"]);
        assert_eq!(lines(&[b"working...\r\x1b[Kdone\r\n"]), ["done"]);
        assert_eq!(lines(&[b"abc\x08\x08X\n"]), ["aXc"]);
        assert_eq!(lines(&[b"abcdef\r\x1b[3Cxy\n"]), ["abcxyf"]);
    }

    #[test]
    fn escapes_go_and_text_stays() {
        assert_eq!(
            lines(&[b"\x1b[1;31mred\x1b[m\tx\n\x1b]0;title\x07after"]),
            ["red\tx", "after"]
        );
        assert_eq!(lines(&[b"a\x1bPq#1~\x1b\\b\n"]), ["ab"]);
        assert_eq!(
            lines(&[b"bad \xff\xfe byte\n"]),
            ["bad \u{FFFD}\u{FFFD} byte"]
        );
        let euro = "€uro 漢字 e\u{301}\n".as_bytes();
        assert_eq!(lines(&[&euro[..1], &euro[1..]]), ["€uro 漢字 e\u{301}"]);
        assert_eq!(lines(&[b"end \xe2\x82"]), ["end \u{FFFD}"]);
    }

    #[test]
    fn a_line_of_four_megabytes_is_cut() {
        let long = vec![b'x'; 4 << 20];
        let got = lines(&[&long, b"\nnext\n"]);
        assert_eq!(got.len(), 2);
        assert!(got[0].ends_with(CUT_MARK) && got[0].len() < MAX_LINE + 64);
        assert_eq!(got[1], "next");
    }

    #[test]
    fn full_screen_programs_are_noticed() {
        let full = |b: &[u8]| {
            let mut plain = Plain::new();
            plain.feed(b, &mut Vec::new());
            plain.full_screen()
        };
        assert!(full(b"\x1b[?1049h") && full(b"\x1b[5;5Hx"));
        assert!(full(b"\x1b[Htop - 12:00\x1b[K\r\n") && full(b"\x1b[H\x1b[2J\x1b[3;1Hx"));
        assert!(!full(b"\x1b[2K\x1b[1A\x1b[31mred\r\n"));
        // top's first frame; and a progress bar that hides the cursor, and a screen cleared after one.
        assert!(full(
            b"\x1b[?1h\x1b=\x1b[?25l\x1b[H\x1b[2J\x1b(B\x1b[mtop - 12:00"
        ));
        assert!(!full(
            b"\x1b[?25l 10%\r 20%\r\n\x1b[?25h\x1b[H\x1b[2Jmore\r\n"
        ));
    }

    #[test]
    fn a_cleared_screen_is_no_full_screen_program() {
        for clear in ["\x1b[H\x1b[2J\x1b[3J", "\x1b[2J\x1b[H", "\x1b[H\x1b[J"] {
            let (mut plain, mut out) = (Plain::new(), Vec::new());
            plain.feed(format!("one\r\ntwo{clear}three\r\n").as_bytes(), &mut out);
            assert_eq!(out, ["one", "two", "three"], "{clear:?}");
            assert!(!plain.full_screen(), "{clear:?}");
        }
    }

    #[test]
    fn a_terminal_set_right_for_the_next_program_is_no_full_screen_program() {
        let size = crate::model::Size { cols: 20, rows: 4 };
        for before in [
            "one\r\n$ ",
            "\x1b[2Jone\r\n",
            "one\r\ntwo\r\nthree\r\nfour\r\nfive",
        ] {
            let mut screen = crate::mux::Screen::new(size);
            screen.feed(before.as_bytes());
            let mut plain = Plain::new();
            let mut out = Vec::new();
            plain.feed(before.as_bytes(), &mut out);
            plain.feed(&screen.leave(), &mut out);
            plain.feed(b"\r\nagain\r\n", &mut out);
            assert!(!plain.full_screen(), "{before:?}");
            assert_eq!(out.last().map(String::as_str), Some("again"));
        }
    }
}
