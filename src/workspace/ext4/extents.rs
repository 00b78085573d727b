//! Which blocks of the disk a file's bytes are in: a tree in and behind its inode.

use std::collections::HashSet;
use std::ops::Range;

use super::crc::{crc32c, joined, le16, le32};
use super::inode::Inode;
use super::{Ext4, Result};

const MAGIC: u16 = 0xf30a;
const ENTRY: usize = 12;
const DEEPEST: u16 = 5;
/// A length above this is of blocks that are set aside and read as zeros.
const WRITTEN: u16 = 0x8000;

/// A run of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Extent {
    /// The first one's number in the file.
    pub first: u64,
    /// The first one's number on the disk.
    pub at: u64,
    pub blocks: u64,
}

impl Extent {
    pub fn on_disk(&self) -> Range<u64> {
        self.at..self.at.saturating_add(self.blocks)
    }
}

/// What a node of the tree says.
enum Node {
    Leaves(Vec<Extent>),
    /// The blocks of the next level, whose depth this is.
    Inner(u16, Vec<u64>),
}

fn node(bytes: &[u8]) -> Option<Node> {
    let (entries, depth) = (usize::from(le16(bytes, 2)), le16(bytes, 6));
    let length = entries.checked_add(1)?.checked_mul(ENTRY)?;
    if le16(bytes, 0) != MAGIC || depth > DEEPEST || length > bytes.len() {
        return None;
    }
    let all = bytes.get(ENTRY..length)?.chunks_exact(ENTRY);
    if let Some(next) = depth.checked_sub(1) {
        let child = |e: &[u8]| joined(u32::from(le16(e, 8)), le32(e, 4));
        return Some(Node::Inner(next, all.map(child).collect()));
    }
    let written = all.filter(|e| le16(e, 4) <= WRITTEN);
    let leaf = |e: &[u8]| Extent {
        first: u64::from(le32(e, 0)),
        at: joined(u32::from(le16(e, 6)), le32(e, 8)),
        blocks: u64::from(le16(e, 4)),
    };
    Some(Node::Leaves(written.map(leaf).collect()))
}

/// The blocks that have to be read to know where the file's are, the first level of them.
pub(super) fn index_blocks(inode: &Inode) -> Vec<u64> {
    match node(&inode.root) {
        Some(Node::Inner(_, children)) if inode.readable().is_ok() => children,
        _ => Vec::new(),
    }
}

impl Ext4 {
    /// The blocks of a file that hold something, in their order in the file.
    pub(super) fn extents(&mut self, inode: &Inode) -> Result<Vec<Extent>> {
        if inode.size == 0 {
            return Ok(Vec::new());
        }
        let number = inode.number;
        if let Err(why) = inode.readable() {
            return Err(self.damaged(format!("inode {number}: {why}")));
        }
        let broken = |fs: &Self| fs.damaged(format!("the blocks of inode {number} are not known"));
        let root = node(&inode.root).ok_or_else(|| broken(self))?;
        let (mut found, mut inner) = (Vec::new(), Vec::new());
        match root {
            Node::Leaves(leaves) => found = leaves,
            Node::Inner(depth, children) => inner.extend(children.into_iter().map(|c| (depth, c))),
        }
        // A tree whose branches meet again would take for ever.
        let mut been = HashSet::new();
        while let Some((depth, block)) = inner.pop() {
            if !been.insert(block) {
                return Err(broken(self));
            }
            let bytes = self.block(block)?;
            if le16(&bytes, 6) != depth || !sound(&bytes, inode.seed) {
                return Err(broken(self));
            }
            match node(&bytes).ok_or_else(|| broken(self))? {
                Node::Leaves(leaves) => found.extend(leaves),
                Node::Inner(next, children) => {
                    inner.extend(children.into_iter().map(|c| (next, c)))
                }
            }
        }
        found.sort_unstable();
        let mut end = 0;
        for extent in &found {
            let beyond = extent.on_disk().end > self.superblock.blocks;
            if extent.first < end || extent.at == 0 || beyond {
                return Err(broken(self));
            }
            end = extent.first.saturating_add(extent.blocks);
        }
        Ok(found)
    }
}

/// Whether a block of the tree has the checksum that stands behind its entries.
fn sound(bytes: &[u8], seed: Option<u32>) -> bool {
    let Some(seed) = seed else { return true };
    let most = usize::from(le16(bytes, 4));
    let end = most.saturating_add(1).saturating_mul(ENTRY);
    let summed = bytes.get(..end).map(|part| crc32c(seed, part));
    end.saturating_add(4) <= bytes.len() && summed == Some(le32(bytes, end))
}
