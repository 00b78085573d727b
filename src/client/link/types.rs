//! What goes into a link and what comes out of it, as plain data.

use std::time::Duration;

use bytes::Bytes;

use super::Retry;
use crate::model::{Millis, Size, Terminal};
use crate::proto::{AgentEnded, Attached, AttachmentId, Form, Hello, ToClient, ToHost};

/// Both clocks: durations come from `mono`, which stands still while the machine sleeps; `wall` tells that it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub mono: Duration,
    pub wall: Millis,
}

/// What a link attaches to, and as whom.
#[derive(Debug, Clone)]
pub struct Config {
    pub agent: u32,
    pub attachment: AttachmentId,
    pub hello: Hello,
    pub size: Size,
    pub read_only: bool,
    /// Lines wanted above the first screen.
    pub scrollback: u32,
    pub terminal: Terminal,
    /// The host is to say when what was typed is answered.
    pub echoes: bool,
}

/// How far input has got, by its numbers; 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputState {
    /// The newest that was typed.
    pub last: u64,
    /// The program was given this and all before it.
    pub applied: u64,
    /// What it answered to this and all before it has arrived.
    pub echoed: u64,
}

/// Why a dial failed, and whether to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub retry: Retry,
    pub message: String,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The first one.
    Start,
    /// The dial asked for has a stream.
    Dialed,
    DialFailed(Failure),
    /// From the current stream; those of an aborted one must not arrive.
    Frame(ToClient),
    /// The current stream ended or failed.
    Lost,
    Tick,
    /// Typed or pasted.
    Input(Bytes),
    /// The answer to [`Effect::Confirm`].
    Confirm(bool),
    Resize(Size),
    /// The outer terminal has said what it is.
    Terminal(Terminal),
    /// So many bytes of [`Effect::Write`]s are written to the terminal.
    Written(usize),
    /// The whole screen is wanted again.
    Repaint,
    /// The terminal no longer shows what was written: come back with a repaint only.
    Spoilt,
    /// The process was stopped or the machine slept.
    Woke,
    /// The person leaves.
    Leave,
}

/// What is to be done, in order.
#[derive(Debug)]
pub enum Effect {
    /// Open a stream; with `refresh`, ask first where the host is now.
    Dial {
        refresh: bool,
    },
    /// Drop the stream or the dial.
    Abort,
    Send(ToHost),
    /// Write these bytes to the terminal after all earlier ones, and say so with [`Event::Written`].
    Write {
        form: Form,
        from: u64,
        to: u64,
        bytes: Bytes,
    },
    /// Forget the writes that have not begun; no [`Event::Written`] for them.
    Discard,
    /// The terminal and the agent are joined (again).
    Attached(Box<Attached>),
    /// Trouble since `since`; `attempt` counts the dials, 0 for a connection that is merely silent.
    /// Comes again each second.
    ShowBanner {
        since: Duration,
        attempt: u32,
    },
    HideBanner,
    /// This was typed `age` ago and never delivered: ask whether it is still meant.
    Confirm {
        text: Vec<u8>,
        age: Duration,
    },
    /// The question is void for now.
    EndConfirm,
    /// One line for the person.
    Notice(String),
    /// It is over; nothing comes after this.
    Close(Reason),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    Left,
    /// The agent's process is over.
    Ended(AgentEnded),
    /// No connection can be had.
    Failed(String),
    /// The host said no: what, and what to do about it.
    Refused {
        message: String,
        hint: Option<String>,
    },
}

/// Counts over a link's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    pub dials: u64,
    pub attached: u64,
    pub lost: u64,
    /// Comings back that went on with the bytes, and those that began with a repaint.
    pub by_bytes: u64,
    pub by_repaint: u64,
    /// Frames that did not join up and were mended by a repaint.
    pub gaps: u64,
    /// Typed on a read-only attachment.
    pub ignored_input: usize,
}
