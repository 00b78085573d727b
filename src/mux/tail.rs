//! Bounds what an emulator's parser is fed: it gets whole sequences only, so it always rests at ground
//! state, no endless string fills its buffers, and what is unfinished can be handed on with a repaint.

use super::sequence::{ESC, End, MAX_SEQUENCE, Shape, Text, partial_utf8, shape, string_end};

/// What goes on to the parser.
pub(super) enum Fed<'a> {
    Bytes(&'a [u8]),
    /// DECSTR, which vte does not know.
    SoftReset,
    /// An image that moves a terminal's cursor.
    Image,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// In a string that is too long to matter to a screen.
    Skip(Text),
}

/// The filter in front of a parser.
#[derive(Debug, Default)]
pub(super) struct Tail {
    held: Vec<u8>,
    state: State,
    graphics: bool,
}

impl Tail {
    /// The bytes after which another parser at ground state stands where the stream does.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = match self.state {
            State::Ground => Vec::new(),
            // The beginning is gone: swallow the rest in a string that means nothing.
            State::Skip(Text::Osc) => b"\x1b]7777;".to_vec(),
            State::Skip(_) => b"\x1bX".to_vec(),
        };
        out.extend_from_slice(&self.held);
        out
    }

    /// Whether images were sent by the kitty graphics protocol.
    pub fn graphics(&self) -> bool {
        self.graphics
    }

    /// Passes `bytes` on in whole sequences. Strings other than OSC are dropped: none changes a screen.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl FnMut(Fed<'_>)) {
        if self.held.is_empty() {
            self.run(bytes, sink);
        } else {
            let mut joined = std::mem::take(&mut self.held);
            joined.extend_from_slice(bytes);
            self.run(&joined, sink);
        }
    }

    fn run(&mut self, b: &[u8], sink: &mut impl FnMut(Fed<'_>)) {
        let mut i = 0;
        if let State::Skip(kind) = self.state {
            match string_end(kind, b, 0, false) {
                End::Terminated { next, .. } => i = next,
                End::Cut(at) => i = at,
                End::Missing(esc) => {
                    if esc {
                        self.held.push(ESC);
                    }
                    return;
                }
            }
            self.state = State::Ground;
        }
        let mut start = i;
        while let Some(rest) = b.get(i..) {
            let Some(p) = memchr::memchr(ESC, rest).map(|p| p + i) else {
                let cut = b.len() - partial_utf8(rest);
                give(b, start, cut, sink);
                self.hold(b, cut);
                return;
            };
            let sequence = b.get(p..).unwrap_or_default();
            match shape(sequence) {
                Shape::Complete(n) => {
                    i = p + n;
                    if n == 1 {
                        // vte would take what follows into the sequence.
                        give(b, start, p, sink);
                        start = i;
                    } else if sequence.get(..n) == Some(b"\x1b[!p") {
                        give(b, start, p, sink);
                        sink(Fed::SoftReset);
                        start = i;
                    }
                }
                Shape::Open(kind) => {
                    self.graphics |= sequence.starts_with(b"\x1b_G");
                    let (next, complete) = match string_end(kind, b, p + 2, false) {
                        End::Terminated { next, .. } => (next, true),
                        End::Cut(at) => (at, true),
                        End::Missing(_) => (b.len(), false),
                    };
                    let image = is_image(kind, sequence);
                    if !complete {
                        give(b, start, p, sink);
                        if image {
                            sink(Fed::Image);
                        }
                        self.hold_string(kind, sequence);
                        return;
                    }
                    if kind != Text::Osc || image || next - p > MAX_SEQUENCE {
                        give(b, start, p, sink);
                        start = next;
                    }
                    if image {
                        sink(Fed::Image);
                    }
                    i = next;
                }
                Shape::Incomplete => {
                    give(b, start, p, sink);
                    if sequence.len() <= MAX_SEQUENCE {
                        self.hold(b, p);
                    }
                    return;
                }
            }
        }
    }

    fn hold(&mut self, b: &[u8], from: usize) {
        self.held.clear();
        self.held
            .extend_from_slice(b.get(from..).unwrap_or_default());
    }

    fn hold_string(&mut self, kind: Text, sequence: &[u8]) {
        if sequence.len() <= MAX_SEQUENCE {
            self.hold(sequence, 0);
        } else {
            self.state = State::Skip(kind);
            self.held.clear();
            if sequence.last() == Some(&ESC) {
                self.held.push(ESC);
            }
        }
    }
}

/// Whether the string at the front of `b` draws an image: sixels, iTerm2's, kitty's where one is put on the screen.
fn is_image(kind: Text, b: &[u8]) -> bool {
    let payload = b.get(2..).unwrap_or_default();
    match kind {
        Text::Dcs => {
            let is_parameter = |c: &u8| matches!(c, b'0'..=b'9' | b';');
            payload.iter().find(|c| !is_parameter(c)) == Some(&b'q')
        }
        Text::Osc => payload.starts_with(b"1337;File") || payload.starts_with(b"1337;Multipart"),
        Text::Apc => payload.strip_prefix(b"G").is_some_and(|keys| {
            let keys = keys.split(|c| matches!(*c, b';' | ESC)).next();
            let mut keys = keys.unwrap_or_default().split(|c| *c == b',');
            keys.any(|key| matches!(key, b"a=T" | b"a=p"))
        }),
        Text::Other => false,
    }
}

/// Passes on what lies between two sequences. A character that one of them cuts off is broken: said here,
/// for the parser would go on waiting for its rest.
fn give(b: &[u8], from: usize, to: usize, sink: &mut impl FnMut(Fed<'_>)) {
    let Some(bytes) = b.get(from..to) else { return };
    let broken = partial_utf8(bytes);
    let (whole, _) = bytes.split_at(bytes.len() - broken);
    if !whole.is_empty() {
        sink(Fed::Bytes(whole));
    }
    if broken > 0 {
        sink(Fed::Bytes("\u{FFFD}".as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(chunks: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let (mut tail, mut out) = (Tail::default(), Vec::new());
        for chunk in chunks {
            tail.feed(chunk, &mut |fed| match fed {
                Fed::Bytes(b) => out.extend_from_slice(b),
                Fed::SoftReset => out.extend_from_slice(b"<soft>"),
                Fed::Image => out.extend_from_slice(b"<image>"),
            });
        }
        (out, tail.bytes())
    }

    #[test]
    fn whole_sequences_pass_and_halves_wait() {
        assert_eq!(
            all(&[b"a\x1b[1", b"mb\xe2\x82"]),
            (b"a\x1b[1mb".to_vec(), b"\xe2\x82".to_vec())
        );
        assert_eq!(all(&[b"\x1b[!", b"px"]).0, b"<soft>x");
    }

    #[test]
    fn strings_are_bounded() {
        let long = vec![b'x'; 10_000];
        let (out, tail) = all(&[b"a\x1b]0;", &long]);
        assert_eq!((out, tail), (b"a".to_vec(), b"\x1b]7777;".to_vec()));
        let (out, tail) = all(&[b"a\x1b]0;", &long, b"\x1b", b"\\b"]);
        assert_eq!((out, tail), (b"ab".to_vec(), Vec::new()));
        assert_eq!(all(&[b"a\x1bPz\xe2\x9c\x9c#1\x1b\\b"]).0, b"ab");
        assert_eq!(all(&[b"a\x1bPz#1\x1b[mb"]).0, b"a\x1b[mb");
    }

    #[test]
    fn images_that_move_a_cursor_are_told() {
        let long = vec![b'x'; 10_000];
        for image in [
            "\x1bPq#1",
            "\x1bP0;1;8q",
            "\x1b]1337;File=inline=1:",
            "\x1b]1337;MultipartFile=",
            "\x1b_Gf=100,a=T;",
            "\x1b_Ga=p,i=1",
        ] {
            let image = image.as_bytes();
            assert_eq!(all(&[b"a", image, b"\x1b\\b"]).0, b"a<image><image>b");
            assert_eq!(all(&[&[b"a", image, b"\x1b\\b"].concat()]).0, b"a<image>b");
            assert_eq!(all(&[b"a", image, &long]).0, b"a<image><image>");
        }
        for other in [
            "\x1bP$qm",
            "\x1bP+q544e",
            "\x1b]1337;Set",
            "\x1b_Ga=d,d=A",
            "\x1b_Gi=1;a=T",
        ] {
            let out = all(&[b"a", other.as_bytes(), b"\x1b\\b"]).0;
            assert!(!out.contains(&b'<'), "{other:?}");
        }
    }
}
