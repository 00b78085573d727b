//! What the person's terminal says of itself: asked once at the start, the answers taken out of what is
//! typed, so that agents' questions can be answered from them by the host.

use crate::model::Terminal;
use crate::mux::images::Takes;

/// XTVERSION, default colours, kitty's keyboard, the Program Status Protocol; device attributes, which every
/// terminal answers, mark the end.
pub const QUESTIONS: &[u8] =
    b"\x1b[>0q\x1b]10;?\x1b\\\x1b]11;?\x1b\\\x1b[?u\x1b]7501;?\x1b\\\x1b[c";

/// The size of a cell in pixels: for who draws images itself.
pub const CELL_QUESTION: &[u8] = b"\x1b[16t";

/// Only whether it shows programs' states, for who attaches to nothing.
pub const STATES_QUESTION: &[u8] = b"\x1b]7501;?\x1b\\\x1b[c";

/// The longest answer.
const MAX_ANSWER: usize = 512;

/// Takes answers out of input.
#[derive(Debug)]
pub struct Facts {
    terminal: Terminal,
    /// It draws sixels.
    sixel: bool,
    cell: Option<(u16, u16)>,
    /// What may be the beginning of an answer.
    held: Vec<u8>,
    /// Beginnings are held back: answers are expected now.
    expecting: bool,
    over: bool,
}

/// What the beginning of some input is.
enum Seen {
    /// An answer of so many bytes.
    Answer(usize),
    /// Perhaps one, when more has come.
    Partial,
    /// None.
    Typed,
}

impl Facts {
    pub fn new(terminal: Terminal) -> Self {
        Self {
            terminal,
            sixel: false,
            cell: None,
            held: Vec::new(),
            expecting: true,
            over: false,
        }
    }

    /// All answers are in: nothing needs to be looked at any more.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Answers are still expected.
    pub(super) fn is_waiting(&self) -> bool {
        self.expecting && !self.over
    }

    pub(super) fn set_pixels(&mut self, pixels: Option<(u16, u16)>) {
        self.terminal.pixels = pixels;
    }

    /// What is known so far.
    pub fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// Which images it takes.
    pub fn takes(&self) -> Takes {
        let mut takes = Takes {
            sixel: self.sixel,
            cell: self.cell,
            ..Takes::default()
        };
        takes.by_version(self.terminal.version.as_deref().unwrap_or_default());
        takes
    }

    /// The time to wait is over: what is held is typed. Late answers are still recognised where whole.
    pub(super) fn stop_waiting(&mut self) -> Vec<u8> {
        self.expecting = false;
        std::mem::take(&mut self.held)
    }

    /// What of this read was typed.
    pub fn feed(&mut self, read: &[u8]) -> Vec<u8> {
        if self.over {
            return read.to_vec();
        }
        let mut input = std::mem::take(&mut self.held);
        input.extend_from_slice(read);
        let mut typed = Vec::with_capacity(input.len());
        let mut rest = &input[..];
        while let Some(start) = memchr::memchr(0x1b, rest).filter(|_| !self.over) {
            let (before, from) = rest.split_at(start);
            typed.extend_from_slice(before);
            match self.answer(from) {
                Seen::Answer(len) => rest = from.get(len..).unwrap_or_default(),
                Seen::Partial if self.expecting && from.len() <= MAX_ANSWER => {
                    self.held = from.to_vec();
                    return typed;
                }
                _ => {
                    typed.push(0x1b);
                    rest = from.get(1..).unwrap_or_default();
                }
            }
        }
        typed.extend_from_slice(rest);
        typed
    }

    fn answer(&mut self, input: &[u8]) -> Seen {
        match input {
            // A lone Escape must not wait.
            [0x1b] => Seen::Typed,
            [0x1b, b'[', b'?', rest @ ..] => self.csi(rest),
            [0x1b, b'[', b'6', b';', rest @ ..] => self.cell(rest),
            [0x1b, b']', rest @ ..] => match string(rest) {
                Some((text, len)) => {
                    if self.osc(text) {
                        Seen::Answer(2 + len)
                    } else {
                        Seen::Typed
                    }
                }
                None => Seen::Partial,
            },
            [0x1b, b'P', b'>', b'|', rest @ ..] => match string(rest) {
                Some((text, len)) => {
                    let text = String::from_utf8_lossy(text);
                    let clean = text.chars().filter(|c| !c.is_control()).take(100);
                    self.terminal.version = Some(clean.collect());
                    Seen::Answer(4 + len)
                }
                None => Seen::Partial,
            },
            [0x1b, b'['] | [0x1b, b'P'] | [0x1b, b'P', b'>'] => Seen::Partial,
            _ => Seen::Typed,
        }
    }

    /// After `CSI ?`.
    fn csi(&mut self, rest: &[u8]) -> Seen {
        let end = rest
            .iter()
            .position(|b| !(b.is_ascii_digit() || *b == b';'));
        let Some(end) = end else {
            return Seen::Partial;
        };
        match rest.get(end) {
            Some(b'c') => {
                let attributes = rest.get(..end).unwrap_or_default();
                self.sixel = attributes.split(|b| *b == b';').skip(1).any(|n| n == b"4");
                // The end mark: who has not answered by now does not know.
                self.over = true;
                self.terminal.kitty_keyboard.get_or_insert(false);
                self.terminal.program_status.get_or_insert(false);
            }
            Some(b'u') => self.terminal.kitty_keyboard = Some(true),
            _ => return Seen::Typed,
        }
        Seen::Answer(3 + end + 1)
    }

    /// After `CSI 6 ;`: the height and width of a cell, unless it is a key.
    fn cell(&mut self, rest: &[u8]) -> Seen {
        let end = rest
            .iter()
            .position(|b| !(b.is_ascii_digit() || *b == b';'));
        let Some(end) = end else {
            return Seen::Partial;
        };
        let (size, last) = rest.split_at(end);
        if last.first() != Some(&b't') {
            return Seen::Typed;
        }
        let mut numbers = size
            .split(|b| *b == b';')
            .map(|n| std::str::from_utf8(n).ok()?.parse().ok());
        if let (Some(Some(h)), Some(Some(w))) = (numbers.next(), numbers.next()) {
            self.cell = Some((w, h)).filter(|(w, h)| *w > 0 && *h > 0);
        }
        Seen::Answer(4 + end + 1)
    }

    fn osc(&mut self, text: &[u8]) -> bool {
        let text = String::from_utf8_lossy(text);
        match text.split_once(';') {
            Some(("10", color)) => self.terminal.foreground = rgb(color),
            Some(("11", color)) => self.terminal.background = rgb(color),
            Some(("7501", _)) => self.terminal.program_status = Some(true),
            _ => return false,
        }
        true
    }
}

/// A string up to its end (BEL or ST), and its length with that.
fn string(input: &[u8]) -> Option<(&[u8], usize)> {
    let end = memchr::memchr2(0x07, 0x1b, input)?;
    let text = input.get(..end)?;
    match input.get(end..)? {
        [0x07, ..] => Some((text, end + 1)),
        [0x1b, b'\\', ..] => Some((text, end + 2)),
        [0x1b] => None,
        _ => Some((text, end)),
    }
}

/// `rgb:RRRR/GGGG/BBBB`, with 1 to 4 digits each, as 0xRRGGBB.
fn rgb(color: &str) -> Option<u32> {
    let parts = color
        .strip_prefix("rgb:")
        .or_else(|| color.strip_prefix("rgba:"))?;
    let mut value = 0;
    for part in parts.split('/').take(3) {
        let n = u32::from_str_radix(part, 16).ok()?;
        let max = (1u32 << (4 * u32::try_from(part.len()).ok().filter(|l| *l <= 4)?)) - 1;
        value = value << 8 | (n * 255).checked_div(max)?;
    }
    (parts.split('/').count() >= 3).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWERS: &str = "\x1bP>|WezTerm 2026\x1b\\\x1b]10;rgb:ffff/8080/0000\x1b\\\x1b]11;rgb:00/00/20\x07\x1b[?0u\x1b[?62;22c";

    fn facts() -> Facts {
        Facts::new(Terminal::default())
    }

    #[test]
    fn answers_are_taken_out_of_what_is_typed_however_they_are_cut() {
        let input = format!("a{ANSWERS}b\x1b[A");
        for cut in 1..input.len() {
            let mut facts = facts();
            let (one, two) = input.as_bytes().split_at(cut);
            let mut typed = facts.feed(one);
            typed.extend(facts.feed(two));
            // A cut right after an Escape is told from the key by nobody.
            if one.last() != Some(&0x1b) {
                assert_eq!(typed, b"ab\x1b[A", "cut at {cut}");
                assert!(facts.is_over());
                let terminal = facts.terminal();
                assert_eq!(terminal.version.as_deref(), Some("WezTerm 2026"));
                assert_eq!(terminal.foreground, Some(0xff_80_00));
                assert_eq!(terminal.background, Some(0x00_00_20));
                assert_eq!(terminal.kitty_keyboard, Some(true));
                assert_eq!(terminal.program_status, Some(false));
            }
        }
    }

    #[test]
    fn keys_pass_and_nothing_is_held_for_long() {
        let mut facts = facts();
        assert_eq!(facts.feed(b"\x1b"), b"\x1b");
        assert_eq!(facts.feed(b"\x1b[A\x1bOP\x1b[13u"), b"\x1b[A\x1bOP\x1b[13u");
        assert_eq!(facts.feed(b"x\x1b]10;rg"), b"x");
        assert_eq!(facts.stop_waiting(), b"\x1b]10;rg");
        assert_eq!(facts.feed(b"\x1b]10;rg"), b"\x1b]10;rg");
        assert_eq!(facts.feed(b"\x1b]7501;?\x1b\\y"), b"y");
        assert_eq!(facts.terminal().program_status, Some(true));
        assert!(!facts.is_over());
    }

    #[test]
    fn images_are_taken_as_the_terminal_says() {
        let mut facts = facts();
        assert_eq!(
            facts.feed(b"\x1b[6;2~\x1b[6;20;10t\x1bP>|WezTerm 1\x1b\\\x1b[?65;1;4;22c"),
            b"\x1b[6;2~"
        );
        let takes = facts.takes();
        assert_eq!(
            (takes.sixel, takes.kitty, takes.iterm, takes.cell),
            (true, true, true, Some((10, 20)))
        );
        let mut facts = self::facts();
        facts.feed(b"\x1b[?4;22c");
        assert_eq!(facts.takes(), Takes::default());
    }
}
