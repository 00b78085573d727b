//! Whether an agent's work is good, by a command that was given for that, and how much it is.

use serde::{Deserialize, Serialize};

use super::Millis;

/// The command that says whether an agent's work is good. Holds no secret: it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSpec {
    /// For the shell; it is good if that exits with 0.
    pub command: String,
    /// One that takes longer is killed.
    pub limit_ms: Millis,
}

/// The newest check of an agent's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub state: CheckState,
    /// What its command exited with. A signal's death is 128 + signal, as in shells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// When it began.
    pub since: Millis,
    /// How long it took, once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<Millis>,
    /// From 1: an agent that works again is checked again. Each run has a log of its own.
    #[serde(default)]
    pub run: u32,
    /// Why it is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It runs, or is about to.
    Running,
    Passed,
    Failed,
    /// It says nothing of the work: it could not be started, took too long, or was ended.
    Broken,
    #[serde(other)]
    Unknown,
}

impl CheckState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
        }
    }
}

impl Check {
    pub fn is_running(&self) -> bool {
        self.state == CheckState::Running
    }

    /// When it was over; `None` while it runs.
    pub fn ended(&self) -> Option<Millis> {
        self.took_ms.map(|took| self.since.saturating_add(took))
    }
}

/// `passed`, `failed(2)`.
impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.state, self.code) {
            (CheckState::Failed, Some(code)) => write!(f, "failed({code})"),
            (state, _) => f.write_str(state.word()),
        }
    }
}

/// How much an agent has made since it began, by git; what it has not committed included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Work {
    /// On its branch.
    pub commits: u64,
    pub files: u64,
    pub insertions: u64,
    pub deletions: u64,
}
