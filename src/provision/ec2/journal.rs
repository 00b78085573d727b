//! Launches under way, on disk: written before the first call that makes something, removed when the machine
//! is handed over or nothing of it is left. Whoever finds one can finish the launch or end it.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::{Launch, ProvisionError, Survives, write_whole};
use crate::model::SessionId;

/// A launch that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    pub launch: Launch,
    pub region: String,
    /// The last request's client token: the same one again makes no second machine.
    #[serde(default)]
    pub token: Option<String>,
    #[serde(default)]
    pub instance: Option<String>,
    /// The machine's own host key, where it has one that its tag may not say yet.
    #[serde(default)]
    pub host_key: Option<String>,
}

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
        let path = self.path(session);
        if let Err(e) = std::fs::remove_file(&path)
            && e.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), error = %e, "cannot remove");
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
