//! The layout on disk, so that the same panes are there tomorrow.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::pane::Source;
use crate::config::Paths;
use crate::mux::layout::{PaneId, Tabs};
use crate::provision::{Survives, write_whole};

/// Tabs, and what runs in their panes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Saved {
    pub tabs: Tabs,
    pub panes: BTreeMap<PaneId, Source>,
}

fn file(paths: &Paths) -> PathBuf {
    paths.state.join("mux.json")
}

impl Saved {
    /// What was there last time; nothing where that cannot be read.
    pub fn load(paths: &Paths) -> Self {
        let text = std::fs::read(file(paths)).unwrap_or_default();
        let saved: Self = serde_json::from_slice(&text).unwrap_or_default();
        saved.checked()
    }

    /// Keeps it. What cannot be written is not there next time, and that is all.
    pub fn store(&self, paths: &Paths) {
        if self.tabs.is_empty() {
            let _ = std::fs::remove_file(file(paths));
        } else if let Ok(text) = serde_json::to_vec_pretty(self) {
            let _ = std::fs::create_dir_all(&paths.state);
            let _ = write_whole(&file(paths), &text, Survives::Crash);
        }
    }

    /// Only panes that are in a tab, and tabs of panes of which it is known what ran in them.
    fn checked(mut self) -> Self {
        let known = |pane: &PaneId| self.panes.contains_key(pane);
        let lost: Vec<PaneId> = self
            .tabs
            .panes()
            .into_iter()
            .filter(|p| !known(p))
            .collect();
        lost.into_iter().for_each(|pane| self.tabs.remove(pane));
        let there = self.tabs.panes();
        self.panes.retain(|pane, _| there.contains(pane));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_comes_back_and_damage_is_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |_: &str| Some(dir.path().to_owned());
        let paths = Paths::new(at).expect("paths");
        assert!(Saved::load(&paths).tabs.is_empty());
        let mut saved = Saved::default();
        saved.tabs.open(3);
        saved.tabs.open(4);
        let shell = Source::Local {
            argv: vec!["sh".into()],
            cwd: None,
        };
        saved.panes.insert(3, shell);
        saved.store(&paths);
        let back = Saved::load(&paths);
        // Of pane 4 nobody knows what it was.
        assert_eq!((back.tabs.panes(), back.panes), (vec![3], saved.panes));
        std::fs::write(file(&paths), "{\"tabs\":3}").expect("damage");
        assert_eq!(Saved::load(&paths), Saved::default());
        Saved::default().store(&paths);
        assert!(!file(&paths).exists());
    }
}
