//! The layout, kept so that the same panes are there tomorrow: in a file, and by the hosts whose agents are in it for
//! the person's other devices. Hosts are not told what runs here, and what they tell is never run here.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::pane::Source;
use crate::client::Registry;
use crate::client::layouts::Layout;
use crate::config::Paths;
use crate::model::{Millis, SessionId, now_ms};
use crate::mux::layout::{PaneId, Tabs};
use crate::provision::{Survives, write_whole};

/// What a host may tell, in bytes: as much as it may be told.
const MOST_TOLD: usize = 64 * 1024;
/// More panes than a person has; each is a program.
const MOST_PANES: usize = 100;
/// Far from where numbers end.
const LAST_PANE: PaneId = 1_000_000;
/// How far clocks of devices may be apart, in milliseconds: one day.
const AHEAD: Millis = 86_400_000;

/// Tabs, and what runs in their panes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Saved {
    /// When it was like this last; this device's clock.
    #[serde(default)]
    pub at: Millis,
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

    /// The newer of this and what another device left with the hosts.
    pub fn or_newer(self, layout: Option<&Layout>, registry: &Registry, shell: &str) -> Self {
        let known = |session: &SessionId| registry.known(session).is_ok();
        match layout.filter(|layout| layout.at > self.at) {
            Some(layout) => Self::told(layout, known, shell).unwrap_or(self),
            None => self,
        }
    }

    /// What a host tells: of agents only those of sessions that are known here, and of programs none. Where another
    /// device had one there is a shell.
    fn told(layout: &Layout, known: impl Fn(&SessionId) -> bool, shell: &str) -> Option<Self> {
        if layout.text.len() > MOST_TOLD || layout.at > now_ms().saturating_add(AHEAD) {
            return None;
        }
        let mut saved: Self = serde_json::from_str(&layout.text).ok()?;
        if saved.panes.len() > MOST_PANES || saved.panes.keys().any(|id| *id > LAST_PANE) {
            return None;
        }
        saved.at = layout.at;
        let closed = saved.tabs.is_empty();
        saved.panes.retain(|_, source| match source {
            Source::Agent { session, .. } => known(session),
            Source::Local { argv, cwd } => {
                (*argv, *cwd) = (vec![shell.to_owned()], None);
                true
            }
        });
        // One of which nothing is known here says nothing of what to show here.
        Some(saved.checked()).filter(|saved| closed || !saved.tabs.is_empty())
    }

    /// With numbers of panes that are higher by so many.
    pub fn raised(mut self, by: PaneId) -> Self {
        self.tabs.raise(by);
        let panes = std::mem::take(&mut self.panes);
        let raised = |(id, source): (PaneId, Source)| (id.saturating_add(by), source);
        self.panes = panes.into_iter().map(raised).collect();
        self
    }

    /// For hosts: which agents are where. Nobody's business is what runs here.
    pub fn for_hosts(&self) -> Option<Layout> {
        let mut saved = self.clone();
        for source in saved.panes.values_mut() {
            if let Source::Local { argv, cwd } = source {
                (*argv, *cwd) = (Vec::new(), None);
            }
        }
        let text = serde_json::to_string(&saved).ok()?;
        Some(Layout { at: self.at, text })
    }

    /// Keeps it, with no panes too: that is newer than what hosts have. What cannot be written is not there next
    /// time, and that is all.
    pub fn store(&self, paths: &Paths) {
        if let Ok(text) = serde_json::to_vec_pretty(self) {
            let _ = std::fs::create_dir_all(&paths.state);
            let _ = write_whole(&file(paths), &text, Survives::Crash);
        }
    }

    /// Only panes that are in a tab, and tabs of panes of which it is known what ran in them.
    fn checked(mut self) -> Self {
        if !self.tabs.is_sound() {
            return Self::default();
        }
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
