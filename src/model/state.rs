//! What an agent is doing, in the words of the Program Status Protocol (OSC 7501), and how we know.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Millis;

/// What an agent is doing. `Unknown` is better than a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AgentState {
    /// Spawned, nothing heard yet.
    Starting,
    Working,
    /// Waits for a person.
    Blocked {
        on: BlockedOn,
    },
    /// Its turn is over and it asks nothing.
    Done,
    /// At rest, asked nothing yet.
    Idle,
    Error,
    /// Its process has ended. A signal's death is 128 + signal, as in shells.
    Exited {
        code: i32,
    },
    /// Its host died under it.
    Lost,
    #[serde(other)]
    Unknown,
}

impl AgentState {
    /// Nothing more will come of it without a restart.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Exited { .. } | Self::Lost)
    }

    /// The word without its detail: `blocked`, `exited`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Working => "working",
            Self::Blocked { .. } => "blocked",
            Self::Done => "done",
            Self::Idle => "idle",
            Self::Error => "error",
            Self::Exited { .. } => "exited",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for AgentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "exited({code})"),
            Self::Blocked { on } if *on != BlockedOn::Unknown => {
                write!(f, "blocked({})", on.word())
            }
            other => f.write_str(other.word()),
        }
    }
}

/// What a blocked agent waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockedOn {
    Permission,
    Question,
    Auth,
    #[serde(other)]
    Unknown,
}

impl BlockedOn {
    pub fn word(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Question => "question",
            Self::Auth => "auth",
            Self::Unknown => "unknown",
        }
    }
}

/// Where a state was read from, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The process itself: spawned, ended, lost.
    Process,
    /// Its own OSC 7501 report.
    Report,
    /// Its hooks, through `remote host notify`.
    Hook,
    /// OSC 9, 99, 777 or 9;4.
    Notification,
    Screen,
    Title,
    Bell,
    /// Output, CPU use and quiet time.
    Activity,
    #[serde(other)]
    None,
}

impl Source {
    pub fn word(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Report => "report",
            Self::Hook => "hook",
            Self::Notification => "notification",
            Self::Screen => "screen",
            Self::Title => "title",
            Self::Bell => "bell",
            Self::Activity => "activity",
            Self::None => "none",
        }
    }
}

/// Why we say what we say of an agent. Text is the program's own, untrusted, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub source: Source,
    /// When it was seen.
    pub at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Percent, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
}
