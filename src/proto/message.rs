//! The bodies of a control stream's frames. JSON names are the wire: never renamed, only added to, with defaults.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{
    AgentSpec, AgentState, AgentStatus, HostRule, Millis, Search, Searched, SecretValue,
    SessionEvent, SessionStatus,
};

/// A protocol version. Equal majors understand each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    pub major: u16,
    pub minor: u16,
}

/// What this binary speaks.
pub const PROTOCOL: Version = Version { major: 1, minor: 3 };

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

/// What a host can be asked. On agent.sock only `notify` and `git_credential` are answered.
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
    /// What the session may cost in all, in micro-dollars, instead of what it was started with.
    Budget { microusd: u64 },
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
        /// Not what the agent wrote, but what that run of its check printed; of agent 0, what setup did. Since 1.3.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        check: Option<u32>,
    },
    /// The screen as text lines -> `outcome: text`.
    Screen { agent: u32 },
    /// What the agent asks, as its screen shows it -> `outcome: question`. Since 1.2.
    Question { agent: u32 },
    /// Types an answer as `send` does, if the question is still the one with this hash -> `done`, else the one
    /// asked now, with nothing typed. Since 1.2. With `watch` the reply comes once the question has gone from the
    /// screen, or is `untaken`. Since 1.3.
    Answer {
        agent: u32,
        hash: String,
        #[serde(default)]
        text: String,
        #[serde(default)]
        keys: Vec<Key>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        watch: bool,
    },
    /// What the host itself is to do about the session's news, in place of what it was told before; kept in its
    /// memory alone. Since 1.3.
    Tell { rules: Vec<HostRule> },
    /// Lends this client's SSH agent to the session's agents, who find the newest one that is lent -> `done`, then
    /// [`Event::SshAgent`] for what they ask of it, until the stream ends. Since 1.3.
    LendSshAgent,
    /// The answer to an [`Event::SshAgent`], as base64. Since 1.3.
    SshAgentReply { conn: u64, message: String },
    /// Replaces the host's binary by the one at `path` (on its machine); agents notice nothing.
    Upgrade { path: String },
    /// Runs a shell command as that agent would be run, which need not be there yet, and sends what it prints as
    /// `data` frames of records; its reply comes at its end. Ended with the stream. Since 1.3.
    Setup { agent: AgentSpec, command: String },
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
    /// What happened after `since` (the host's clock) -> `outcome: events`. Since 1.3.
    Events {
        #[serde(default)]
        since: Millis,
    },
    /// Values of secrets, by name, over earlier ones: held in memory, and given to an agent that starts with
    /// `REMOTE_GIVEN_SECRETS` naming them in its environment -> `done`. Since 1.3.
    Secrets {
        secrets: BTreeMap<String, SecretValue>,
    },
    /// The names of secrets that agents are to be given and this host does not have -> `outcome: text`. Since 1.3.
    MissingSecrets,
    /// The panes that this session's agents are shown in, as their person left them at `at` (the client's clock): text
    /// of at most 64 KiB that means nothing to the host. An older one than it has changes nothing -> `done`. Since 1.3.
    KeepLayout { at: Millis, layout: String },
    /// The newest of these -> `outcome: layout`. Since 1.3.
    Layout,
    /// On agent.sock alone: what an agent's git is given for `host` -> `outcome: credential`. Since 1.3.
    GitCredential { agent: u32, host: String },
    /// Looks through the lines of an agent's history: what is found as `data` frames of one JSON
    /// [`Found`](crate::model::Found) a line, then `outcome: searched`. Since 1.3.
    Grep { agent: u32, search: Search },
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
    Question {
        question: Box<Question>,
    },
    /// In order. `now` is the host's clock, and what to ask from the next time. Since 1.3.
    Events {
        events: Vec<SessionEvent>,
        now: Millis,
    },
    /// The answer was typed, and the question is still there, as it is now. Since 1.3.
    Untaken {
        question: Box<Question>,
    },
    /// 0 and empty where none was kept. Since 1.3.
    Layout {
        at: Millis,
        layout: String,
    },
    /// Since 1.3.
    Credential {
        password: SecretValue,
    },
    /// All that was to be looked through was. Since 1.3.
    Searched {
        searched: Searched,
    },
    Failed {
        error: WireError,
    },
    #[serde(other)]
    Unknown,
}

/// What an agent asks. Its text is the program's own, untrusted, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// `blocked`, or anything else where it asks nothing that is known.
    #[serde(flatten)]
    pub state: AgentState,
    pub since: Millis,
    #[serde(default)]
    pub message: Option<String>,
    /// The part of its screen that asks.
    pub lines: Vec<String>,
    /// Of these lines and of when it began to ask: another one is another question.
    pub hash: String,
    /// The answer is a key that takes effect at once, without Enter.
    #[serde(default)]
    pub key: bool,
    /// The host's clock.
    pub now: Millis,
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

/// What happens by itself. States are whole ones, so that a lost event is mended by the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Status {
        status: Box<SessionStatus>,
    },
    /// To who lends an SSH agent: one message to it (type and body, as base64), of a program of this agent's (0: of
    /// which one is not known). A connection's next one comes after the answer to this one. Since 1.3.
    SshAgent {
        conn: u64,
        agent: u32,
        message: String,
    },
    /// That connection is over. Since 1.3.
    SshAgentClosed {
        conn: u64,
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
