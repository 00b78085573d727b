//! A store and its working trees that were copied from another machine's volume: their paths are of there, and are made
//! ones of here, so that results are collected from the copy in the same words. Agents could write all of it, and git
//! is to run here: the copy is disarmed first.

use std::path::{Component, Path, PathBuf};

use super::disarm::{bare, gits, inner, pointer, put, take_away};
use super::store::{SETTINGS, find_record};
use super::{RepoError, Store};
use crate::model::SessionId;

/// What was moved.
#[derive(Debug)]
pub struct Moved {
    pub store: Store,
    /// What of the session's work cannot be collected from here.
    pub warnings: Vec<String>,
}

/// Makes the copy below `top` of what was at `from` (`/work`) say where it is now. Its store is looked for in
/// `top/repo`. `None` where it has nothing of the session. May be done again. Nothing that the copy says is run.
///
/// # Errors
/// The file system's, or git's.
pub async fn moved(
    top: &Path,
    from: &Path,
    session: &SessionId,
) -> Result<Option<Moved>, RepoError> {
    let stores = top.join("repo");
    for store in real_dirs(&stores)? {
        bare(&store, SETTINGS).await?;
    }
    let Some((store, mut record)) = find_record(&stores, session) else {
        return Ok(None);
    };
    // Else it would be written to another's.
    record.session = session.clone();
    let mut warnings = Vec::new();
    let mut ours = Vec::new();
    for agent in &mut record.agents {
        let place = place(top, from, &agent.dir);
        let there = place.as_deref().is_some_and(|p| is_real(top, p));
        match place.filter(|_| there) {
            Some(dir) if tie(&store, &dir)? => {
                ours.push(dir.join(".git"));
                agent.dir = dir;
            }
            seen => {
                let why = match seen {
                    Some(_) => "is none of its repository's any more",
                    None => "was not found",
                };
                warnings.push(format!(
                    "agent {}: its working tree {} {why}; what it has not committed is not here",
                    agent.number,
                    agent.dir.display()
                ));
                // Nothing is below a file.
                agent.dir = store.dir().join("HEAD").join(agent.number.to_string());
            }
        }
    }
    for git in gits(top, &stores)? {
        if ours.contains(&git) {
            continue;
        }
        let dir = git.symlink_metadata().is_ok_and(|m| m.is_dir());
        if !dir || !inner(&git, &store.dir().join("objects")).await? {
            take_away(&git)?;
            let shown = git.strip_prefix(top).unwrap_or(&git);
            if ours
                .iter()
                .filter_map(|o| o.parent())
                .any(|o| git.starts_with(o))
            {
                warnings.push(format!(
                    "{} led to a repository elsewhere: what is only there is not here",
                    from.join(shown).display()
                ));
            }
        }
    }
    store.put(&record)?;
    Ok(Some(Moved { store, warnings }))
}

/// The directories in `dir`; what only leads to one is none, and goes.
fn real_dirs(dir: &Path) -> Result<Vec<PathBuf>, RepoError> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Ok(Vec::new());
    };
    let mut dirs = Vec::new();
    for entry in entries.flatten() {
        match entry.file_type().is_ok_and(|t| t.is_dir()) {
            true => dirs.push(entry.path()),
            false => take_away(&entry.path())?,
        }
    }
    Ok(dirs)
}

/// Where below `top` a tree is that was below `from`.
fn place(top: &Path, from: &Path, was: &Path) -> Option<PathBuf> {
    let below = was.strip_prefix(top).or_else(|_| was.strip_prefix(from));
    let below = below.ok()?;
    let sound = below
        .components()
        .all(|c| matches!(c, Component::Normal(_)));
    let tree = below.components().count() > 0 && !below.starts_with("repo");
    (sound && tree).then(|| top.join(below))
}

/// Whether each part of it below `top` is a directory, and no link to one.
fn is_real(top: &Path, dir: &Path) -> bool {
    dir.ancestors()
        .take_while(|d| *d != top)
        .all(|d| d.symlink_metadata().is_ok_and(|m| m.is_dir()))
}

/// Store and working tree are told where the other is now. `false` where the tree names none that the store has.
fn tie(store: &Store, dir: &Path) -> Result<bool, RepoError> {
    let file = dir.join(".git");
    let text = pointer(&file).unwrap_or_default();
    let name = text
        .strip_prefix("gitdir:")
        .and_then(|path| Path::new(path.trim()).file_name());
    let Some(name) = name else {
        return Ok(false);
    };
    let its = store.dir().join("worktrees").join(name);
    if !its.join("HEAD").is_file() {
        return Ok(false);
    }
    let line = |before: &str, path: &Path| {
        use std::os::unix::ffi::OsStrExt;
        [before.as_bytes(), path.as_os_str().as_bytes(), b"\n"].concat()
    };
    put(&its.join("gitdir"), &line("", &file))?;
    put(&file, &line("gitdir: ", &its))?;
    Ok(true)
}
