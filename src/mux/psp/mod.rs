//! The Program Status Protocol (OSC 7501): what a program says of itself. Reports are a program's untrusted
//! word, bounded in every way; they are shown and never obeyed.

mod table;

pub use table::{Summary, Table};

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::model::{AgentState, BlockedOn, Millis};

const MAX_REPORT: usize = 4096;
const MAX_KEY: usize = 16;
const MAX_ID: usize = 128;
const MAX_SEGMENTS: usize = 8;
const MAX_SEGMENT: usize = 32;
const MAX_APP: usize = 32;
const MAX_TITLE: usize = 256;
const MAX_MESSAGE: usize = 2732;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The states of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Idle,
    Working,
    Done,
    Blocked,
    Error,
}

/// What a program says of one thing it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub state: State,
    /// What it waits for; only with [`State::Blocked`].
    pub kind: Option<BlockedOn>,
    /// Percent; only with [`State::Working`] and [`State::Blocked`].
    pub progress: Option<u8>,
    pub app: Option<String>,
    pub title: Option<String>,
    pub message: Option<String>,
    pub at: Millis,
}

/// One report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Replaces the record whole. The id is empty for the root.
    Set { id: String, record: Record },
    /// Takes the record and its descendants away.
    Clear { id: String },
}

/// Reads an OSC 7501 sequence, whole (`ESC ] 7501 ; … ST`) or its text after `7501;`.
/// `None` where the protocol says to discard it.
pub fn parse(bytes: &[u8], now: Millis) -> Option<Report> {
    if bytes.len() > MAX_REPORT {
        return None;
    }
    let body = bytes.strip_prefix(b"\x1b]7501;").unwrap_or(bytes);
    let body = body
        .strip_suffix(b"\x1b\\")
        .or_else(|| body.strip_suffix(b"\x07"))
        .unwrap_or(body);
    let body = std::str::from_utf8(body).ok()?;
    let (mut state, mut id) = (None, String::new());
    let mut record = Record {
        state: State::Idle,
        kind: None,
        progress: None,
        app: None,
        title: None,
        message: None,
        at: now,
    };
    for pair in body.split(':') {
        let (key, value) = pair.split_once('=')?;
        if key.is_empty() || key.len() > MAX_KEY {
            return None;
        }
        match key {
            "state" => state = Some(value),
            "id" if is_id(value) => id = value.to_owned(),
            "id" => return None,
            "kind" => {
                record.kind = match value {
                    "permission" => Some(BlockedOn::Permission),
                    "question" => Some(BlockedOn::Question),
                    "auth" => Some(BlockedOn::Auth),
                    _ => Some(BlockedOn::Unknown),
                }
            }
            "progress" => record.progress = value.parse().ok().filter(|p| *p <= 100),
            "app" => {
                let fits = (1..=MAX_APP).contains(&value.len());
                record.app = Some(value.to_owned()).filter(|_| fits && !has_control(value));
            }
            "title" => record.title = Some(decode(value, MAX_TITLE)?),
            "msg" => record.message = Some(decode(value, MAX_MESSAGE)?),
            _ => {}
        }
    }
    record.state = match state? {
        "idle" => State::Idle,
        "working" => State::Working,
        "done" => State::Done,
        "blocked" => State::Blocked,
        "error" => State::Error,
        "clear" => return Some(Report::Clear { id }),
        _ => return None,
    };
    if record.state != State::Blocked {
        record.kind = None;
    }
    if !matches!(record.state, State::Blocked | State::Working) {
        record.progress = None;
    }
    Some(Report::Set { id, record })
}

fn is_id(id: &str) -> bool {
    let segment = |s: &str| {
        (1..=MAX_SEGMENT).contains(&s.len())
            && s.bytes()
                .all(|c| c.is_ascii_alphanumeric() || b"_.+-".contains(&c))
    };
    id.len() <= MAX_ID && id.split('/').count() <= MAX_SEGMENTS && id.split('/').all(segment)
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

fn decode(value: &str, max: usize) -> Option<String> {
    if value.len() > max {
        return None;
    }
    let text = String::from_utf8(BASE64.decode(value).ok()?).ok()?;
    (!has_control(&text)).then_some(text)
}

/// A report of our own to the user's terminal, for the agent called `id`. States that the protocol has no
/// word for clear the record; so does a message that does not fit lose only itself.
pub fn encode(id: &str, state: AgentState, message: Option<&str>, progress: Option<u8>) -> Vec<u8> {
    let (word, kind) = match state {
        AgentState::Idle => ("idle", None),
        AgentState::Working | AgentState::Starting => ("working", None),
        AgentState::Done | AgentState::Exited { code: 0 } => ("done", None),
        AgentState::Error | AgentState::Exited { .. } | AgentState::Lost => ("error", None),
        AgentState::Blocked { on } => ("blocked", Some(on)),
        AgentState::Unknown => ("clear", None),
    };
    let mut out = format!("\x1b]7501;state={word}:id={id}:app=remote");
    if let Some(kind) = kind.filter(|k| *k != BlockedOn::Unknown) {
        out.push_str(":kind=");
        out.push_str(kind.word());
    }
    if let Some(percent) = progress.filter(|_| matches!(word, "working" | "blocked")) {
        out.push_str(&format!(":progress={}", percent.min(100)));
    }
    let message = message
        .filter(|m| !has_control(m))
        .map(|m| BASE64.encode(m))
        .filter(|m| m.len() <= MAX_MESSAGE && word != "clear");
    if let Some(message) = message {
        out.push_str(":msg=");
        out.push_str(&message);
    }
    out.push_str("\x1b\\");
    out.into_bytes()
}

#[cfg(test)]
mod tests;
