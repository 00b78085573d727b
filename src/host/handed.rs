//! What one binary of a host leaves to the next, which the same process becomes: in memory where there is such a
//! thing, for it has screens, what is typed, and secrets. On the disk elsewhere, if there are no secrets.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use super::files;
use super::hub::Secrets;
use super::upgrade::State;
use crate::config::SessionDir;
use crate::error::{Context, Error, Result};
use crate::mux::adopt_descriptor;

/// What a path of an open descriptor begins with.
const OPEN: &str = "/proc/self/fd/";

/// Where it was left; taken away when dropped, by whoever still runs then.
#[derive(Debug)]
pub struct Left {
    pub path: PathBuf,
    memory: Option<File>,
}

impl Left {
    /// The descriptor that the next binary needs, if it needs one.
    pub fn number(&self) -> Option<i32> {
        self.memory.as_ref().map(AsRawFd::as_raw_fd)
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        if self.memory.is_none() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Leaves `state` for the next binary.
///
/// # Errors
/// No memory, or the disk's.
pub fn write(dir: &SessionDir, state: &State) -> io::Result<Left> {
    if let Ok(mut memory) = memory() {
        memory.write_all(&serde_json::to_vec(state)?)?;
        return Ok(Left {
            path: format!("{OPEN}{}", memory.as_raw_fd()).into(),
            memory: Some(memory),
        });
    }
    if state.secrets != Secrets::default() {
        let why = "secrets touch no disk, and this system has no files in memory";
        return Err(io::Error::other(why));
    }
    let path = dir.path().join("upgrade.json");
    files::write_json_often(&path, state)?;
    Ok(Left { path, memory: None })
}

#[cfg(target_os = "linux")]
fn memory() -> io::Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    Ok(rustix::fs::memfd_create("remote-upgrade", flags)?.into())
}

#[cfg(not(target_os = "linux"))]
fn memory() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Reads what the earlier binary left, once.
///
/// # Errors
/// It is not there or damaged.
pub fn read(path: &Path) -> Result<State> {
    let number = path.to_str().and_then(|p| p.strip_prefix(OPEN));
    let Some(number) = number.and_then(|n| n.parse().ok()) else {
        let state = files::read_json(path);
        let _ = std::fs::remove_file(path);
        return state;
    };
    // Ours to close, and no agent's to inherit.
    let memory = adopt_descriptor(number).context("nothing was handed over")?;
    let mut memory = File::from(memory);
    let mut text = Vec::new();
    memory
        .rewind()
        .and_then(|()| memory.read_to_end(&mut text))
        .context("what was handed over cannot be read")?;
    serde_json::from_slice(&text)
        .map_err(|e| Error::internal("what was handed over is damaged").because(e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SecretValue;

    #[test]
    fn what_is_left_is_read_once_and_no_file_has_it() {
        let temporary = tempfile::tempdir().expect("a directory");
        let dir = SessionDir::new(temporary.path());
        let mut secrets = Secrets::default();
        secrets
            .values
            .insert("A".to_owned(), SecretValue::new("hunter2"));
        let state = State {
            lock: 7,
            port: None,
            started: 5,
            agents: Vec::new(),
            turns: Default::default(),
            rules: None,
            secrets: secrets.clone(),
        };
        let left = write(&dir, &state).expect("left");
        let found = std::fs::read_dir(temporary.path()).expect("listed").count();
        if cfg!(target_os = "linux") {
            assert_eq!(found, 0);
            // As after an exec, where nobody else has it.
            let memory = left.memory.as_ref().expect("memory");
            let ours = memory.try_clone().expect("a second one");
            let path = format!("{OPEN}{}", ours.as_raw_fd());
            std::mem::forget(ours);
            let read = read(Path::new(&path)).expect("read");
            assert_eq!((read.started, read.secrets), (5, secrets));
        }
    }
}
