//! What people are told of a session, whether or not they look: its host decides and numbers it, so that however
//! many clients follow it is one piece of news, and each says which it has told.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AgentState, Millis};

/// What a piece of news is about; the words of `on` in the configuration's `[[notify]]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewsKind {
    /// An agent waits for a person.
    Blocked,
    /// An agent's turn is over, or it has exited with 0.
    Done,
    /// An agent has failed, is lost, or has exited with something else.
    Error,
    /// The session's end nears.
    Ending,
    /// Its machine is taken away.
    Interrupted,
    /// It has ended.
    Ended,
    #[serde(other)]
    Unknown,
}

impl NewsKind {
    pub const ALL: [Self; 6] = [
        Self::Blocked,
        Self::Done,
        Self::Error,
        Self::Ending,
        Self::Interrupted,
        Self::Ended,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Done => "done",
            Self::Error => "error",
            Self::Ending => "ending",
            Self::Interrupted => "interrupted",
            Self::Ended => "ended",
            Self::Unknown => "unknown",
        }
    }

    /// What an agent's state is, if it is any news.
    pub fn of(state: AgentState) -> Option<Self> {
        match state {
            AgentState::Blocked { .. } => Some(Self::Blocked),
            AgentState::Done | AgentState::Exited { code: 0 } => Some(Self::Done),
            AgentState::Error | AgentState::Exited { .. } | AgentState::Lost => Some(Self::Error),
            _ => None,
        }
    }
}

/// One piece of news. Texts of agents' are their own, untrusted, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// From 1, in the session.
    pub number: u64,
    pub event: NewsKind,
    /// The agent, where it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<u32>,
    /// The agent's state: `blocked(permission)`, `exited(3)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What it asks or says, or why the session ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When that began; for a session's news the same as `at`.
    pub since: Millis,
    /// When it became news.
    pub at: Millis,
    /// It is not so any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passed: bool,
    /// What the session has cost, in micro-dollars: at its end, where it costs anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_microusd: Option<u64>,
}

/// What a host itself is to do about news. Held in its memory alone: a webhook's URL is a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRule {
    pub on: Vec<NewsKind>,
    /// An agent's state must have held so long.
    #[serde(default)]
    pub after_ms: Millis,
    #[serde(flatten)]
    pub way: HostWay,
}

/// How a host tells.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum HostWay {
    /// POSTs JSON.
    Webhook { url: String },
    /// Runs a shell command, with the news in its environment.
    Command { command: String },
    #[serde(other)]
    Unknown,
}

impl fmt::Debug for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on: Vec<_> = self.on.iter().map(|k| k.word()).collect();
        write!(
            f,
            "{:?} on {} after {}",
            self.way,
            on.join(","),
            self.after_ms
        )
    }
}

impl fmt::Debug for HostWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Webhook { .. } => "webhook",
            Self::Command { .. } => "command",
            Self::Unknown => "unknown",
        })
    }
}

/// As much of a URL as may be shown: whose it is. What follows is often a secret.
pub fn shown_url(url: &str) -> String {
    let scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url
        .get(scheme..)
        .and_then(|rest| rest.find(['/', '?', '#']))
        .map_or(url.len(), |at| scheme + at);
    let short = url.get(..end).unwrap_or_default();
    if end < url.len() {
        format!("{short}/…")
    } else {
        short.to_owned()
    }
}
