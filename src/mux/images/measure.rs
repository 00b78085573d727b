//! How large images are: by what they say, and by the heads of the usual files.

use super::{Image, Length};

/// No image is larger, in pixels.
pub const MOST: u32 = 20_000;

fn div_up(pixels: u32, cell: u16) -> u16 {
    u16::try_from(pixels.div_ceil(u32::from(cell.max(1))))
        .unwrap_or(u16::MAX)
        .max(1)
}

/// Columns and rows, on a screen of that many.
pub fn cells(
    image: &Image,
    cell: Option<(u16, u16)>,
    (cols, rows): (u16, u16),
) -> Option<(u16, u16)> {
    if let (Length::Cells(w), Length::Cells(h)) = (image.width, image.height) {
        return Some((w.max(1), h.max(1)));
    }
    let (cw, ch) = cell.filter(|(w, h)| *w > 0 && *h > 0)?;
    let pixels = |length: Length, cell: u16, of: u16| match length {
        Length::Auto => None,
        Length::Cells(n) => Some(u32::from(n) * u32::from(cell)),
        Length::Pixels(n) => Some(n.min(MOST)),
        Length::Percent(n) => {
            let whole = u64::from(of) * u64::from(cell);
            u32::try_from(whole * u64::from(n.min(100)) / 100).ok()
        }
    };
    let (w, h) = (
        pixels(image.width, cw, cols),
        pixels(image.height, ch, rows),
    );
    let scaled = |to: u32, from: u32, other: u32| {
        let other = u64::from(other) * u64::from(to) / u64::from(from.max(1));
        u32::try_from(other).unwrap_or(MOST)
    };
    let (w, h) = match (w, h, image.natural) {
        (Some(w), Some(h), _) => (w, h),
        (None, None, Some(natural)) => natural,
        (Some(w), None, Some((nw, nh))) if image.keeps_aspect => (w, scaled(w, nw, nh)),
        (None, Some(h), Some((nw, nh))) if image.keeps_aspect => (scaled(h, nh, nw), h),
        (w, h, Some((nw, nh))) => (w.unwrap_or(nw), h.unwrap_or(nh)),
        (_, _, None) => return None,
    };
    Some((div_up(w, cw), div_up(h, ch)))
}

/// Width and height by the head of a PNG, GIF or JPEG file.
pub fn header(file: &[u8]) -> Option<(u32, u32)> {
    let big = |at: usize, n: usize| {
        let bytes = file.get(at..at + n)?;
        Some(bytes.iter().fold(0u32, |all, b| all << 8 | u32::from(*b)))
    };
    let size = if file.starts_with(b"\x89PNG\r\n\x1a\n") {
        (big(16, 4)?, big(20, 4)?)
    } else if file.starts_with(b"GIF8") {
        let little = |at: usize| Some(big(at, 1)? | big(at + 1, 1)? << 8);
        (little(6)?, little(8)?)
    } else if file.starts_with(b"\xff\xd8") {
        let mut at = 2;
        loop {
            let marker = big(at + 1, 1)?;
            // The frame headers, of all ways to code, but not the three that are tables.
            if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
                break (big(at + 7, 2)?, big(at + 5, 2)?);
            }
            at += 2 + usize::try_from(big(at + 2, 2)?.max(2)).ok()?;
        }
    } else {
        return None;
    };
    let sane = |n: u32| (1..=MOST).contains(&n);
    (sane(size.0) && sane(size.1)).then_some(size)
}
