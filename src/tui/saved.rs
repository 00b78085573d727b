//! The layout, kept so that the same panes are there tomorrow: in a file, and by the hosts whose agents are in it for
//! the person's other devices. Hosts are not told what runs here, and what they tell is never run here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::pane::Source;
use crate::client::Registry;
use crate::client::layouts::Layout;
use crate::config::Paths;
use crate::model::{Millis, SessionId};
use crate::mux::layout::{PaneId, Tabs};
use crate::provision::{Survives, write_whole};

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
        let mut saved: Self = serde_json::from_str(&layout.text).ok()?;
        saved.at = layout.at;
        saved.panes.retain(|_, source| match source {
            Source::Agent { session, .. } => known(session),
            Source::Local { argv, cwd } => {
                (*argv, *cwd) = (vec![shell.to_owned()], None);
                true
            }
        });
        Some(saved.checked()).filter(|saved| !saved.tabs.is_empty())
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

    fn session(name: &str) -> SessionId {
        name.parse().expect("a session's name")
    }

    /// A tab of two agents and a program.
    fn three() -> Saved {
        let mut saved = Saved {
            at: 20,
            ..Saved::default()
        };
        for (id, name) in [(1, "session-aaaaaa"), (2, "session-bbbbbb")] {
            saved.tabs.open(id);
            saved.panes.insert(id, Source::agent(session(name), 1));
        }
        saved.tabs.open(3);
        let program = Source::Local {
            argv: vec!["psql".into(), "a-secret".into()],
            cwd: Some("/here".into()),
        };
        saved.panes.insert(3, program);
        saved
    }

    #[test]
    fn hosts_hear_of_agents_alone_and_have_nothing_run() {
        let layout = three().for_hosts().expect("a layout");
        assert!(!layout.text.contains("psql") && !layout.text.contains("here"));
        let known = |s: &SessionId| *s == session("session-aaaaaa");
        // Whatever it names is not run.
        let evil = layout
            .text
            .replace("\"argv\":[]", "\"argv\":[\"rm\",\"-r\"]");
        for text in [layout.text, evil] {
            let told = Saved::told(&Layout { at: 20, text }, known, "sh").expect("panes");
            assert_eq!(told.tabs.panes(), [1, 3]);
            let shell = Source::Local {
                argv: vec!["sh".into()],
                cwd: None,
            };
            assert_eq!(told.panes.get(&3), Some(&shell));
        }
        let nobody = |_: &SessionId| false;
        for text in [
            "",
            "{}",
            "[1]",
            "{\"tabs\":{\"all\":[],\"current\":0},\"panes\":{}}",
        ] {
            let layout = Layout {
                at: 20,
                text: text.into(),
            };
            assert_eq!(Saved::told(&layout, nobody, "sh"), None, "{text}");
        }
    }

    #[test]
    fn what_no_hand_could_have_made_is_nothing() {
        let sound = serde_json::to_string(&three()).expect("JSON");
        assert!(serde_json::from_str::<Saved>(&sound).is_ok_and(|s| s == s.clone().checked()));
        let pane = "{\"root\":{\"pane\":1},\"focus\":1,\"last\":null}";
        let of = |root: &str| pane.replace("{\"pane\":1}", root);
        let part = "{\"share\":1,\"node\":{\"pane\":1}}";
        let split = |parts: &str| {
            of(&format!(
                "{{\"split\":{{\"axis\":\"down\",\"parts\":[{parts}]}}}}"
            ))
        };
        let odd = [
            split(""),
            split(part),
            split(&format!("{part},{part}")),
            pane.replace("\"focus\":1", "\"focus\":2"),
        ];
        for tree in odd {
            let text = format!(
                "{{\"tabs\":{{\"all\":[{{\"tree\":{tree}}}],\"current\":0}},\"panes\":{{\"1\":{{\"local\":{{\"argv\":[]}}}}}}}}"
            );
            let saved: Saved = serde_json::from_str(&text).expect("its shape is right");
            assert_eq!(saved.checked(), Saved::default(), "{text}");
        }
    }
}
