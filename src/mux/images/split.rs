//! Takes images out of a stream of output.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::super::sequence::{ESC, End, Text, string_end};
use super::{Image, Length, MOST, Protocol, kitty, measure};

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
    /// iTerm2's, that comes in several parts: what it says of itself, and its data.
    parts: Option<(String, Vec<u8>)>,
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
            Text::Dcs => out.push(sixel(payload).map_or(Part::Unknown, Part::Image)),
            Text::Apc => self
                .kitty
                .take(payload.strip_prefix(b"G").unwrap_or(payload), out),
            Text::Osc | Text::Other => {
                let text = String::from_utf8_lossy(payload);
                self.file(text.strip_prefix("1337;").unwrap_or(&text), out);
            }
        }
    }

    /// iTerm2's. A file that is not to be shown would be written to the person's disk: it goes nowhere.
    fn file(&mut self, command: &str, out: &mut Vec<Part>) {
        let whole = if let Some(whole) = command.strip_prefix("File=") {
            whole
                .split_once(':')
                .map(|(says, data)| (says.to_owned(), data.as_bytes().to_vec()))
        } else if let Some(says) = command.strip_prefix("MultipartFile=") {
            self.parts = Some((says.to_owned(), Vec::new()));
            None
        } else if let Some(part) = command.strip_prefix("FilePart=") {
            self.parts = self
                .parts
                .take()
                .filter(|(_, data)| data.len() + part.len() <= MOST);
            if let Some((_, data)) = &mut self.parts {
                data.extend_from_slice(part.as_bytes());
            }
            None
        } else {
            self.parts.take()
        };
        let Some((says, data)) = whole else {
            return;
        };
        let value = |name: &str| {
            says.split(';')
                .find_map(|kv| kv.strip_prefix(name)?.strip_prefix('='))
        };
        if value("inline") != Some("1") {
            return;
        }
        let clean = data
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
        let head = data
            .get(..data.len().min(96 * 1024) / 4 * 4)
            .unwrap_or_default();
        let natural = STANDARD
            .decode(head)
            .ok()
            .and_then(|head| measure::header(&head));
        if !clean || data.is_empty() {
            return out.push(Part::Unknown);
        }
        out.push(Part::Image(Image {
            protocol: Protocol::Iterm,
            control: String::new(),
            data: Bytes::from(data),
            natural,
            width: length(value("width")),
            height: length(value("height")),
            keeps_aspect: value("preserveAspectRatio") != Some("0"),
            stays: value("doNotMoveCursor") == Some("1"),
        }));
    }
}

fn push(all: &Bytes, from: usize, to: usize, out: &mut Vec<Part>) {
    if to > from {
        out.push(Part::Bytes(all.slice(from..to)));
    }
}

fn length(value: Option<&str>) -> Length {
    let Some(value) = value else {
        return Length::Auto;
    };
    let length = if let Some(pixels) = value.strip_suffix("px") {
        pixels.parse().map(Length::Pixels)
    } else if let Some(percent) = value.strip_suffix('%') {
        percent.parse().map(Length::Percent)
    } else {
        value.parse().map(Length::Cells)
    };
    length.unwrap_or(Length::Auto)
}

/// `P1;P2;P3 q "pan;pad;width;height data`: given its true size and square pixels, which terminals agree about.
fn sixel(payload: &[u8]) -> Option<Image> {
    let hook = payload.iter().position(|c| *c == b'q')?;
    let (params, data) = payload.split_at(hook);
    let second = params.split(|c| *c == b';').nth(1).unwrap_or_default();
    let second = std::str::from_utf8(second).ok()?;
    let data = data.get(1..)?;
    let data = match data.strip_prefix(b"\"") {
        Some(raster) => {
            let end = raster.iter().position(|c| !matches!(c, b'0'..=b'9' | b';'));
            raster.get(end.unwrap_or(raster.len())..)?
        }
        None => data,
    };
    let (width, height) = measure::sixel(payload.get(hook + 1..)?)?;
    Some(Image {
        protocol: Protocol::Sixel,
        control: format!("7;{second};0q\"1;1;{width};{height}"),
        data: Bytes::copy_from_slice(data),
        natural: Some((width, height)),
        width: Length::Auto,
        height: Length::Auto,
        keeps_aspect: true,
        stays: false,
    })
}
