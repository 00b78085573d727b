//! Kitty's graphics: images that come in chunks, are kept by a number, and shown by it. Only what is sent with its data
//! is taken: files and shared memory are those of the machine where the program runs.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{Image, Length, MOST, Part, Protocol, measure};

/// Images kept to be shown later.
const KEPT: usize = 16;
/// The most data in one sequence.
const CHUNK: usize = 4096;

/// What was sent so far.
#[derive(Debug, Default)]
pub struct Kitty {
    under_way: Option<(String, Vec<u8>)>,
    kept: VecDeque<(u32, Image)>,
}

fn value<'a>(control: &'a str, key: &str) -> Option<&'a str> {
    control
        .split(',')
        .find_map(|kv| kv.strip_prefix(key)?.strip_prefix('='))
}

fn number(control: &str, key: &str) -> Option<u32> {
    value(control, key)?.parse().ok()
}

impl Kitty {
    /// Takes one sequence, without its `G`.
    pub fn take(&mut self, payload: &[u8], out: &mut Vec<Part>) {
        let end = payload
            .iter()
            .position(|b| *b == b';')
            .unwrap_or(payload.len());
        let control = String::from_utf8_lossy(payload.get(..end).unwrap_or_default()).into_owned();
        let data = payload.get(end + 1..).unwrap_or_default();
        let more = value(&control, "m") == Some("1");
        let (control, data) = match self.under_way.take() {
            // A chunk that goes on says no more than that.
            Some((first, mut all)) => {
                all.extend_from_slice(data);
                (first, all)
            }
            None => (control, data.to_vec()),
        };
        if data.len() > MOST {
            return out.push(Part::Unknown);
        }
        if more {
            self.under_way = Some((control, data));
            return;
        }
        self.whole(&control, data, out);
    }

    fn whole(&mut self, control: &str, data: Vec<u8>, out: &mut Vec<Part>) {
        match value(control, "a").unwrap_or("t") {
            "T" => out.push(image(control, data).map_or(Part::Unknown, Part::Image)),
            "t" => {
                if let (Some(id), Some(image)) = (number(control, "i"), image(control, data)) {
                    self.kept.retain(|(own, _)| *own != id);
                    self.kept.push_back((id, image));
                    let all = |kept: &VecDeque<(u32, Image)>| {
                        kept.iter().map(|(_, i)| i.len()).sum::<usize>()
                    };
                    while self.kept.len() > KEPT || all(&self.kept) > 2 * MOST {
                        self.kept.pop_front();
                    }
                }
            }
            "p" => {
                let kept = number(control, "i")
                    .and_then(|id| self.kept.iter().find(|(own, _)| *own == id));
                if let Some((_, image)) = kept {
                    out.push(Part::Image(placed(image.clone(), control)));
                }
            }
            "d" => out.push(Part::RemoveAll),
            _ => {}
        }
    }
}

/// As a placement says: so many cells, a part of it.
fn placed(mut image: Image, control: &str) -> Image {
    let cells = |key: &str| {
        number(control, key)
            .and_then(|n| u16::try_from(n).ok())
            .filter(|n| *n > 0)
    };
    image.width = cells("c").map_or(Length::Auto, Length::Cells);
    image.height = cells("r").map_or(Length::Auto, Length::Cells);
    image.stays = value(control, "C") == Some("1");
    for (key, natural) in [("w", 0), ("h", 1)] {
        if let (Some(n), Some(size)) = (number(control, key).filter(|n| *n > 0), &mut image.natural)
        {
            *(if natural == 0 {
                &mut size.0
            } else {
                &mut size.1
            }) = n;
        }
    }
    for key in ["x", "y", "w", "h", "X", "Y", "z"] {
        let number = value(control, key).and_then(|n| n.parse::<i64>().ok());
        if let Some(n) = number {
            image.control.push_str(&format!(",{key}={n}"));
        }
    }
    image
}

fn image(control: &str, data: Vec<u8>) -> Option<Image> {
    let direct = matches!(value(control, "t"), None | Some("d"));
    // Those that are shown by characters of their own would stand under text.
    let own = value(control, "U") != Some("1");
    let clean = data
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
    if !direct || !own || !clean || data.is_empty() {
        return None;
    }
    let format = number(control, "f").unwrap_or(32);
    let mut passed = format!("f={format}");
    let natural = match format {
        100 => {
            let head = data.get(..data.len().min(64))?;
            let head = head.get(..head.len() / 4 * 4)?;
            measure::header(&STANDARD.decode(head).ok()?)?
        }
        _ => {
            let size = (number(control, "s")?, number(control, "v")?);
            passed.push_str(&format!(",s={},v={}", size.0, size.1));
            size
        }
    };
    if value(control, "o") == Some("z") {
        passed.push_str(",o=z");
        if let Some(size) = number(control, "S") {
            passed.push_str(&format!(",S={size}"));
        }
    }
    let image = Image {
        protocol: Protocol::Kitty,
        control: passed,
        data: Bytes::from(data),
        natural: Some(natural),
        width: Length::Auto,
        height: Length::Auto,
        keeps_aspect: true,
        stays: false,
    };
    Some(placed(image, control))
}

/// In chunks, under a number of ours; the cursor stays, and no answer comes.
pub fn draw(control: &str, data: &[u8], id: u32, (cols, rows): (u16, u16)) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + data.len() / 100 + 200);
    let chunks = data.len().div_ceil(CHUNK);
    for (n, chunk) in data.chunks(CHUNK).enumerate() {
        let more = u8::from(n + 1 < chunks);
        let head = match n {
            0 => format!("\x1b_Ga=T,q=2,C=1,i={id},p=1,c={cols},r={rows},{control},m={more};"),
            _ => format!("\x1b_Gq=2,m={more};"),
        };
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\x1b\\");
    }
    out
}
