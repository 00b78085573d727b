//! A path through symbolic links, as far as they stay in the workspace.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::{FileKind, Files, WorkspaceError};

/// As many as a kernel follows.
const MOST: usize = 40;
/// Where machines mount a workspace: what is below it there is below the top here.
const MOUNTED: &str = "/work";

/// Where `path` leads to: a path from the workspace's top without a link in it.
///
/// # Errors
/// There is none, or a link leads out of the workspace or nowhere.
pub fn follow(files: &mut dyn Files, path: &Path) -> Result<PathBuf, WorkspaceError> {
    let mut left: VecDeque<OsString> = parts(path).collect();
    let (mut now, mut links) = (PathBuf::from("/"), 0);
    while let Some(part) = left.pop_front() {
        if part == ".." {
            now.pop();
            continue;
        }
        let next = now.join(&part);
        let entry = files.entry(&next)?;
        let Some(target) = entry.target.filter(|_| entry.kind == FileKind::Link) else {
            now = next;
            continue;
        };
        links += 1;
        if links > MOST {
            return Err(WorkspaceError::Refused(format!(
                "{}: too many symbolic links",
                path.display()
            )));
        }
        let inside = if target.is_absolute() {
            now = PathBuf::from("/");
            target.strip_prefix(MOUNTED).map_err(|_| {
                WorkspaceError::Refused(format!(
                    "{} leads out of the workspace, to {}",
                    next.display(),
                    target.display()
                ))
            })?
        } else {
            target.as_path()
        };
        for part in parts(inside).collect::<Vec<_>>().into_iter().rev() {
            left.push_front(part);
        }
    }
    Ok(now)
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}
