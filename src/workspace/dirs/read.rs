//! The files of a directory's snapshot. No path leaves it, and none goes by way of a link: what agents linked to
//! elsewhere is elsewhere.

use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use super::store::Result;
use super::wire::{Ask, open, over};
use crate::provision::{SshHost, Steps};
use crate::workspace::{FileEntry, FileKind, Files, WorkspaceError};

/// The bytes in one answer.
const PART: u64 = 1 << 20;

/// On this machine.
pub struct Here {
    root: PathBuf,
}

impl Here {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where it is, and what: no part of the way there is a link.
    fn find(&self, path: &Path) -> Result<(PathBuf, Metadata)> {
        let none = || WorkspaceError::NoFile(path.to_owned());
        let mut at = self.root.clone();
        let mut meta = look(&at, path)?;
        for part in path.components() {
            match part {
                Component::RootDir | Component::CurDir => continue,
                Component::Normal(name) => at.push(name),
                Component::ParentDir | Component::Prefix(_) => return Err(none()),
            }
            if !meta.is_dir() {
                return Err(none());
            }
            meta = look(&at, path)?;
        }
        Ok((at, meta))
    }

    fn regular(&self, path: &Path) -> Result<(PathBuf, Metadata)> {
        let (at, meta) = self.find(path)?;
        match meta.is_file() {
            true => Ok((at, meta)),
            false => Err(WorkspaceError::Refused(format!(
                "{} is no file that can be read",
                path.display()
            ))),
        }
    }

    /// A file's bytes from `at` on, at most those of one answer, in base64.
    pub fn part(&mut self, path: &Path, at: u64) -> Result<String> {
        let (place, _) = self.regular(path)?;
        let mut bytes = Vec::new();
        let read = File::open(&place).and_then(|mut file| {
            file.seek(SeekFrom::Start(at))?;
            file.take(PART).read_to_end(&mut bytes)
        });
        read.map_err(WorkspaceError::io("read", path))?;
        Ok(STANDARD.encode(bytes))
    }
}

fn look(at: &Path, asked: &Path) -> Result<Metadata> {
    fs::symlink_metadata(at).map_err(|e| match e.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => WorkspaceError::NoFile(asked.to_owned()),
        _ => WorkspaceError::io("read", asked)(e),
    })
}

fn told(path: &Path, at: &Path, meta: &Metadata) -> FileEntry {
    let kind = match meta.file_type() {
        t if t.is_file() => FileKind::File,
        t if t.is_dir() => FileKind::Directory,
        t if t.is_symlink() => FileKind::Link,
        _ => FileKind::Other,
    };
    let modified = meta.modified().ok();
    let modified = modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    FileEntry {
        path: Path::new("/").join(path.strip_prefix("/").unwrap_or(path)),
        size: match kind {
            FileKind::File => meta.len(),
            _ => 0,
        },
        target: match kind {
            FileKind::Link => fs::read_link(at).ok(),
            _ => None,
        },
        kind,
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        modified: modified.map_or(0, |m| u64::try_from(m.as_millis()).unwrap_or(0)),
    }
}

impl Files for Here {
    fn entry(&mut self, path: &Path) -> Result<FileEntry> {
        let (at, meta) = self.find(path)?;
        Ok(told(path, &at, &meta))
    }

    fn list(&mut self, path: &Path) -> Result<Vec<FileEntry>> {
        let (at, meta) = self.find(path)?;
        if !meta.is_dir() {
            return Ok(vec![told(path, &at, &meta)]);
        }
        let entries = fs::read_dir(&at).map_err(WorkspaceError::io("read", path))?;
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry.map_err(WorkspaceError::io("read", path))?;
            let meta = look(&entry.path(), path)?;
            all.push(told(&path.join(entry.file_name()), &entry.path(), &meta));
        }
        all.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(all)
    }

    fn read(&mut self, path: &Path, to: &mut dyn Write) -> Result<u64> {
        let (at, _) = self.regular(path)?;
        let mut file = File::open(&at).map_err(WorkspaceError::io("read", path))?;
        std::io::copy(&mut file, to).map_err(WorkspaceError::io("copy", path))
    }

    fn want(&mut self, _: &[PathBuf]) -> Result<()> {
        Ok(())
    }
}

/// On another machine, asked file by file.
pub struct Far {
    host: Arc<SshHost>,
    id: String,
    place: String,
    runtime: Handle,
}

impl Far {
    /// In a runtime, which carries what is asked from outside of it.
    pub fn new(host: Arc<SshHost>, id: &str, place: &str) -> Self {
        Self {
            host,
            id: id.to_owned(),
            place: place.to_owned(),
            runtime: Handle::current(),
        }
    }

    /// Whether there is such a snapshot.
    pub async fn check(&self, steps: Steps<'_>) -> Result<FileEntry> {
        let ask = Ask::Entry {
            id: self.id.clone(),
            path: "/".into(),
        };
        open(over(&self.host, &ask, steps).await?, &self.place)
    }

    fn ask<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T> {
        let answer = self.runtime.block_on(over(&self.host, ask, &|_| {}))?;
        open(answer, &self.place)
    }
}

impl Files for Far {
    fn entry(&mut self, path: &Path) -> Result<FileEntry> {
        let (id, path) = (self.id.clone(), path.to_owned());
        self.ask(&Ask::Entry { id, path })
    }

    fn list(&mut self, path: &Path) -> Result<Vec<FileEntry>> {
        let (id, path) = (self.id.clone(), path.to_owned());
        self.ask(&Ask::Entries { id, path })
    }

    fn read(&mut self, path: &Path, to: &mut dyn Write) -> Result<u64> {
        let mut at = 0;
        loop {
            let ask = Ask::Read {
                id: self.id.clone(),
                path: path.to_owned(),
                at,
            };
            let part: String = self.ask(&ask)?;
            let bytes = STANDARD.decode(part).map_err(|e| WorkspaceError::Damaged {
                what: path.display().to_string(),
                why: format!("{} sent what cannot be read: {e}", self.place),
            })?;
            if bytes.is_empty() {
                return Ok(at);
            }
            to.write_all(&bytes)
                .map_err(WorkspaceError::io("copy", path))?;
            at = at.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        }
    }

    fn want(&mut self, _: &[PathBuf]) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_path_leaves_the_snapshot() {
        let ground = tempfile::tempdir().expect("a directory");
        fs::write(ground.path().join("secret"), "x").expect("written");
        let root = ground.path().join("files");
        fs::create_dir_all(root.join("a/b")).expect("made");
        fs::write(root.join("a/b/c"), "hello").expect("written");
        symlink("..", root.join("up")).expect("linked");
        symlink("../../secret", root.join("a/out")).expect("linked");
        let mut here = Here::new(root);
        let mut read = |path: &str| {
            let mut bytes = Vec::new();
            here.read(Path::new(path), &mut bytes).map(|_| bytes)
        };
        assert_eq!(read("/a/b/c").expect("there"), b"hello");
        assert_eq!(read("a/./b/c").expect("there"), b"hello");
        for bad in [
            "/../secret",
            "/up/secret",
            "/a/out",
            "/a/b/c/d",
            "/none",
            "/a",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let listed = here.list(Path::new("/a")).expect("listed");
        let paths: Vec<_> = listed.iter().map(|e| e.path.to_str()).collect();
        assert_eq!(paths, [Some("/a/b"), Some("/a/out")]);
        let link = listed.get(1).expect("two");
        assert_eq!(link.target.as_deref(), Some(Path::new("../../secret")));
        assert_eq!(
            here.part(Path::new("/a/b/c"), 1).expect("part"),
            STANDARD.encode("ello")
        );
    }
}
