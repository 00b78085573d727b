//! `~.` and its like, looked for after a newline as ssh does, in whatever encoding the keys come; and the
//! detach key. Only a key that may begin an escape is held back, until the next one.

use super::detach::DetachKey;
use super::keys::{Key, Token, next};

/// What a person asks of the program itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escape {
    Leave,
    Help,
    Suspend,
    Repaint,
}

/// A piece of what was typed, after escapes are taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    Bytes(Vec<u8>),
    Escape(Escape),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Plain,
    Tilde,
    /// So many keys of the detach key were typed.
    Detach(usize),
}

/// A read longer than this was pasted: no escapes in it.
pub(super) const PASTE: usize = 100;

pub(super) const HELP: &str =
    "~. leaves, the agent goes on   ~^Z suspends   ~r repaints   ~~ types ~   ~? shows this";

/// Finds escapes in a stream of input.
#[derive(Debug)]
pub(super) struct Escapes {
    detach: Vec<Key>,
    stage: Stage,
    line_start: bool,
    in_paste: bool,
    /// Bytes that may belong to an escape.
    held: Vec<u8>,
    /// The beginning of a CSI sequence.
    partial: Vec<u8>,
}

impl Escapes {
    pub(super) fn new(detach: Option<&DetachKey>) -> Self {
        Self {
            detach: detach.map(|d| d.keys().to_vec()).unwrap_or_default(),
            stage: Stage::Plain,
            line_start: true,
            in_paste: false,
            held: Vec::new(),
            partial: Vec::new(),
        }
    }

    /// Takes one read. `anywhere`: escapes need no newline before them just now.
    pub(super) fn feed(&mut self, read: &[u8], anywhere: bool, out: &mut Vec<Typed>) {
        if read.len() > PASTE && self.partial.is_empty() {
            self.release(out);
            self.track_paste(read);
            push(out, read);
            return;
        }
        self.partial.extend_from_slice(read);
        let input = std::mem::take(&mut self.partial);
        let mut rest = &input[..];
        while let Some(Token { len, key }) = next(rest) {
            let (token, after) = rest.split_at(len.min(rest.len()));
            self.line_start |= anywhere && !self.in_paste;
            self.key(key, token, out);
            rest = after;
        }
        self.partial = rest.to_vec();
    }

    /// Whether a piece of a sequence waits for its rest, which [`Escapes::flush`] ends.
    pub(super) fn waits(&self) -> bool {
        !self.partial.is_empty()
    }

    /// The rest did not come: what waits was typed as it is.
    pub(super) fn flush(&mut self, out: &mut Vec<Typed>) {
        if !self.partial.is_empty() {
            self.release(out);
            push(out, &std::mem::take(&mut self.partial));
            self.line_start = false;
        }
    }

    fn track_paste(&mut self, read: &[u8]) {
        let last = |mark: &[u8]| read.windows(mark.len()).rposition(|w| w == mark);
        match (last(b"\x1b[200~"), last(b"\x1b[201~")) {
            (Some(start), end) if end.is_none_or(|end| end < start) => self.in_paste = true,
            (_, Some(_)) => self.in_paste = false,
            _ => {}
        }
        self.line_start = matches!(read.last(), Some(b'\r' | b'\n'));
    }

    fn key(&mut self, key: Key, token: &[u8], out: &mut Vec<Typed>) {
        match key {
            Key::Nothing if self.stage != Stage::Plain => {
                self.held.extend_from_slice(token);
                return;
            }
            Key::Nothing => return push(out, token),
            Key::PasteStart => self.in_paste = true,
            Key::PasteEnd => self.in_paste = false,
            _ => {}
        }
        if self.in_paste || key == Key::PasteEnd {
            self.release(out);
            self.line_start = false;
            return push(out, token);
        }
        match self.stage {
            Stage::Tilde => {
                let escape = match key {
                    Key::Char('.' | 'd', false) => Some(Escape::Leave),
                    Key::Char('?', false) => Some(Escape::Help),
                    Key::Char('z', true) => Some(Escape::Suspend),
                    Key::Char('r', false) => Some(Escape::Repaint),
                    _ => None,
                };
                if let Some(escape) = escape {
                    return self.found(escape, out);
                }
                if key == Key::Char('~', false) {
                    // One of the two is typed.
                    self.held.clear();
                    self.stage = Stage::Plain;
                    self.line_start = false;
                    return push(out, token);
                }
                self.release(out);
                self.plain(key, token, out);
            }
            Stage::Detach(n) => {
                if self.detach.get(n) == Some(&key) {
                    return self.detach_key(n + 1, token, out);
                }
                self.release(out);
                self.plain(key, token, out);
            }
            Stage::Plain => self.plain(key, token, out),
        }
    }

    fn plain(&mut self, key: Key, token: &[u8], out: &mut Vec<Typed>) {
        if self.detach.first() == Some(&key) {
            return self.detach_key(1, token, out);
        }
        if self.line_start && key == Key::Char('~', false) {
            self.stage = Stage::Tilde;
            self.held.extend_from_slice(token);
            return;
        }
        self.line_start = key == Key::Char('\r', false);
        push(out, token);
    }

    fn detach_key(&mut self, typed: usize, token: &[u8], out: &mut Vec<Typed>) {
        if typed >= self.detach.len() {
            return self.found(Escape::Leave, out);
        }
        self.stage = Stage::Detach(typed);
        self.held.extend_from_slice(token);
    }

    fn found(&mut self, escape: Escape, out: &mut Vec<Typed>) {
        self.held.clear();
        self.stage = Stage::Plain;
        self.line_start = true;
        out.push(Typed::Escape(escape));
    }

    /// What was held is no escape.
    fn release(&mut self, out: &mut Vec<Typed>) {
        self.stage = Stage::Plain;
        if !self.held.is_empty() {
            self.line_start = false;
            push(out, &std::mem::take(&mut self.held));
        }
    }
}

fn push(out: &mut Vec<Typed>, bytes: &[u8]) {
    match out.last_mut() {
        Some(Typed::Bytes(last)) => last.extend_from_slice(bytes),
        _ => out.push(Typed::Bytes(bytes.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(reads: &[&str]) -> (String, Vec<Escape>) {
        run(Escapes::new(None), reads)
    }

    fn run(mut escapes: Escapes, reads: &[&str]) -> (String, Vec<Escape>) {
        let mut out = Vec::new();
        for read in reads {
            escapes.feed(read.as_bytes(), false, &mut out);
        }
        let (mut bytes, mut found) = (String::new(), Vec::new());
        for piece in out {
            match piece {
                Typed::Bytes(b) => bytes.push_str(&String::from_utf8_lossy(&b)),
                Typed::Escape(e) => found.push(e),
            }
        }
        (bytes, found)
    }

    #[test]
    fn escapes_are_found_at_the_start_and_after_newlines_only() {
        assert_eq!(typed(&["~."]), (String::new(), vec![Escape::Leave]));
        assert_eq!(
            typed(&["ls\r", "~", "d"]),
            ("ls\r".into(), vec![Escape::Leave])
        );
        assert_eq!(typed(&["a~."]), ("a~.".into(), vec![]));
        assert_eq!(
            typed(&["~?~\x1a~r"]).1,
            [Escape::Help, Escape::Suspend, Escape::Repaint]
        );
        assert_eq!(typed(&["~~."]), ("~.".into(), vec![]));
        assert_eq!(typed(&["\r~x~."]), ("\r~x~.".into(), vec![]));
    }

    #[test]
    fn kitty_keys_with_their_releases_are_escapes_too() {
        let reads = [
            "\x1b[13u",
            "\x1b[13;1:3u",
            "\x1b[57441;2u",
            "\x1b[96;2u",
            "\x1b[96;2:3u",
            "\x1b[57441;1:3u",
            "\x1b[46u",
        ];
        let (bytes, found) = typed(&reads);
        assert_eq!(found, [Escape::Leave]);
        assert_eq!(bytes, "\x1b[13u\x1b[13;1:3u\x1b[57441;2u");
        assert_eq!(typed(&["\x1b[12", "6u", "."]).1, [Escape::Leave]);
    }

    #[test]
    fn pastes_hold_no_escapes() {
        assert_eq!(typed(&["\x1b[200~\r~.\x1b[201~"]).1, []);
        let long = format!("{}\r~.\r", "x".repeat(200));
        assert_eq!(typed(&[&long]), (long.clone(), vec![]));
        assert_eq!(typed(&[&long, "~."]).1, [Escape::Leave]);
    }

    #[test]
    fn a_detach_key_of_two_is_held_and_given_back() {
        let key: DetachKey = "C-b d".parse().expect("a key");
        let new = || Escapes::new(Some(&key));
        assert_eq!(
            run(new(), &["x\x02", "d"]),
            ("x".into(), vec![Escape::Leave])
        );
        assert_eq!(run(new(), &["\x02\x02x"]), ("\x02\x02x".into(), vec![]));
        assert_eq!(run(new(), &["\x1b[98;5ud"]).1, [Escape::Leave]);
    }

    #[test]
    fn offline_an_escape_needs_no_newline_and_partial_sequences_are_given_back() {
        let mut escapes = Escapes::new(None);
        let mut out = Vec::new();
        escapes.feed(b"abc", false, &mut out);
        escapes.feed(b"~.", true, &mut out);
        assert_eq!(out.last(), Some(&Typed::Escape(Escape::Leave)));
        escapes.feed(b"\x1b[1", false, &mut out);
        assert!(escapes.waits());
        escapes.flush(&mut out);
        assert_eq!(out.last(), Some(&Typed::Bytes(b"\x1b[1".to_vec())));
        // Escape alone is never held.
        escapes.feed(b"\x1b", false, &mut out);
        assert!(!escapes.waits());
    }
}
