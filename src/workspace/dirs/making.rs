//! What is being made: in a directory with a dot until it is whole, then under its name; what a killed process left of
//! such is removed by the next. And the locks around it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::store::Result;
use super::tree;
use crate::workspace::token;
use crate::workspace::{Name, WorkspaceError};

/// Held while names below `root` are given and taken; waits for who has it.
pub fn locked(root: &Path) -> Result<File> {
    private_dir(root)?;
    let path = root.join(".lock");
    let file = open_lock(&path)?;
    flock(&file, FlockOperation::LockExclusive)
        .map_err(|e| WorkspaceError::io("lock", &path)(e.into()))?;
    Ok(file)
}

/// What is being made; removed if it does not come to be.
pub struct Making {
    pub path: PathBuf,
    _lock: File,
    done: bool,
}

impl Making {
    /// Begins one in `parent`. To be called with the lock held.
    pub fn begin(parent: &Path) -> Result<Self> {
        private_dir(parent)?;
        sweep(parent);
        let path = parent.join(format!(".making-{}", token()?));
        make_dir(&path)?;
        let lock = exclusive_new(&path.join("lock"))?;
        Ok(Self {
            path,
            _lock: lock,
            done: false,
        })
    }

    /// It is whole: it gets its name.
    pub fn becomes(mut self, path: &Path) -> Result<()> {
        fs::rename(&self.path, path).map_err(WorkspaceError::io("make", path))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if !self.done {
            // What stays is swept up by the next.
            let _ = tree::remove(&self.path);
        }
    }
}

/// Removes what killed processes left.
fn sweep(parent: &Path) {
    for name in names(parent).unwrap_or_default() {
        let path = parent.join(&name);
        let abandoned = name.starts_with(".making-")
            && open_lock(&path.join("lock"))
                .is_ok_and(|l| flock(&l, FlockOperation::NonBlockingLockExclusive).is_ok());
        if abandoned || name.starts_with(".gone-") {
            let _ = tree::remove(&path);
        }
    }
}

pub fn names(dir: &Path) -> Result<Vec<String>> {
    match fs::read_dir(dir) {
        Ok(entries) => Ok(entries
            .filter_map(|e| e.ok()?.file_name().into_string().ok())
            .collect()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(WorkspaceError::io("read", dir)(e)),
    }
}

pub fn make_dir(path: &Path) -> Result<()> {
    let made = DirBuilder::new().mode(0o755).create(path);
    made.map_err(WorkspaceError::io("create", path))
}

fn private_dir(path: &Path) -> Result<()> {
    let made = DirBuilder::new().mode(0o700).recursive(true).create(path);
    made.map_err(WorkspaceError::io("create", path))
}

fn open_lock(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).write(true).mode(0o600);
    options.open(path).map_err(WorkspaceError::io("open", path))
}

fn exclusive_new(path: &Path) -> Result<File> {
    let file = open_lock(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|e| WorkspaceError::io("lock", path)(e.into()))?;
    Ok(file)
}

pub fn exclusive(path: &Path, name: &Name) -> Result<File> {
    exclusive_new(path).map_err(|_| {
        WorkspaceError::Refused(format!(
            "a snapshot of {name} is being made; try again when it is done"
        ))
    })
}

pub fn shared(path: &Path) -> Result<File> {
    let file = open_lock(path)?;
    flock(&file, FlockOperation::LockShared)
        .map_err(|e| WorkspaceError::io("lock", path)(e.into()))?;
    Ok(file)
}
