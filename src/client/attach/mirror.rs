//! The terminal's screen as we know it: an emulator of our own that is fed with all that is written, but
//! only when there is time. Under a flood it is left behind; then only the light reader keeps up, and the
//! next repaint makes the emulator good again.

use std::collections::VecDeque;

use bytes::Bytes;

use super::modes::Modes;
use crate::model::Size;
use crate::mux::Screen;

/// Bytes kept for the emulator before it is given up.
const MAX_BEHIND: usize = 2 * 1024 * 1024;
/// Fewer bytes than these are fed at once.
pub(super) const SMALL: usize = 4 * 1024;

struct Piece {
    bytes: Bytes,
    /// A repaint of everything begins here.
    anew: bool,
}

/// What the terminal shows.
pub(super) struct Mirror {
    screen: Screen,
    size: Size,
    modes: Modes,
    behind: VecDeque<Piece>,
    behind_bytes: usize,
    /// The emulator (with what is behind) shows what the terminal shows.
    good: bool,
}

impl Mirror {
    pub(super) fn new(size: Size) -> Self {
        Self {
            screen: Screen::new(size.clamped()),
            size: size.clamped(),
            modes: Modes::new(),
            behind: VecDeque::new(),
            behind_bytes: 0,
            good: true,
        }
    }

    /// These bytes reached the terminal.
    pub(super) fn wrote(&mut self, bytes: Bytes, anew: bool) {
        self.modes.feed(&bytes);
        self.keep(bytes, anew);
    }

    /// A picture of what the terminal shows already, for the emulator alone.
    pub(super) fn learn(&mut self, repaint: Bytes, anew: bool) {
        self.keep(repaint, anew);
    }

    fn keep(&mut self, bytes: Bytes, anew: bool) {
        if anew {
            self.behind.clear();
            self.behind_bytes = 0;
            self.good = true;
        }
        if !self.good {
            return;
        }
        self.behind_bytes = self.behind_bytes.saturating_add(bytes.len());
        if self.behind_bytes > MAX_BEHIND {
            self.give_up();
            return;
        }
        self.behind.push_back(Piece { bytes, anew });
    }

    fn give_up(&mut self) {
        self.good = false;
        self.behind.clear();
        self.behind_bytes = 0;
    }

    pub(super) fn behind(&self) -> usize {
        self.behind_bytes
    }

    /// Feeds the emulator with about `most` bytes of what it is behind.
    pub(super) fn catch_up(&mut self, most: usize) {
        let mut left = most;
        while let Some(piece) = self.behind.front_mut() {
            if left == 0 {
                return;
            }
            if std::mem::take(&mut piece.anew) {
                self.screen = Screen::new(self.size);
            }
            let part = piece.bytes.split_to(piece.bytes.len().min(left));
            left -= part.len();
            self.behind_bytes = self.behind_bytes.saturating_sub(part.len());
            self.screen.feed(&part);
            if piece.bytes.is_empty() {
                self.behind.pop_front();
            }
        }
    }

    /// The emulator, if it shows what the terminal shows.
    pub(super) fn screen(&mut self) -> Option<&mut Screen> {
        self.catch_up(usize::MAX);
        self.good.then_some(&mut self.screen)
    }

    pub(super) fn is_good(&self) -> bool {
        self.good
    }

    pub(super) fn at_ground(&self) -> bool {
        self.modes.at_ground()
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    pub(super) fn resize(&mut self, size: Size) {
        self.catch_up(usize::MAX);
        self.size = size.clamped();
        self.screen.resize(self.size);
    }

    /// What puts the terminal back as a shell expects it, with the cursor below what is shown.
    pub(super) fn leave(&mut self) -> Vec<u8> {
        match self.screen() {
            Some(screen) => screen.leave(),
            None => self.modes.leave(),
        }
    }
}
