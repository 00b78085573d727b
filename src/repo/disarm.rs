//! A copy of repositories that somebody else could write: before git is let into it, all goes by which it would run
//! something, or be led out of the copy. Their configuration is written anew, with the little that is data; links,
//! hooks and pointers go.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::snapshot::quoted;
use super::{Git, RepoError};

/// No configuration is longer.
const LONGEST_CONFIG: u64 = 1 << 20;
/// A file that only names a place.
const LONGEST_POINTER: u64 = 8 << 10;

/// What goes from a repository's own directory.
const GOES: &[&str] = &[
    // Another repository's configuration and objects, in place of its own.
    "commondir",
    "config.worktree",
    "hooks",
    "info/attributes",
];

/// Whether a file system may take this name for `.git`: some know no case, and some leave out what is not seen.
pub(super) fn is_git(name: &OsStr) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let plain: Vec<u8> = name.as_bytes().to_ascii_lowercase();
    plain.into_iter().filter(u8::is_ascii).eq(*b".git")
}

/// What is named `.git` below `top`, but for what is inside of such, and inside of `except`. No link is followed.
///
/// # Errors
/// The file system's.
pub(super) fn gits(top: &Path, except: &Path) -> Result<Vec<PathBuf>, RepoError> {
    let mut found = Vec::new();
    let mut dirs = vec![top.to_owned()];
    while let Some(dir) = dirs.pop() {
        for (path, kind) in entries(&dir)? {
            if path == except {
                continue;
            }
            if path.file_name().is_some_and(is_git) {
                found.push(path);
            } else if kind.is_dir() {
                dirs.push(path);
            }
        }
    }
    Ok(found)
}

/// What is in a directory, which is made one that its owner can read and change.
fn entries(dir: &Path) -> Result<Vec<(PathBuf, std::fs::FileType)>, RepoError> {
    use std::os::unix::fs::PermissionsExt;
    let read = || -> std::io::Result<Vec<_>> {
        let mut mode = dir.symlink_metadata()?.permissions();
        if mode.mode() & 0o700 != 0o700 {
            mode.set_mode(mode.mode() | 0o700);
            std::fs::set_permissions(dir, mode)?;
        }
        std::fs::read_dir(dir)?
            .map(|e| e.and_then(|e| Ok((e.path(), e.file_type()?))))
            .collect()
    };
    read().map_err(|e| RepoError::io("read", dir, e))
}

/// Takes away whatever is at `path`; a link, not what it leads to.
///
/// # Errors
/// The file system's.
pub(super) fn take_away(path: &Path) -> Result<(), RepoError> {
    let kind = match path.symlink_metadata() {
        Ok(meta) => meta.file_type(),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(e) => return Err(RepoError::io("look at", path, e)),
    };
    let gone = match kind.is_dir() {
        true => std::fs::remove_dir_all(path),
        false => std::fs::remove_file(path),
    };
    gone.map_err(|e| RepoError::io("remove", path, e))
}

/// A new file in the place of whatever is there.
///
/// # Errors
/// The file system's.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<(), RepoError> {
    take_away(path)?;
    let write = || std::fs::File::create_new(path)?.write_all(bytes);
    write().map_err(|e| RepoError::io("write", path, e))
}

/// The text of a short file; `None` where there is no such, or something else.
pub(super) fn pointer(path: &Path) -> Option<String> {
    let meta = path.symlink_metadata().ok()?;
    let sound = meta.is_file() && meta.len() <= LONGEST_POINTER;
    sound.then(|| std::fs::read_to_string(path).ok()).flatten()
}

/// A bare repository. `settings` are what it has besides the little that is carried over.
///
/// # Errors
/// The file system's, or git is not there.
pub(super) async fn bare(dir: &Path, settings: &[(&str, &str)]) -> Result<(), RepoError> {
    plain(dir)?;
    let carried = carried(dir).await?;
    put(&dir.join("config"), &config(&carried, true, settings))?;
    take_away(&dir.join("objects/info/alternates"))?;
    let trees = dir.join("worktrees");
    if trees.is_dir() {
        let dirs = entries(&trees)?.into_iter().filter(|(_, k)| k.is_dir());
        for (tree, _) in dirs {
            for name in GOES {
                take_away(&tree.join(name))?;
            }
            put(&tree.join("commondir"), b"../..\n")?;
        }
    }
    Ok(())
}

/// A repository inside of a working tree, `dir` its `.git`. Where it read another's objects, it reads those in `objects`.
/// Whether it is one: git would look for another one above of what is none.
///
/// # Errors
/// The file system's, or git is not there.
pub(super) async fn inner(dir: &Path, objects: &Path) -> Result<bool, RepoError> {
    plain(dir)?;
    let head = pointer(&dir.join("HEAD")).unwrap_or_default();
    let head = head.trim_end();
    let hex = matches!(head.len(), 40 | 64) && head.bytes().all(|b| b.is_ascii_hexdigit());
    let named = head.strip_prefix("ref:").map(str::trim_start);
    let sound = (hex || named.is_some_and(|n| n.starts_with("refs/")))
        && dir.join("objects").is_dir()
        && dir.join("refs").is_dir();
    if !sound {
        return Ok(false);
    }
    let carried = carried(dir).await?;
    put(&dir.join("config"), &config(&carried, false, &[]))?;
    let alternates = dir.join("objects/info/alternates");
    if alternates.exists() {
        put(&alternates, &quoted(objects))?;
    }
    Ok(true)
}

/// Only directories and files, and none of what [`GOES`].
fn plain(dir: &Path) -> Result<(), RepoError> {
    let mut dirs = vec![dir.to_owned()];
    while let Some(at) = dirs.pop() {
        for (path, kind) in entries(&at)? {
            let git = path.file_name().is_some_and(is_git);
            match kind.is_dir() && !git {
                true => dirs.push(path),
                false if kind.is_file() && !git => {}
                false => take_away(&path)?,
            }
        }
    }
    GOES.iter().try_for_each(|name| take_away(&dir.join(name)))
}

/// What is data in an old configuration: the formats, and who commits. It is read as a file of no repository, so
/// nothing that it says is done.
async fn carried(dir: &Path) -> Result<BTreeMap<String, String>, RepoError> {
    const DATA: [&str; 4] = [
        "extensions.objectformat",
        "extensions.refstorage",
        "user.name",
        "user.email",
    ];
    let old = dir.join("config");
    let there = old.symlink_metadata();
    if !there.is_ok_and(|m| m.is_file() && m.len() <= LONGEST_CONFIG) {
        return Ok(BTreeMap::new());
    }
    // Nowhere: git would look for a repository where it stands.
    let git = Git::at("/").env("GIT_DIR", "/dev/null");
    let args = ["config", "--no-includes", "--list", "-z", "--file"].map(OsStr::new);
    let told = match git.run(args.into_iter().chain([old.as_os_str()])).await {
        Ok(told) => told,
        // It is damaged.
        Err(RepoError::Git(_)) => return Ok(BTreeMap::new()),
        Err(e) => return Err(e),
    };
    let text = String::from_utf8_lossy(&told);
    let lines = text.split('\0').filter_map(|line| line.split_once('\n'));
    Ok(lines
        .filter(|(name, _)| DATA.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

fn config(carried: &BTreeMap<String, String>, bare: bool, settings: &[(&str, &str)]) -> Vec<u8> {
    let is = |name: &str, value: &str| carried.get(name).is_some_and(|v| v == value);
    let mut formats = Vec::new();
    if is("extensions.objectformat", "sha256") {
        formats.push(("extensions.objectFormat", "sha256"));
    }
    if is("extensions.refstorage", "reftable") {
        formats.push(("extensions.refStorage", "reftable"));
    }
    let version = if formats.is_empty() { "0" } else { "1" };
    let bare = if bare { "true" } else { "false" };
    let who = ["user.name", "user.email"]
        .into_iter()
        .filter_map(|name| Some((name, carried.get(name)?.as_str())));
    let all = [
        ("core.repositoryFormatVersion", version),
        ("core.bare", bare),
    ]
    .into_iter()
    .chain(formats)
    .chain(settings.iter().copied())
    .chain(who);
    let mut text = String::new();
    for (name, value) in all {
        if let Some((section, key)) = name.split_once('.') {
            text.push_str(&format!("[{section}]\n\t{key} = {}\n", in_quotes(value)));
        }
    }
    text.into_bytes()
}

/// A value as git's configuration has any.
fn in_quotes(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
