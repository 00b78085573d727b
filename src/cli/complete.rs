//! What the shell asks for while a command is typed. Answered from directory names and one small file
//! each, before the configuration is read or a runtime started: a Tab must not be felt.

use std::ffi::OsString;

use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;

use crate::client::Ledger;
use crate::config::{Paths, SessionDir};
use crate::model::{SessionId, SessionSpec};
use crate::secret::Store;
use crate::workspace::Seen;

/// More sessions than this are not offered: nobody reads a longer list.
const MOST: usize = 200;

/// Answers the shell where it asks (`COMPLETE=bash` and its like); false in an ordinary run.
///
/// # Errors
/// An unknown shell, or stdout is gone.
pub fn answer(argv: &[OsString]) -> clap::error::Result<bool> {
    let cwd = std::env::current_dir().ok();
    CompleteEnv::with_factory(super::command).try_complete(argv.iter().cloned(), cwd.as_deref())
}

/// Every session this machine knows of, wherever it runs, newest first: `session-abc123`, and its name where it has one.
/// For `#[arg(add = ArgValueCandidates::new(complete::sessions))]`.
pub fn sessions() -> Vec<CompletionCandidate> {
    Paths::from_env().map_or_else(|_| Vec::new(), |paths| sessions_in(&paths))
}

fn sessions_in(paths: &Paths) -> Vec<CompletionCandidate> {
    specs(paths)
        .into_iter()
        .flat_map(|(id, spec)| {
            let help = spec.as_ref().map(|s| describe(s).into());
            let name = spec.and_then(|s| s.name);
            std::iter::once(CompletionCandidate::new(id.as_str()).help(help.clone()))
                .chain(name.map(|n| CompletionCandidate::new(n).help(help)))
        })
        .collect()
}

/// Every session, and every agent of a session that has more than one: `session-abc123/2`.
pub fn agents() -> Vec<CompletionCandidate> {
    Paths::from_env().map_or_else(|_| Vec::new(), |paths| agents_in(&paths))
}

fn agents_in(paths: &Paths) -> Vec<CompletionCandidate> {
    let mut all = sessions_in(paths);
    for (id, spec) in specs(paths) {
        let Some(spec) = spec.filter(|s| s.agents.len() > 1) else {
            continue;
        };
        all.extend(spec.agents.iter().map(|agent| {
            CompletionCandidate::new(format!("{id}/{}", agent.number))
                .help(Some(agent.name.clone().into()))
        }));
    }
    all
}

/// The agents that are configured: `claude`, `codex`, ...
pub fn agent_kinds() -> Vec<CompletionCandidate> {
    let (Ok(paths), Ok(cwd)) = (Paths::from_env(), std::env::current_dir()) else {
        return Vec::new();
    };
    let config = crate::config::Config::load(&paths, &cwd).unwrap_or_default();
    config
        .agents()
        .map(|(name, agent)| {
            CompletionCandidate::new(name).help(agent.command.first().map(|c| c.clone().into()))
        })
        .collect()
}

fn describe(spec: &SessionSpec) -> String {
    let line = spec.task.lines().next().unwrap_or("");
    if line.is_empty() {
        spec.provider.clone()
    } else {
        line.chars().take(60).collect()
    }
}

fn specs(paths: &Paths) -> Vec<(SessionId, Option<SessionSpec>)> {
    let entries = std::fs::read_dir(paths.sessions());
    let mut found: Vec<_> = entries
        .into_iter()
        .flatten()
        .flatten()
        .take(MOST)
        .filter_map(|entry| {
            let id: SessionId = entry.file_name().to_str()?.parse().ok()?;
            let spec = std::fs::read(SessionDir::new(entry.path()).spec())
                .ok()
                .and_then(|bytes| serde_json::from_slice::<SessionSpec>(&bytes).ok());
            Some((id, spec))
        })
        .collect();
    for entry in Ledger::new(paths).all().into_iter().take(MOST) {
        if !found.iter().any(|(id, _)| *id == entry.id) {
            let name = entry.name;
            let spec = entry.last.map(|last| SessionSpec { name, ..last.spec });
            found.push((entry.id, spec));
        }
    }
    found.sort_by_key(|(_, spec)| std::cmp::Reverse(spec.as_ref().map_or(0, |s| s.created)));
    found
}

/// The workspaces that this device has last seen.
pub fn workspaces() -> Vec<CompletionCandidate> {
    Paths::from_env().map_or_else(|_| Vec::new(), |paths| workspaces_in(&paths))
}

fn workspaces_in(paths: &Paths) -> Vec<CompletionCandidate> {
    let seen = Seen::new(paths).all().into_values();
    seen.flat_map(|sight| sight.workspaces)
        .take(MOST)
        .map(|w| {
            let about = format!("{} GB in {}", w.gib, w.place);
            CompletionCandidate::new(w.name.as_str()).help(Some(about.into()))
        })
        .collect()
}

/// The same, and their snapshots.
pub fn workspaces_and_snapshots() -> Vec<CompletionCandidate> {
    Paths::from_env().map_or_else(
        |_| Vec::new(),
        |paths| {
            let mut all = workspaces_in(&paths);
            let seen = Seen::new(&paths).all().into_values();
            all.extend(seen.flat_map(|s| s.snapshots).take(MOST).map(|s| {
                let about = match s.note.as_str() {
                    "" => s.workspace.to_string(),
                    note => format!("{}: {note}", s.workspace),
                };
                CompletionCandidate::new(s.id).help(Some(about.into()))
            }));
            all
        },
    )
}

/// The names of this device's secrets.
pub fn secrets() -> Vec<CompletionCandidate> {
    let store = Paths::from_env().and_then(|paths| Store::open(&paths));
    let names = |store: &Store| {
        store
            .all()
            .map(|(n, _)| CompletionCandidate::new(n))
            .collect()
    };
    store.as_ref().map_or_else(|_| Vec::new(), names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;

    #[test]
    fn sessions_and_agents_are_offered_newest_first() -> Result<()> {
        let home = tempfile::tempdir()?;
        let paths = Paths::new(|v| (v == "HOME").then(|| home.path().into()))?;
        let write = |id: &str, created: u64, name: Option<&str>, agents: u32| {
            let agent = |number: u32| {
                serde_json::json!({
                    "number": number, "name": "claude", "argv": ["claude"], "cwd": "/",
                    "size": { "cols": 80, "rows": 24 },
                })
            };
            let spec = serde_json::json!({
                "id": id, "name": name, "task": "fix it", "provider": "local",
                "created": created, "ends": {}, "agents": (1..=agents).map(agent).collect::<Vec<_>>(),
            });
            let dir = paths.sessions().join(id);
            std::fs::create_dir_all(&dir)
                .and_then(|()| std::fs::write(dir.join("session.json"), spec.to_string()))
        };
        write("session-aaaaaa", 1, None, 1)?;
        write("session-bbbbbb", 2, Some("tidy"), 2)?;
        std::fs::create_dir_all(paths.sessions().join("not-a-session"))?;
        let values = |all: Vec<CompletionCandidate>| -> Vec<String> {
            let text = |c: &CompletionCandidate| c.get_value().to_string_lossy().into_owned();
            all.iter().map(text).collect()
        };
        let sessions = ["session-bbbbbb", "tidy", "session-aaaaaa"];
        assert_eq!(values(sessions_in(&paths)), sessions);
        let agents = [&sessions[..], &["session-bbbbbb/1", "session-bbbbbb/2"]].concat();
        assert_eq!(values(agents_in(&paths)), agents);
        Ok(())
    }
}
