//! What this machine has seen of sessions elsewhere: one small JSON file each. It is a record, not a truth:
//! the session's own machine is asked wherever it answers.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Paths;
use crate::error::{Context, Result};
use crate::model::{Ended, Millis, SessionId, SessionSpec, SessionStatus, now_ms};
use crate::provision::{Endpoint, Login, PinnedLogin, Rented, Survives, write_whole};

/// Where a session lives that another machine holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshPlace {
    /// What one would type after `ssh`.
    pub destination: String,
    /// The session's directory there.
    pub dir: String,
    /// The host's socket there.
    pub socket: String,
    /// The `remote` binary there.
    #[serde(default)]
    pub binary: String,
    /// How to log in where ssh's own configuration knows nothing of it: an EC2 machine.
    #[serde(default)]
    pub login: Option<PinnedLogin>,
}

/// One session as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub id: SessionId,
    #[serde(default)]
    pub name: Option<String>,
    pub provider: String,
    pub ssh: SshPlace,
    #[serde(default)]
    pub last: Option<SessionStatus>,
    pub last_seen: Millis,
    /// Its machine answered, and no host ran there.
    #[serde(default)]
    pub lost: bool,
    /// The rented machine, as its provider last told of it.
    #[serde(default)]
    pub rented: Option<Rented>,
    /// It is over, and its workspace was seen to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
}

/// The directory of entries.
#[derive(Debug, Clone)]
pub struct Ledger(PathBuf);

impl Ledger {
    pub fn new(paths: &Paths) -> Self {
        Self(paths.state.join("ledger"))
    }

    fn file(&self, id: &SessionId) -> PathBuf {
        self.0.join(format!("{id}.json"))
    }

    /// Every entry that can be read. One that cannot (an older or newer `remote` may have written it) is
    /// passed over: a record must not stop what it is a record of.
    pub fn all(&self) -> Vec<Entry> {
        let Ok(entries) = std::fs::read_dir(&self.0) else {
            return Vec::new();
        };
        entries
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|x| x == "json"))
            .filter_map(|p| read(&p))
            .collect()
    }

    pub fn get(&self, id: &SessionId) -> Option<Entry> {
        read(&self.file(id))
    }

    /// Writes an entry, replacing what was there.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn put(&self, entry: &Entry) -> Result<()> {
        self.write(entry, Survives::PowerCut)
    }

    /// As [`Ledger::put`], for what can be asked for again: two hundred of these must not wait for a disk each.
    ///
    /// # Errors
    /// As [`Ledger::put`].
    pub fn note(&self, entry: &Entry) -> Result<()> {
        self.write(entry, Survives::Crash)
    }

    fn write(&self, entry: &Entry, survives: Survives) -> Result<()> {
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&self.0)?;
            write_whole(
                &self.file(&entry.id),
                &serde_json::to_vec_pretty(entry)?,
                survives,
            )
        };
        write().context(format!("cannot write to {}", self.0.display()))
    }

    /// Writes down where a launched session is, so that every verb finds it.
    ///
    /// # Errors
    /// The directory cannot be written: the session runs, and the error says where.
    pub fn launched(&self, spec: &SessionSpec, endpoint: &Endpoint) -> Result<()> {
        let (destination, login) = match &endpoint.login {
            Login::Ssh { destination } => (destination.clone(), None),
            Login::Pinned(_) if spec.provider == "local" => return Ok(()), // Its directory is its record.
            Login::Pinned(login) => (
                format!("{}@{}", login.user, login.address),
                Some(login.clone()),
            ),
        };
        if destination.is_empty() {
            return Ok(());
        }
        self.put(&Entry {
            id: spec.id.clone(),
            name: spec.name.clone(),
            provider: spec.provider.clone(),
            ssh: SshPlace {
                destination,
                dir: endpoint.dir.clone(),
                socket: endpoint.socket.clone(),
                binary: endpoint.binary.clone(),
                login,
            },
            last: Some(begun(spec)),
            last_seen: now_ms(),
            lost: false,
            rented: endpoint.rented.clone(),
            released: false,
        })
    }

    /// Writes down what a host said, where there is an entry for it.
    pub fn saw(&self, status: &SessionStatus, now: Millis) {
        let Some(mut entry) = self.get(&status.spec.id) else {
            return;
        };
        entry.name.clone_from(&status.spec.name);
        entry.last = Some(status.clone());
        entry.last_seen = now;
        entry.lost = false;
        // Not worth an error to somebody who asked something else.
        let _ = self.note(&entry);
    }

    /// Writes down that a session's host is no more, though nobody saw its end.
    pub fn lost(&self, id: &SessionId) {
        if let Some(mut entry) = self.get(id) {
            entry.lost = true;
            let _ = self.note(&entry);
        }
    }

    /// Writes down an end that its own host could not tell of any more.
    pub fn ended(&self, id: &SessionId, end: Ended) {
        if let Some(mut entry) = self.get(id)
            && let Some(last) = entry.last.as_mut().filter(|l| l.ended.is_none())
        {
            last.ended = Some(end);
            let _ = self.put(&entry);
        }
    }

    /// Forgets a session.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn remove(&self, id: &SessionId) -> Result<()> {
        match std::fs::remove_file(self.file(id)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(e).context(format!("cannot remove {}", self.file(id).display()))
            }
            _ => Ok(()),
        }
    }
}

/// What can be said of a session that has just begun, before its host has been asked.
fn begun(spec: &SessionSpec) -> SessionStatus {
    SessionStatus {
        spec: spec.clone(),
        agents: Vec::new(),
        attached: Vec::new(),
        ends: Vec::new(),
        ended: None,
        warnings: Vec::new(),
        news: Vec::new(),
        volume: None,
        load: None,
        now: spec.created,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn read(path: &Path) -> Option<Entry> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests;
