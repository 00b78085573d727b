//! Reads the files of an ext4 file system from a disk whose blocks may be far away: it knows beforehand which bytes
//! it is going to need, and asks for them together. Read-only; the journal is looked through, never written back.
//! Damage is an error with its place, whatever the bytes are.

mod crc;
mod dir;
mod extents;
mod files;
mod inode;
mod journal;
mod owner;
mod superblock;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::ops::Range;

use super::{Fetched, WorkspaceError};
use extents::Extent;
use inode::Inode;
use journal::Copied;
use superblock::Superblock;

pub use files::Ext4Files;
pub use owner::give;

type Result<T> = std::result::Result<T, WorkspaceError>;

/// So many bytes of a file are read at once.
const CHUNK: u64 = 1 << 20;
/// The longest target of a link that a kernel takes.
const LONGEST_LINK: u64 = 4096;

/// Bytes at places: a file, or a snapshot's blocks.
pub trait Disk: Send {
    /// What it is called in errors: `snapshot snap-0abc…`.
    fn name(&self) -> &str;

    /// Fills `into` with what is at byte `at`.
    ///
    /// # Errors
    /// It ends before, or cannot be read there.
    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()>;

    /// Says which bytes will be read soon. What is damaged there is no error yet.
    ///
    /// # Errors
    /// They cannot be had at all.
    fn want(&mut self, _spans: &[Range<u64>]) -> Result<()> {
        Ok(())
    }

    /// What would have to be fetched to read these.
    fn missing(&self, _spans: &[Range<u64>]) -> Fetched {
        Fetched::default()
    }

    /// What fetching all of it would be.
    fn whole(&self) -> Fetched {
        Fetched::default()
    }

    /// What was fetched so far.
    fn fetched(&self) -> Fetched {
        Fetched::default()
    }
}

/// A file system.
pub struct Ext4 {
    disk: Box<dyn Disk>,
    superblock: Superblock,
    /// The blocks whose newest bytes are in the journal.
    replayed: BTreeMap<u64, Copied>,
    /// By group, where its inodes are.
    tables: HashMap<u32, u64>,
}

impl Ext4 {
    /// # Errors
    /// There is none, or it cannot be read: what was found.
    pub fn open(mut disk: Box<dyn Disk>) -> Result<Self> {
        let mut bytes = vec![0; superblock::LENGTH];
        disk.read(superblock::AT, &mut bytes)?;
        let superblock = parse(disk.name(), &bytes)?;
        let mut fs = Self {
            disk,
            superblock,
            replayed: BTreeMap::new(),
            tables: HashMap::new(),
        };
        if let Some(journal) = fs.superblock.journal {
            fs.replayed = fs.replayed(journal)?;
            // It may be in there itself.
            let (block, at) = (
                superblock::AT / fs.superblock.block_size,
                superblock::AT % fs.superblock.block_size,
            );
            if fs.replayed.contains_key(&block) {
                let bytes = fs.block(block)?;
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let own = bytes.get(at..).unwrap_or_default();
                fs.superblock = parse(fs.disk.name(), own)?;
            }
            fs.tables.clear();
        }
        Ok(fs)
    }

    /// Its label.
    pub fn label(&self) -> &str {
        &self.superblock.label
    }

    fn damaged(&self, why: String) -> WorkspaceError {
        damaged(self.disk.name(), why)
    }

    /// One block of the file system's own.
    fn block(&mut self, number: u64) -> Result<Vec<u8>> {
        if number >= self.superblock.blocks {
            return Err(self.damaged(format!(
                "it speaks of block {number}, and has {}",
                self.superblock.blocks
            )));
        }
        let length = usize::try_from(self.superblock.block_size).unwrap_or_default();
        let mut bytes = vec![0; length];
        let copied = self.replayed.get(&number).copied();
        let at = copied.map_or(number, |c| c.at);
        self.disk
            .read(at.saturating_mul(self.superblock.block_size), &mut bytes)?;
        if copied.is_some_and(|c| !c.restore(&mut bytes)) {
            return Err(self.damaged(format!(
                "the journal's copy of block {number} is not what was written"
            )));
        }
        Ok(bytes)
    }

    /// Where an inode is: the byte, journal not considered.
    fn inode_at(&mut self, number: u32) -> Result<u64> {
        let none = |fs: &Self| fs.damaged(format!("there is no inode {number}"));
        let (group, within) = self.superblock.place(number).ok_or_else(|| none(self))?;
        let table = match self.tables.get(&group) {
            Some(table) => *table,
            None => {
                let (block, at) = self.superblock.descriptor(group);
                let bytes = self.block(block)?;
                let length = usize::try_from(self.superblock.descriptor_size).unwrap_or_default();
                let descriptor = bytes.get(at..at.saturating_add(length));
                let table = descriptor.and_then(|d| self.superblock.inode_table(group, d));
                let table = table.ok_or_else(|| {
                    self.damaged(format!("the descriptor of group {group} is not sound"))
                })?;
                self.tables.insert(group, table);
                table
            }
        };
        let within = u64::from(within).saturating_mul(self.superblock.inode_size);
        Ok(table
            .saturating_mul(self.superblock.block_size)
            .saturating_add(within))
    }

    fn inode(&mut self, number: u32) -> Result<Inode> {
        let at = self.inode_at(number)?;
        let block = self.block(at / self.superblock.block_size)?;
        let from = usize::try_from(at % self.superblock.block_size).unwrap_or(usize::MAX);
        let length = usize::try_from(self.superblock.inode_size).unwrap_or(usize::MAX);
        let bytes = block
            .get(from..from.saturating_add(length))
            .unwrap_or_default();
        Inode::parse(number, bytes, &self.superblock).map_err(|why| self.damaged(why))
    }

    /// Writes a file's bytes to `to`, zeros where it has none.
    fn content(&mut self, inode: &Inode, to: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let block_size = self.superblock.block_size;
        let mut done = 0;
        for extent in self.extents(inode)? {
            let first = extent.first.saturating_mul(block_size).min(inode.size);
            zeros(first.saturating_sub(done), to)?;
            done = done.max(first);
            for (at, length, copied) in self.pieces(&extent) {
                let length = length.min(inode.size.saturating_sub(done));
                let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
                match copied {
                    None => self.disk.read(at, &mut bytes)?,
                    Some(number) => {
                        let block = self.block(number)?;
                        let length = bytes.len();
                        bytes.copy_from_slice(block.get(..length).unwrap_or_default());
                    }
                }
                to(&bytes)?;
                done = done.saturating_add(length);
            }
        }
        zeros(inode.size.saturating_sub(done), to)
    }

    /// The bytes of an extent in pieces to be read at once: where, how many, and the block if it is in the journal.
    fn pieces(&self, extent: &Extent) -> Vec<(u64, u64, Option<u64>)> {
        let block_size = self.superblock.block_size;
        let (mut found, mut at) = (Vec::new(), extent.at);
        let end = extent.on_disk().end;
        let copied: Vec<u64> = self
            .replayed
            .range(extent.on_disk())
            .map(|(b, _)| *b)
            .collect();
        for stop in copied.into_iter().map(Some).chain([None]) {
            let until = stop.unwrap_or(end);
            while at < until {
                let blocks = until.saturating_sub(at).min(CHUNK / block_size);
                found.push((
                    at.saturating_mul(block_size),
                    blocks.saturating_mul(block_size),
                    None,
                ));
                at = at.saturating_add(blocks.max(1));
            }
            if let Some(block) = stop {
                found.push((block.saturating_mul(block_size), block_size, Some(block)));
                at = block.saturating_add(1);
            }
        }
        found
    }

    /// The bytes of the disk that a file's are in.
    fn spans(&mut self, inode: &Inode) -> Result<Vec<Range<u64>>> {
        let block_size = self.superblock.block_size;
        let mut found = Vec::new();
        for extent in self.extents(inode)? {
            let inside = inode
                .size
                .saturating_sub(extent.first.saturating_mul(block_size))
                .min(extent.blocks.saturating_mul(block_size));
            if inside > 0 {
                let from = extent.at.saturating_mul(block_size);
                found.push(from..from.saturating_add(inside));
            }
            let copies = self.replayed.range(extent.on_disk());
            found.extend(copies.map(|(_, c)| {
                let from = c.at.saturating_mul(block_size);
                from..from.saturating_add(block_size)
            }));
        }
        Ok(found)
    }

    /// The bytes of the disk that a block of the file system's own is in.
    fn span(&self, block: u64) -> Range<u64> {
        let at = self.replayed.get(&block).map_or(block, |c| c.at);
        let from = at.saturating_mul(self.superblock.block_size);
        from..from.saturating_add(self.superblock.block_size)
    }

    /// Where a link leads to, as it is written there.
    fn target(&mut self, inode: &Inode) -> Result<Vec<u8>> {
        if let Some(short) = inode.short_target() {
            return Ok(short.to_vec());
        }
        if inode.size > LONGEST_LINK {
            return Err(self.damaged(format!("the link of inode {} is too long", inode.number)));
        }
        let mut bytes = Vec::new();
        self.content(inode, &mut |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        Ok(bytes)
    }
}

fn zeros(mut left: u64, to: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    static ZEROS: [u8; 65536] = [0; 65536];
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
        to(ZEROS.get(..length).unwrap_or(&ZEROS))?;
        left = left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
    }
    Ok(())
}

fn parse(disk: &str, bytes: &[u8]) -> Result<Superblock> {
    Superblock::parse(bytes).map_err(|why| damaged(disk, why))
}

fn damaged(disk: &str, why: String) -> WorkspaceError {
    WorkspaceError::Damaged {
        what: disk.to_owned(),
        why,
    }
}

/// A disk that is a file.
pub struct FileDisk {
    file: std::fs::File,
    name: String,
}

impl FileDisk {
    pub fn new(file: std::fs::File, name: impl Into<String>) -> Self {
        Self {
            file,
            name: name.into(),
        }
    }
}

impl Disk for FileDisk {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
        use std::os::unix::fs::FileExt;
        let read = self.file.read_exact_at(into, at);
        read.map_err(|e| damaged(&self.name, format!("byte {at} cannot be read: {e}")))
    }
}

/// A `Write` as what [`Ext4::content`] takes.
fn into_writer<'a>(
    to: &'a mut dyn Write,
    count: &'a mut u64,
) -> impl FnMut(&[u8]) -> Result<()> + 'a {
    |part| {
        to.write_all(part)
            .map_err(WorkspaceError::io("write", "what was read"))?;
        *count = count.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}
