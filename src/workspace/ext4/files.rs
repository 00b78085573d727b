//! The files of a file system by their paths. What will be needed of a directory or of many files is asked for in as
//! few rounds as there are levels to look through, each round side by side.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use super::inode::Inode;
use super::{Ext4, Result, extents, into_writer};
use crate::workspace::{Fetched, FileEntry, FileKind, Files, Listed, WorkspaceError};

/// The top of every file system.
const TOP: u32 = 2;
/// So many paths are remembered.
const REMEMBERED: usize = 2_000_000;

/// [`Files`] on ext4.
pub struct Ext4Files {
    fs: Ext4,
    /// The inodes of paths that were listed.
    seen: HashMap<PathBuf, u32>,
    /// Where directories are: one is in one place, or walking through them would not end.
    dirs: HashMap<u32, PathBuf>,
}

impl Ext4Files {
    pub fn new(fs: Ext4) -> Self {
        Self {
            fs,
            seen: HashMap::new(),
            dirs: HashMap::from([(TOP, PathBuf::from("/"))]),
        }
    }

    /// The inode of a path; no link is followed.
    fn find(&mut self, path: &Path) -> Result<(PathBuf, Inode)> {
        let path = plain(path)?;
        if let Some(number) = self.seen.get(&path) {
            let number = *number;
            return Ok((path, self.fs.inode(number)?));
        }
        let mut inode = self.fs.inode(TOP)?;
        let mut so_far = PathBuf::from("/");
        for part in path.components().skip(1) {
            so_far.push(part);
            if let Some(number) = self.seen.get(&so_far) {
                let number = *number;
                inode = self.fs.inode(number)?;
                continue;
            }
            if inode.kind != FileKind::Directory {
                return Err(WorkspaceError::NoFile(path.clone()));
            }
            let names = self.fs.names(&inode)?;
            let wanted = part.as_os_str().as_bytes();
            let found = names.into_iter().find(|n| n.name == wanted);
            let number = found.ok_or_else(|| WorkspaceError::NoFile(path.clone()))?;
            inode = self.fs.inode(number.inode)?;
        }
        Ok((path, inode))
    }

    fn told(&mut self, path: PathBuf, inode: &Inode) -> Result<FileEntry> {
        let target = match inode.kind {
            FileKind::Link => Some(PathBuf::from(OsString::from_vec(self.fs.target(inode)?))),
            _ => None,
        };
        Ok(FileEntry {
            path,
            kind: inode.kind,
            size: inode.size,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            modified: inode.modified,
            target,
        })
    }

    /// The bytes of the disk that the contents of these are in. What is damaged has none: reading it will tell.
    fn spans(&mut self, inodes: &[Inode]) -> Result<Vec<std::ops::Range<u64>>> {
        let index = inodes.iter().flat_map(extents::index_blocks);
        let index: Vec<_> = index.map(|block| self.fs.span(block)).collect();
        self.fs.disk.want(&index)?;
        let mut found = Vec::new();
        for inode in inodes.iter().filter(|i| i.short_target().is_none()) {
            found.extend(if_sound(self.fs.spans(inode))?.unwrap_or_default());
        }
        Ok(found)
    }

    fn found(&mut self, paths: &[PathBuf]) -> Result<Vec<Inode>> {
        let mut inodes = Vec::new();
        for path in paths {
            inodes.extend(if_sound(self.find(path))?.map(|(_, inode)| inode));
        }
        Ok(inodes)
    }
}

/// Damage and what is not there are told by who reads it, not by who only wants it.
fn if_sound<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(WorkspaceError::Damaged { .. } | WorkspaceError::NoFile(_)) => Ok(None),
        Err(e) => Err(e),
    }
}

/// From the top, with nothing in it that leads elsewhere.
fn plain(path: &Path) -> Result<PathBuf> {
    let mut plain = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => plain.push(name),
            Component::ParentDir | Component::Prefix(_) => {
                return Err(WorkspaceError::NoFile(path.to_owned()));
            }
        }
    }
    Ok(plain)
}

impl Files for Ext4Files {
    fn entry(&mut self, path: &Path) -> Result<FileEntry> {
        let (path, inode) = self.find(path)?;
        self.told(path, &inode)
    }

    fn list(&mut self, path: &Path) -> Result<Vec<FileEntry>> {
        let (entries, damaged) = self.list_sound(path)?;
        match damaged.into_iter().next() {
            Some((_, why)) => Err(why),
            None => Ok(entries),
        }
    }

    fn list_sound(&mut self, path: &Path) -> Result<Listed> {
        let (path, inode) = self.find(path)?;
        if inode.kind != FileKind::Directory {
            return Ok((vec![self.told(path, &inode)?], Vec::new()));
        }
        let mut names = self.fs.names(&inode)?;
        names.sort_by(|a, b| a.name.cmp(&b.name));
        let mut places = Vec::new();
        for named in &names {
            places.extend(if_sound(self.fs.inode_at(named.inode))?);
        }
        let size = self.fs.superblock.block_size;
        let blocks: Vec<_> = places.iter().map(|at| self.fs.span(at / size)).collect();
        self.fs.disk.want(&blocks)?;
        if self.seen.len() > REMEMBERED {
            self.seen.clear();
        }
        let twice = names
            .windows(2)
            .any(|w| w.first().map(|n| &n.name) == w.last().map(|n| &n.name));
        if twice && names.len() > 1 {
            let dir = path.display();
            return Err(self
                .fs
                .damaged(format!("two files of one name are in {dir}")));
        }
        let (mut entries, mut left_out) = (Vec::with_capacity(names.len()), Vec::new());
        for named in names {
            let path = path.join(OsString::from_vec(named.name));
            let inode = match self.fs.inode(named.inode) {
                Err(e @ WorkspaceError::Damaged { .. }) => {
                    left_out.push((path, e));
                    continue;
                }
                other => other?,
            };
            if inode.kind == FileKind::Directory {
                let place = self.dirs.entry(named.inode).or_insert_with(|| path.clone());
                if *place != path {
                    let why = format!(
                        "{} and {} are one directory",
                        place.display(),
                        path.display()
                    );
                    return Err(self.fs.damaged(why));
                }
            }
            self.seen.insert(path.clone(), named.inode);
            match self.told(path.clone(), &inode) {
                Err(e @ WorkspaceError::Damaged { .. }) => {
                    left_out.push((path, e));
                }
                other => entries.push(other?),
            }
        }
        Ok((entries, left_out))
    }

    fn read(&mut self, path: &Path, to: &mut dyn Write) -> Result<u64> {
        let (path, inode) = self.find(path)?;
        if inode.kind != FileKind::File {
            let path = path.display();
            return Err(WorkspaceError::Refused(format!(
                "{path} is no file that could be read"
            )));
        }
        let mut count = 0;
        let read = self.fs.content(&inode, &mut into_writer(to, &mut count));
        read.map_err(|e| match e {
            WorkspaceError::Damaged { what, why } => WorkspaceError::Damaged {
                what: format!("{} on {what}", path.display()),
                why,
            },
            other => other,
        })?;
        Ok(count)
    }

    fn want(&mut self, paths: &[PathBuf]) -> Result<()> {
        let inodes = self.found(paths)?;
        let spans = self.spans(&inodes)?;
        self.fs.disk.want(&spans)?;
        // Of directories also the inodes of what is in them.
        let mut places = Vec::new();
        for inode in inodes.iter().filter(|i| i.kind == FileKind::Directory) {
            for named in if_sound(self.fs.names(inode))?.unwrap_or_default() {
                places.extend(if_sound(self.fs.inode_at(named.inode))?);
            }
        }
        let size = self.fs.superblock.block_size;
        let blocks: Vec<_> = places.iter().map(|at| self.fs.span(at / size)).collect();
        self.fs.disk.want(&blocks)
    }

    fn missing(&mut self, paths: &[PathBuf]) -> Result<Fetched> {
        let inodes = self.found(paths)?;
        let spans = self.spans(&inodes)?;
        Ok(self.fs.disk.missing(&spans))
    }

    fn whole(&self) -> Fetched {
        self.fs.disk.whole()
    }

    fn fetched(&self) -> Fetched {
        self.fs.disk.fetched()
    }
}
