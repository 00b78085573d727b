//! What became of an agent's branch at the repository's own remote.

use serde::{Deserialize, Serialize};

use super::Millis;

/// The newest push of an agent's branch from its session's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    pub state: PushState,
    pub at: Millis,
    /// The commit that was pushed last, by this push or an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Why it failed, in git's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How a push stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushState {
    Running,
    Pushed,
    /// It has made no commit.
    Nothing,
    Failed,
    #[serde(other)]
    Unknown,
}

impl PushState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Pushed => "pushed",
            Self::Nothing => "nothing",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// `pushed 0f3a91c2d4`, `failed: Permission denied (publickey)`.
impl std::fmt::Display for Push {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.state.word())?;
        match (self.state, &self.commit, &self.message) {
            (PushState::Pushed, Some(commit), _) => {
                let short = commit.get(..10).unwrap_or(commit);
                write!(f, " {short}")
            }
            (PushState::Failed, _, Some(why)) => write!(f, ": {why}"),
            _ => Ok(()),
        }
    }
}
