//! Lines that left the top of the main screen, rendered at once into one buffer: cheaper than keeping rows,
//! and bounded, for nobody may ever come to take them.

use alacritty_terminal::term::cell::Cell;

use super::wrap;

/// The most lines and bytes kept until they are taken.
const MAX_LINES: usize = 20_000;
const MAX_BYTES: usize = 4 << 20;

/// Lines that left the main screen, oldest first.
#[derive(Debug, Default, Clone)]
pub struct Scrolled {
    bytes: Vec<u8>,
    /// Where each line ends in `bytes`, and whether it goes on in the next one.
    ends: Vec<(usize, bool)>,
    skipped: u64,
    erased: Option<usize>,
    /// The lines that the last erase of the whole screen pushed out.
    cleared: Option<(usize, usize)>,
    /// Somebody will come for them; else none is rendered or kept.
    pub(super) wanted: bool,
}

/// One line that left the main screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrolledLine<'a> {
    /// Text with SGR and hyperlinks, closed at its end; no newline.
    pub bytes: &'a [u8],
    /// It filled the row and goes on in the next line: written without a newline between, they are one.
    pub wrapped: bool,
}

impl ScrolledLine<'_> {
    /// The text alone.
    pub fn text(&self) -> String {
        rendered_text(self.bytes)
    }
}

/// The text of a rendered line, without its looks.
pub fn rendered_text(line: &[u8]) -> String {
    super::plain::strip(line)
}

impl Scrolled {
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Lines that left before these and were dropped, because more came than are kept.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The program asked for its scrollback to be erased: all before this line, that is.
    pub fn erased_before(&self) -> Option<usize> {
        self.erased
    }

    pub fn iter(&self) -> impl Iterator<Item = ScrolledLine<'_>> {
        let mut from = 0;
        self.ends.iter().map(move |&(to, wrapped)| {
            let bytes = self.bytes.get(from..to).unwrap_or_default();
            from = to;
            ScrolledLine { bytes, wrapped }
        })
    }

    /// What is there, leaving nothing but whether more is wanted.
    pub(super) fn take(&mut self) -> Self {
        let fresh = Self {
            wanted: self.wanted,
            ..Self::default()
        };
        std::mem::replace(self, fresh)
    }

    pub(super) fn push(&mut self, row: &[Cell]) {
        if !self.wanted {
            return;
        }
        self.make_room();
        let wrapped = wrap::render(row, &mut self.bytes);
        self.ends.push((self.bytes.len(), wrapped));
    }

    /// A line of plain text.
    pub(super) fn push_text(&mut self, text: &[u8]) {
        if !self.wanted {
            return;
        }
        self.make_room();
        self.bytes.extend_from_slice(text);
        self.ends.push((self.bytes.len(), false));
    }

    fn make_room(&mut self) {
        if self.ends.len() >= MAX_LINES || self.bytes.len() >= MAX_BYTES {
            self.drop_oldest(self.ends.len().div_ceil(2));
        }
    }

    pub(super) fn begin_cleared(&mut self) {
        self.cleared = Some((self.ends.len(), self.ends.len()));
    }

    pub(super) fn end_cleared(&mut self) {
        if let Some((_, to)) = &mut self.cleared {
            *to = self.ends.len();
        }
    }

    /// ED 3. Lines are not dropped for it, but what the erase just before it pushed out is nothing new:
    /// programs that redraw by ED 2 and ED 3 would fill the scrollback with copies of their screen.
    pub(super) fn erase(&mut self) {
        if let Some((from, to)) = self.cleared.take()
            && to == self.ends.len()
        {
            self.ends.truncate(from);
            self.bytes
                .truncate(self.ends.last().map_or(0, |(end, _)| *end));
        }
        self.erased = Some(self.ends.len());
    }

    /// Keeps the newest `max` lines.
    pub(super) fn keep(&mut self, max: usize) {
        self.drop_oldest(self.ends.len().saturating_sub(max));
    }

    fn drop_oldest(&mut self, n: usize) {
        let n = n.min(self.ends.len());
        let Some(&(cut, _)) = n.checked_sub(1).and_then(|i| self.ends.get(i)) else {
            return;
        };
        self.bytes.drain(..cut);
        self.ends.drain(..n);
        for (end, _) in &mut self.ends {
            *end -= cut;
        }
        self.skipped += n as u64;
        self.erased = self.erased.and_then(|e| e.checked_sub(n));
        self.cleared = None;
    }
}
