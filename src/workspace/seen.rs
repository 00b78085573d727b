//! What this device has last seen of workspaces, by place: what the shell completes, and what `remote cost` counts
//! without asking anybody. A record, not a truth: where it is damaged it is as if there were none.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Snapshot, Workspace};
use crate::config::Paths;
use crate::model::Millis;
use crate::provision::{Survives, write_whole};

/// One place's: a region's, a machine's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sight {
    /// When it was looked at.
    pub at: Millis,
    pub workspaces: Vec<Workspace>,
    /// As of that time; those that could not be listed are none.
    #[serde(default)]
    pub snapshots: Vec<Snapshot>,
}

/// The file.
#[derive(Debug, Clone)]
pub struct Seen(PathBuf);

impl Seen {
    pub fn new(paths: &Paths) -> Self {
        Self(paths.state.join("workspaces.json"))
    }

    /// By place: `us-east-1`, `local`, `me@box`.
    pub fn all(&self) -> BTreeMap<String, Sight> {
        std::fs::read(&self.0)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// A place was looked at. What cannot be written down stops nobody.
    pub fn saw(&self, place: &str, sight: Sight) {
        let mut all = self.all();
        match sight.workspaces.is_empty() && sight.snapshots.is_empty() {
            true => all.remove(place),
            false => all.insert(place.to_owned(), sight),
        };
        let written = serde_json::to_vec(&all)
            .map_err(std::io::Error::other)
            .and_then(|bytes| {
                self.0.parent().map_or(Ok(()), std::fs::create_dir_all)?;
                write_whole(&self.0, &bytes, Survives::Crash)
            });
        if let Err(e) = written {
            tracing::debug!(%e, "what was seen of workspaces is not written down");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_reads_as_nothing_and_is_written_over() {
        let home = tempfile::tempdir().expect("a directory");
        let paths = Paths::new(|v| (v == "HOME").then(|| home.path().into())).expect("paths");
        let seen = Seen::new(&paths);
        assert!(seen.all().is_empty());
        std::fs::create_dir_all(&paths.state).expect("made");
        std::fs::write(paths.state.join("workspaces.json"), "{\"a\":").expect("written");
        assert!(seen.all().is_empty());
        let snapshot = Snapshot {
            id: "snap-1".to_owned(),
            workspace: "alpha".parse().expect("a name"),
            owner: "me".to_owned(),
            region: "r".to_owned(),
            gib: 8,
            created: 1,
            complete: true,
            percent: 100,
            automatic: false,
            note: String::new(),
            microusd_per_month: 1,
        };
        let sight = Sight {
            at: 7,
            workspaces: Vec::new(),
            snapshots: vec![snapshot],
        };
        seen.saw("us-east-1", sight.clone());
        assert_eq!(seen.all().get("us-east-1"), Some(&sight));
        seen.saw("us-east-1", Sight::default());
        assert!(seen.all().is_empty());
    }
}
