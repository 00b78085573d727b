//! The directory that a tree is brought to. Every step from it downwards is through a directory that is held open, and
//! no link is ever followed: what is written lies below it, whatever names and links the tree has.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps,
    UTIME_OMIT,
};
use rustix::fs::{
    fchmod, flock, linkat, mkdirat, open, openat, renameat, renameat_with, statat, symlinkat,
    unlinkat, utimensat,
};
use rustix::io::Errno;

use super::Result;
use super::record::Record;
use super::sparse::Sparse;
use crate::model::Millis;
use crate::workspace::{FileEntry, FileKind, WorkspaceError};

/// Where it is written down that an export is under way; removed at its end.
pub(super) const MARK: &str = ".remote-export-under-way";
const PART: &str = "part";
/// Permissions and sticky: set-uid of another machine means nothing here.
const MODES: u32 = 0o1777;

/// Whether there is something to do for an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    /// It is there already.
    Same,
    Free,
}

/// The directory.
pub(super) struct Place {
    path: PathBuf,
    root: OwnedFd,
    mark: OwnedFd,
    record: Record,
    log: File,
    root_user: bool,
    /// The directory that was used last.
    last: Option<(PathBuf, OwnedFd)>,
}

impl Place {
    /// Opens it, and makes it where it is not there.
    ///
    /// # Errors
    /// Something is in it that no export of `source` has brought.
    pub fn open(path: &Path, source: &str) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(WorkspaceError::io("make", path))?;
        let failed = |e: Errno| WorkspaceError::io("open", path)(e.into());
        let root =
            open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        let marked = statat(&root, MARK, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        if !marked {
            if let Some(name) = first_in(&root).map_err(failed)? {
                return Err(refused(path, &format!("is not empty (it has `{name}`)")));
            }
            mkdirat(&root, MARK, Mode::from_raw_mode(0o700)).map_err(failed)?;
        }
        let mark = dir_at(&root, OsStr::new(MARK)).map_err(failed)?;
        let flags = files(OFlags::RDWR | OFlags::CREATE | OFlags::APPEND);
        let mut log = File::from(
            openat(&mark, "brought", flags, Mode::from_raw_mode(0o600)).map_err(failed)?,
        );
        // Held until this is closed: two at once would write into each other's part.
        flock(&log, FlockOperation::NonBlockingLockExclusive).map_err(|e| match e {
            Errno::WOULDBLOCK => refused(path, "has an export that runs just now"),
            e => failed(e),
        })?;
        let mut told = File::from(
            openat(
                &mark,
                "source",
                files(OFlags::RDWR | OFlags::CREATE),
                Mode::from_raw_mode(0o600),
            )
            .map_err(failed)?,
        );
        let mut before = String::new();
        let read = told.read_to_string(&mut before);
        read.map_err(WorkspaceError::io("read", path.join(MARK)))?;
        if before.is_empty() {
            let written = io::Write::write_all(&mut told, source.as_bytes());
            written.map_err(WorkspaceError::io("write", path.join(MARK)))?;
        } else if before != source {
            return Err(refused(
                path,
                &format!("has an export of {before} under way"),
            ));
        }
        let record = Record::read(&mut log).map_err(WorkspaceError::io("read", path.join(MARK)))?;
        Ok(Self {
            path: path.to_owned(),
            root,
            mark,
            record,
            log,
            root_user: rustix::process::geteuid().is_root(),
            last: None,
        })
    }

    fn failed(&self, what: &'static str, relative: &Path) -> impl FnOnce(Errno) -> WorkspaceError {
        let path = self.path.join(relative);
        move |e| WorkspaceError::io(what, path)(e.into())
    }

    /// The directory of an entry, and its name there; the top itself is `.`.
    fn parent<'a>(&mut self, relative: &'a Path) -> Result<(&OwnedFd, &'a OsStr)> {
        let Some(name) = relative.file_name() else {
            return Ok((&self.root, OsStr::new(".")));
        };
        let above = relative.parent().unwrap_or(Path::new(""));
        if above.as_os_str().is_empty() {
            return Ok((&self.root, name));
        }
        if self.last.as_ref().is_none_or(|(path, _)| path != above) {
            let mut now = None;
            for part in above {
                let next = dir_at(now.as_ref().unwrap_or(&self.root), part);
                now = Some(next.map_err(self.failed("open the directory of", relative))?);
            }
            self.last = now.map(|fd| (above.to_owned(), fd));
        }
        let dir = self.last.as_ref().map_or(&self.root, |(_, fd)| fd);
        Ok((dir, name))
    }

    /// Whether an entry is there already.
    ///
    /// # Errors
    /// Something is in its place that no export has brought.
    pub fn there(&mut self, relative: &Path, entry: &FileEntry) -> Result<There> {
        if relative.as_os_str().is_empty() {
            return Ok(There::Free);
        }
        if relative == Path::new(MARK) {
            return Err(refused(
                &self.path.join(relative),
                "would be brought where this export writes down what it does",
            ));
        }
        let stat = match self.parent(relative) {
            Ok((dir, name)) => statat(dir, name, AtFlags::SYMLINK_NOFOLLOW),
            // Its directory is not there yet.
            Err(WorkspaceError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(There::Free);
            }
            Err(e) => return Err(e),
        };
        let stat = match stat {
            Err(Errno::NOENT) => return Ok(There::Free),
            other => other.map_err(self.failed("look at", relative))?,
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let same = match entry.kind {
            FileKind::Directory => kind == FileType::Directory,
            FileKind::File => {
                kind == FileType::RegularFile && is(&stat) == (entry.size, entry.modified)
            }
            FileKind::Link | FileKind::Other => {
                kind == FileType::Symlink && self.leads(relative, entry)?
            }
        };
        let (size, modified) = is(&stat);
        if entry.kind == FileKind::Directory && same {
            // Its mode and time are set once more at the end.
            return Ok(There::Free);
        }
        if same {
            return Ok(There::Same);
        }
        if kind != FileType::Directory && self.record.has(relative, size, modified) {
            return Ok(There::Free);
        }
        Err(refused(
            &self.path.join(relative),
            "is there, and no export has brought it",
        ))
    }

    fn leads(&mut self, relative: &Path, entry: &FileEntry) -> Result<bool> {
        let (dir, name) = self.parent(relative)?;
        let leads = rustix::fs::readlinkat(dir, name, Vec::new());
        let leads = leads.map_err(self.failed("look at", relative))?;
        Ok(entry
            .target
            .as_ref()
            .is_some_and(|t| t.as_os_str().as_bytes() == leads.as_bytes()))
    }

    /// Makes a directory that can be written into for now.
    pub fn make_dir(&mut self, relative: &Path, _: &FileEntry) -> Result<()> {
        let (dir, name) = self.parent(relative)?;
        match mkdirat(dir, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(self.failed("make", relative)(e)),
        }
        let (dir, name) = self.parent(relative)?;
        let writable = dir_at(dir, name).and_then(|own| fchmod(own, Mode::RWXU));
        writable.map_err(self.failed("make", relative))
    }

    /// Writes a file: beside its place until it is whole.
    pub fn make_file(
        &mut self,
        relative: &Path,
        entry: &FileEntry,
        write: impl FnOnce(&mut Sparse) -> Result<u64>,
    ) -> Result<()> {
        // Made new, never written into: what is there may have another name too, in the place it was brought to.
        match unlinkat(&self.mark, PART, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => return Err(self.failed("write", relative)(e)),
        }
        let flags = files(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL);
        let part = openat(&self.mark, PART, flags, Mode::from_raw_mode(0o600));
        let part = part.map_err(self.failed("write", relative))?;
        let mut sparse = Sparse::new(part.into());
        let wrote = write(&mut sparse).and_then(|_| {
            sparse
                .end()
                .map_err(WorkspaceError::io("write", self.path.join(relative)))
        });
        let file = match wrote {
            Ok(file) => file,
            Err(e) => {
                let _ = unlinkat(&self.mark, PART, AtFlags::empty());
                return Err(e);
            }
        };
        if self.root_user {
            let owned = std::os::unix::fs::fchown(&file, Some(entry.uid), Some(entry.gid));
            owned.map_err(WorkspaceError::io("give away", self.path.join(relative)))?;
        }
        let done = fchmod(&file, mode(entry))
            .and_then(|()| rustix::fs::futimens(&file, &times(entry.modified)));
        done.map_err(self.failed("write", relative))?;
        self.put(PART, relative)?;
        self.brought(relative, entry.size, entry.modified)
    }

    /// Makes a link. It leads where it leads; nobody follows it here.
    pub fn make_link(&mut self, relative: &Path, entry: &FileEntry, target: &Path) -> Result<()> {
        let failed = |e: Errno| WorkspaceError::io("make", self.path.join(relative))(e.into());
        match unlinkat(&self.mark, PART, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => return Err(failed(e)),
        }
        symlinkat(target, &self.mark, PART).map_err(failed)?;
        if self.root_user {
            let ids = (
                Some(rustix::fs::Uid::from_raw(entry.uid)),
                Some(rustix::fs::Gid::from_raw(entry.gid)),
            );
            rustix::fs::chownat(&self.mark, PART, ids.0, ids.1, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(failed)?;
        }
        utimensat(
            &self.mark,
            PART,
            &times(entry.modified),
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .map_err(failed)?;
        let stat = statat(&self.mark, PART, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        self.put(PART, relative)?;
        let (size, modified) = is(&stat);
        self.brought(relative, size, modified)
    }

    fn brought(&mut self, relative: &Path, size: u64, modified: Millis) -> Result<()> {
        let added = self.record.add(&mut self.log, relative, size, modified);
        added.map_err(WorkspaceError::io("write", self.path.join(MARK)))
    }

    /// Moves what is whole to its place; over nothing but what this export has brought.
    fn put(&mut self, part: &str, relative: &Path) -> Result<()> {
        let (dir, name) = self.parent(relative)?;
        let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok();
        let ours = stat.is_some_and(|s| {
            let (size, modified) = is(&s);
            self.record.has(relative, size, modified)
        });
        let mark = self
            .mark
            .try_clone()
            .map_err(WorkspaceError::io("open", &self.path))?;
        let (dir, name) = self.parent(relative)?;
        let moved = if ours {
            renameat(&mark, part, dir, name)
        } else {
            match renameat_with(&mark, part, dir, name, RenameFlags::NOREPLACE) {
                // Not every file system knows that.
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                    linkat(&mark, part, dir, name, AtFlags::empty())
                        .and_then(|()| unlinkat(&mark, part, AtFlags::empty()))
                }
                other => other,
            }
        };
        moved.map_err(|e| match e {
            Errno::EXIST => refused(&self.path.join(relative), "came to be there meanwhile"),
            e => self.failed("write", relative)(e),
        })
    }

    /// Gives a directory its mode, time and, where we are root, its owner.
    pub fn finish_dir(&mut self, relative: &Path, entry: &FileEntry) -> Result<()> {
        // Where it is brought to belongs to who has said so.
        if relative.as_os_str().is_empty() {
            return Ok(());
        }
        let root_user = self.root_user;
        let (dir, name) = self.parent(relative)?;
        let done = dir_at(dir, name).and_then(|own| {
            if root_user {
                let ids = (
                    Some(rustix::fs::Uid::from_raw(entry.uid)),
                    Some(rustix::fs::Gid::from_raw(entry.gid)),
                );
                rustix::fs::fchown(&own, ids.0, ids.1)?;
            }
            fchmod(&own, mode(entry))?;
            rustix::fs::futimens(&own, &times(entry.modified))
        });
        done.map_err(self.failed("finish", relative))
    }

    /// All is there.
    pub fn finish(self) -> Result<()> {
        let failed = self.failed("remove", Path::new(MARK));
        for name in [PART, "source", "brought"] {
            match unlinkat(&self.mark, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(e) => return Err(failed(e)),
            }
        }
        unlinkat(&self.root, MARK, AtFlags::REMOVEDIR).map_err(failed)
    }
}

fn refused(path: &Path, why: &str) -> WorkspaceError {
    WorkspaceError::Refused(format!(
        "{} {why}: nothing is overwritten; name another directory",
        path.display()
    ))
}

fn files(flags: OFlags) -> OFlags {
    flags | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn dir_at(above: &OwnedFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(above, name, flags, Mode::empty())
}

/// The first name in a directory, if it has one.
fn first_in(dir: &OwnedFd) -> rustix::io::Result<Option<String>> {
    for entry in Dir::read_from(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn mode(entry: &FileEntry) -> Mode {
    Mode::from_bits_truncate((entry.mode & MODES) as _)
}

/// Size and time of what is there.
// The nanoseconds are signed on some systems.
#[allow(clippy::useless_conversion)]
fn is(stat: &Stat) -> (u64, Millis) {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    let nanos = u64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    (
        size,
        seconds
            .saturating_mul(1000)
            .saturating_add(nanos / 1_000_000),
    )
}

fn times(modified: Millis) -> Timestamps {
    let part = i64::try_from(modified % 1000)
        .unwrap_or(0)
        .saturating_mul(1_000_000);
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: i64::try_from(modified / 1000).unwrap_or(0),
            tv_nsec: part,
        },
    }
}
