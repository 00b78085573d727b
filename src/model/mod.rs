//! The nouns everything else speaks of: sessions, agents, their states and ends, as plain data.
//! They are what session.json holds and what the wire carries, so serde names here are a contract:
//! fields are only ever added, with a default.

mod check;
mod event;
mod found;
mod id;
mod load;
mod money;
mod news;
mod push;
mod record;
pub mod secret;
mod session;
mod shape;
mod state;
mod terminal;

pub use check::{Check, CheckSpec, CheckState, Work};
pub use event::{SessionEvent, What};
pub use found::{Found, Search, Searched};
pub use id::{AgentRef, IdError, SessionId};
pub use load::Load;
pub use money::{Certainty, Money, MoneyError};
pub use news::{HostRule, HostWay, News, NewsKind, shown_url};
pub use push::{Push, PushState};
pub use record::{HistoryKind, LogRecord, MAX_RECORD, RecordTooLong};
pub use secret::SecretValue;
pub use session::{
    AgentSpec, AgentStatus, AttachedClient, DEFAULT_SIZE, End, EndKind, Ended, Ends, HostEndpoint,
    Mode, ON_WARNING, OnWorkspace, SessionSpec, SessionStatus, Size, VolumeUse, WARNING,
};
pub use shape::{Arch, Shape};
pub use state::{AgentState, BlockedOn, Evidence, Source};
pub use terminal::Terminal;

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch: the one form of time that is stored or sent.
pub type Millis = u64;

/// The wall clock now, in [`Millis`]. A clock before 1970 reads as 0.
pub fn now_ms() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}
