//! Sixels: measured by what they draw.

use bytes::Bytes;

use super::measure::MOST;
use super::{Image, Length, Protocol};

/// `P1;P2;P3 q "pan;pad;width;height data`: given its true size and square pixels, which terminals agree about.
pub fn image(payload: &[u8]) -> Option<Image> {
    let hook = payload.iter().position(|c| *c == b'q')?;
    let (params, data) = payload.split_at(hook);
    let second = params.split(|c| *c == b';').nth(1).unwrap_or_default();
    let second = second.iter().all(u8::is_ascii_digit).then_some(second)?;
    let second = std::str::from_utf8(second).ok()?;
    let data = plain(data.get(1..)?)?;
    let data = data.as_slice();
    let data = match data.strip_prefix(b"\"") {
        Some(raster) => {
            let end = raster.iter().position(|c| !matches!(c, b'0'..=b'9' | b';'));
            raster.get(end.unwrap_or(raster.len())..)?
        }
        None => data,
    };
    let (width, height) = measure(payload.get(hook + 1..)?)?;
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

/// What sixels are written with. Anything else could end the sequence for a terminal that sees control characters in
/// it, and be read as another by that.
fn plain(data: &[u8]) -> Option<Vec<u8>> {
    let data = data.iter().copied().filter(|c| !matches!(c, b'\r' | b'\n'));
    let data: Vec<u8> = data.collect();
    let graphic = data.iter().all(|c| (0x20..=0x7e).contains(c));
    graphic.then_some(data)
}

/// Width and height of what sixels draw; at least what they say.
fn measure(data: &[u8]) -> Option<(u32, u32)> {
    let (mut x, mut y, mut width, mut height) = (0u32, 0u32, 0u32, 0u32);
    let mut rest = data;
    let number = |rest: &mut &[u8]| {
        let end = rest
            .iter()
            .position(|c| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        *rest = after;
        std::str::from_utf8(digits)
            .ok()
            .and_then(|d| d.parse::<u32>().ok())
            .unwrap_or(0)
            .min(MOST)
    };
    while let Some((c, after)) = rest.split_first() {
        rest = after;
        let mut run = 1;
        let mut c = *c;
        match c {
            b'"' => {
                let mut raster = [0; 4];
                for value in &mut raster {
                    *value = number(&mut rest);
                    rest = rest.strip_prefix(b";").unwrap_or(rest);
                }
                let [.., w, h] = raster;
                (width, height) = (width.max(w), height.max(h));
                continue;
            }
            b'!' => {
                run = number(&mut rest).max(1);
                let Some((drawn, after)) = rest.split_first() else {
                    break;
                };
                (c, rest) = (*drawn, after);
            }
            b'$' => x = 0,
            b'-' => (x, y) = (0, (y + 6).min(MOST)),
            _ => {}
        }
        if (b'?'..=b'~').contains(&c) {
            x = (x + run).min(MOST);
            (width, height) = (width.max(x), height.max(y + 6));
        }
    }
    (width > 0 && height > 0).then_some((width, height))
}
