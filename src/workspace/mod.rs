//! Workspaces: named volumes that outlive the machines they are attached to, their snapshots, and what is on them
//! while no machine has them. A store of them is eight questions on plain data ([`Volumes`]), so that EBS and plain
//! directories are spoken to in the same words. It stands on `provision`: the same account, tags and machines.

pub mod direct;
pub mod dirs;
pub mod ebs;
mod error;
pub mod export;
pub mod ext4;
mod find;
mod keep;
mod links;
mod name;
mod seen;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::{Millis, SessionId};
use crate::provision::{BoxFuture, Steps};

pub use ebs::Ebs;
pub use error::WorkspaceError;
pub use find::{as_it_is, find, find_snapshot, newest, wait_complete};
pub use keep::{Kept, keep_snapshots};
pub use links::follow;
pub use name::{BadName, Name};
pub use seen::{Seen, Sight};

/// What is being done with a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is being made, or filled from a snapshot.
    Creating,
    /// No machine has it.
    Free,
    /// A session's machine has it.
    Attached,
    /// Its provider says that it is damaged or on its way out.
    Failed,
}

/// A named volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    pub name: Name,
    /// `vol-0abc…`, or the directory's path.
    pub id: String,
    /// The owner's ARN; of a directory who its files belong to.
    pub owner: String,
    /// `eu-west-1`; empty for directories.
    pub region: String,
    /// `eu-west-1b`; of directories the machine: `local`, `ubuntu@host`.
    pub place: String,
    /// Its size; of a directory what was wished, which nothing enforces.
    pub gib: u32,
    /// Bytes in use, where that is known: as last seen.
    pub used: Option<u64>,
    /// `gp3`, or `directory`.
    pub kind: String,
    pub state: State,
    /// It was made blank, and nobody has put a file system on it yet.
    pub blank: bool,
    /// The session that has it, or had it last.
    pub session: Option<SessionId>,
    /// The instance that it is attached to.
    pub instance: Option<String>,
    pub created: Millis,
    pub last_used: Option<Millis>,
    /// How many automatic snapshots are kept; 0: none are made.
    pub keep: u32,
    /// What it costs, its snapshots not counted, in micro-dollars; 0 where that is not known or nothing.
    pub microusd_per_month: u64,
}

/// A workspace as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// `snap-0abc…`, or a directory's own.
    pub id: String,
    /// The workspace it was made of.
    pub workspace: Name,
    pub owner: String,
    pub region: String,
    /// The volume's size.
    pub gib: u32,
    pub created: Millis,
    /// It can be read; until then `percent` says how far it has come.
    pub complete: bool,
    pub percent: u8,
    /// It was made by itself at a session's end, and goes by itself when there are enough newer ones.
    pub automatic: bool,
    pub note: String,
    /// At most what it costs: that of all its volume's blocks, in micro-dollars.
    pub microusd_per_month: u64,
}

/// What is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewWorkspace {
    pub name: Name,
    pub gib: u32,
    /// `gp3` where none is named.
    pub kind: Option<String>,
    pub iops: Option<u32>,
    /// MiB/s
    pub throughput: Option<u32>,
    /// The zone; the provider's first where none is named.
    pub zone: Option<String>,
    /// What it begins with: a snapshot's id.
    pub from: Option<String>,
    pub keep: u32,
}

/// A snapshot to make.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NewSnapshot {
    pub note: String,
    pub automatic: bool,
}

/// Where workspaces are. At most one of a name, of one owner in one region (or on one machine).
pub trait Volumes: Send + Sync {
    /// Makes one; returns once it can be attached. A failed one leaves nothing behind.
    fn create<'a>(
        &'a self,
        new: &'a NewWorkspace,
        steps: Steps<'a>,
    ) -> BoxFuture<'a, Result<Workspace, WorkspaceError>>;

    /// The caller's own, by name.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Workspace>, WorkspaceError>>;

    /// Makes one larger; a file system that is mounted grows with the next mount, or where the host is told to.
    fn resize<'a>(
        &'a self,
        workspace: &'a Workspace,
        gib: u32,
        steps: Steps<'a>,
    ) -> BoxFuture<'a, Result<Workspace, WorkspaceError>>;

    /// Deletes one, and nothing else. One that a machine has is refused. Its snapshots stay.
    fn delete<'a>(&'a self, workspace: &'a Workspace) -> BoxFuture<'a, Result<(), WorkspaceError>>;

    /// Begins a snapshot; it may not be complete when this returns.
    fn snapshot<'a>(
        &'a self,
        workspace: &'a Workspace,
        new: &'a NewSnapshot,
    ) -> BoxFuture<'a, Result<Snapshot, WorkspaceError>>;

    /// The caller's own, the newest first, also those of workspaces that are no more.
    fn snapshots(&self) -> BoxFuture<'_, Result<Vec<Snapshot>, WorkspaceError>>;

    /// Deletes one, and nothing else.
    fn delete_snapshot<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> BoxFuture<'a, Result<(), WorkspaceError>>;

    /// Opens what is on a complete snapshot, to read it where no machine has it.
    fn open<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        steps: Steps<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn Files>, WorkspaceError>>;
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    File,
    Directory,
    Link,
    /// A socket, a pipe, a device: not brought along.
    Other,
}

/// One file of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// From the volume's top: `/repo/src/main.rs`.
    pub path: PathBuf,
    pub kind: FileKind,
    /// Bytes.
    pub size: u64,
    /// The permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub modified: Millis,
    /// Of a symbolic link.
    pub target: Option<PathBuf>,
}

/// What is in a directory, and what of it is damaged.
pub type Listed = (Vec<FileEntry>, Vec<(PathBuf, WorkspaceError)>);

/// The files of a workspace, read-only. Not async: a file system's reader is not; call it where waiting is allowed.
pub trait Files: Send {
    /// One file, links not followed. Paths are from the volume's top.
    fn entry(&mut self, path: &Path) -> Result<FileEntry, WorkspaceError>;

    /// What is in a directory, by name.
    fn list(&mut self, path: &Path) -> Result<Vec<FileEntry>, WorkspaceError>;

    /// The same, where some of it is damaged itself: what is not, and of each that is what is wrong with it.
    fn list_sound(&mut self, path: &Path) -> Result<Listed, WorkspaceError> {
        Ok((self.list(path)?, Vec::new()))
    }

    /// Writes a file's bytes to `to`; returns how many. What is damaged is named, and not written.
    fn read(&mut self, path: &Path, to: &mut dyn Write) -> Result<u64, WorkspaceError>;

    /// Says that these will be read soon: fetched together, side by side, where they have to come from afar. What is
    /// damaged or not there is told by who reads it.
    fn want(&mut self, paths: &[PathBuf]) -> Result<(), WorkspaceError>;

    /// What would have to be fetched to read these; nothing where all is at hand.
    fn missing(&mut self, _paths: &[PathBuf]) -> Result<Fetched, WorkspaceError> {
        Ok(Fetched::default())
    }

    /// What fetching all that there is would be.
    fn whole(&self) -> Fetched {
        Fetched::default()
    }

    /// What has been fetched so far.
    fn fetched(&self) -> Fetched {
        Fetched::default()
    }
}

/// What comes from afar, and what that costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fetched {
    pub requests: u64,
    pub bytes: u64,
    pub microusd: u64,
}

/// Something that nothing else is known by.
fn token() -> Result<String, WorkspaceError> {
    let failed = |e| WorkspaceError::Refused(format!("the system gives no random bytes: {e}"));
    crate::provision::token().map_err(failed)
}
