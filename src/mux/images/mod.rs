//! Images in a program's output, by sixel, kitty's graphics and iTerm2's files: taken out of it, measured in cells, and
//! written again for a terminal that takes them. On a screen the cells under an image are marked with it, so that it
//! scrolls, is overwritten and is cut as text is; only one that is whole is ever drawn.

mod iterm;
mod kitty;
mod measure;
mod place;
mod sixel;
mod split;

use bytes::Bytes;

pub use self::place::Mark;
pub(super) use self::place::{is_mark, label};
pub use self::split::{Images, Part};

/// The longest image, in bytes as they come.
const MOST: usize = 8 << 20;

/// How it was sent; it is only ever passed on so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Sixel,
    Kitty,
    Iterm,
}

/// What a terminal takes, and what one of its cells measures, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Takes {
    pub sixel: bool,
    pub kitty: bool,
    pub iterm: bool,
    pub cell: Option<(u16, u16)>,
}

impl Takes {
    pub fn takes(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Sixel => self.sixel,
            Protocol::Kitty => self.kitty,
            Protocol::Iterm => self.iterm,
        }
    }

    /// By the answer to XTVERSION, for the two protocols that have no question which every terminal bears.
    pub fn by_version(&mut self, version: &str) {
        let is = |names: &[&str]| names.iter().any(|name| version.starts_with(name));
        self.kitty = is(&["kitty", "ghostty", "WezTerm", "Konsole"]);
        self.iterm = is(&["iTerm2", "WezTerm", "Konsole", "mintty"]);
    }
}

/// How large an image is to be, as far as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Auto,
    Cells(u16),
    Pixels(u32),
    /// Of the screen.
    Percent(u16),
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub protocol: Protocol,
    /// Sixel and kitty: what stands between the introducer and the data; iTerm2: nothing.
    control: String,
    data: Bytes,
    /// In pixels, where that is known.
    natural: Option<(u32, u32)>,
    width: Length,
    height: Length,
    keeps_aspect: bool,
    /// The cursor stays where it is.
    pub stays: bool,
}

impl Image {
    /// Columns and rows that it takes on a screen; `None` where that cannot be known.
    pub fn cells(&self, cell: Option<(u16, u16)>, (cols, rows): (u16, u16)) -> Option<(u16, u16)> {
        measure::cells(self, cell, (cols, rows))
    }

    /// How many bytes of it are kept.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The bytes that draw it at the cursor, so large; kitty's terminal knows it by `id` from then on.
    pub fn draw(&self, id: u32, (cols, rows): (u16, u16)) -> Vec<u8> {
        match self.protocol {
            Protocol::Sixel => {
                let mut out = format!("\x1bP{}", self.control).into_bytes();
                out.extend_from_slice(&self.data);
                out.extend_from_slice(b"\x1b\\");
                out
            }
            Protocol::Iterm => {
                let aspect = u8::from(self.keeps_aspect);
                let mut out = format!(
                    "\x1b]1337;File=inline=1;width={cols};height={rows};preserveAspectRatio={aspect};doNotMoveCursor=1:"
                )
                .into_bytes();
                out.extend_from_slice(&self.data);
                out.push(0x07);
                out
            }
            Protocol::Kitty => kitty::draw(&self.control, &self.data, id, (cols, rows)),
        }
    }

    /// The bytes that take it away again, where overwriting its cells does not.
    pub fn remove(&self, id: u32) -> Vec<u8> {
        match self.protocol {
            Protocol::Sixel | Protocol::Iterm => Vec::new(),
            Protocol::Kitty => format!("\x1b_Ga=d,d=I,i={id},q=2\x1b\\").into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests;
