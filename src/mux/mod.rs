//! One agent's terminal: its PTY, its screen (an emulator and a recorder of what that hides), its stream
//! taken apart into text, queries and reports, and the history of all that it wrote. Lines above the screen
//! are made from the history when somebody attaches: a flood costs nothing for a scrollback nobody looks at.

mod actions;
mod answer;
pub mod canvas;
mod classify;
mod core;
mod drawn;
mod flood;
mod frame;
mod grep;
mod handler;
mod history;
pub mod images;
pub mod keys;
pub mod layout;
mod leave;
mod links;
#[cfg(test)]
mod others_tests;
mod overlay;
mod paint;
mod plain;
pub mod psp;
mod pty;
mod reader;
mod recorder;
mod repaint;
mod rescue;
mod scan;
#[cfg(test)]
mod scan_tests;
mod screen;
#[cfg(test)]
mod screen_tests;
mod scrolled;
mod sequence;
#[cfg(test)]
mod snapshot;
mod tail;
mod wrap;

pub use answer::answer;
pub use drawn::Drawn;
pub use grep::{PatternError, Seeker};
pub use history::{History, HistoryError, HistoryLimits};
pub use links::{address_at, may_open};
pub use overlay::{Glyph, Overlay};
pub use plain::Plain;
pub use pty::{
    Pty, PtyError, SpawnRequest, adopt_descriptor, close_inherited, ignore_broken_pipes, reap,
    set_inherited,
};
pub use reader::HistoryReader;
pub use rescue::rescue;
pub use scan::{Piece, Query, Scanner, What};
pub use screen::Screen;
pub use scrolled::{Scrolled, ScrolledLine, rendered_text};
pub use wrap::{Row, rewrap};
