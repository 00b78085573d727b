//! The session directory's small files: written whole or not at all, readable by their owner only.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Context, Error, Result};
use crate::provision::{Survives, write_whole};

/// Makes a directory (and those above it) that only its owner may enter; fine if it is there.
///
/// # Errors
/// The file system's.
pub fn make_private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Writes a JSON file, whole or not at all; when this returns it is on the disk.
///
/// # Errors
/// The file system's; the old file is whole then.
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write_whole(path, &json(value)?, Survives::PowerCut)
}

/// As [`write_json`], but not waiting for the disk: for what is written each second, and may be lost with the
/// machine.
///
/// # Errors
/// As for [`write_json`].
pub fn write_json_often(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write_whole(path, &json(value)?, Survives::Crash)
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
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
