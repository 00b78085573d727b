//! A search through the lines of a history as they are written, with those around each that matches. One line is
//! held at a time, and as many as stand before a match.

use std::collections::VecDeque;

use regex::{Regex, RegexBuilder};

use super::plain::Plain;
use crate::model::{Found, HistoryKind, LogRecord, Millis, Search, Searched};

/// The most lines around a match, and the most of the last.
const MOST: usize = 1000;
/// And of the places in a line.
const PLACES: usize = 200;
/// What a pattern may take in memory once it is made ready.
const SIZE: usize = 8 << 20;

/// A pattern that cannot be searched for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

/// A pattern, ready.
#[derive(Debug, Clone)]
struct Pattern(Regex);

impl Pattern {
    /// # Errors
    /// It is no regular expression, or one that takes too much memory.
    pub fn new(search: &Search) -> Result<Self, PatternError> {
        let text = match search.fixed {
            true => regex::escape(&search.pattern),
            false => search.pattern.clone(),
        };
        let regex = RegexBuilder::new(&text)
            .case_insensitive(search.ignore_case)
            .size_limit(SIZE)
            .dfa_size_limit(SIZE)
            .build();
        regex.map(Self).map_err(|e| PatternError(e.to_string()))
    }

    /// Where it is in a line, by bytes; empty where it is not.
    fn places(&self, line: &str) -> Vec<(u32, u32)> {
        let byte = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let found = self.0.find_iter(line).take(PLACES);
        found.map(|m| (byte(m.start()), byte(m.end()))).collect()
    }
}

/// Looks through one history.
pub struct Seeker {
    pattern: Pattern,
    before: usize,
    after: usize,
    count: bool,
    first: u64,
    last: Option<usize>,
    plain: Plain,
    lines: Vec<String>,
    line: u64,
    matched: u64,
    /// The newest lines that no match has come after yet.
    held: VecDeque<Found>,
    /// Lines still wanted after the last match.
    wanted: usize,
    /// The last that match, where only these are wanted.
    kept: VecDeque<Found>,
    at: Millis,
}

impl Seeker {
    /// # Errors
    /// The pattern is none.
    pub fn new(search: &Search) -> Result<Self, PatternError> {
        let most = |n: u32| usize::try_from(n).unwrap_or(MOST).min(MOST);
        let alone = search.last.is_some() || search.count;
        Ok(Self {
            pattern: Pattern::new(search)?,
            before: if alone { 0 } else { most(search.before) },
            after: if alone { 0 } else { most(search.after) },
            count: search.count,
            first: search.first.unwrap_or(u64::MAX),
            last: search.last.map(most),
            plain: Plain::new(),
            lines: Vec::new(),
            line: 0,
            matched: 0,
            held: VecDeque::new(),
            wanted: 0,
            kept: VecDeque::new(),
            at: 0,
        })
    }

    /// Takes a record; what is found by it goes to `found`. False once no more is wanted.
    pub fn record(&mut self, record: &LogRecord, found: &mut Vec<Found>) -> bool {
        if self.is_over() {
            return false;
        }
        if record.kind == HistoryKind::Output {
            self.at = record.at;
            let mut lines = std::mem::take(&mut self.lines);
            self.plain.feed(&record.bytes, &mut lines);
            for text in lines.drain(..) {
                self.look(text, found);
            }
            self.lines = lines;
        }
        !self.is_over()
    }

    /// The history is over: the line that nothing has ended, and what was kept for the end.
    pub fn finish(&mut self, found: &mut Vec<Found>) -> Searched {
        if let Some(text) = self.plain.finish() {
            self.look(text, found);
        }
        found.extend(self.kept.drain(..));
        Searched {
            matched: self.matched,
            lines: self.line,
            full_screen: self.plain.full_screen(),
        }
    }

    fn is_over(&self) -> bool {
        self.matched >= self.first && self.wanted == 0
    }

    fn look(&mut self, text: String, found: &mut Vec<Found>) {
        if self.is_over() {
            return;
        }
        self.line += 1;
        let enough = self.matched >= self.first;
        let matches = match (enough, self.count) {
            (true, _) => Vec::new(),
            (false, true) if self.pattern.0.is_match(&text) => vec![(0, 0)],
            (false, true) => Vec::new(),
            (false, false) => self.pattern.places(&text),
        };
        let hit = !matches.is_empty();
        self.matched += u64::from(hit);
        if self.count {
            return;
        }
        let line = Found {
            line: self.line,
            at: self.at,
            text,
            matches,
        };
        if let Some(last) = self.last {
            if hit {
                self.kept.push_back(line);
                let over = self.kept.len().saturating_sub(last);
                self.kept.drain(..over);
            }
            return;
        }
        if hit {
            found.extend(self.held.drain(..));
            found.push(line);
            self.wanted = self.after;
        } else if self.wanted > 0 {
            self.wanted -= 1;
            found.push(line);
        } else if self.before > 0 {
            if self.held.len() >= self.before {
                self.held.pop_front();
            }
            self.held.push_back(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    /// What is found in `text`, written in pieces of `size` bytes.
    fn seek(search: &Search, text: &str, size: usize) -> (Vec<Found>, Searched) {
        let mut seeker = Seeker::new(search).expect("a pattern");
        let mut found = Vec::new();
        for (at, bytes) in (1..).zip(text.as_bytes().chunks(size)) {
            let record = LogRecord {
                offset: 0,
                at,
                kind: HistoryKind::Output,
                bytes: Bytes::copy_from_slice(bytes),
            };
            if !seeker.record(&record, &mut found) {
                break;
            }
        }
        let searched = seeker.finish(&mut found);
        (found, searched)
    }

    fn search(pattern: &str) -> Search {
        Search {
            pattern: pattern.to_owned(),
            ..Search::default()
        }
    }

    fn numbers(found: &[Found]) -> Vec<u64> {
        found.iter().map(|f| f.line).collect()
    }

    #[test]
    fn lines_are_found_without_their_escapes_and_where_they_match() {
        let text = "one\r\n\x1b[31mt\x1b[1mwo\x1b[m two\r\n 10%\r 20%\r\nrest two";
        let (found, searched) = seek(&search("tw?o"), text, 1000);
        assert_eq!(numbers(&found), [2, 4]);
        assert_eq!(found[0].text, "two two");
        assert_eq!(found[0].matches, [(0, 3), (4, 7)]);
        assert_eq!((searched.matched, searched.lines), (2, 4));
        // What was overwritten was never said.
        assert!(seek(&search("10%"), text, 1000).0.is_empty());
        let dot = Search {
            fixed: true,
            ..search("20.")
        };
        assert!(seek(&dot, text, 1000).0.is_empty());
        assert_eq!(numbers(&seek(&search("^"), text, 1000).0), [1, 2, 3, 4]);
        assert!(Seeker::new(&search("a(")).is_err());
        assert!(Seeker::new(&search("(((\\w{1000}){100}){100})")).is_err());
    }

    #[test]
    fn lines_around_a_match_come_once_and_in_order() {
        let text: String = (1..=20).map(|n| format!("{n}\n")).collect();
        let around = |before, after, first| Search {
            before,
            after,
            first,
            ..search("^(5|7|15)$")
        };
        let found = |s: &Search| numbers(&seek(s, &text, 7).0);
        assert_eq!(found(&around(0, 0, None)), [5, 7, 15]);
        assert_eq!(found(&around(1, 1, None)), [4, 5, 6, 7, 8, 14, 15, 16]);
        assert_eq!(found(&around(0, 9, None)), (5..=20).collect::<Vec<_>>());
        assert_eq!(found(&around(0, 3, Some(1))), [5, 6, 7, 8]);
        assert_eq!(found(&around(0, 0, Some(2))), [5, 7]);
        let last = Search {
            last: Some(2),
            ..around(3, 3, None)
        };
        assert_eq!(found(&last), [7, 15]);
        let count = Search {
            count: true,
            ..around(3, 3, None)
        };
        let (none, searched) = seek(&count, &text, 7);
        assert_eq!((none.len(), searched.matched), (0, 3));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            lines in prop::collection::vec("[ab]{0,4}", 0..30),
            (before, after) in (0_u32..4, 0_u32..4),
            size in 1_usize..40,
        ) {
            let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
            let wanted = Search { before, after, ..search("ab") };
            let (found, searched) = seek(&wanted, &text, size);
            let hits: Vec<usize> = (0..lines.len()).filter(|n| lines[*n].contains("ab")).collect();
            let near = |n: &usize| hits.iter().any(|hit| {
                (*n <= *hit && hit - n <= before as usize) || (*n > *hit && n - hit <= after as usize)
            });
            let expected: Vec<u64> = (0..lines.len()).filter(near).map(|n| n as u64 + 1).collect();
            prop_assert_eq!(numbers(&found), expected);
            prop_assert_eq!(searched.matched, hits.len() as u64);
            for line in &found {
                prop_assert_eq!(&line.text, &lines[line.line as usize - 1]);
            }
        }
    }
}
