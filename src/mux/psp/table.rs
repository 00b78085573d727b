//! The records of one program: replaced, cleared, outlived, evicted; and what they come to.

use std::collections::BTreeMap;

use super::{Record, Report, State};
use crate::model::{AgentState, BlockedOn, Millis};

pub(super) const MAX_RECORDS: usize = 256;

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
