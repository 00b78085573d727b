//! Whole trees of files: copied with everything about them, shared blocks where the file system can; measured; and
//! removed, read-only directories (as of Go's module cache) included.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::WorkspaceError;

type Result<T> = std::result::Result<T, WorkspaceError>;

/// Copies what is in `from` into the directory `to`, which is there and empty.
///
/// # Errors
/// cp's own, or there is none.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    // Only GNU's knows the word; where blocks can be shared, others share them unasked or never.
    let attempts: [&[&str]; 2] = [&["-a", "--reflink=auto"], &["-a"]];
    let mut said = String::new();
    for (n, words) in attempts.into_iter().enumerate() {
        if n > 0 {
            clear(to)?;
        }
        let done = Command::new("cp")
            .args(words)
            .arg(from.join("."))
            .arg(to)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .map_err(WorkspaceError::io("copy with cp", from))?;
        if done.status.success() {
            return Ok(());
        }
        said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        // Another failure than of the word is the same without it.
        if !said.contains("reflink") {
            break;
        }
    }
    let last = said.lines().last().unwrap_or("cp does not say why");
    Err(WorkspaceError::Refused(format!(
        "{} cannot be copied: {last}",
        from.display()
    )))
}

fn clear(dir: &Path) -> Result<()> {
    remove(dir)?;
    fs::create_dir(dir).map_err(WorkspaceError::io("create", dir))
}

/// Removes a tree; one that is not there is no error.
///
/// # Errors
/// The file system's: files of another user, say.
pub fn remove(dir: &Path) -> Result<()> {
    let mut done = fs::remove_dir_all(dir);
    if matches!(&done, Err(e) if e.kind() == ErrorKind::PermissionDenied) {
        let _ = open_up(dir);
        done = fs::remove_dir_all(dir);
    }
    match done {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other.map_err(WorkspaceError::io("remove", dir)),
    }
}

/// Lets their owner write to all directories of a tree.
fn open_up(dir: &Path) -> std::io::Result<()> {
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        let mode = fs::symlink_metadata(&dir)?.mode() | 0o700;
        fs::set_permissions(&dir, fs::Permissions::from_mode(mode & 0o7777))?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            // Links are not followed.
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Ok(())
}

/// The bytes that a tree takes on its disk, each file once; `None` where it has more than `most` files, or cannot be
/// read in whole.
pub fn measure(dir: &Path, most: usize) -> Option<u64> {
    let (mut waiting, mut seen) = (vec![dir.to_owned()], HashSet::new());
    let (mut bytes, mut count) = (0_u64, 0);
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir).ok()? {
            let entry = entry.ok()?;
            let meta = entry.metadata().ok()?;
            count += 1;
            if count > most {
                return None;
            }
            if meta.is_dir() {
                waiting.push(entry.path());
            }
            if meta.nlink() < 2 || meta.is_dir() || seen.insert((meta.dev(), meta.ino())) {
                bytes = bytes.saturating_add(meta.blocks().saturating_mul(512));
            }
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_copy_has_everything_and_removal_takes_everything() {
        let ground = tempfile::tempdir().expect("a directory");
        let (from, to) = (ground.path().join("from"), ground.path().join("to"));
        fs::create_dir_all(from.join("pkg/mod")).expect("made");
        fs::write(from.join("pkg/mod/a.go"), vec![7; 100_000]).expect("written");
        fs::write(from.join(".hidden"), "x").expect("written");
        fs::hard_link(from.join(".hidden"), from.join("twin")).expect("linked");
        symlink("/nowhere", from.join("dangling")).expect("linked");
        let mode = |p: &Path, m| fs::set_permissions(p, fs::Permissions::from_mode(m));
        mode(&from.join("pkg/mod/a.go"), 0o640).expect("set");
        mode(&from.join("pkg/mod"), 0o555).expect("set");
        fs::create_dir(&to).expect("made");
        copy(&from, &to).expect("copied");
        let meta = |p: &str| fs::symlink_metadata(to.join(p)).expect("there");
        assert_eq!(meta("pkg/mod").mode() & 0o777, 0o555);
        assert_eq!(meta("pkg/mod/a.go").mode() & 0o777, 0o640);
        assert_eq!(meta(".hidden").ino(), meta("twin").ino());
        let target = fs::read_link(to.join("dangling")).expect("a link");
        assert_eq!(target, Path::new("/nowhere"));
        let used = measure(&to, 100).expect("measured");
        assert!((100_000..300_000).contains(&used), "{used}");
        assert_eq!(measure(&to, 3), None);
        remove(&to).expect("removed");
        remove(&to).expect("it is gone already");
        assert!(!to.exists() && from.exists());
    }
}
