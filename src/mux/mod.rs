//! What an agent's terminal is: its screen (an emulator and a recorder of what that hides), its stream taken
//! apart into text, queries and reports, and the same screen for clients of other sizes. Pure: bytes in,
//! bytes out, time passed in.

mod core;
mod handler;
mod paint;
mod plain;
mod recorder;
mod repaint;
mod screen;
#[cfg(test)]
mod screen_tests;
mod scrolled;
mod sequence;
#[cfg(test)]
mod snapshot;
mod tail;

pub use plain::Plain;
pub use screen::Screen;
pub use scrolled::{Scrolled, ScrolledLine};
