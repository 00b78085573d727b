//! What is typed, taken apart as far as guesses need it.

/// A key, or the end of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typed {
    Char(char),
    Back,
    Left,
    Right,
    Enter,
    /// Whatever it does, it cannot be guessed.
    Other,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// Whether anything stood between `CSI` and here.
    Csi(bool),
    Ss3,
    /// So many bytes of an old mouse report.
    Mouse(u8),
}

/// Keeps what a read has begun and not ended.
#[derive(Debug, Default)]
pub(super) struct Keys {
    state: State,
    utf8: Vec<u8>,
}

impl Keys {
    /// What one read holds. An Escape that ends it is the key.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Vec<Typed>) {
        for &byte in bytes {
            self.byte(byte, out);
        }
        if self.state == State::Escape {
            self.state = State::Ground;
            out.push(Typed::Other);
        }
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<Typed>) {
        match (self.state, byte) {
            (State::Ground, _) => self.ground(byte, out),
            (State::Escape, b'[') => self.state = State::Csi(false),
            (State::Escape, b'O') => self.state = State::Ss3,
            (State::Escape, 0x1b) => out.push(Typed::Other),
            (State::Csi(false), b'M') => self.state = State::Mouse(3),
            (State::Csi(false), b'C') | (State::Ss3, b'C') => self.end(Typed::Right, out),
            (State::Csi(false), b'D') | (State::Ss3, b'D') => self.end(Typed::Left, out),
            (State::Csi(_), 0x20..0x40) => self.state = State::Csi(true),
            (State::Mouse(left), _) if left > 1 => self.state = State::Mouse(left - 1),
            (_, 0x1b) => {
                out.push(Typed::Other);
                self.state = State::Escape;
            }
            _ => self.end(Typed::Other, out),
        }
    }

    fn end(&mut self, typed: Typed, out: &mut Vec<Typed>) {
        self.state = State::Ground;
        out.push(typed);
    }

    fn ground(&mut self, byte: u8, out: &mut Vec<Typed>) {
        if byte >= 0x80 {
            self.utf8.push(byte);
            match std::str::from_utf8(&self.utf8) {
                Ok(text) => out.extend(text.chars().map(Typed::Char)),
                Err(e) if e.error_len().is_none() => return,
                Err(_) => out.push(Typed::Other),
            }
            return self.utf8.clear();
        }
        if !self.utf8.is_empty() {
            self.utf8.clear();
            out.push(Typed::Other);
        }
        match byte {
            0x1b => self.state = State::Escape,
            b'\r' => out.push(Typed::Enter),
            0x7f => out.push(Typed::Back),
            0..0x20 => out.push(Typed::Other),
            _ => out.push(Typed::Char(char::from(byte))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Typed::{Back, Char, Enter, Left, Other, Right};
    use super::*;

    fn typed(reads: &[&[u8]]) -> Vec<Typed> {
        let (mut keys, mut out) = (Keys::default(), Vec::new());
        for read in reads {
            keys.feed(read, &mut out);
        }
        out
    }

    #[test]
    fn keys_are_known_however_they_are_cut() {
        assert_eq!(typed(&[b"a\x7f\r\x03"]), [Char('a'), Back, Enter, Other]);
        assert_eq!(
            typed(&[b"\x1b[C\x1b[D\x1bOC\x1bOD\x1b[A\x1b[1;5D"]),
            [Right, Left, Right, Left, Other, Other]
        );
        assert_eq!(typed(&[b"\xc3", b"\xa4x"]), [Char('ä'), Char('x')]);
        assert_eq!(typed(&[b"\xc3x\xff"]), [Other, Char('x'), Other]);
        assert_eq!(typed(&[b"\x1b", b"j"]), [Other, Char('j')]);
        assert_eq!(typed(&[b"\x1bj", b"k"]), [Other, Char('k')]);
        assert_eq!(typed(&[b"\x1b[", b"C"]), [Right]);
        assert_eq!(typed(&[b"\x1b[Mabc", b"d"]), [Other, Char('d')]);
        assert_eq!(typed(&[b"\x1b[<0;3;4Md"]), [Other, Char('d')]);
        assert_eq!(typed(&[b"\x1b[200~a"]), [Other, Char('a')]);
    }
}
