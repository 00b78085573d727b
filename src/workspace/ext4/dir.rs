//! Directories: read from the first block to the last. What an index adds to them looks like free space to that.

use super::crc::{crc32c, le16, le32};
use super::inode::Inode;
use super::{Ext4, Result};
use crate::workspace::FileKind;

/// The checksum at the end of a block is dressed up as an entry of this type.
const TAIL: u8 = 0xde;
const TAIL_LENGTH: usize = 12;
const INDEXED: u32 = 0x1000;
const HEAD: usize = 8;
/// Of a block of so many bytes the whole length does not fit into an entry. In any other one a length of 0 is damage.
const TOO_LONG: usize = 65536;
/// Bytes: some millions of names.
const LARGEST: u64 = 256 << 20;

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub name: Vec<u8>,
    pub inode: u32,
}

/// The names in one block but for `.` and `..`; `None` where it makes no sense.
fn names(block: &[u8]) -> Option<Vec<Named>> {
    let (mut found, mut at) = (Vec::new(), 0_usize);
    while at < block.len() {
        let entry = block.get(at..)?;
        let length = match le16(entry, 4) {
            0 | u16::MAX if block.len() == TOO_LONG => entry.len(),
            n => usize::from(n),
        };
        let (inode, name_length) = (le32(entry, 0), usize::from(*entry.get(6)?));
        let name = entry.get(HEAD..HEAD.checked_add(name_length)?)?;
        if length < HEAD.checked_add(name_length)? || length > entry.len() || length % 4 != 0 {
            return None;
        }
        if inode != 0 && name != b"." && name != b".." {
            if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
                return None;
            }
            found.push(Named {
                name: name.to_vec(),
                inode,
            });
        }
        at = at.checked_add(length)?;
    }
    Some(found)
}

/// Whether a block with names has the checksum at its end.
fn sound(block: &[u8], seed: u32) -> bool {
    let Some(at) = block.len().checked_sub(TAIL_LENGTH) else {
        return false;
    };
    let tail = block.get(at..).unwrap_or_default();
    let dressed = le32(tail, 0) == 0 && le16(tail, 4) == 12 && tail.get(7) == Some(&TAIL);
    dressed && crc32c(seed, block.get(..at).unwrap_or_default()) == le32(tail, 8)
}

/// Whether it is a part of an index: one free entry from its beginning to its end.
fn index(block: &[u8]) -> bool {
    let whole = match le16(block, 4) {
        0 | u16::MAX => block.len() == TOO_LONG,
        n => usize::from(n) == block.len(),
    };
    le32(block, 0) == 0 && whole
}

impl Ext4 {
    /// What is in a directory, in the order of the disk.
    pub(super) fn names(&mut self, inode: &Inode) -> Result<Vec<Named>> {
        let number = inode.number;
        if inode.kind != FileKind::Directory {
            return Err(self.damaged(format!("inode {number} is no directory")));
        }
        if inode.size > LARGEST {
            return Err(self.damaged(format!(
                "the directory of inode {number} cannot be so large"
            )));
        }
        let last = inode.size.div_ceil(self.superblock.block_size);
        let mut found = Vec::new();
        for extent in self.extents(inode)? {
            for (n, block) in extent.on_disk().enumerate() {
                let n = u64::try_from(n)
                    .unwrap_or(u64::MAX)
                    .saturating_add(extent.first);
                if n >= last {
                    break;
                }
                let bytes = self.block(block)?;
                let of_index = inode.flags & INDEXED != 0 && (n == 0 || index(&bytes));
                let sound = of_index || inode.seed.is_none_or(|seed| sound(&bytes, seed));
                let Some(names) = names(&bytes).filter(|_| sound) else {
                    return Err(
                        self.damaged(format!("the directory of inode {number} is not sound"))
                    );
                };
                found.extend(names);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(inode: u32, length: u16, name: &[u8]) -> Vec<u8> {
        let mut bytes = inode.to_le_bytes().to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend([u8::try_from(name.len()).unwrap_or(0), 1]);
        bytes.extend(name);
        bytes.resize(usize::from(length), 0);
        bytes
    }

    #[test]
    fn names_are_read_and_what_cannot_be_a_name_is_damage() {
        let plain = [
            entry(2, 12, b"."),
            entry(2, 12, b".."),
            entry(0, 12, b"x"),
            entry(7, 12, b"abc"),
        ];
        let found = names(&plain.concat()).unwrap_or_default();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].inode, found[0].name.as_slice()),
            (7, b"abc".as_slice())
        );
        for bad in [&b"a/b"[..], b"", b"a\0b"] {
            assert_eq!(names(&entry(7, 12, bad)), None, "{bad:?}");
        }
        // Too short for its name, past the end, not at a multiple of four.
        assert_eq!(names(&entry(7, 8, b"abc")), None);
        assert_eq!(names(&entry(7, 12, b"abc")[..11]), None);
        assert_eq!(
            names(&[entry(7, 13, b"abc"), entry(8, 12, b"d")].concat()),
            None
        );
    }

    #[test]
    fn a_block_of_zeros_is_damage_and_no_empty_directory() {
        for size in [1024, 4096, 32768] {
            let zeros = vec![0; size];
            assert_eq!((names(&zeros), index(&zeros)), (None, false), "{size}");
            let mut free = zeros;
            free[4..6].copy_from_slice(&u16::try_from(size).unwrap_or(0).to_le_bytes());
            assert_eq!((names(&free), index(&free)), (Some(vec![]), true), "{size}");
        }
        // There 0 is how its length is written.
        assert_eq!(names(&vec![0; TOO_LONG]), Some(vec![]));
        assert!(index(&vec![0; TOO_LONG]));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_names_or_damage(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..256)) {
            let _ = names(&bytes);
            let _ = (sound(&bytes, 1), index(&bytes));
        }
    }
}
