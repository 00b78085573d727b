//! What a file system says of itself: its sizes and features, and where each group of it has its inodes.

use super::crc::{array, crc32c, joined, le16, le32, without};

/// Where it is, and how many bytes it has.
pub(super) const AT: u64 = 1024;
pub(super) const LENGTH: usize = 1024;

const MAGIC: u16 = 0xef53;
const FILE_TYPE: u32 = 0x2;
const RECOVER: u32 = 0x4;
const META_GROUPS: u32 = 0x10;
const WIDE: u32 = 0x80;
const SEED: u32 = 0x2000;
/// Extents, MMP, flexible groups, large attributes, large directories, data in inodes, encryption, case folding:
/// what of these matters is looked at in each inode.
const HARMLESS: u32 = 0x40 | 0x100 | 0x200 | 0x400 | 0x4000 | 0x8000 | 0x1_0000 | 0x2_0000;
const HAS_JOURNAL: u32 = 0x4;
const SPARSE_SUPER: u32 = 0x1;
const BIG_ALLOC: u32 = 0x200;
const CHECKSUMS: u32 = 0x400;

/// The superblock, as far as a reader needs it.
#[derive(Debug, Clone)]
pub(super) struct Superblock {
    pub block_size: u64,
    pub blocks: u64,
    pub inodes: u32,
    pub inode_size: u64,
    pub inodes_per_group: u32,
    pub descriptor_size: u64,
    /// The journal's inode, where it has something that is not in its place yet.
    pub journal: Option<u32>,
    /// The checksums' seed, where there are checksums.
    pub seed: Option<u32>,
    pub label: String,
    first_data_block: u64,
    blocks_per_group: u64,
    first_meta_group: Option<u64>,
    sparse: bool,
}

impl Superblock {
    /// From its bytes.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < LENGTH || le16(bytes, 0x38) != MAGIC {
            return Err("there is no ext4 file system on it".to_owned());
        }
        let (incompatible, read_only) = (le32(bytes, 0x60), le32(bytes, 0x64));
        let known = FILE_TYPE | RECOVER | META_GROUPS | WIDE | SEED | HARMLESS;
        if incompatible & !known != 0 || incompatible & FILE_TYPE == 0 || read_only & BIG_ALLOC != 0
        {
            return Err(format!(
                "its ext4 has features that cannot be read here ({incompatible:#x}, {read_only:#x})"
            ));
        }
        let checksums = read_only & CHECKSUMS != 0;
        if checksums && crc32c(!0, bytes.get(..0x3fc).unwrap_or_default()) != le32(bytes, 0x3fc) {
            return Err("the checksum of its superblock is wrong".to_owned());
        }
        let log = le32(bytes, 0x18);
        if log > 6 {
            return Err(format!("its blocks cannot have 2^{log} KiB"));
        }
        let block_size = 1024_u64 << log;
        let inode_size = match le32(bytes, 0x4c) {
            0 => 128,
            _ => u64::from(le16(bytes, 0x58)),
        };
        let descriptor_size = match incompatible & WIDE {
            0 => 32,
            _ => u64::from(le16(bytes, 0xfe)),
        };
        let fits =
            |size: u64, least: u64| size.is_power_of_two() && (least..=block_size).contains(&size);
        let (inodes_per_group, blocks_per_group) = (le32(bytes, 0x28), le32(bytes, 0x20));
        if !fits(inode_size, 128)
            || !fits(
                descriptor_size,
                if incompatible & WIDE == 0 { 32 } else { 64 },
            )
            || inodes_per_group == 0
            || blocks_per_group == 0
        {
            return Err("the sizes in its superblock cannot be".to_owned());
        }
        let uuid: [u8; 16] = array(bytes, 0x68);
        let seed = match incompatible & SEED {
            0 => crc32c(!0, &uuid),
            _ => le32(bytes, 0x270),
        };
        let label: [u8; 16] = array(bytes, 0x78);
        let recovers = incompatible & RECOVER != 0 && le32(bytes, 0x5c) & HAS_JOURNAL != 0;
        Ok(Self {
            block_size,
            blocks: joined(
                if incompatible & WIDE == 0 {
                    0
                } else {
                    le32(bytes, 0x150)
                },
                le32(bytes, 0x4),
            ),
            inodes: le32(bytes, 0x0),
            inode_size,
            inodes_per_group,
            descriptor_size,
            journal: recovers.then(|| le32(bytes, 0xe0)),
            seed: checksums.then_some(seed),
            label: String::from_utf8_lossy(&label)
                .trim_end_matches('\0')
                .to_owned(),
            first_data_block: u64::from(le32(bytes, 0x14)),
            blocks_per_group: u64::from(blocks_per_group),
            first_meta_group: (incompatible & META_GROUPS != 0)
                .then(|| u64::from(le32(bytes, 0x104))),
            sparse: read_only & SPARSE_SUPER != 0,
        })
    }

    /// The group of an inode, and its number there; `None` where there is no such inode.
    pub fn place(&self, inode: u32) -> Option<(u32, u32)> {
        if inode == 0 || inode > self.inodes {
            return None;
        }
        let from_zero = inode.checked_sub(1)?;
        Some((
            from_zero / self.inodes_per_group,
            from_zero % self.inodes_per_group,
        ))
    }

    /// The block with a group's descriptor, and the byte in it.
    pub fn descriptor(&self, group: u32) -> (u64, usize) {
        let (group, per_block) = (u64::from(group), self.block_size / self.descriptor_size);
        let (block, within) = (group / per_block, group % per_block);
        let place = match self.first_meta_group {
            Some(first) if block >= first => {
                let first_group = block.saturating_mul(per_block);
                let of_group = first_group.saturating_mul(self.blocks_per_group);
                let super_there = u64::from(self.has_super(first_group));
                self.first_data_block
                    .saturating_add(of_group)
                    .saturating_add(super_there)
            }
            _ => self
                .first_data_block
                .saturating_add(1)
                .saturating_add(block),
        };
        let at = within.saturating_mul(self.descriptor_size);
        (place, usize::try_from(at).unwrap_or(usize::MAX))
    }

    /// The first block of a group's inodes, from its descriptor; `None` where its checksum is wrong.
    pub fn inode_table(&self, group: u32, descriptor: &[u8]) -> Option<u64> {
        if let Some(seed) = self.seed {
            let of_group = crc32c(seed, &group.to_le_bytes());
            let sum = without(of_group, descriptor, 0x1e, 2);
            if u32::from(le16(descriptor, 0x1e)) != sum & 0xffff {
                return None;
            }
        }
        let high = if descriptor.len() < 64 {
            0
        } else {
            le32(descriptor, 0x28)
        };
        Some(joined(high, le32(descriptor, 0x8)))
    }

    fn has_super(&self, group: u64) -> bool {
        let power_of = |base: u64| {
            let mut n = base;
            while n < group {
                n = n.saturating_mul(base);
            }
            n == group
        };
        !self.sparse || group <= 1 || power_of(3) || power_of(5) || power_of(7)
    }
}
