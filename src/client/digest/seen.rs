//! What this device has been told of each session, and when: a small file, which `digest` moves forward.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Paths;
use crate::error::{Context, Result};
use crate::model::{Millis, SessionId};
use crate::provision::{Survives, write_whole};

/// Up to where one session was shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// By its host's clock.
    pub at: Millis,
    /// Commits that each agent had made by then.
    #[serde(default)]
    pub commits: BTreeMap<u32, u64>,
    /// That it is over, or that its host died, was shown too.
    #[serde(default)]
    pub over: bool,
}

/// What was shown here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When a digest was last shown, by this device's clock; `None` before the first.
    #[serde(default)]
    pub at: Option<Millis>,
    #[serde(default)]
    pub sessions: BTreeMap<SessionId, Mark>,
}

/// The file.
#[derive(Debug, Clone)]
pub struct SeenFile(PathBuf);

impl SeenFile {
    pub fn new(paths: &Paths) -> Self {
        Self(paths.state.join("digest.json"))
    }

    /// What it holds; nothing where it is not there or damaged: then everything is shown again.
    pub fn get(&self) -> Seen {
        let text = std::fs::read(&self.0).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Moves it forward, never back; another terminal may do so at the same moment. Sessions that are not `known`
    /// any more are forgotten.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn forward(
        &self,
        now: Millis,
        shown: BTreeMap<SessionId, Mark>,
        known: impl Fn(&SessionId) -> bool,
    ) -> Result<()> {
        let write = || -> std::io::Result<()> {
            if let Some(dir) = self.0.parent() {
                std::fs::create_dir_all(dir)?;
            }
            let held = File::create(self.0.with_extension("lock"))?;
            held.lock()?;
            let mut seen = self.get();
            seen.at = seen.at.max(Some(now));
            seen.sessions.retain(|id, _| known(id));
            for (id, mark) in shown {
                let before = seen.sessions.entry(id).or_default();
                // What a dead host has left may be older than what it said last.
                match mark.at >= before.at {
                    true => *before = mark,
                    false => before.over |= mark.over,
                }
            }
            write_whole(&self.0, &serde_json::to_vec_pretty(&seen)?, Survives::Crash)
        };
        write().context(format!("cannot write {}", self.0.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_forward_only_and_those_of_removed_sessions_go() -> Result<()> {
        let dir = tempfile::tempdir().expect("a directory");
        let file = SeenFile(dir.path().join("state/digest.json"));
        let id = |n: &str| n.parse::<SessionId>().expect("a good id");
        let mark = |at| Mark {
            at,
            commits: BTreeMap::from([(1, at)]),
            over: false,
        };
        let [a, b] = ["session-aaaaaa", "session-bbbbbb"].map(id);
        assert_eq!(file.get(), Seen::default());
        let both = BTreeMap::from([(a.clone(), mark(5)), (b.clone(), mark(7))]);
        file.forward(100, both, |_| true)?;
        let lost = Mark {
            over: true,
            ..mark(6)
        };
        file.forward(90, BTreeMap::from([(b.clone(), lost)]), |id| *id == b)?;
        let seen = file.get();
        assert_eq!((seen.at, seen.sessions.len()), (Some(100), 1));
        assert!(seen.sessions[&b].over);
        assert_eq!(seen.sessions[&b].at, 7);
        Ok(())
    }
}
