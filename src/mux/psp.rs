//! The Program Status Protocol (OSC 7501): what a program says of itself. Reports are a program's untrusted
//! word, bounded in every way; they are shown and never obeyed.

use std::collections::BTreeMap;

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
const MAX_RECORDS: usize = 256;

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

/// What a program's records come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The record it is taken from; empty for the root.
    pub id: String,
    pub state: AgentState,
    pub message: Option<String>,
    pub progress: Option<u8>,
    pub title: Option<String>,
    pub app: Option<String>,
    pub at: Millis,
}

/// All that one program says of itself.
#[derive(Debug, Clone, Default)]
pub struct Table {
    records: BTreeMap<String, (u64, Record)>,
    updates: u64,
}

impl Table {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a report. Over 256 records the one not updated for longest goes.
    pub fn apply(&mut self, report: Report) {
        match report {
            Report::Clear { id } if id.is_empty() => self.records.clear(),
            Report::Clear { id } => {
                let below = format!("{id}/");
                self.records
                    .retain(|k, _| *k != id && !k.starts_with(&below));
            }
            Report::Set { id, record } => {
                self.updates += 1;
                self.records.insert(id, (self.updates, record));
                if self.records.len() > MAX_RECORDS
                    && let Some(oldest) = self
                        .records
                        .iter()
                        .min_by_key(|(_, (update, _))| *update)
                        .map(|(id, _)| id.clone())
                {
                    self.records.remove(&oldest);
                }
            }
        }
    }

    /// The process has ended, or a shell shows its prompt (OSC 133;A): nothing works or waits any more.
    pub fn ended(&mut self) {
        self.records
            .retain(|_, (_, r)| !matches!(r.state, State::Working | State::Blocked));
    }

    /// RIS.
    pub fn reset(&mut self) {
        self.records.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// The records by id, the root's is empty.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Record)> {
        self.records.iter().map(|(id, (_, r))| (id.as_str(), r))
    }

    /// The record that matters most: whatever waits for a person, then whatever works, then the root's,
    /// then the newest.
    pub fn summary(&self) -> Option<Summary> {
        let rank = |id: &str, state: State| match state {
            State::Blocked => 3,
            State::Working => 2,
            _ if id.is_empty() => 1,
            _ => 0,
        };
        let (id, (_, record)) = self
            .records
            .iter()
            .max_by_key(|(id, (update, r))| (rank(id, r.state), *update))?;
        let root = self.records.get("").map(|(_, r)| r);
        Some(Summary {
            id: id.clone(),
            state: match record.state {
                State::Idle => AgentState::Idle,
                State::Working => AgentState::Working,
                State::Done => AgentState::Done,
                State::Error => AgentState::Error,
                State::Blocked => AgentState::Blocked {
                    on: record.kind.unwrap_or(BlockedOn::Unknown),
                },
            },
            message: record.message.clone(),
            progress: record.progress,
            title: record
                .title
                .clone()
                .or_else(|| root.and_then(|r| r.title.clone())),
            app: record
                .app
                .clone()
                .or_else(|| root.and_then(|r| r.app.clone())),
            at: record.at,
        })
    }
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
mod tests {
    use super::*;

    fn table(reports: &[&str]) -> Table {
        let mut t = Table::new();
        for (at, r) in (1..).zip(reports) {
            if let Some(report) = parse(r.as_bytes(), at) {
                t.apply(report);
            }
        }
        t
    }

    #[test]
    fn reports_within_bounds_only() {
        for good in [
            "state=idle",
            "state=blocked:kind=auth:progress=100:id=a/b-c.d:app=x",
            "state=done:new-key=1",
        ] {
            assert!(parse(good.as_bytes(), 0).is_some(), "{good}");
        }
        let long_id = ["a"; 9].join("/");
        for bad in [
            "",
            "state=asleep",
            "id=a",
            "state=idle:id=",
            "state=idle:id=a//b",
            "state=idle:id=a b",
            "state=idle:title=%%",
            "state=idle:msg=Cg==",
            "state=idle:averylongkeyname1=x",
        ] {
            assert_eq!(parse(bad.as_bytes(), 0), None, "{bad}");
        }
        assert_eq!(
            parse(format!("state=idle:id={long_id}").as_bytes(), 0),
            None
        );
        assert_eq!(
            parse(format!("state=idle:x={}", "y".repeat(4096)).as_bytes(), 0),
            None
        );
        let whole = parse(
            b"\x1b]7501;state=working:progress=101:kind=auth:msg=aGk\x1b\\",
            7,
        );
        let Some(Report::Set { record, .. }) = whole else {
            panic!("a report")
        };
        assert_eq!(
            (
                record.progress,
                record.kind,
                record.message.as_deref(),
                record.at
            ),
            (None, None, Some("hi"), 7)
        );
    }

    #[test]
    fn replacement_clearing_and_lifetimes() {
        let mut t = table(&[
            "state=working:msg=aGk=",
            "state=working",
            "state=blocked:id=a",
            "state=done:id=a/b",
            "state=error:id=ab",
        ]);
        assert_eq!(t.len(), 4);
        assert!(
            t.iter()
                .next()
                .is_some_and(|(id, r)| id.is_empty() && r.message.is_none())
        );
        t.ended();
        assert_eq!(
            t.iter().map(|(id, _)| id).collect::<Vec<_>>(),
            ["a/b", "ab"]
        );
        t.apply(Report::Clear { id: "a".into() });
        assert_eq!(t.len(), 1);
        t.apply(Report::Clear { id: String::new() });
        assert!(t.is_empty() && t.summary().is_none());
    }

    #[test]
    fn the_oldest_of_257_goes() {
        let reports: Vec<String> = (0..=MAX_RECORDS)
            .map(|n| format!("state=idle:id={n}"))
            .collect();
        let t = table(&reports.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(t.len(), MAX_RECORDS);
        assert!(t.iter().all(|(id, _)| id != "0"));
    }

    #[test]
    fn what_matters_most() {
        let state = |r: &[&str]| table(r).summary().map(|s| s.state);
        let blocked = AgentState::Blocked {
            on: BlockedOn::Question,
        };
        assert_eq!(
            state(&["state=blocked:kind=question:id=a", "state=working"]),
            Some(blocked)
        );
        assert_eq!(
            state(&["state=working:id=a", "state=done"]),
            Some(AgentState::Working)
        );
        assert_eq!(
            state(&["state=done", "state=error:id=a"]),
            Some(AgentState::Done)
        );
        assert_eq!(
            state(&["state=done:id=a", "state=idle:id=b"]),
            Some(AgentState::Idle)
        );
    }

    #[test]
    fn our_own_reports_can_be_read() {
        let on = BlockedOn::Permission;
        let bytes = encode(
            "session-abc123/2",
            AgentState::Blocked { on },
            Some("may I?"),
            None,
        );
        let Some(Report::Set { id, record }) = parse(&bytes, 0) else {
            panic!("a report")
        };
        assert_eq!(
            (id.as_str(), record.kind, record.message.as_deref()),
            ("session-abc123/2", Some(on), Some("may I?"))
        );
        assert!(matches!(
            parse(&encode("x", AgentState::Unknown, None, None), 0),
            Some(Report::Clear { .. })
        ));
    }
}
