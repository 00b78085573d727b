//! What a person sees of all this on a whole terminal: sessions and their agents, panes side by side, one
//! line to type a task into. It holds no truth: state comes from client/, what is done is done by verbs.

mod app;
mod chrome;
mod copy;
mod find;
mod heard;
mod home;
mod keys;
mod line;
mod linear;
mod links;
mod mouse;
mod overlay;
mod pane;
pub mod replay;
mod saved;
mod stage;
mod theme;
mod toasts;
mod ways;

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use linear::{Linear, run as speak};
pub use pane::Source;
pub use theme::Theme;

use crate::client::Registry;
use crate::client::attach::{Console, Outside, Predict};
use crate::client::layouts::Layout;
use crate::config::{Bindings, Paths};
use crate::error::Result;
use crate::model::{Money, Size};

/// What is shown first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum First {
    /// The list of sessions, the panes of last time behind it.
    List,
    /// The panes of last time; the list where there were none.
    LastTime,
    /// These, side by side.
    Panes(Vec<Source>),
}

/// What it is started with.
pub struct Start {
    pub first: First,
    pub registry: Registry,
    /// What another device left with the hosts.
    pub elsewhere: Option<JoinHandle<Option<Layout>>>,
    pub paths: Paths,
    pub bindings: Bindings,
    pub theme: Theme,
    /// What a day may cost, where the person has said.
    pub daily: Option<Money>,
    /// The environment of programs that are started here.
    pub env: BTreeMap<String, String>,
    /// This program, by which verbs are run.
    pub exe: PathBuf,
    pub scrollback: u32,
    pub predict: Predict,
    /// TERM.
    pub term: String,
    pub size: Size,
    /// Its size in pixels, where the PTY knows it.
    pub pixels: Option<(u16, u16)>,
    pub input: Box<dyn AsyncRead + Send + Unpin>,
    pub output: Box<dyn AsyncWrite + Send + Unpin>,
    pub outside: mpsc::Receiver<Outside>,
    pub console: Box<dyn Console>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The person left; so many panes come back the next time.
    Left { panes: usize },
    /// A signal ended us.
    Signal(i32),
    /// The terminal is gone.
    Hangup,
}

/// Runs until the person leaves. The terminal must be in raw mode; it is left as it was found.
///
/// # Errors
/// The terminal cannot be written to.
pub async fn run(start: Start) -> Result<Ending> {
    app::run(start).await
}
