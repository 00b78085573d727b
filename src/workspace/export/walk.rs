//! What there is to bring: a tree looked through level by level, each level's directories asked for together.

use std::path::{Component, Path, PathBuf};

use super::Result;
use crate::workspace::{FileEntry, FileKind, Files, WorkspaceError};

/// What fsck puts things into; made with every file system.
const LOST: &str = "/lost+found";

/// A tree of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    /// Its top: what is below a directory, or one file.
    pub top: PathBuf,
    /// What can be brought, a directory before what is in it.
    pub entries: Vec<FileEntry>,
    /// Of all files' contents.
    pub bytes: u64,
    /// Sockets, pipes, devices.
    pub others: Vec<PathBuf>,
    /// What could not be looked into, and why.
    pub failed: Vec<(PathBuf, String)>,
    /// The top is one file.
    single: bool,
}

impl Tree {
    /// The paths of the files with contents.
    pub fn contents(&self) -> Vec<PathBuf> {
        let files = self.entries.iter().filter(|e| e.kind == FileKind::File);
        files.map(|e| e.path.clone()).collect()
    }

    /// Where an entry belongs in the directory it is brought to; the top itself is the empty path.
    ///
    /// # Errors
    /// Its path leads elsewhere.
    pub(super) fn relative(&self, path: &Path) -> Result<PathBuf> {
        let below = match self.single {
            true => path.file_name().map(Path::new),
            false => path.strip_prefix(&self.top).ok(),
        };
        let plain = |p: &&Path| p.components().all(|c| matches!(c, Component::Normal(_)));
        below
            .filter(plain)
            .map(Path::to_owned)
            .ok_or_else(|| WorkspaceError::Damaged {
                what: path.display().to_string(),
                why: "its path leads elsewhere".to_owned(),
            })
    }
}

/// Looks through all that is at and below `from`. `tell` is told how many files were found so far.
///
/// # Errors
/// There is no `from`, or the files cannot be had. What is damaged below it is in the tree's `failed`.
pub fn walk(files: &mut dyn Files, from: &Path, tell: &mut dyn FnMut(u64)) -> Result<Tree> {
    let top = files.entry(from)?;
    let mut tree = Tree {
        top: top.path.clone(),
        single: top.kind != FileKind::Directory,
        ..Tree::default()
    };
    let mut level = Vec::new();
    add(&mut tree, &mut level, top);
    while !level.is_empty() {
        files.want(&level)?;
        let mut next = Vec::new();
        for dir in level {
            match files.list_sound(&dir) {
                Ok((entries, damaged))
                    if dir == Path::new(LOST) && entries.is_empty() && damaged.is_empty() =>
                {
                    tree.entries.retain(|e| e.path != dir);
                }
                Ok((entries, damaged)) => {
                    for (path, why) in damaged {
                        tree.failed.push((path, why.to_string()));
                    }
                    for entry in entries {
                        add(&mut tree, &mut next, entry);
                    }
                }
                Err(e @ (WorkspaceError::Damaged { .. } | WorkspaceError::NoFile(_))) => {
                    tree.failed.push((dir, e.to_string()));
                }
                Err(e) => return Err(e),
            }
            tell(u64::try_from(tree.entries.len()).unwrap_or(u64::MAX));
        }
        level = next;
    }
    Ok(tree)
}

fn add(tree: &mut Tree, next: &mut Vec<PathBuf>, entry: FileEntry) {
    match entry.kind {
        FileKind::Other => return tree.others.push(entry.path),
        FileKind::Directory => next.push(entry.path.clone()),
        FileKind::File => tree.bytes = tree.bytes.saturating_add(entry.size),
        FileKind::Link => {}
    }
    tree.entries.push(entry);
}
