//! A tree of a workspace's files, brought to a directory here. Nothing of the tree can make it write elsewhere, nothing
//! that is not its own is replaced, and what was cut off goes on where it was.

mod place;
mod record;
mod sparse;
mod walk;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{FileEntry, FileKind, Files, WorkspaceError};
use place::{Place, There};

pub use walk::{Tree, walk};

type Result<T> = std::result::Result<T, WorkspaceError>;

/// Bytes that are asked for together: so many at first, then as many as come within a second or so.
const LEAST: u64 = 4 << 20;
const MOST: u64 = 64 << 20;
const QUICK: Duration = Duration::from_millis(700);
const SLOW: Duration = Duration::from_millis(2500);

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    pub files: u64,
    /// Of the files' contents, those that were here already among them.
    pub bytes: u64,
    pub of: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exported {
    /// Files, directories and links that are there now.
    pub files: u64,
    pub bytes: u64,
    /// How many of them an earlier run had brought.
    pub had: u64,
    /// Sockets, pipes and devices, which are not brought.
    pub others: Vec<PathBuf>,
    /// What could not be read, and why; nothing of these was written.
    pub failed: Vec<(PathBuf, String)>,
}

/// Told of how far it is; `Break` ends it, so that it can go on later.
pub type Tell<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// Brings `tree` to the directory `to`, which is empty or not there, or has in it what an interrupted export of the
/// same `source` had brought. Modes without set-uid and set-gid; owners only where we are root.
///
/// # Errors
/// Something else is there, it cannot be written, or the files cannot be had. What single files suffer is no error.
pub fn export(
    files: &mut dyn Files,
    tree: &Tree,
    to: &Path,
    source: &str,
    tell: Tell<'_>,
) -> Result<Exported> {
    let mut place = Place::open(to, source)?;
    let mut told = Exported {
        others: tree.others.clone(),
        failed: tree.failed.clone(),
        ..Exported::default()
    };
    let mut progress = Progress {
        of: tree.bytes,
        ..Progress::default()
    };
    // All of it before anything is fetched: what is in the way is known at once.
    let mut left = Vec::new();
    for entry in &tree.entries {
        let relative = tree.relative(&entry.path)?;
        match place.there(&relative, entry)? {
            There::Same => {
                told.had += 1;
                told.files += 1;
                progress.files += 1;
                if entry.kind == FileKind::File {
                    progress.bytes = progress.bytes.saturating_add(entry.size);
                }
            }
            There::Free => left.push((relative, entry)),
        }
    }
    for (relative, entry) in left.iter().filter(|(_, e)| e.kind == FileKind::Directory) {
        place.make_dir(relative, entry)?;
        told.files += 1;
        progress.files += 1;
    }
    left.retain(|(_, e)| e.kind != FileKind::Directory);
    let (mut rest, mut most) = (left.as_slice(), LEAST);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(together(rest, most));
        let begun = Instant::now();
        let paths: Vec<PathBuf> = now.iter().map(|(_, e)| e.path.clone()).collect();
        if paths.len() > 1 {
            files.want(&paths)?;
        }
        for (relative, entry) in now {
            match one(files, &mut place, relative, entry, &mut progress, tell)? {
                Ok(()) => told.files += 1,
                Err(why) => told.failed.push((entry.path.clone(), why)),
            }
            progress.files += 1;
            going_on(tell(progress))?;
        }
        most = match begun.elapsed() {
            t if t < QUICK => most.saturating_mul(2).min(MOST),
            t if t > SLOW => (most / 2).max(LEAST),
            _ => most,
        };
        rest = later;
    }
    // The deepest first: what is made in a directory changes its time.
    let dirs = tree
        .entries
        .iter()
        .filter(|e| e.kind == FileKind::Directory);
    for entry in dirs.rev() {
        place.finish_dir(&tree.relative(&entry.path)?, entry)?;
    }
    place.finish()?;
    told.bytes = progress.bytes;
    Ok(told)
}

/// How many of the next files are asked for together; one at least.
fn together(rest: &[(PathBuf, &FileEntry)], most: u64) -> usize {
    let mut sum = 0_u64;
    let fits = rest.iter().take_while(|(_, e)| {
        sum = sum.saturating_add(e.size);
        sum <= most
    });
    fits.count().max(1)
}

/// Brings one file or link; what is wrong with it alone is returned.
fn one(
    files: &mut dyn Files,
    place: &mut Place,
    relative: &Path,
    entry: &FileEntry,
    progress: &mut Progress,
    tell: Tell<'_>,
) -> Result<std::result::Result<(), String>> {
    if let Some(target) = &entry.target {
        return alone(place.make_link(relative, entry, target));
    }
    let before = progress.bytes;
    let mut stopped = false;
    let written = place.make_file(relative, entry, |to| {
        let mut to = sparse::Counting::new(to, |bytes| {
            progress.bytes = before.saturating_add(bytes);
            stopped |= tell(*progress).is_break();
            !stopped
        });
        files.read(&entry.path, &mut to)
    });
    if stopped {
        return Err(interrupted());
    }
    // Of one that failed there is nothing; it counts all the same, so that the end is the end.
    progress.bytes = before.saturating_add(entry.size);
    alone(written)
}

/// Damage to one file does not keep others from being brought.
fn alone(result: Result<()>) -> Result<std::result::Result<(), String>> {
    match result {
        Ok(()) => Ok(Ok(())),
        Err(e @ (WorkspaceError::Damaged { .. } | WorkspaceError::NoFile(_))) => {
            Ok(Err(e.to_string()))
        }
        Err(e) => Err(e),
    }
}

fn going_on(flow: ControlFlow<()>) -> Result<()> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(interrupted()),
    }
}

fn interrupted() -> WorkspaceError {
    WorkspaceError::Refused("interrupted: the same export goes on where it was".to_owned())
}

#[cfg(test)]
mod tests;
