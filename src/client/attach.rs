//! Joining a person's terminal to an agent: keys one way, output the other, over a link that mends itself.
//! What the terminal is, and how to put it back, is the caller's; this knows only streams and a few events.

mod banner;
mod detach;
mod dial;
mod engine;
mod escape;
mod facts;
mod keys;
mod mirror;
mod modes;
mod outlet;
mod over_ssh;
mod predict;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

pub use detach::{DetachKey, DetachKeyError};
pub use dial::{BoxFuture, Dial, DialError};
pub use facts::{CELL_QUESTION, Facts, QUESTIONS, STATES_QUESTION};
pub use modes::RESET_ALL;
pub use over_ssh::HostDial;
pub use predict::{Guessed, Predict};

use super::link::Stats;
use crate::model::{AgentStatus, Size, Terminal};
use crate::proto::AgentEnded;

/// What is attached to, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The session's name, by which its host tells a terminal of the agent's states.
    pub session: String,
    pub agent: u32,
    /// `user@machine`, for the other clients to see.
    pub who: String,
    pub size: Size,
    /// What is known of the terminal beforehand: TERM and pixels.
    pub terminal: Terminal,
    pub read_only: bool,
    /// Lines wanted above the first screen.
    pub scrollback: u32,
    pub detach_key: Option<DetachKey>,
    /// Keys come from a terminal: escapes are looked for.
    pub keyboard: bool,
    /// Output goes to a terminal: banners, questions to it, and the reset of its modes make sense.
    pub display: bool,
    /// When what is typed is shown before the host has answered.
    pub predict: Predict,
    /// That terminal is a pane of ours: it keeps the last screen, and no escape leaves it.
    pub pane: bool,
}

/// What happens to the terminal from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outside {
    Resize(Size, Option<(u16, u16)>),
    /// SIGTSTP was sent.
    Suspend,
    /// SIGCONT: the process goes on.
    Continued,
    /// A signal that ends us.
    Signal(i32),
    /// Bytes for the terminal that take no room on it: a bell, a notification.
    Told(Vec<u8>),
}

/// The terminal's own modes, kept by the caller.
pub trait Console: Send {
    /// Puts the terminal back as it was and stops the process; [`Outside::Continued`] follows. False where
    /// nobody could make it go on again.
    fn suspend(&mut self) -> bool;
    /// Raw again.
    fn resume(&mut self);
}

/// The streams and events an attachment lives from.
pub struct Parts {
    pub dial: Arc<dyn Dial>,
    pub input: Box<dyn AsyncRead + Send + Unpin>,
    pub output: Box<dyn AsyncWrite + Send + Unpin>,
    pub outside: mpsc::Receiver<Outside>,
    pub console: Box<dyn Console>,
}

/// How an attachment ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    Left,
    /// The agent's process is over.
    Ended(AgentEnded),
    /// No connection can be had.
    Failed(String),
    /// The host said no.
    Refused {
        message: String,
        hint: Option<String>,
    },
    /// A signal ended us.
    Signal(i32),
    /// The terminal is gone.
    Hangup,
}

/// What an attachment was.
#[derive(Debug, Clone)]
pub struct Report {
    pub ending: Ending,
    /// The agent as it was when we last attached to it.
    pub agent: Option<AgentStatus>,
    pub stats: Stats,
    pub guessed: Guessed,
    /// Typed bytes that never reached the agent.
    pub undelivered: usize,
    /// Lines for the person that came while the screen was the agent's.
    pub notices: Vec<String>,
}

/// Attaches, and comes back when it is over in one way or another.
///
/// # Errors
/// No randomness for the attachment's identity.
pub async fn attach(options: Options, parts: Parts) -> Result<Report, getrandom::Error> {
    engine::Engine::new(options, parts)?.run().await
}
