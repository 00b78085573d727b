//! Takes secrets' values out of what is stored and printed, byte for byte: what is stored keeps its length, so that
//! offsets, sizes and screens stay what they were. A core without I/O; a value that is split between two writes
//! is found all the same, for what may be its beginning is held back.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// A shorter value would be found in text that has nothing to do with it.
pub const SHORTEST: usize = 6;
/// A longer value is looked for by parts of this length, each begun half a part after the one before: no more than
/// a part is ever held back.
const PART: usize = 64;
/// The same of its base64, which programs break into lines at multiples of four.
const ENCODED_PART: usize = 12;
const STAR: u8 = b'*';

/// Knows the values.
#[derive(Debug, Default)]
pub struct Redactor {
    search: Option<AhoCorasick>,
    /// All that is looked for, sorted: to know whether an end may be a beginning.
    patterns: Vec<Vec<u8>>,
    longest: usize,
}

impl Redactor {
    /// Of values shorter than [`SHORTEST`] nothing is redacted.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns = BTreeSet::new();
        for value in values {
            for part in lines(value) {
                plain(part, &mut patterns);
            }
            encoded(value.as_bytes(), &mut patterns);
        }
        let patterns: Vec<Vec<u8>> = patterns.into_iter().collect();
        let longest = patterns.iter().map(Vec::len).max().unwrap_or(0);
        Self {
            // It fails only at sizes that the limits on values exclude.
            search: (!patterns.is_empty())
                .then(|| AhoCorasick::new(&patterns).ok())
                .flatten(),
            patterns,
            longest,
        }
    }

    /// There is nothing to redact.
    pub fn is_idle(&self) -> bool {
        self.search.is_none()
    }

    /// Redacts bytes that stand alone.
    pub fn bytes(&self, bytes: &mut [u8]) {
        let found = self.found(bytes);
        star(bytes, &found);
    }

    /// Redacts a text that stands alone.
    pub fn text(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        self.bytes(&mut bytes);
        // What is looked for is text, so it begins and ends between characters.
        String::from_utf8(bytes).unwrap_or_else(|e| {
            let bytes = e.into_bytes();
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }

    /// Where values are, in the order of their ends.
    fn found(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let Some(search) = &self.search else {
            return Vec::new();
        };
        search
            .find_overlapping_iter(bytes)
            .map(|m| (m.start(), m.end()))
            .collect()
    }

    /// How many of the last bytes may be the beginning of something.
    fn open(&self, bytes: &[u8]) -> usize {
        let most = self.longest.saturating_sub(1).min(bytes.len());
        (1..=most)
            .rev()
            .find(|length| {
                let tail = bytes.get(bytes.len() - length..).unwrap_or_default();
                let at = self.patterns.partition_point(|p| p.as_slice() < tail);
                // What is whole is no beginning; what is longer comes right after it.
                let longer = |p: &Vec<u8>| p.len() > tail.len() && p.starts_with(tail);
                self.patterns.iter().skip(at).take(2).any(longer)
            })
            .unwrap_or(0)
    }
}

/// A stream on its way through a redactor. What it holds back is the agent's own bytes.
#[derive(Debug, Default, Clone)]
pub struct Stream {
    held: Vec<u8>,
    /// So many of the held bytes belong to a value that began before them.
    inside: usize,
}

impl Stream {
    /// Takes bytes in; gives what is settled, redacted.
    pub fn push(&mut self, redactor: &Redactor, bytes: &[u8]) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let found = redactor.found(&all);
        let settled = all.len() - redactor.open(&all);
        let across = found.iter().filter(|(from, _)| *from < settled);
        let covered = across.map(|(_, to)| *to).max().unwrap_or(0);
        let inside = covered.max(self.inside).saturating_sub(settled);
        // Of what is held only that is known to belong to a value; the rest is looked at again.
        self.held = all.split_off(settled);
        star(&mut all, &[(0, self.inside)]);
        star(&mut all, &found);
        self.inside = inside;
        all
    }

    /// Gives what is held: nothing comes after it.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut all = self.held();
        self.held.clear();
        star(&mut all, &[(0, self.inside)]);
        self.inside = 0;
        all
    }

    /// What is held, redacted as far as it is known to be a value.
    pub fn held(&self) -> Vec<u8> {
        let mut held = self.held.clone();
        star(&mut held, &[(0, self.inside)]);
        held
    }
}

fn star(bytes: &mut [u8], ranges: &[(usize, usize)]) {
    for (from, to) in ranges {
        let to = (*to).min(bytes.len());
        if let Some(range) = bytes.get_mut(*from..to) {
            range.fill(STAR);
        }
    }
}

/// A terminal shows a value's lines apart.
fn lines(value: &str) -> impl Iterator<Item = &str> {
    value.split(['\r', '\n']).filter(|l| l.len() >= SHORTEST)
}

fn plain(line: &str, patterns: &mut BTreeSet<Vec<u8>>) {
    let mut cut = |mut from: usize, mut to: usize| {
        // Between characters, so that what is left of a text is one.
        while !line.is_char_boundary(from) {
            from -= 1;
        }
        while !line.is_char_boundary(to) {
            to += 1;
        }
        patterns.extend(line.get(from..to).map(|p| p.as_bytes().to_vec()));
    };
    parts(line.len(), PART, PART / 2, &mut cut);
}

/// Base64 depends on where in a group of three the value begins: three forms, without the characters at both ends
/// that have bits of a neighbour. Each in both alphabets.
fn encoded(value: &[u8], patterns: &mut BTreeSet<Vec<u8>>) {
    if value.len() < SHORTEST {
        return;
    }
    for before in 0..3 {
        let text = STANDARD_NO_PAD.encode([&[0_u8; 2][..before.min(2)], value].concat());
        let from = (before * 8).div_ceil(6);
        let to = (before + value.len()) * 8 / 6;
        let mut add = |from: usize, to: usize| {
            let part = text.as_bytes().get(from..to).unwrap_or_default();
            patterns.insert(part.to_vec());
            let other = |b: &u8| match b {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            };
            patterns.insert(part.iter().map(other).collect());
        };
        // The head, up to where a group begins, then group after group.
        let head = from.next_multiple_of(4);
        if head > from {
            add(from, (from + ENCODED_PART).min(to));
        }
        parts(to - head.min(to), ENCODED_PART, 4, &mut |a, b| {
            add(head + a, head + b);
        });
    }
}

/// Parts of `part` bytes, one each `step`, that cover `length` bytes.
fn parts(length: usize, part: usize, step: usize, add: &mut dyn FnMut(usize, usize)) {
    let mut from = 0;
    while from + part < length {
        add(from, from + part);
        from += step;
    }
    add(length.saturating_sub(part), length);
}

#[cfg(test)]
mod tests;
