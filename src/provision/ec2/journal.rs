//! Launches under way, on disk: written before the first call that makes something, removed when the machine
//! is handed over or nothing of it is left. Whoever finds one can finish the launch or end it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::{Launch, ProvisionError, Survives, write_whole};
use crate::model::SessionId;

/// How far a launch has come: written down before the step is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing was asked for yet.
    Planned,
    /// A machine was asked for; whether it was granted is not known.
    Asked,
    /// There is a machine, and this device knows it.
    Made,
    /// Its host key is its own.
    Trusted,
    /// Its volume is mounted; the binary goes to it.
    Mounted,
    /// The host is told what to run: from here on there may be work on the volume.
    #[default]
    Handed,
}

impl Stage {
    /// Nothing that anybody would miss is on the machine or its volume.
    pub fn is_blank(self) -> bool {
        self < Self::Handed
    }

    /// `was cut off …`
    pub fn told(self) -> &'static str {
        match self {
            Self::Planned => "before a machine was asked for",
            Self::Asked => "while a machine was asked for",
            Self::Made => "while its machine booted",
            Self::Trusted => "while its volume was mounted",
            Self::Mounted => "while `remote` went to its machine",
            Self::Handed => "while its agents were started",
        }
    }
}

/// A launch that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    pub launch: Launch,
    pub region: String,
    #[serde(default)]
    pub stage: Stage,
    /// The last request's client token: the same one again makes no second machine.
    #[serde(default)]
    pub token: Option<String>,
    #[serde(default)]
    pub instance: Option<String>,
    /// The machine's own host key, where it has one that its tag may not say yet.
    #[serde(default)]
    pub host_key: Option<String>,
}

/// Held by whoever works on a launch; the kernel lets go of it however that one ends.
#[derive(Debug)]
pub(super) struct Held(#[expect(dead_code, reason = "open is all it has to be")] File);

/// The directory of such files.
#[derive(Debug, Clone)]
pub(super) struct Journal(PathBuf);

impl Journal {
    pub fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    fn path(&self, session: &SessionId) -> PathBuf {
        self.0.join(format!("{session}.json"))
    }

    fn lock(&self, session: &SessionId) -> PathBuf {
        self.0.join(format!("{session}.lock"))
    }

    /// Takes a launch to work on; `None` while another process has it.
    pub fn hold(&self, session: &SessionId) -> Result<Option<Held>, ProvisionError> {
        let path = self.lock(session);
        let failed = |e: io::Error| ProvisionError::io("lock", &path)(e);
        make_dir(&self.0).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Held(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(failed(e)),
        }
    }

    pub fn write(&self, begun: &Begun) -> Result<(), ProvisionError> {
        let path = self.path(&begun.launch.spec.id);
        let failed = |e: io::Error| ProvisionError::io("write", &path)(e);
        let text = serde_json::to_vec_pretty(begun).map_err(|e| failed(e.into()))?;
        make_dir(&self.0).map_err(failed)?;
        write_whole(&path, &text, Survives::PowerCut).map_err(failed)
    }

    /// `None` where there is none, or it cannot be read.
    pub fn read(&self, session: &SessionId) -> Option<Begun> {
        let text = std::fs::read(self.path(session)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub fn remove(&self, session: &SessionId) {
        for path in [self.path(session), self.lock(session)] {
            if let Err(e) = std::fs::remove_file(&path)
                && e.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), error = %e, "cannot remove");
            }
        }
    }

    /// All that are there.
    pub fn all(&self) -> Vec<Begun> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten();
        let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
        let sessions = names.filter_map(|n| n.strip_suffix(".json")?.parse().ok());
        sessions.filter_map(|s| self.read(&s)).collect()
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_works_on_a_launch() {
        let dir = tempfile::tempdir().expect("a directory");
        let journal = Journal::new(dir.path().join("launches"));
        let session: SessionId = "session-abc234".parse().expect("an id");
        let held = journal.hold(&session).expect("a lock");
        assert!(held.is_some());
        assert!(journal.hold(&session).expect("a look").is_none());
        drop(held);
        assert!(journal.hold(&session).expect("a lock").is_some());
        journal.remove(&session);
        assert_eq!(journal.all(), []);
    }

    #[test]
    fn what_an_older_version_wrote_may_hold_work() {
        assert_eq!(Stage::default(), Stage::Handed);
        assert!(!Stage::Handed.is_blank() && Stage::Mounted.is_blank());
        let told = serde_json::to_string(&Stage::Asked).expect("JSON");
        assert_eq!(told, "\"asked\"");
    }
}
