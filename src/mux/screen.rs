//! One agent's screen: the emulator, what is recorded beside it, and the guard in front of both. It keeps no
//! scrollback; lines that leave it are handed out. Nothing a program sends can stop it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use alacritty_terminal::index::Line;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Flags;
use alacritty_terminal::vte::ansi::{Processor, Timeout};

use super::core::Core;
use super::recorder::Images;
use super::scrolled::Scrolled;
use super::tail::{Fed, Tail};
use super::{leave, repaint};
use crate::model::Size;

/// The parser's synchronized updates, never waited for: a program that dies in one freezes nothing.
#[derive(Default)]
struct NoWait;

impl Timeout for NoWait {
    fn set_timeout(&mut self, _: Duration) {}
    fn clear_timeout(&mut self) {}
    fn pending_timeout(&self) -> bool {
        false
    }
}

/// A terminal's screen and all state that a program can set in it.
pub struct Screen {
    core: Core,
    parser: Processor<NoWait>,
    tail: Tail,
    size: Size,
    poisoned: u32,
}

/// The emulator cannot do with fewer than two columns.
fn inner(size: Size) -> (usize, usize) {
    (usize::from(size.cols.max(2)), usize::from(size.rows))
}

impl Screen {
    /// A blank screen; the size is brought within bounds.
    pub fn new(size: Size) -> Self {
        let size = size.clamped();
        let (cols, rows) = inner(size);
        Self {
            core: Core::new(cols, rows),
            parser: Processor::new(),
            tail: Tail::default(),
            size,
            poisoned: 0,
        }
    }

    /// Keeps the lines that leave the top of the main screen, for [`Screen::take_scrolled`].
    pub fn keeping_scrolled(mut self) -> Self {
        self.core.scrolled.wanted = true;
        self
    }

    /// Takes a program's output. A failure within the emulator leaves a blank screen, and counts.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Self {
            core, parser, tail, ..
        } = self;
        let done = catch_unwind(AssertUnwindSafe(|| {
            tail.feed(bytes, &mut |fed| match fed {
                Fed::Bytes(bytes) => core.advance(parser, bytes),
                Fed::SoftReset => core.soft_reset(),
                Fed::Image => core.rec.images = Images::Astray,
            });
        }));
        if done.is_err() {
            self.blank();
        }
    }

    /// Takes on another size; the main screen reflows, the alternate one is cut.
    pub fn resize(&mut self, size: Size) {
        self.size = size.clamped();
        let (cols, rows) = inner(self.size);
        let core = &mut self.core;
        if catch_unwind(AssertUnwindSafe(|| core.resize(cols, rows))).is_err() {
            self.blank();
        }
    }

    fn blank(&mut self) {
        let mut fresh = Self::new(self.size);
        fresh.core.scrolled.wanted = self.core.scrolled.wanted;
        let poisoned = self.poisoned.saturating_add(1);
        *self = Self { poisoned, ..fresh };
    }

    /// How often the emulator failed and its screen was blanked.
    pub fn poisoned(&self) -> u32 {
        self.poisoned
    }

    pub fn size(&self) -> Size {
        self.size
    }

    /// Everything, for a terminal in any state. It begins with CAN and ST, holds no bell, notification or
    /// clipboard, and ends with the sequence that the program is in the middle of, if any: its further
    /// bytes may follow at once.
    pub fn repaint(&self) -> Vec<u8> {
        let mut out = repaint::repaint(&self.core, self.cols(), self.tail.graphics());
        out.extend_from_slice(&self.tail.bytes());
        out
    }

    /// Undoes the modes that are set, for a terminal that shows this screen and is to be left.
    pub fn leave(&self) -> Vec<u8> {
        leave::leave(&self.core)
    }

    /// The lines that left the top of the main screen since the last call, at most the newest `max`.
    pub fn take_scrolled(&mut self, max: usize) -> Scrolled {
        let mut taken = self.core.scrolled.take();
        taken.keep(max);
        taken
    }

    /// The visible lines, right-trimmed.
    pub fn text(&self) -> Vec<String> {
        let grid = self.core.grid();
        (0..self.core.rows())
            .map(|y| {
                let row = &grid[Line(i32::try_from(y).unwrap_or(0))][..];
                let mut line = String::new();
                for cell in row.iter().take(self.cols()) {
                    if cell.flags.contains(Flags::WIDE_CHAR_SPACER) {
                        continue;
                    }
                    line.push(if cell.c == '\t' { ' ' } else { cell.c });
                    line.extend(cell.zerowidth().unwrap_or_default());
                }
                line.truncate(line.trim_end().len());
                line
            })
            .collect()
    }

    /// The window's title; empty where none was set.
    pub fn title(&self) -> &str {
        self.core.rec.title.as_deref().unwrap_or_default()
    }

    /// Whether the alternate screen is shown.
    pub fn alternate(&self) -> bool {
        self.core.alt()
    }

    pub fn bracketed_paste(&self) -> bool {
        self.core.has(TermMode::BRACKETED_PASTE)
    }

    /// Whether arrow keys are to be sent in their application form.
    pub fn app_cursor(&self) -> bool {
        self.core.has(TermMode::APP_CURSOR)
    }

    /// Whether the program is within a synchronized update (2026): a frame drawn now may be half one.
    pub fn synchronized(&self) -> bool {
        self.core.rec.sync
    }

    /// Whether a sequence has begun that is not all there.
    pub fn in_sequence(&self) -> bool {
        !self.tail.bytes().is_empty()
    }

    /// The cursor's row and column, from 0.
    pub fn cursor(&self) -> (u16, u16) {
        let (row, col) = self.core.place();
        let to = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        (to(row), to(col.min(self.cols() - 1)))
    }

    /// Lines that have scrolled off and were not taken yet.
    pub fn scrolled(&self) -> usize {
        self.core.scrolled.len()
    }

    fn cols(&self) -> usize {
        usize::from(self.size.cols)
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    pub(super) fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}

// A screen is fed in one task and painted for others.
const _: fn() = || {
    fn sendable<T: Send>() {}
    sendable::<Screen>();
    sendable::<super::Scanner>();
};
