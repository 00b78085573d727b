//! Writing files with holes where the original has zeros, and counting what is written.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

/// Zeros are looked for in pieces of so many bytes.
const PIECE: usize = 65_536;
/// A count is told of after so many bytes.
const TOLD: u64 = 8 << 20;

/// A file that is written from its beginning to its end.
pub(super) struct Sparse {
    file: File,
    at: u64,
}

impl Sparse {
    pub fn new(file: File) -> Self {
        Self { file, at: 0 }
    }

    /// All is written: the hole at the end too.
    pub fn end(self) -> io::Result<File> {
        self.file.set_len(self.at)?;
        Ok(self.file)
    }
}

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        if piece.iter().any(|b| *b != 0) {
            self.file.write_all_at(piece, self.at)?;
        }
        self.at = self
            .at
            .saturating_add(u64::try_from(piece.len()).unwrap_or(0));
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Passes on what is written, and asks now and then whether to go on.
pub(super) struct Counting<W, F> {
    inner: W,
    count: u64,
    told: u64,
    go_on: F,
}

impl<W: Write, F: FnMut(u64) -> bool> Counting<W, F> {
    pub fn new(inner: W, go_on: F) -> Self {
        Self {
            inner,
            count: 0,
            told: 0,
            go_on,
        }
    }
}

impl<W: Write, F: FnMut(u64) -> bool> Write for Counting<W, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count = self
            .count
            .saturating_add(u64::try_from(written).unwrap_or(0));
        if self.count.saturating_sub(self.told) >= TOLD {
            self.told = self.count;
            if !(self.go_on)(self.count) {
                // Not `Interrupted`, which callers try again after.
                return Err(io::Error::other("interrupted"));
            }
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn zeros_become_holes_and_read_as_they_were() -> io::Result<()> {
        let mut named = tempfile::NamedTempFile::new()?;
        let mut bytes = vec![0; 3 * PIECE];
        bytes.extend(b"in the middle");
        bytes.resize(8 * PIECE + 5, 0);
        let mut sparse = Sparse::new(named.reopen()?);
        sparse.write_all(&bytes)?;
        let file = sparse.end()?;
        let mut read = Vec::new();
        named.read_to_end(&mut read)?;
        assert!(read == bytes);
        assert!(file.metadata()?.blocks() * 512 <= 2 * PIECE as u64);
        Ok(())
    }
}
