//! What an export has brought so far, beside it, so that an interrupted one knows its own files again.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::model::Millis;

/// Files by their paths, with size and time as they were written.
#[derive(Debug, Default)]
pub(super) struct Record(HashMap<PathBuf, (u64, Millis)>);

impl Record {
    /// From the record's bytes: `SIZE MILLIS PATH\0` for each. A last one that was cut off is left out.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut parts: Vec<&[u8]> = bytes.split(|b| *b == 0).collect();
        // Behind the last zero is nothing, or what was cut off.
        parts.pop();
        let one = |part: &[u8]| {
            let mut words = part.splitn(3, |b| *b == b' ');
            let mut number = || std::str::from_utf8(words.next()?).ok()?.parse().ok();
            let (size, modified) = (number()?, number()?);
            Some((
                PathBuf::from(OsStr::from_bytes(words.next()?)),
                (size, modified),
            ))
        };
        Self(parts.into_iter().filter_map(one).collect())
    }

    pub fn read(file: &mut File) -> std::io::Result<Self> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Self::parse(&bytes))
    }

    /// Adds one, here and to the file.
    pub fn add(
        &mut self,
        file: &mut File,
        path: &Path,
        size: u64,
        at: Millis,
    ) -> std::io::Result<()> {
        let mut line = format!("{size} {at} ").into_bytes();
        line.extend_from_slice(path.as_os_str().as_bytes());
        line.push(0);
        file.write_all(&line)?;
        self.0.insert(path.to_owned(), (size, at));
        Ok(())
    }

    /// Whether a file as it is now is one that was brought.
    pub fn has(&self, path: &Path, size: u64, modified: Millis) -> bool {
        self.0.get(path) == Some(&(size, modified))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_is_none() {
        let record = Record::parse(b"3 1000 a b\x00004 2000 c\nd\x00005 3000 e");
        assert!(record.has(Path::new("a b"), 3, 1000) && record.has(Path::new("c\nd"), 4, 2000));
        assert!(!record.has(Path::new("e"), 5, 3000) && !record.has(Path::new("a b"), 3, 1001));
        assert!(Record::parse(b"x y z\0\0").0.is_empty());
    }
}
