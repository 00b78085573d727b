//! What an agent's terminal is: its screen (an emulator and a recorder of what that hides), its stream taken
//! apart into text, queries and reports, and the same screen for clients of other sizes. Pure: bytes in,
//! bytes out, time passed in.

mod actions;
mod answer;
mod classify;
mod core;
mod drawn;
mod flood;
mod handler;
pub mod keys;
mod leave;
#[cfg(test)]
mod others_tests;
mod paint;
mod plain;
pub mod psp;
mod recorder;
mod repaint;
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

pub use answer::answer;
pub use drawn::Drawn;
pub use plain::Plain;
pub use scan::{Piece, Query, Scanner, What};
pub use screen::Screen;
pub use scrolled::{Scrolled, ScrolledLine};
