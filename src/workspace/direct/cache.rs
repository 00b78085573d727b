//! Blocks that were fetched, on disk: a sparse file as large as the volume, and a record of what is in it with each
//! block's checksum. Whoever goes on after a cut, of the program or of the power, fetches none of them again.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use super::{BLOCK, Result};
use crate::workspace::WorkspaceError;

/// What nobody went on with for so long is removed.
const STALE: Duration = Duration::from_secs(7 * 24 * 3600);
const RECORD: &str = "record";
/// A block's number and its SHA-256.
const ENTRY: usize = 36;

pub(super) type Sum = [u8; 32];

/// The blocks of one snapshot that are here.
pub(super) struct Cache {
    dir: PathBuf,
    blocks: File,
    record: Mutex<File>,
    have: Mutex<Have>,
    /// Somebody else has the snapshot's own directory.
    _private: Option<tempfile::TempDir>,
}

#[derive(Default)]
struct Have {
    sound: HashSet<u32>,
    /// Recorded by an earlier run: looked at once before they are used.
    recorded: HashMap<u32, Sum>,
}

impl Cache {
    /// Opens the snapshot's directory below `root`, or makes it.
    pub fn open(root: &Path, snapshot: &str, bytes: u64) -> Result<Self> {
        fs::create_dir_all(root).map_err(WorkspaceError::io("make", root))?;
        sweep(root);
        let own = root.join(snapshot);
        if let Some(cache) = Self::at(own, bytes, None)? {
            return Ok(cache);
        }
        let private = tempfile::Builder::new()
            .prefix(".private-")
            .tempdir_in(root);
        let private = private.map_err(WorkspaceError::io("make a directory in", root))?;
        let dir = private.path().join(snapshot);
        Self::at(dir.clone(), bytes, Some(private))?.ok_or(WorkspaceError::Late("a lock", 0))
    }

    /// `None` where another process has it.
    fn at(dir: PathBuf, bytes: u64, private: Option<tempfile::TempDir>) -> Result<Option<Self>> {
        fs::create_dir_all(&dir).map_err(WorkspaceError::io("make", &dir))?;
        let path = dir.join(RECORD);
        let mut options = File::options();
        let options = options.read(true).create(true);
        let record = options.append(true).open(&path);
        let mut record = record.map_err(WorkspaceError::io("open", &path))?;
        if flock(&record, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(None);
        }
        let mut told = Vec::new();
        let read = record.read_to_end(&mut told);
        read.map_err(WorkspaceError::io("read", &path))?;
        // A record that was cut off ends there.
        let whole = told.len().saturating_sub(told.len() % ENTRY);
        let length = u64::try_from(whole).unwrap_or(0);
        record
            .set_len(length)
            .map_err(WorkspaceError::io("write", &path))?;
        let recorded = told.chunks_exact(ENTRY).filter_map(|entry| {
            let (index, sum) = entry.split_first_chunk::<4>()?;
            Some((u32::from_le_bytes(*index), sum.try_into().ok()?))
        });
        let have = Have {
            sound: HashSet::new(),
            recorded: recorded.collect(),
        };
        let path = dir.join("blocks");
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let blocks = options.open(&path);
        let blocks = blocks.map_err(WorkspaceError::io("open", &path))?;
        blocks
            .set_len(bytes)
            .map_err(WorkspaceError::io("write", &path))?;
        Ok(Some(Self {
            dir,
            blocks,
            record: Mutex::new(record),
            have: Mutex::new(have),
            _private: private,
        }))
    }

    /// Whether a block is here, and sound.
    pub fn has(&self, index: u32) -> bool {
        let recorded = {
            let mut have = lock(&self.have);
            if have.sound.contains(&index) {
                return true;
            }
            have.recorded.remove(&index)
        };
        let Some(sum) = recorded else { return false };
        let mut block = vec![0; usize::try_from(BLOCK).unwrap_or_default()];
        let read = self.blocks.read_exact_at(&mut block, at(index));
        let sound = read.is_ok() && Sum::from(Sha256::digest(&block)) == sum;
        if sound {
            lock(&self.have).sound.insert(index);
        }
        sound
    }

    /// Keeps a block; `block` has been held against `sum`.
    pub fn put(&self, index: u32, block: &[u8], sum: &Sum) -> Result<()> {
        let io = |e| WorkspaceError::io("write", &self.dir)(e);
        self.blocks.write_all_at(block, at(index)).map_err(io)?;
        let entry = [&index.to_le_bytes()[..], sum].concat();
        lock(&self.record).write_all(&entry).map_err(io)?;
        lock(&self.have).sound.insert(index);
        Ok(())
    }

    /// Bytes of blocks that are here.
    pub fn read(&self, at: u64, into: &mut [u8]) -> Result<()> {
        let read = self.blocks.read_exact_at(into, at);
        read.map_err(WorkspaceError::io("read", &self.dir))
    }
}

fn at(index: u32) -> u64 {
    u64::from(index).saturating_mul(BLOCK)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what is kept of a snapshot.
///
/// # Errors
/// It cannot be removed.
pub fn forget(root: &Path, snapshot: &str) -> Result<()> {
    let dir = root.join(snapshot);
    match fs::remove_dir_all(&dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(WorkspaceError::io("remove", dir)(e))
        }
        _ => Ok(()),
    }
}

/// Removes what nobody came back for. What cannot be removed is looked at again the next time.
fn sweep(root: &Path) {
    for dir in fs::read_dir(root).into_iter().flatten().flatten() {
        let path = dir.path();
        let is_private = dir.file_name().to_string_lossy().starts_with(".private-");
        let inner = is_private
            .then(|| fs::read_dir(&path).ok()?.flatten().next().map(|d| d.path()))
            .flatten();
        let Ok(record) = File::open(inner.as_ref().unwrap_or(&path).join(RECORD)) else {
            continue;
        };
        let changed = record.metadata().and_then(|m| m.modified());
        let age = changed.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        let free = flock(&record, FlockOperation::NonBlockingLockExclusive).is_ok();
        if free && (is_private || age.is_ok_and(|age| age > STALE)) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(byte: u8) -> (Vec<u8>, Sum) {
        let block = vec![byte; usize::try_from(BLOCK).unwrap_or_default()];
        let sum = Sha256::digest(&block).into();
        (block, sum)
    }

    #[test]
    fn what_was_put_is_there_after_a_cut_and_what_was_half_written_is_not() -> Result<()> {
        let root = tempfile::tempdir().map_err(WorkspaceError::io("make", "a directory"))?;
        let open = || Cache::open(root.path(), "snap-1", 1 << 30);
        let cache = open()?;
        for byte in [1, 2, 3] {
            let (block, sum) = block(byte);
            cache.put(u32::from(byte), &block, &sum)?;
        }
        assert!(cache.has(1) && !cache.has(0));
        drop(cache);
        let dir = root.path().join("snap-1");
        // The record of 3 was cut off, the bytes of 2 never arrived.
        let record = fs::read(dir.join(RECORD)).unwrap_or_default();
        fs::write(dir.join(RECORD), &record[..record.len() - 1])
            .map_err(WorkspaceError::io("write", &dir))?;
        let blocks = File::options().write(true).open(dir.join("blocks"));
        let blocks = blocks.map_err(WorkspaceError::io("open", &dir))?;
        blocks
            .write_all_at(&[9], at(2) + 7)
            .map_err(WorkspaceError::io("write", &dir))?;
        let cache = open()?;
        assert!(cache.has(1) && !cache.has(2) && !cache.has(3));
        let mut bytes = [0; 4];
        cache.read(at(1) + 5, &mut bytes)?;
        assert_eq!(bytes, [1; 4]);
        let (three, sum) = block(3);
        cache.put(3, &three, &sum)?;
        drop(cache);
        assert!(open()?.has(3));
        Ok(())
    }

    #[test]
    fn a_second_process_has_a_place_of_its_own_and_all_of_it_goes() -> Result<()> {
        let root = tempfile::tempdir().map_err(WorkspaceError::io("make", "a directory"))?;
        let first = Cache::open(root.path(), "snap-1", 1 << 30)?;
        let second = Cache::open(root.path(), "snap-1", 1 << 30)?;
        let (one, sum) = block(1);
        first.put(1, &one, &sum)?;
        assert!(!second.has(1));
        drop(second);
        forget(root.path(), "snap-1")?;
        forget(root.path(), "snap-1")?;
        let left = fs::read_dir(root.path()).into_iter().flatten().count();
        assert_eq!(left, 0);
        // The one that is open goes on.
        assert!(first.has(1));
        Ok(())
    }
}
