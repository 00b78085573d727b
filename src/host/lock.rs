//! One host per session directory: an flock that the kernel lets go of when the host dies, however it does.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{FlockOperation, flock};

use crate::config::SessionDir;
use crate::error::{Context, Error, Result};
use crate::mux::adopt_descriptor;

/// Held by the running host.
#[derive(Debug)]
pub struct Lock(File);

fn open(dir: &SessionDir) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(dir.lock())
}

impl Lock {
    /// Takes the lock and writes this process's number into it.
    ///
    /// # Errors
    /// Another host holds it, named by its process.
    pub fn take(dir: &SessionDir) -> Result<Self> {
        let what = format!("{} cannot be opened", dir.lock().display());
        let mut file = open(dir).context(what)?;
        // Whoever only looks (see `holder`) has it for an instant.
        let taken = (0..5).any(|attempt| {
            if attempt > 0 {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        });
        if !taken {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            return Err(Error::user(format!(
                "a host already runs on {}: process {}",
                dir.path().display(),
                pid.trim()
            ))
            .hint("`remote status` shows its session; `remote terminate` ends it"));
        }
        let _ = file.set_len(0);
        let _ = file.rewind();
        let _ = writeln!(file, "{}", std::process::id());
        Ok(Self(file))
    }

    /// Takes the lock over that this process held before its binary was replaced.
    ///
    /// # Errors
    /// Nothing is open under that number.
    pub fn adopt(fd: i32) -> Result<Self> {
        let fd = adopt_descriptor(fd).context("the lock was not handed over")?;
        Ok(Self(fd.into()))
    }

    /// Its descriptor's number, for [`Lock::adopt`] after an exec of this process.
    pub fn number(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// Whether a host runs on this directory now: its process, if so.
pub fn holder(dir: &SessionDir) -> Option<u32> {
    let mut file = File::open(dir.lock()).ok()?;
    // Shared, so that two who look do not see each other.
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    let mut pid = String::new();
    let _ = file.read_to_string(&mut pid);
    pid.trim().parse().ok()
}

/// Removes what only a running host has.
pub fn remove_endpoint(dir: &SessionDir, sockets: &[&std::path::Path]) {
    let _ = fs::remove_file(dir.endpoint());
    for socket in sockets {
        let _ = fs::remove_file(socket);
        // Where they lie elsewhere, nothing else is there.
        if let Some(place) = socket.parent().filter(|p| *p != dir.path()) {
            let _ = fs::remove_dir(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_with_the_first_ones_number() {
        let temporary = tempfile::tempdir().expect("a directory");
        let dir = SessionDir::new(temporary.path());
        assert_eq!(holder(&dir), None);
        let lock = Lock::take(&dir).expect("taken");
        let me = std::process::id();
        assert_eq!(holder(&dir), Some(me));
        let refused = Lock::take(&dir).expect_err("refused");
        assert!(refused.message.contains(&me.to_string()), "{refused}");
        drop(lock);
        assert_eq!(holder(&dir), None);
        Lock::take(&dir).expect("free again");
    }
}
