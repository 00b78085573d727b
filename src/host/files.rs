//! The session directory's small files: written whole or not at all, readable by their owner only.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Context, Error, Result};

/// Makes a directory (and those above it) that only its owner may enter; fine if it is there.
///
/// # Errors
/// The file system's.
pub fn make_private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Writes a JSON file by way of a temporary one beside it.
///
/// # Errors
/// The file system's; the old file is whole then.
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut f| f.write_all(&bytes))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Reads a JSON file.
///
/// # Errors
/// Naming the file: not there, not readable, not what it should be.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).context(format!("{} cannot be read", path.display()))?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Error::user(format!("{} is damaged", path.display()))
            .because(e)
            .hint("`remote prune` removes sessions that cannot be read")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_private_and_replaced_whole() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let inner = dir.path().join("a/b");
        make_private_dir(&inner).expect("made");
        let path = inner.join("x.json");
        write_json(&path, &vec![1, 2]).expect("written");
        write_json(&path, &vec![3]).expect("written again");
        assert_eq!(read_json::<Vec<u8>>(&path).expect("read"), [3]);
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&inner).expect("lists").count(), 1);
        assert!(read_json::<u8>(&path).is_err_and(|e| e.message.contains("damaged")));
    }
}
