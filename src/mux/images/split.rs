//! Takes images out of a stream of output.

use bytes::Bytes;

use super::super::sequence::{ESC, End, Text, string_end};
use super::{Image, MOST, iterm, kitty, sixel};

/// What a stream consists of.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// For the screen.
    Bytes(Bytes),
    Image(Image),
    /// One of unknown size, or one that is too long.
    Unknown,
    /// Kitty's: all images are to go that are on the screen.
    RemoveAll,
}

/// An introducer longer than this is none of an image.
const LONGEST: usize = 64;

/// Splits a stream.
#[derive(Debug, Default)]
pub struct Images {
    /// What may be an image's beginning.
    held: Vec<u8>,
    /// The image that is under way, with its introducer, and whether it became too long.
    image: Option<(Text, Vec<u8>, bool)>,
    kitty: kitty::Kitty,
    iterm: iterm::Iterm,
}

/// What a control string is, from its first bytes.
enum Begins {
    Image(Text),
    Other,
    /// More must be seen.
    Unclear,
}

fn begins(b: &[u8]) -> Begins {
    match b {
        [_] => Begins::Unclear,
        [_, b'P', rest @ ..] => match rest.iter().find(|c| !matches!(**c, b'0'..=b'9' | b';')) {
            Some(b'q') => Begins::Image(Text::Dcs),
            Some(_) => Begins::Other,
            None if b.len() > LONGEST => Begins::Other,
            None => Begins::Unclear,
        },
        [_, b'_', b'G', ..] => Begins::Image(Text::Apc),
        [_, b'_'] => Begins::Unclear,
        [_, b']', rest @ ..] => {
            let mut unclear = false;
            for name in [
                &b"1337;File="[..],
                b"1337;MultipartFile=",
                b"1337;FilePart=",
                b"1337;FileEnd",
            ] {
                if rest.starts_with(name) {
                    return Begins::Image(Text::Osc);
                }
                unclear |= name.starts_with(rest);
            }
            if unclear {
                Begins::Unclear
            } else {
                Begins::Other
            }
        }
        _ => Begins::Other,
    }
}

impl Images {
    /// Takes output and appends what it consists of.
    pub fn feed(&mut self, bytes: &Bytes, out: &mut Vec<Part>) {
        let all = match self.held.is_empty() {
            true => bytes.clone(),
            false => {
                let mut joined = std::mem::take(&mut self.held);
                joined.extend_from_slice(bytes);
                Bytes::from(joined)
            }
        };
        let mut from = 0;
        if self.image.is_some() {
            match self.go_on(&all, 0, out) {
                Some(next) => from = next,
                None => return,
            }
        }
        let mut at = from;
        while let Some(p) = all
            .get(at..)
            .and_then(|rest| memchr::memchr(ESC, rest))
            .map(|p| p + at)
        {
            match begins(all.get(p..).unwrap_or_default()) {
                Begins::Other => at = p + 1,
                Begins::Unclear => {
                    self.held = all.get(p..).unwrap_or_default().to_vec();
                    push(&all, from, p, out);
                    return;
                }
                Begins::Image(kind) => {
                    push(&all, from, p, out);
                    self.image =
                        Some((kind, all.get(p..p + 2).unwrap_or_default().to_vec(), false));
                    match self.go_on(&all, p + 2, out) {
                        Some(next) => (from, at) = (next, next),
                        None => return,
                    }
                }
            }
        }
        push(&all, from, all.len(), out);
    }

    /// More of the image that is under way; where the stream goes on behind it.
    fn go_on(&mut self, all: &Bytes, from: usize, out: &mut Vec<Part>) -> Option<usize> {
        let (kind, mut image, mut long) = self.image.take()?;
        let (end, next, whole) = match string_end(kind, all, from, false) {
            End::Terminated { payload, next } => (payload, next, true),
            End::Cut(at) => (at, at, false),
            End::Missing(esc) => {
                let end = all.len() - usize::from(esc);
                let more = all.get(from..end).unwrap_or_default();
                long |= image.len() + more.len() > MOST;
                if !long {
                    image.extend_from_slice(more);
                }
                if esc {
                    self.held.push(ESC);
                }
                self.image = Some((kind, image, long));
                return None;
            }
        };
        image.extend_from_slice(all.get(from..end).unwrap_or_default());
        if long {
            out.push(Part::Unknown);
        } else if whole {
            self.image(kind, image.get(2..).unwrap_or_default(), out);
        }
        Some(next)
    }

    fn image(&mut self, kind: Text, payload: &[u8], out: &mut Vec<Part>) {
        match kind {
            Text::Dcs => out.push(sixel::image(payload).map_or(Part::Unknown, Part::Image)),
            Text::Apc => self
                .kitty
                .take(payload.strip_prefix(b"G").unwrap_or(payload), out),
            Text::Osc | Text::Other => {
                let text = String::from_utf8_lossy(payload);
                self.iterm
                    .take(text.strip_prefix("1337;").unwrap_or(&text), out);
            }
        }
    }
}

fn push(all: &Bytes, from: usize, to: usize, out: &mut Vec<Part>) {
    if to > from {
        out.push(Part::Bytes(all.slice(from..to)));
    }
}
