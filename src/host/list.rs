//! `remote host list`: the sessions whose directories lie on this machine, for clients that look from afar.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{files, lock};
use crate::config::SessionDir;
use crate::model::{HostEndpoint, SessionSpec, SessionStatus};
use crate::proto::{PROTOCOL, Version};

/// One session's directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listed {
    pub dir: PathBuf,
    pub spec: SessionSpec,
    /// The newest that is known.
    #[serde(default)]
    pub status: Option<SessionStatus>,
    /// Its host, if one runs.
    #[serde(default)]
    pub endpoint: Option<HostEndpoint>,
}

/// The sessions under `sessions`, by name. Directories that hold none are left out.
pub fn list(sessions: &Path) -> Vec<Listed> {
    let Ok(entries) = std::fs::read_dir(sessions) else {
        return Vec::new();
    };
    let mut found: Vec<Listed> = entries
        .flatten()
        .filter_map(|entry| {
            let dir = SessionDir::new(entry.path());
            let spec = files::read_json(&dir.spec()).ok()?;
            let endpoint = lock::holder(&dir).and_then(|_| files::read_json(&dir.endpoint()).ok());
            Some(Listed {
                spec,
                status: files::read_json(&dir.last()).ok(),
                endpoint,
                dir: entry.path(),
            })
        })
        .collect();
    found.sort_by(|a, b| a.spec.id.cmp(&b.spec.id));
    found
}

/// What `remote host check` prints as JSON: which binary this is, and that it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub version: String,
    pub protocol: Version,
}

/// This binary.
pub fn check() -> Check {
    Check {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: PROTOCOL,
    }
}
