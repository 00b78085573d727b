//! What a program has set and an emulator keeps to itself, or does not know at all: recorded here so that
//! a repaint can restore it. Everything is bounded, whatever a program sends.

use alacritty_terminal::vte::ansi::cursor_icon::CursorIcon;
use alacritty_terminal::vte::ansi::{CharsetIndex, CursorShape, CursorStyle};

/// The longest title kept, in bytes.
const MAX_TITLE: usize = 1024;
const MAX_TITLES: usize = 10;
const MAX_KITTY: usize = 16;

/// Private modes that change how a terminal behaves and not what the emulator draws.
/// 2026 is not among them: it must never be restored.
pub(super) const EXTRA_MODES: [u16; 14] = [
    5, 9, 45, 67, 1001, 1015, 1016, 1034, 1035, 1036, 1039, 2027, 2031, 2048,
];

/// What a saved cursor holds beside the emulator's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SavedExtra {
    pub origin: bool,
    pub active: CharsetIndex,
}

impl Default for SavedExtra {
    fn default() -> Self {
        Self {
            origin: false,
            active: CharsetIndex::G0,
        }
    }
}

/// Private modes that are on, and those that were ever set or reset: one bit for each of [`EXTRA_MODES`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extra {
    pub on: u16,
    pub touched: u16,
}

impl Extra {
    pub fn set(&mut self, mode: u16, on: bool) {
        let Some(i) = EXTRA_MODES.iter().position(|m| *m == mode) else {
            return;
        };
        let bit = 1 << i;
        self.touched |= bit;
        if on {
            self.on |= bit;
        } else {
            self.on &= !bit;
        }
    }

    /// `Some(is it on)` for a mode that is recorded here.
    pub fn get(&self, mode: u16) -> Option<bool> {
        let i = EXTRA_MODES.iter().position(|m| *m == mode)?;
        Some(self.on & (1 << i) != 0)
    }

    /// The modes whose bits are set in `bits`.
    pub fn modes(bits: u16) -> impl Iterator<Item = u16> {
        EXTRA_MODES
            .into_iter()
            .enumerate()
            .filter(move |(i, _)| bits & (1 << i) != 0)
            .map(|(_, m)| m)
    }
}

/// What images, which the emulator does not draw, have done to the agreement with terminals that do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Images {
    #[default]
    None,
    /// One was drawn: the cursor, and lines that it has scrolled, may stand elsewhere.
    Astray,
    /// Since then the cursor was placed by row and column.
    Placed,
    /// And the main screen was erased: only a saved cursor may still be astray.
    Past,
}

impl Images {
    pub fn mislead(self) -> bool {
        matches!(self, Self::Astray | Self::Placed)
    }

    pub fn placed(&mut self) {
        if *self == Self::Astray {
            *self = Self::Placed;
        }
    }

    pub fn erased(&mut self) {
        if *self == Self::Placed {
            *self = Self::Past;
        }
    }

    pub fn restored(&mut self) {
        if *self != Self::None {
            *self = Self::Astray;
        }
    }
}

/// The recorded state.
#[derive(Debug)]
pub(super) struct Recorder {
    /// The scroll region, as lines from 0, end excluded.
    pub region: (usize, usize),
    pub tabs: Vec<bool>,
    pub tabs_touched: bool,
    pub active: CharsetIndex,
    /// Of the main screen and of the alternate one.
    pub saved: [SavedExtra; 2],
    pub style: Option<CursorStyle>,
    pub style_touched: bool,
    pub title: Option<String>,
    pub titles: Vec<Option<String>>,
    /// Kitty keyboard flags of the main screen and of the alternate one; the last is in force.
    pub kitty: [Vec<u8>; 2],
    pub kitty_touched: bool,
    /// modifyOtherKeys: 0, 1 or 2.
    pub other_keys: u8,
    pub other_keys_touched: bool,
    pub extra: Extra,
    pub alternate_scroll: Option<bool>,
    pub urgency: Option<bool>,
    pub pointer: Option<CursorIcon>,
    pub pointer_touched: bool,
    /// Colours that were ever set, one bit each.
    pub colors_touched: [u64; 5],
    /// The last character printed, which REP repeats.
    pub last: Option<char>,
    /// Within a synchronized update.
    pub sync: bool,
    pub images: Images,
    /// The private mode by which the alternate screen was entered.
    pub alt_mode: u16,
}

impl Recorder {
    pub fn new(cols: usize, rows: usize) -> Self {
        Self {
            region: (0, rows),
            tabs: default_tabs(cols),
            tabs_touched: false,
            active: CharsetIndex::G0,
            saved: [SavedExtra::default(); 2],
            style: None,
            style_touched: false,
            title: None,
            titles: Vec::new(),
            kitty: [Vec::new(), Vec::new()],
            kitty_touched: false,
            other_keys: 0,
            other_keys_touched: false,
            extra: Extra::default(),
            alternate_scroll: None,
            urgency: None,
            pointer: None,
            pointer_touched: false,
            colors_touched: [0; 5],
            last: None,
            sync: false,
            images: Images::None,
            alt_mode: 1049,
        }
    }

    /// RIS: all is as at the start, but what was ever touched must still be undone on a client.
    pub fn reset(&mut self, rows: usize) {
        let mut fresh = Self::new(self.tabs.len(), rows);
        fresh.tabs_touched = self.tabs_touched;
        fresh.style_touched = self.style_touched;
        fresh.kitty_touched = self.kitty_touched;
        fresh.other_keys_touched = self.other_keys_touched;
        fresh.pointer_touched = self.pointer_touched;
        fresh.extra.touched = self.extra.touched;
        fresh.colors_touched = self.colors_touched;
        fresh.last = self.last;
        fresh.alternate_scroll = self.alternate_scroll.map(|_| true);
        fresh.urgency = self.urgency.map(|_| true);
        *self = fresh;
    }

    /// As the emulator does it: kept where they are, new columns get the usual ones.
    pub fn resize(&mut self, cols: usize, rows: usize) {
        let old = self.tabs.len();
        self.tabs.resize(cols, false);
        for (i, tab) in self.tabs.iter_mut().enumerate().skip(old) {
            *tab = i % 8 == 0;
        }
        self.region = (0, rows);
    }

    pub fn set_title(&mut self, title: Option<String>) {
        self.title = title.map(|t| {
            let mut clean: String = t.chars().filter(|c| !c.is_control()).collect();
            clean.truncate(clean.floor_char_boundary(MAX_TITLE));
            clean
        });
    }

    pub fn push_title(&mut self) {
        if self.titles.len() >= MAX_TITLES {
            self.titles.remove(0);
        }
        self.titles.push(self.title.clone());
    }

    pub fn pop_title(&mut self) {
        if let Some(title) = self.titles.pop() {
            self.title = title;
        }
    }

    pub fn set_shape(&mut self, shape: CursorShape) {
        self.style_touched = true;
        self.style.get_or_insert_default().shape = shape;
    }

    pub fn set_blinking(&mut self, blinking: bool) {
        self.style_touched = true;
        self.style.get_or_insert_default().blinking = blinking;
    }

    /// Kitty's flags in force.
    pub fn kitty_flags(&self, alt: bool) -> u8 {
        self.kitty[usize::from(alt)].last().copied().unwrap_or(0)
    }

    pub fn kitty_push(&mut self, alt: bool, flags: u8) {
        self.kitty_touched = true;
        let stack = &mut self.kitty[usize::from(alt)];
        if stack.len() >= MAX_KITTY {
            stack.remove(0);
        }
        stack.push(flags);
    }

    pub fn kitty_pop(&mut self, alt: bool, n: u16) {
        let stack = &mut self.kitty[usize::from(alt)];
        stack.truncate(stack.len().saturating_sub(usize::from(n)));
    }

    /// Changes the flags in force; on an empty stack that makes its first entry.
    pub fn kitty_set(&mut self, alt: bool, change: impl FnOnce(u8) -> u8) {
        let flags = change(self.kitty_flags(alt));
        match self.kitty[usize::from(alt)].last_mut() {
            Some(top) => *top = flags,
            None => self.kitty_push(alt, flags),
        }
    }

    pub fn touch_color(&mut self, index: usize) {
        if let Some(word) = self.colors_touched.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }

    pub fn touched_colors(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.colors_touched.len() * 64)
            .filter(|i| self.colors_touched[i / 64] & (1 << (i % 64)) != 0)
    }
}

pub(super) fn default_tabs(cols: usize) -> Vec<bool> {
    (0..cols).map(|i| i % 8 == 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_and_titles_are_bounded() {
        let mut r = Recorder::new(80, 24);
        r.set_title(Some("é".repeat(MAX_TITLE)));
        assert_eq!(r.title.as_ref().map(String::len), Some(MAX_TITLE));
        for n in 0..100 {
            r.push_title();
            r.kitty_push(false, n);
        }
        assert_eq!((r.titles.len(), r.kitty[0].len()), (MAX_TITLES, MAX_KITTY));
        assert_eq!(r.kitty_flags(false), 99);
        r.kitty_pop(false, u16::MAX);
        assert_eq!(r.kitty_flags(false), 0);
        r.kitty_set(false, |f| f | 5);
        assert_eq!(r.kitty_flags(false), 5);
    }
}
