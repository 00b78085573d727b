//! The host's own log: log/host.log in its directory, of bounded size, the last few kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use super::files;

const LIMIT: u64 = 1 << 20;
/// host.log, host.log.1, host.log.2.
const KEPT: u32 = 3;

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    limit: u64,
    file: Option<File>,
    length: u64,
}

/// A size-bounded, rotating file; what cannot be written is dropped.
#[derive(Debug, Clone)]
pub struct LogFile(Arc<Mutex<Inner>>);

impl LogFile {
    /// Opens (and goes on with) the log in `dir`.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(dir: &Path) -> io::Result<Self> {
        Self::with_limit(dir, LIMIT)
    }

    fn with_limit(dir: &Path, limit: u64) -> io::Result<Self> {
        files::make_private_dir(dir)?;
        let mut inner = Inner {
            path: dir.join("host.log"),
            limit,
            file: None,
            length: 0,
        };
        inner.reopen()?;
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    /// Makes it the log of this process. `REMOTE_LOG` sets the level (`debug`); a second call does nothing.
    pub fn install(self) {
        let level = std::env::var("REMOTE_LOG")
            .ok()
            .and_then(|l| l.parse::<tracing::Level>().ok())
            .unwrap_or(tracing::Level::INFO);
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_target(false)
            .with_writer(self)
            .finish();
        let _ = tracing::subscriber::set_global_default(subscriber);
    }
}

impl Inner {
    fn reopen(&mut self) -> io::Result<()> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        self.length = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    fn rotate(&mut self) {
        self.file = None;
        let name = |n: u32| self.path.with_extension(format!("log.{n}"));
        for n in (1..KEPT - 1).rev() {
            let _ = fs::rename(name(n), name(n + 1));
        }
        let _ = fs::rename(&self.path, name(1));
        let _ = self.reopen();
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.length.saturating_add(bytes.len() as u64) > inner.limit {
            inner.rotate();
        }
        if let Some(file) = &mut inner.file
            && file.write_all(bytes).is_ok()
        {
            inner.length = inner.length.saturating_add(bytes.len() as u64);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rotates_and_stays_bounded() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut log = LogFile::with_limit(dir.path(), 100).expect("opens");
        for i in 0..50 {
            log.write_all(format!("line {i:03} of the log\n").as_bytes())
                .expect("never fails");
        }
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .expect("lists")
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["host.log", "host.log.1", "host.log.2"]);
        let newest = fs::read_to_string(dir.path().join("host.log")).expect("reads");
        assert!(newest.ends_with("line 049 of the log\n") && newest.len() <= 100);
    }
}
