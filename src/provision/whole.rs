//! Files that are there whole or not at all, after a power cut too: a session.json that came back empty
//! would be a session that nobody can read, and a deadline that nobody keeps.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a file must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survives {
    /// The end of any process: readers see the old or the new content. For what is written often.
    Crash,
    /// The machine's too: when this returns, the new content is on the disk.
    PowerCut,
}

/// Writes a file (0600) by way of another beside it, so that a reader sees the old or the new content, never
/// half of it.
///
/// # Errors
/// The file system's; the old file is whole then.
pub fn write_whole(path: &Path, bytes: &[u8], survives: Survives) -> io::Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Another thread may write the same file.
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}.{count}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = write(&temporary, bytes, survives).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    } else if survives == Survives::PowerCut
        && let Some(dir) = path.parent()
    {
        // The content is safe already; a file system that cannot sync a directory keeps its order itself.
        let _ = File::open(dir).and_then(|d| d.sync_all());
    }
    written
}

fn write(path: &Path, bytes: &[u8], survives: Survives) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    match survives {
        Survives::Crash => Ok(()),
        // Before the rename: a name must never come to stand for content that is not there yet.
        Survives::PowerCut => file.sync_all(),
    }
}
