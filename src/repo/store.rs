//! A machine's store of one repository: a bare repository that all sessions of it share, so that only what no
//! session brought before has to travel, and what agents commit outlives their session's directory. Beside its
//! objects lies a record of each session.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Git, Oid, RepoError};
use crate::model::SessionId;

/// Of a store's own configuration. Shallow clones may be pushed into it, and agents are asked for no signatures.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("receive.shallowUpdate", "true"),
    ("receive.denyDeletes", "false"),
    ("receive.denyNonFastForwards", "false"),
    ("receive.denyCurrentBranch", "ignore"),
    ("receive.autogc", "false"),
    // Results are asked for by name of commit: a branch may move while it is fetched.
    ("uploadpack.allowAnySHA1InWant", "true"),
    ("core.logAllRefUpdates", "true"),
    ("commit.gpgSign", "false"),
    ("tag.gpgSign", "false"),
];

/// Where in a store its sessions' records lie.
const RECORDS: &str = "remote";
const LONGEST_RECORD: u64 = 16 << 20;

/// Which store is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// As [`store_name`](super::store_name) makes it.
    pub name: String,
    /// `sha1` or `sha256`.
    pub format: String,
    /// The workspace whose store it is; the machine's own where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<PathBuf>,
}

/// It is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    pub store: PathBuf,
    /// It was there before: what it holds need not come again.
    pub known: bool,
}

/// An open store.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

/// One session in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub session: SessionId,
    /// The repository, for people: `api`.
    pub name: String,
    /// What was brought.
    pub base: Oid,
    /// The branch that the person was on.
    #[serde(default)]
    pub branch: Option<String>,
    pub agents: Vec<RecordAgent>,
    /// Submodules that were brought, parents first: path from the top, commit.
    #[serde(default)]
    pub modules: Vec<(PathBuf, Oid)>,
}

/// One agent's working tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordAgent {
    pub number: u32,
    pub dir: PathBuf,
    /// Where it began.
    pub start: Oid,
    /// What has been fetched and verified elsewhere, by ref.
    #[serde(default)]
    pub pulled: BTreeMap<String, Oid>,
}

impl Store {
    /// Opens a store below `root`; makes it where it is not there.
    ///
    /// # Errors
    /// The file system's, or git's.
    pub async fn open(root: &Path, open: &Open) -> Result<(Self, bool), RepoError> {
        let sound = !open.name.is_empty()
            && !open.name.starts_with(['.', '-'])
            && !open.name.contains('/')
            && matches!(open.format.as_str(), "sha1" | "sha256");
        if !sound {
            return Err(RepoError::Unexpected(format!(
                "`{}` ({}) is no store's name",
                open.name, open.format
            )));
        }
        private_dir(root)?;
        let dir = root.join(format!("{}.git", open.name));
        let known = dir.join("HEAD").exists();
        if !known {
            Self::make(root, &dir, open).await?;
        }
        Ok((Self { dir }, known))
    }

    /// Made beside its place and moved there, so that two at once make one.
    async fn make(root: &Path, dir: &Path, open: &Open) -> Result<(), RepoError> {
        let new = tempfile::Builder::new()
            .prefix(".new-")
            .tempdir_in(root)
            .map_err(|e| RepoError::io("make a directory in", root, e))?;
        let git = Git::at(new.path());
        let format = format!("--object-format={}", open.format);
        git.run(["init", "--quiet", "--bare", "--template=", &format, "."])
            .await?;
        let git = Git::bare(new.path());
        for (name, value) in SETTINGS {
            git.run(["config", name, value]).await?;
        }
        private_dir(&new.path().join(RECORDS))?;
        match std::fs::rename(new.path(), dir) {
            Ok(()) => {
                let _ = new.keep();
                Ok(())
            }
            Err(_) if dir.join("HEAD").exists() => Ok(()),
            Err(e) => Err(RepoError::io("make", dir, e)),
        }
    }

    /// One that is there.
    ///
    /// # Errors
    /// It is none.
    pub fn at(dir: &Path) -> Result<Self, RepoError> {
        if dir.join(RECORDS).is_dir() && dir.join("HEAD").is_file() {
            return Ok(Self {
                dir: dir.to_owned(),
            });
        }
        Err(RepoError::NotARepository(dir.to_owned()))
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn git(&self) -> Git {
        Git::bare(&self.dir)
    }

    /// For temporary files, on the disk the objects are on.
    pub fn scratch(&self) -> PathBuf {
        self.dir.join(RECORDS).join("tmp")
    }

    fn file(&self, session: &SessionId) -> PathBuf {
        self.dir.join(RECORDS).join(format!("{session}.json"))
    }

    /// What is written down of a session; `None` where it has nothing here.
    pub fn record(&self, session: &SessionId) -> Option<Record> {
        let file = self.file(session);
        let small = file.metadata().ok()?.len() <= LONGEST_RECORD;
        let text = small.then(|| std::fs::read(&file).ok()).flatten()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes a session's record, whole or not at all.
    ///
    /// # Errors
    /// The file system's.
    pub fn put(&self, record: &Record) -> Result<(), RepoError> {
        let file = self.file(&record.session);
        let write = || -> std::io::Result<()> {
            use std::io::Write;
            let dir = self.dir.join(RECORDS);
            let mut new = tempfile::NamedTempFile::new_in(&dir)?;
            new.write_all(&serde_json::to_vec_pretty(record)?)?;
            new.as_file().sync_all()?;
            new.persist(&file).map_err(|e| e.error)?;
            Ok(())
        };
        write().map_err(|e| RepoError::io("write", &file, e))
    }

    /// Nobody else changes records or makes working trees while this is held.
    ///
    /// # Errors
    /// The file system's.
    pub fn lock(&self) -> Result<File, RepoError> {
        let file = self.dir.join(RECORDS).join("lock");
        let lock = || {
            let held = File::create(&file)?;
            held.lock()?;
            Ok(held)
        };
        lock().map_err(|e| RepoError::io("lock", &file, e))
    }

    /// Nobody else collects this session's results while this is held. Of that alone: it must not wait for a clone.
    ///
    /// # Errors
    /// The file system's.
    pub fn collecting(&self, session: &SessionId) -> Result<File, RepoError> {
        let file = self.dir.join(RECORDS).join(format!("{session}.lock"));
        let lock = || {
            let held = File::create(&file)?;
            held.lock()?;
            Ok(held)
        };
        lock().map_err(|e| RepoError::io("lock", &file, e))
    }

    /// Every session's record.
    pub fn records(&self) -> Vec<Record> {
        let entries = std::fs::read_dir(self.dir.join(RECORDS));
        entries
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|e| {
                let name = e.file_name();
                let session = name.to_str()?.strip_suffix(".json")?.parse().ok()?;
                self.record(&session)
            })
            .collect()
    }
}

/// The store below `root` that holds a session's results.
pub fn find_record(root: &Path, session: &SessionId) -> Option<(Store, Record)> {
    let entries = std::fs::read_dir(root).ok()?;
    entries.flatten().find_map(|e| {
        let store = Store::at(&e.path()).ok()?;
        let record = store.record(session)?;
        Some((store, record))
    })
}

pub(super) fn private_dir(dir: &Path) -> Result<(), RepoError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| RepoError::io("make", dir, e))
}
