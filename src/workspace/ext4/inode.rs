//! One file as the file system keeps it: what it is, whose, and where its bytes are.

use super::crc::{array, crc32c, le16, le32, without};
use super::superblock::Superblock;
use crate::model::Millis;
use crate::workspace::FileKind;

const EXTENTS: u32 = 0x8_0000;
const ENCRYPTED: u32 = 0x800;
const INLINE: u32 = 0x1000_0000;
/// A link's target that is shorter is in the inode.
const SHORT_LINK: u64 = 60;

/// The field for addresses.
pub(super) type Root = [u8; 60];

/// An inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inode {
    pub number: u32,
    pub kind: FileKind,
    /// Permissions, with set-uid, set-gid and sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub modified: Millis,
    pub flags: u32,
    pub root: Root,
    /// With which the checksums of its blocks begin.
    pub seed: Option<u32>,
}

impl Inode {
    /// From its bytes.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(number: u32, bytes: &[u8], superblock: &Superblock) -> Result<Self, String> {
        let seed = superblock.seed.map(|seed| own_seed(seed, number, bytes));
        if let Some(seed) = seed
            && checksum(seed, bytes) != stored(bytes)
        {
            return Err(format!("the checksum of inode {number} is wrong"));
        }
        let mode = le16(bytes, 0x0);
        let kind = match mode >> 12 {
            0x8 => FileKind::File,
            0x4 => FileKind::Directory,
            0xa => FileKind::Link,
            0x1 | 0x2 | 0x6 | 0xc => FileKind::Other,
            _ => return Err(format!("inode {number} is no file")),
        };
        if le16(bytes, 0x1a) == 0 {
            return Err(format!("inode {number} is not in use"));
        }
        let wide = |low: usize, high: usize| {
            (u32::from(le16(bytes, high)) << 16) | u32::from(le16(bytes, low))
        };
        let extra = if bytes.len() > 128 {
            le16(bytes, 0x80)
        } else {
            0
        };
        let more = if extra >= 12 { le32(bytes, 0x88) } else { 0 };
        Ok(Self {
            number,
            kind,
            mode: u32::from(mode & 0o7777),
            uid: wide(0x2, 0x78),
            gid: wide(0x18, 0x7a),
            size: (u64::from(le32(bytes, 0x6c)) << 32) | u64::from(le32(bytes, 0x4)),
            modified: millis(le32(bytes, 0x10), more),
            flags: le32(bytes, 0x20),
            root: array(bytes, 0x28),
            seed,
        })
    }

    /// The target of a link that is in the inode itself.
    pub fn short_target(&self) -> Option<&[u8]> {
        let length = usize::try_from(self.size).ok()?;
        let short = self.kind == FileKind::Link && self.size < SHORT_LINK;
        self.root.get(..length).filter(|_| short)
    }

    /// Whether its bytes are where this reader can find them.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn readable(&self) -> Result<(), &'static str> {
        if self.flags & ENCRYPTED != 0 {
            Err("it is encrypted")
        } else if self.flags & INLINE != 0 {
            Err("its bytes are kept inside of its inode, which cannot be read here")
        } else if self.flags & EXTENTS == 0 && self.size > 0 {
            Err("its blocks are listed in the way of ext3, which cannot be read here")
        } else {
            Ok(())
        }
    }
}

/// Seconds since 1970 as far as 2446, with nanoseconds; what is before 1970 is 1970.
fn millis(seconds: u32, more: u32) -> Millis {
    let signed = i64::from(seconds.cast_signed()) + (i64::from(more & 3) << 32);
    let whole = u64::try_from(signed).unwrap_or(0);
    whole * 1000 + u64::from(more >> 2) / 1_000_000
}

fn own_seed(seed: u32, number: u32, bytes: &[u8]) -> u32 {
    let of_number = crc32c(seed, &number.to_le_bytes());
    crc32c(of_number, &array::<4>(bytes, 0x64))
}

/// Whether the upper half of the checksum has a place.
fn has_upper(bytes: &[u8]) -> bool {
    bytes.len() > 128 && le16(bytes, 0x80) >= 4
}

fn checksum(seed: u32, bytes: &[u8]) -> u32 {
    let (low, high) = bytes.split_at_checked(128).unwrap_or((bytes, &[]));
    let sum = without(seed, low, 0x7c, 2);
    if has_upper(bytes) {
        without(sum, high, 2, 2)
    } else {
        crc32c(sum, high) & 0xffff
    }
}

fn stored(bytes: &[u8]) -> u32 {
    let high = if has_upper(bytes) {
        le16(bytes, 0x82)
    } else {
        0
    };
    (u32::from(high) << 16) | u32::from(le16(bytes, 0x7c))
}

/// Gives an inode's bytes another owner, and the checksum that belongs to that.
pub(super) fn owned(number: u32, bytes: &mut [u8], uid: u32, gid: u32, seed: Option<u32>) {
    let mut put = |at: usize, value: u32| {
        let [a, b, ..] = value.to_le_bytes();
        if let Some(place) = bytes.get_mut(at..at.saturating_add(2)) {
            place.copy_from_slice(&[a, b]);
        }
    };
    put(0x2, uid);
    put(0x78, uid >> 16);
    put(0x18, gid);
    put(0x7a, gid >> 16);
    let Some(seed) = seed else { return };
    let upper = has_upper(bytes);
    let sum = checksum(own_seed(seed, number, bytes), bytes);
    let mut put = |at: usize, value: u32| {
        let [a, b, ..] = value.to_le_bytes();
        if let Some(place) = bytes.get_mut(at..at.saturating_add(2)) {
            place.copy_from_slice(&[a, b]);
        }
    };
    put(0x7c, sum);
    if upper {
        put(0x82, sum >> 16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_more_bits_and_none_is_before_1970() {
        assert_eq!(millis(1, 0), 1000);
        assert_eq!(millis(0x7fff_ffff, 500_000_000 << 2), 2_147_483_647_500);
        // 2038 and on: the sign is a bit of the number.
        assert_eq!(millis(0x8000_0000, 1), 2_147_483_648_000);
        assert_eq!(millis(0xffff_ffff, 0), 0);
    }
}
