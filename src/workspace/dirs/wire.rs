//! What a machine is asked of its directories, and what it answers, in JSON: the errors of workspaces come through as
//! what they are.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::read::Here;
use super::store::{Result, Store};
use crate::config::Paths;
use crate::model::SessionId;
use crate::provision::{ProvisionError, SshHost, Steps};
use crate::workspace::{Files, Name, NewSnapshot, NewWorkspace, WorkspaceError};

/// A question.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    Create(NewWorkspace),
    List,
    Resize {
        name: Name,
        gib: u32,
    },
    Delete {
        name: Name,
        id: String,
    },
    Snapshot {
        name: Name,
        new: NewSnapshot,
    },
    Snapshots,
    DeleteSnapshot {
        id: String,
        workspace: Name,
    },
    Hold {
        name: Name,
        session: SessionId,
    },
    Release {
        name: Name,
        session: SessionId,
    },
    /// One file of a snapshot.
    Entry {
        id: String,
        path: PathBuf,
    },
    /// What is in a directory of one.
    Entries {
        id: String,
        path: PathBuf,
    },
    /// A file's bytes from there on, as many as go into one answer, in base64.
    Read {
        id: String,
        path: PathBuf,
        at: u64,
    },
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Done(Value),
    Failed(Failed),
}

/// What went wrong there.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failed {
    NoWorkspace(String),
    NoSnapshot(String),
    Exists(Name),
    InUse {
        name: Name,
        session: Option<SessionId>,
    },
    Smaller {
        name: Name,
        gib: u32,
        wished: u32,
    },
    Damaged {
        what: String,
        why: String,
    },
    NoFile(PathBuf),
    /// With its causes.
    Other(String),
}

impl From<WorkspaceError> for Failed {
    fn from(e: WorkspaceError) -> Self {
        match e {
            WorkspaceError::NoWorkspace(name) => Self::NoWorkspace(name),
            WorkspaceError::NoSnapshot(id) => Self::NoSnapshot(id),
            WorkspaceError::Exists(name) => Self::Exists(name),
            WorkspaceError::InUse { name, session, .. } => Self::InUse { name, session },
            WorkspaceError::Smaller { name, gib, wished } => Self::Smaller { name, gib, wished },
            WorkspaceError::Damaged { what, why } => Self::Damaged { what, why },
            WorkspaceError::NoFile(path) => Self::NoFile(path),
            WorkspaceError::Io { what, path, source } => {
                Self::Other(format!("cannot {what} {}: {source}", path.display()))
            }
            other => Self::Other(other.to_string()),
        }
    }
}

/// What `ask` comes to on this machine, with these directories.
pub fn answer(paths: &Paths, ask: &Ask) -> Answer {
    of(&Store::new(paths), ask)
}

pub(super) fn of(store: &Store, ask: &Ask) -> Answer {
    done(store, ask).unwrap_or_else(|e| Answer::Failed(e.into()))
}

fn done(store: &Store, ask: &Ask) -> Result<Answer> {
    let files = |id: &str| store.snapshot_files(id).map(Here::new);
    match ask {
        Ask::Create(new) => value(store.create(new)?),
        Ask::List => value(store.list()?),
        Ask::Resize { name, gib } => value(store.resize(name, *gib)?),
        Ask::Delete { name, id } => value(store.delete(name, id)?),
        Ask::Snapshot { name, new } => value(store.snapshot(name, new)?),
        Ask::Snapshots => value(store.snapshots()?),
        Ask::DeleteSnapshot { id, workspace } => value(store.delete_snapshot(id, workspace)?),
        Ask::Hold { name, session } => value(store.hold(name, session)?),
        Ask::Release { name, session } => value(store.release(name, session)?),
        Ask::Entry { id, path } => value(files(id)?.entry(path)?),
        Ask::Entries { id, path } => value(files(id)?.list(path)?),
        Ask::Read { id, path, at } => value(files(id)?.part(path, *at)?),
    }
}

fn value(of: impl Serialize) -> Result<Answer> {
    serde_json::to_value(of)
        .map(Answer::Done)
        .map_err(|e| WorkspaceError::Refused(format!("an answer cannot be written: {e}")))
}

/// Asks another machine.
pub(super) async fn over(host: &SshHost, ask: &Ask, steps: Steps<'_>) -> Result<Answer> {
    let request = serde_json::to_vec(ask)
        .map_err(|e| WorkspaceError::Refused(format!("a request cannot be written: {e}")))?;
    Ok(host
        .ask("asking for workspaces", "workspace", request, steps)
        .await?)
}

/// What is in an answer of `place`.
pub(super) fn open<T: DeserializeOwned>(answer: Answer, place: &str) -> Result<T> {
    match answer {
        Answer::Done(value) => serde_json::from_value(value.clone()).map_err(|e| {
            WorkspaceError::Provision(ProvisionError::Answer {
                place: place.to_owned(),
                what: "asking for workspaces",
                answer: format!("{e}: {value}"),
            })
        }),
        Answer::Failed(failed) => Err(match failed {
            Failed::NoWorkspace(name) => WorkspaceError::NoWorkspace(name),
            Failed::NoSnapshot(id) => WorkspaceError::NoSnapshot(id),
            Failed::Exists(name) => WorkspaceError::Exists(name),
            Failed::InUse { name, session } => WorkspaceError::InUse {
                name,
                session,
                instance: place.to_owned(),
            },
            Failed::Smaller { name, gib, wished } => WorkspaceError::Smaller { name, gib, wished },
            Failed::Damaged { what, why } => WorkspaceError::Damaged { what, why },
            Failed::NoFile(path) => WorkspaceError::NoFile(path),
            Failed::Other(why) => WorkspaceError::Refused(why),
        }),
    }
}
