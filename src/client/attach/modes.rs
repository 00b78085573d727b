//! A light reader of what goes to the terminal: is it between sequences, and which modes has the program
//! changed? It keeps up with any flood, which the emulator need not.

use memchr::{memchr, memchr3};

/// Puts any terminal back to what a shell expects, whatever was set: for when nothing is known any more.
pub const RESET_ALL: &[u8] = b"\x18\x1b\\\x1b[?1049l\x1b[<9u\x1b[=0u\x1b[?9;1000;1001;1002;1003;1004;1005;1006;1015;1016;2004;2026;2031;2048l\
\x1b[>4m\x1b[?1;5;6;66l\x1b[?7;25h\x1b[4l\x1b>\x1b(B\x0f\x1b[r\x1b]8;;\x1b\\\x1b[m\x1b[999;1H\r\n";

/// Private modes that a program may leave changed, and whether they are on in a fresh terminal.
const MODES: [(u16, bool); 24] = [
    (1, false),
    (5, false),
    (6, false),
    (7, true),
    (9, false),
    (25, true),
    (45, false),
    (66, false),
    (69, false),
    (1000, false),
    (1001, false),
    (1002, false),
    (1003, false),
    (1004, false),
    (1005, false),
    (1006, false),
    (1015, false),
    (1016, false),
    (2004, false),
    (2026, false),
    (2027, false),
    (2031, false),
    (2048, false),
    (1007, true),
];

/// The longest CSI sequence that is understood.
const MAX_PARAMS: usize = 48;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    /// Escape and an intermediate.
    Charset,
    Csi,
    /// OSC, which BEL ends too, and its like.
    Text {
        osc: bool,
    },
    TextEscape {
        osc: bool,
    },
}

/// The reader. Its size does not grow.
#[derive(Debug)]
pub(super) struct Modes {
    state: State,
    params: [u8; MAX_PARAMS],
    len: usize,
    /// Bytes of a UTF-8 character still to come.
    utf8: u8,
    changed: u32,
    alternate: Option<u16>,
    /// Kitty keyboard flags pushed on the main and the alternate screen.
    kitty: [u8; 2],
    keypad: bool,
    /// Cursor shape, modifyOtherKeys: rarely changed, reset where they were.
    shape: bool,
    other_keys: bool,
    charset: bool,
}

impl Modes {
    pub(super) fn new() -> Self {
        Self {
            state: State::Ground,
            params: [0; MAX_PARAMS],
            len: 0,
            utf8: 0,
            changed: 0,
            alternate: None,
            kitty: [0; 2],
            keypad: false,
            shape: false,
            other_keys: false,
            charset: false,
        }
    }

    /// Between sequences and characters: other bytes may be written here.
    pub(super) fn at_ground(&self) -> bool {
        self.state == State::Ground && self.utf8 == 0
    }

    /// The alternate screen is shown.
    fn alternate(&self) -> bool {
        self.alternate.is_some()
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            bytes = match self.state {
                State::Ground => {
                    let end = memchr3(0x1b, 0x0e, 0x0f, bytes);
                    let (text, after) = bytes.split_at(end.unwrap_or(bytes.len()));
                    self.text(text);
                    match after {
                        [0x1b, after @ ..] => {
                            (self.state, self.utf8) = (State::Escape, 0);
                            after
                        }
                        [shift, after @ ..] => {
                            self.charset |= *shift == 0x0e;
                            after
                        }
                        [] => after,
                    }
                }
                State::Text { osc } => {
                    let end = if osc {
                        memchr3(0x1b, 0x07, 0x18, bytes)
                    } else {
                        // BEL is part of other strings.
                        memchr(0x1b, bytes)
                    };
                    match end {
                        Some(end) => {
                            let escape = bytes.get(end) == Some(&0x1b);
                            self.state = if escape {
                                State::TextEscape { osc }
                            } else {
                                State::Ground
                            };
                            bytes.get(end + 1..).unwrap_or_default()
                        }
                        None => &[],
                    }
                }
                _ => {
                    self.byte(*first);
                    rest
                }
            };
        }
    }

    /// Plain text: does it end inside a character?
    fn text(&mut self, text: &[u8]) {
        let skip = text.len().saturating_sub(4);
        if skip > 0 {
            self.utf8 = 0;
        }
        for b in text.iter().skip(skip) {
            self.utf8 = match b {
                0x80..0xc0 => self.utf8.saturating_sub(1),
                0xc0..0xe0 => 1,
                0xe0..0xf0 => 2,
                0xf0..0xf8 => 3,
                _ => 0,
            };
        }
    }

    fn byte(&mut self, b: u8) {
        self.state = match (self.state, b) {
            (_, 0x18 | 0x1a) => State::Ground,
            (State::Text { .. } | State::Ground, _) => self.state,
            (State::TextEscape { .. }, b'\\') => State::Ground,
            (State::TextEscape { .. }, _) => {
                // The escape ended the string and began something else.
                self.state = State::Escape;
                return self.byte(b);
            }
            (_, 0x1b) => State::Escape,
            (State::Escape, b'[') => {
                self.len = 0;
                State::Csi
            }
            (State::Escape, b']') => State::Text { osc: true },
            (State::Escape, b'P' | b'X' | b'^' | b'_') => State::Text { osc: false },
            (State::Escape, 0x20..0x30) => {
                self.charset |= b == b'(' || b == b')';
                State::Charset
            }
            (State::Escape, _) => {
                self.escape(b);
                State::Ground
            }
            (State::Charset, 0x20..0x30) => State::Charset,
            (State::Charset, _) => State::Ground,
            (State::Csi, 0x40..0x7f) => {
                self.csi(b);
                State::Ground
            }
            (State::Csi, _) => {
                if let Some(slot) = self.params.get_mut(self.len) {
                    *slot = b;
                }
                self.len = self.len.saturating_add(1);
                State::Csi
            }
        };
    }

    fn escape(&mut self, b: u8) {
        match b {
            b'=' => self.keypad = true,
            b'>' => self.keypad = false,
            b'c' => *self = Self::new(),
            _ => {}
        }
    }

    fn csi(&mut self, last: u8) {
        let Some(params) = self.params.get(..self.len) else {
            return;
        };
        let params = params.to_owned();
        let screen = usize::from(self.alternate());
        match (params.as_slice(), last) {
            ([b'?', modes @ ..], b'h' | b'l') => {
                for mode in modes.split(|b| *b == b';').filter_map(number) {
                    self.mode(mode, last == b'h');
                }
            }
            ([b'>', rest @ ..], b'u') if !rest.starts_with(b"?") => {
                if let Some(depth) = self.kitty.get_mut(screen) {
                    *depth = depth.saturating_add(1);
                }
            }
            ([b'<', count @ ..], b'u') => {
                let count = number(count).unwrap_or(1).max(1);
                if let Some(depth) = self.kitty.get_mut(screen) {
                    *depth = depth.saturating_sub(u8::try_from(count).unwrap_or(u8::MAX));
                }
            }
            ([b'=', ..], b'u') => {
                if let Some(depth) = self.kitty.get_mut(screen) {
                    *depth = (*depth).max(1);
                }
            }
            ([b'>', b'4', ..], b'm') => self.other_keys = true,
            ([.., b' '], b'q') => self.shape = true,
            ([b'!'], b'p') => {
                self.changed &= !(1 << 0 | 1 << 2 | 1 << 3 | 1 << 5);
                self.keypad = false;
            }
            _ => {}
        }
    }

    fn mode(&mut self, mode: u16, on: bool) {
        if matches!(mode, 47 | 1047 | 1049) {
            self.alternate = on.then_some(mode);
            if on {
                self.kitty[1] = 0;
            }
            return;
        }
        if let Some(i) = MODES.iter().position(|(m, _)| *m == mode) {
            let fresh = MODES.get(i).is_some_and(|(_, fresh)| *fresh);
            let bit = 1 << i;
            if on == fresh {
                self.changed &= !bit;
            } else {
                self.changed |= bit;
            }
        }
    }

    /// What puts the terminal back, with the cursor at the bottom.
    pub(super) fn leave(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.at_ground() {
            out.extend_from_slice(b"\x18\x1b\\");
        }
        let mut pop = |depth: u8| {
            if depth > 0 {
                out.extend_from_slice(format!("\x1b[<{depth}u\x1b[=0u").as_bytes());
            }
        };
        pop(self.kitty[usize::from(self.alternate())]);
        if let Some(mode) = self.alternate {
            out.extend_from_slice(format!("\x1b[?{mode}l").as_bytes());
            let depth = self.kitty[0];
            if depth > 0 {
                out.extend_from_slice(format!("\x1b[<{depth}u\x1b[=0u").as_bytes());
            }
        }
        for (i, (mode, fresh)) in MODES.iter().enumerate() {
            if self.changed & (1 << i) != 0 {
                let last = if *fresh { 'h' } else { 'l' };
                out.extend_from_slice(format!("\x1b[?{mode}{last}").as_bytes());
            }
        }
        if self.keypad {
            out.extend_from_slice(b"\x1b>");
        }
        if self.shape {
            out.extend_from_slice(b"\x1b[0 q");
        }
        if self.other_keys {
            out.extend_from_slice(b"\x1b[>4m");
        }
        if self.charset {
            out.extend_from_slice(b"\x1b(B\x1b)B\x0f");
        }
        // Harmless where they were not changed: margins, insert mode, link, colours.
        out.extend_from_slice(b"\x1b[r\x1b[4l\x1b]8;;\x1b\\\x1b[m\x1b[999;1H\r\n");
        out
    }
}

fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
