//! iTerm2's inline files, whole or in parts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{Image, Length, MOST, Part, Protocol, measure};

/// What was sent so far.
#[derive(Debug, Default)]
pub struct Iterm {
    /// One that comes in parts: what it says of itself, and its data.
    parts: Option<(String, Vec<u8>)>,
}

impl Iterm {
    /// Takes one command. A file that is not to be shown would be written to the person's disk: it goes nowhere.
    pub fn take(&mut self, command: &str, out: &mut Vec<Part>) {
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
