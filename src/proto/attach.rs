//! The bodies of an attachment's frames. JSON names are the wire: never renamed, only added to, with defaults.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::{AgentState, AgentStatus, Size, Terminal};

/// One client's attached terminal; it outlives its connections. Written as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AttachmentId(pub [u8; 16]);

impl AttachmentId {
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        Ok(Self(id))
    }
}

impl fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for AttachmentId {
    type Err = &'static str;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "an attachment's identity is 32 hex digits";
        if s.len() != 32 || !s.is_ascii() {
            return Err(WRONG);
        }
        let mut id = [0; 16];
        for (i, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&s[2 * i..2 * i + 2], 16).map_err(|_| WRONG)?;
        }
        Ok(Self(id))
    }
}

impl TryFrom<String> for AttachmentId {
    type Error = &'static str;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<AttachmentId> for String {
    fn from(id: AttachmentId) -> Self {
        id.to_string()
    }
}

/// Opens (or comes back to) an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// 0: the one that a person most likely means; the answer says which.
    pub agent: u32,
    pub attachment: AttachmentId,
    pub size: Size,
    #[serde(default)]
    pub read_only: bool,
    #[serde(default)]
    pub terminal: Terminal,
    #[serde(default)]
    pub resume: Option<Resume>,
    /// Lines wanted above the first repaint.
    #[serde(default)]
    pub scrollback: u32,
    /// Output bytes that may be in flight.
    pub window: u32,
    /// Echo-acks are wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub echoes: bool,
}

/// Where a client that comes back was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The `to` of the last output frame it has written to its terminal.
    pub offset: u64,
    /// The form it had; bytes can follow bytes only.
    pub form: Form,
    /// The PTY's size when it left.
    pub size: Size,
}

/// What output frames carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The agent's own bytes.
    Raw = 0,
    /// The whole screen anew.
    Repaint = 1,
    /// A difference between screens of the client's size.
    Drawn = 2,
    /// Lines above the screen.
    Scrollback = 3,
}

impl Form {
    pub fn from_u8(n: u8) -> Option<Self> {
        match n {
            0 => Some(Self::Raw),
            1 => Some(Self::Repaint),
            2 => Some(Self::Drawn),
            3 => Some(Self::Scrollback),
            _ => None,
        }
    }
}

/// The host's answer to [`Attach`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    pub agent: AgentStatus,
    /// Output goes on from this agent byte.
    pub offset: u64,
    /// The last input number applied; 0 for none.
    pub input: u64,
    pub view: View,
    pub resumed: Resumed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resumed {
    /// Every byte since `resume.offset` follows.
    Bytes,
    /// A repaint follows.
    #[serde(other)]
    Repaint,
}

/// How the client sees the agent's screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// `raw` or `drawn`.
    pub form: Form,
    /// The PTY's size.
    pub size: Size,
}

/// The agent's process is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentEnded {
    #[serde(flatten)]
    pub state: AgentState,
    /// The session ends too.
    #[serde(default)]
    pub session_over: bool,
}

/// One line for the person who is attached: a deadline that nears, a superseded attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub text: String,
    /// This stream is over: do not come back by yourself.
    #[serde(default)]
    pub fatal: bool,
}
