//! The bodies of a control stream's frames. JSON names are the wire: never renamed, only added to, with defaults.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{AgentSpec, AgentState, AgentStatus, Millis, SessionStatus};

/// A protocol version. Equal majors understand each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    pub major: u16,
    pub minor: u16,
}

/// What this binary speaks.
pub const PROTOCOL: Version = Version { major: 1, minor: 1 };

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Each side's first frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: Version,
    /// `remote 0.1.0`.
    #[serde(default)]
    pub software: String,
    /// Who speaks, for people: `user@machine`.
    #[serde(default)]
    pub who: String,
}

/// A question or an order on a control stream; any number may be under way, told apart by `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub id: u32,
    #[serde(flatten)]
    pub op: Op,
}

/// What a host can be asked. On agent.sock only `notify` is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// -> `outcome: status`.
    Status,
    /// Sends [`Event::Status`] now and at each change, until the stream ends. Its reply comes at once.
    Watch,
    /// Starts one more agent; `number` 0 takes the next free one -> `outcome: agent`.
    Spawn { agent: AgentSpec },
    /// SIGHUP, `grace_ms`, SIGKILL to the agent's process group -> `done` once it is gone.
    Kill {
        agent: u32,
        #[serde(default)]
        grace_ms: Option<Millis>,
    },
    /// Starts an ended agent again (a live one is killed first), by `resume` where it has one.
    Restart {
        agent: u32,
        #[serde(default)]
        fresh: bool,
    },
    /// Types into an agent: text as one paste (bracketed where the agent asked for that), then keys.
    Send {
        agent: u32,
        #[serde(default)]
        text: String,
        #[serde(default)]
        keys: Vec<Key>,
    },
    /// Moves the deadline to `deadline`.
    Extend { deadline: Millis },
    /// A new name; empty takes it away.
    Rename { name: String },
    /// Ends the session: wrap-up, then the host exits. The reply comes when the wrap-up is done.
    Terminate {
        #[serde(default)]
        why: String,
    },
    /// History of an agent as `data` frames of [`LogRecord`](crate::model::LogRecord)s, from byte
    /// `offset` or the last `tail` bytes; with `follow` until the agent's end.
    Logs {
        agent: u32,
        #[serde(default)]
        offset: u64,
        #[serde(default)]
        tail: Option<u64>,
        #[serde(default)]
        follow: bool,
    },
    /// The screen as text lines -> `outcome: text`.
    Screen { agent: u32 },
    /// Replaces the host's binary by the one at `path` (on its machine); agents notice nothing.
    Upgrade { path: String },
    /// An agent's hook speaks of itself.
    Notify {
        agent: u32,
        #[serde(flatten)]
        state: AgentState,
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        progress: Option<u8>,
    },
    #[serde(other)]
    Unknown,
}

/// A key by its tmux name: `C-c`, `M-x`, `Enter`, `Up`, `F5`, or one character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub String);

/// The answer to the request of the same `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub id: u32,
    #[serde(flatten)]
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Done,
    Status {
        status: Box<SessionStatus>,
    },
    Agent {
        agent: Box<AgentStatus>,
    },
    Text {
        lines: Vec<String>,
    },
    Failed {
        error: WireError,
    },
    #[serde(other)]
    Unknown,
}

/// An error that a client can act on: a code, what happened, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct WireError {
    pub code: ErrorCode,
    pub message: String,
    #[serde(default)]
    pub hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    NoSuchAgent,
    /// The agent has ended.
    AgentOver,
    /// The session is ending.
    Ending,
    /// The host's binary is being replaced: ask again in a moment, over a new connection.
    Upgrading,
    BadRequest,
    /// Asked on agent.sock for what only host.sock may.
    NotAllowed,
    /// A newer client asked for what this host does not know.
    Unsupported,
    Spawn,
    Io,
    #[serde(other)]
    Unknown,
}

/// What happens by itself. Events are whole states, so that a lost one is mended by the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Status {
        status: Box<SessionStatus>,
    },
    #[serde(other)]
    Unknown,
}

impl WireError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<WireError> for crate::error::Error {
    fn from(e: WireError) -> Self {
        let error = Self::user(e.message);
        match e.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
