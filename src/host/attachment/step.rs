//! What an attachment decides from, and what it decides.

use std::time::Duration;

use bytes::Bytes;

use crate::model::Size;
use crate::proto::Form;

/// The agent's side, as far as a decision needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene {
    /// Agent bytes so far, and the oldest of them that is still in memory.
    pub end: u64,
    pub start: u64,
    /// The PTY's size.
    pub size: Size,
    /// The agent's process is over and all its output is in.
    pub over: bool,
}

impl Scene {
    /// The pending output from which on tmux too gives up on a client: a screen of wide, coloured cells.
    pub fn screenful(&self) -> u64 {
        1 + 8 * u64::from(self.size.cols) * u64::from(self.size.rows)
    }
}

/// What to do for an attachment now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until something happens.
    Rest,
    /// Nothing until then, unless something happens.
    Wait(Duration),
    /// Read at most `max` bytes from the ring at `from`, see `Attachment::raw`.
    Raw {
        from: u64,
        max: usize,
    },
    /// Make a repaint, or a drawn frame, see `Attachment::begin`.
    Repaint,
    Draw,
    /// Send some of what was begun, see `Attachment::part`.
    Part {
        max: usize,
    },
    /// Tell that the agent is over.
    Ended,
}

/// An output frame to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub from: u64,
    pub to: u64,
    pub form: Form,
    pub bytes: Bytes,
}
