//! One agent's terminal: its PTY, its screen, and the history of all that it wrote.
//! Lines above the screen are not kept by the emulator, nor in a file beside it: they are made from the
//! history when somebody attaches, so that a flood costs nothing for a scrollback that nobody looks at.

mod history;
mod pty;
mod reader;

pub use history::{History, HistoryError, HistoryLimits};
pub use pty::{Pty, PtyError, SpawnRequest, adopt_descriptor, close_inherited, reap};
pub use reader::HistoryReader;
