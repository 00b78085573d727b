//! What a volume in use had promised and not yet put in its place: read from the journal as the kernel would replay
//! it, wrap-around and revoked blocks included, and kept as a map of blocks. Nothing is written.

use std::collections::{BTreeMap, HashMap};

use super::crc::{array, be16, be32, crc32c, joined, without};
use super::extents::Extent;
use super::{Ext4, Result};
use crate::workspace::WorkspaceError;

const MAGIC: u32 = 0xc03b_3998;
const DESCRIPTOR: u32 = 1;
const COMMIT: u32 = 2;
const REVOKE: u32 = 5;
const HEAD: usize = 12;
const WIDE: u32 = 0x2;
const CHECKSUM_2: u32 = 0x8;
const CHECKSUM_3: u32 = 0x10;
/// Revoked blocks, 64 bits, asynchronous commits, both kinds of checksums.
const KNOWN: u32 = 0x1 | WIDE | 0x4 | CHECKSUM_2 | CHECKSUM_3;

/// Where the newest bytes of a block are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copied {
    /// The block with them, of the same disk.
    pub at: u64,
    /// They began with the journal's own magic number, which stands there as zeros.
    escaped: bool,
    sum: Option<Sum>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sum {
    seed: u32,
    stored: u32,
    mask: u32,
}

impl Copied {
    /// Makes of the bytes in the journal those of the block; false where they are not what was written.
    pub fn restore(&self, bytes: &mut [u8]) -> bool {
        let sound = self
            .sum
            .is_none_or(|s| crc32c(s.seed, bytes) & s.mask == s.stored & s.mask);
        if let Some(head) = bytes.get_mut(..4).filter(|_| self.escaped) {
            head.copy_from_slice(&MAGIC.to_be_bytes());
        }
        sound
    }
}

/// The journal's own superblock.
struct Head {
    /// Past the log's last block.
    end: u32,
    first: u32,
    /// The first transaction to replay, and where it begins.
    sequence: u32,
    start: u32,
    features: u32,
    seed: u32,
}

impl Head {
    fn parse(bytes: &[u8]) -> std::result::Result<Self, &'static str> {
        let kind = be32(bytes, 4);
        if be32(bytes, 0) != MAGIC || !matches!(kind, 3 | 4) {
            return Err("it is none");
        }
        let features = if kind == 4 { be32(bytes, 0x28) } else { 0 };
        if features & !KNOWN != 0 {
            return Err("it has features that cannot be read here");
        }
        let own = bytes.get(..1024).unwrap_or(bytes);
        if features & (CHECKSUM_2 | CHECKSUM_3) != 0
            && without(!0, own, 0xfc, 4) != be32(bytes, 0xfc)
        {
            return Err("its checksum is wrong");
        }
        let head = Self {
            end: be32(bytes, 0x10),
            first: be32(bytes, 0x14),
            sequence: be32(bytes, 0x18),
            start: be32(bytes, 0x1c),
            features,
            seed: crc32c(!0, &array::<16>(bytes, 0x30)),
        };
        let within = |block: u32| (head.first..head.end).contains(&block);
        if head.first == 0 || head.start != 0 && !within(head.start) {
            return Err("its sizes cannot be");
        }
        Ok(head)
    }

    fn summed(&self) -> bool {
        self.features & (CHECKSUM_2 | CHECKSUM_3) != 0
    }

    fn next(&self, block: u32) -> u32 {
        match block.saturating_add(1) {
            next if next < self.end => next,
            _ => self.first,
        }
    }

    /// Where entries of a block end: behind them is a checksum.
    fn room(&self, block: &[u8]) -> usize {
        block
            .len()
            .saturating_sub(if self.summed() { 4 } else { 0 })
    }

    /// Whether a descriptor or a list of revoked blocks is whole.
    fn sound(&self, block: &[u8]) -> bool {
        let room = self.room(block);
        !self.summed() || without(self.seed, block, room, 4) == be32(block, room)
    }

    /// Whether a transaction was finished.
    fn committed(&self, block: &[u8]) -> bool {
        !self.summed() || without(self.seed, block, 16, 4) == be32(block, 16)
    }

    /// The blocks that a descriptor tells of: each one's number, whether it is escaped, its checksum.
    fn tags(&self, block: &[u8], sequence: u32) -> Vec<(u64, bool, Option<Sum>)> {
        let third = self.features & CHECKSUM_3 != 0;
        let wide = self.features & WIDE != 0;
        let length = match (third, self.features & CHECKSUM_2 != 0, wide) {
            (true, ..) => 16,
            (_, true, true) => 14,
            (_, false, true) => 12,
            (_, true, false) => 10,
            (_, false, false) => 8,
        };
        let seed = crc32c(self.seed, &sequence.to_be_bytes());
        let (mut found, mut at) = (Vec::new(), HEAD);
        while at.saturating_add(length) <= self.room(block) {
            let tag = block.get(at..).unwrap_or_default();
            let flags = if third {
                be32(tag, 4)
            } else {
                u32::from(be16(tag, 6))
            };
            let high = if wide { be32(tag, 8) } else { 0 };
            let (stored, mask) = match third {
                true => (be32(tag, 12), u32::MAX),
                false => (u32::from(be16(tag, 4)), 0xffff),
            };
            let sum = self.summed().then_some(Sum { seed, stored, mask });
            found.push((joined(high, be32(tag, 0)), flags & 1 != 0, sum));
            if flags & 8 != 0 {
                break;
            }
            // Behind the first one is the journal's name.
            at = at.saturating_add(length + if flags & 2 == 0 { 16 } else { 0 });
        }
        found
    }

    fn revoked(&self, block: &[u8]) -> Vec<u64> {
        let end = usize::try_from(be32(block, 12)).unwrap_or(usize::MAX);
        let all = block.get(16..end.min(self.room(block))).unwrap_or_default();
        if self.features & WIDE != 0 {
            all.chunks_exact(8)
                .map(|b| joined(be32(b, 0), be32(b, 4)))
                .collect()
        } else {
            all.chunks_exact(4).map(|b| u64::from(be32(b, 0))).collect()
        }
    }
}

/// What finished transactions have in the log.
#[derive(Default)]
struct Log {
    /// With the number of the transaction, the oldest first.
    blocks: Vec<(u32, u64, Copied)>,
    /// By block the newest transaction that took it back.
    revoked: HashMap<u64, u32>,
}

impl Log {
    /// By block its newest bytes.
    fn replay(self) -> BTreeMap<u64, Copied> {
        let mut newest = BTreeMap::new();
        for (sequence, block, copied) in self.blocks {
            // Numbers of transactions go round.
            let stale = self
                .revoked
                .get(&block)
                .is_some_and(|by| by.wrapping_sub(sequence).cast_signed() >= 0);
            if !stale {
                newest.insert(block, copied);
            }
        }
        newest
    }
}

impl Ext4 {
    /// The blocks whose newest bytes are in the journal of inode `number`.
    pub(super) fn replayed(&mut self, number: u32) -> Result<BTreeMap<u64, Copied>> {
        let inode = self.inode(number)?;
        let extents = self.extents(&inode)?;
        let first = self.log_block(&extents, 0)?;
        let bytes = self.block(first)?;
        let head =
            Head::parse(&bytes).map_err(|why| self.damaged(format!("the journal: {why}")))?;
        if u64::from(be32(&bytes, 0xc)) != self.superblock.block_size {
            return Err(self.damaged("the journal: its blocks are of another size".to_owned()));
        }
        if head.start == 0 {
            return Ok(BTreeMap::new());
        }
        let (mut log, mut begun) = (Log::default(), Log::default());
        let (mut at, mut sequence) = (head.start, head.sequence);
        let mut left = head.end;
        while left > 0 {
            let place = self.log_block(&extents, at)?;
            let bytes = self.block(place)?;
            if be32(&bytes, 0) != MAGIC || be32(&bytes, 8) != sequence {
                break;
            }
            let mut used = 1;
            match be32(&bytes, 4) {
                DESCRIPTOR if head.sound(&bytes) => {
                    for (block, escaped, sum) in head.tags(&bytes, sequence) {
                        at = head.next(at);
                        used += 1;
                        let at = self.log_block(&extents, at)?;
                        begun
                            .blocks
                            .push((sequence, block, Copied { at, escaped, sum }));
                    }
                }
                REVOKE if head.sound(&bytes) => {
                    let revoked = head.revoked(&bytes);
                    begun
                        .revoked
                        .extend(revoked.into_iter().map(|b| (b, sequence)));
                }
                COMMIT if head.committed(&bytes) => {
                    log.blocks.append(&mut begun.blocks);
                    log.revoked.extend(begun.revoked.drain());
                    sequence = sequence.wrapping_add(1);
                }
                // Its last writes did not arrive: it has not happened.
                _ => break,
            }
            at = head.next(at);
            left = left.saturating_sub(used);
        }
        Ok(log.replay())
    }

    /// Where a block of the log is on the disk.
    fn log_block(
        &self,
        extents: &[Extent],
        number: u32,
    ) -> std::result::Result<u64, WorkspaceError> {
        let number = u64::from(number);
        let before = extents.partition_point(|e| e.first <= number);
        before
            .checked_sub(1)
            .and_then(|n| extents.get(n))
            .map(|e| (e, number.saturating_sub(e.first)))
            .filter(|(e, within)| *within < e.blocks)
            .map(|(e, within)| e.at.saturating_add(within))
            .ok_or_else(|| self.damaged("the journal: it has a hole".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(at: u64) -> Copied {
        Copied {
            at,
            escaped: false,
            sum: None,
        }
    }

    #[test]
    fn the_newest_copy_counts_unless_it_was_revoked_later() {
        let log = |blocks: &[(u32, u64, u64)], revoked: &[(u64, u32)]| Log {
            blocks: blocks
                .iter()
                .map(|&(s, b, at)| (s, b, copied(at)))
                .collect(),
            revoked: revoked.iter().copied().collect(),
        };
        let newest = log(&[(1, 7, 100), (2, 7, 200), (2, 8, 201)], &[]).replay();
        assert_eq!((newest[&7].at, newest[&8].at), (200, 201));
        // In the same transaction or a later one; written again after it, the copy counts.
        assert!(log(&[(1, 7, 100)], &[(7, 1)]).replay().is_empty());
        assert!(log(&[(1, 7, 100)], &[(7, 5)]).replay().is_empty());
        assert_eq!(
            log(&[(1, 7, 100), (3, 7, 300)], &[(7, 2)]).replay()[&7].at,
            300
        );
        // Past the largest number the next is 0.
        assert!(log(&[(u32::MAX, 7, 100)], &[(7, 0)]).replay().is_empty());
        assert_eq!(log(&[(0, 7, 100)], &[(7, u32::MAX)]).replay()[&7].at, 100);
    }

    #[test]
    fn an_escaped_block_gets_its_magic_back_and_a_wrong_sum_is_seen() {
        let mut bytes = vec![0, 0, 0, 0, 5];
        let stored = crc32c(1, &bytes);
        let mut copied = Copied {
            at: 1,
            escaped: true,
            sum: Some(Sum {
                seed: 1,
                stored,
                mask: u32::MAX,
            }),
        };
        assert!(copied.restore(&mut bytes));
        assert_eq!(bytes, [0xc0, 0x3b, 0x39, 0x98, 5]);
        copied.escaped = false;
        assert!(!copied.restore(&mut bytes));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_journal_or_none(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..1100), features in 0_u32..32) {
            let _ = Head::parse(&bytes);
            let head = Head { end: 9, first: 1, sequence: 1, start: 1, features, seed: 0 };
            let _ = (head.tags(&bytes, 1), head.revoked(&bytes), head.sound(&bytes), head.committed(&bytes));
        }
    }
}
