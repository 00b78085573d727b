//! What the shell asks for while a command is typed. Answered from directory names and one small file
//! each, before the configuration is read or a runtime started: a Tab must not be felt.

use std::ffi::OsString;

use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;

use crate::config::{Paths, SessionDir};
use crate::model::{SessionId, SessionSpec};

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

/// Every session on this machine's list, newest first: `session-abc123`, and its name where it has one.
/// For `#[arg(add = ArgValueCandidates::new(complete::sessions))]`.
pub fn sessions() -> Vec<CompletionCandidate> {
    specs()
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
    let mut all = sessions();
    for (id, spec) in specs() {
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

fn specs() -> Vec<(SessionId, Option<SessionSpec>)> {
    let Ok(entries) = Paths::from_env()
        .map_err(std::io::Error::other)
        .and_then(|p| std::fs::read_dir(p.sessions()))
    else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
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
    found.sort_by_key(|(_, spec)| std::cmp::Reverse(spec.as_ref().map_or(0, |s| s.created)));
    found
}
