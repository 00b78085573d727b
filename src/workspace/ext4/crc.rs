//! CRC-32C (Castagnoli), by which ext4 and its journal notice damage, and the numbers in their bytes.

const POLYNOMIAL: u32 = 0x82f6_3b78;

static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let (mut crc, mut bit) = (n as u32, 0);
        while bit < 8 {
            crc = (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
}

/// Continues `crc` with `bytes`; begins with all ones, and is not inverted at the end, as ext4 has it.
pub(super) fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        (crc >> 8) ^ TABLE[usize::from(low ^ byte)]
    })
}

/// The number at `at`, little-endian; 0 past the end. Whoever reads has looked at the length before.
pub(super) fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

/// As [`le16`].
pub(super) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

/// As [`le16`], big-endian: the journal's way.
pub(super) fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(array(bytes, at))
}

/// As [`be16`].
pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}

/// A number in two halves.
pub(super) fn joined(high: u32, low: u32) -> u64 {
    (u64::from(high) << 32) | u64::from(low)
}

pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let there = at.checked_add(N).and_then(|end| bytes.get(at..end));
    there
        .and_then(|part| part.try_into().ok())
        .unwrap_or([0; N])
}

/// `bytes` with zeros at `at`, as a checksum over a field of its own is made.
pub(super) fn without(crc: u32, bytes: &[u8], at: usize, length: usize) -> u32 {
    let crc = crc32c(crc, bytes.get(..at).unwrap_or(bytes));
    let crc = (0..length).fold(crc, |crc, _| crc32c(crc, &[0]));
    let rest = at.saturating_add(length);
    crc32c(crc, bytes.get(rest..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_castagnolis() {
        // The check value of the catalogue of CRCs, which inverts at the end.
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
        assert_eq!(without(!0, b"12\x055", 2, 1), crc32c(!0, b"12\x005"));
    }

    #[test]
    fn past_the_end_is_nothing() {
        assert_eq!((le16(&[1, 2], 0), le16(&[1, 2], 1)), (0x0201, 0));
        assert_eq!((be32(&[1, 2, 3, 4], 0), be32(&[], 9)), (0x0102_0304, 0));
        assert_eq!(le32(&[0; 8], usize::MAX), 0);
    }
}
