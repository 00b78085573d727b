//! A line that was found by a search of all agents, looked for among the lines here: it is known by its text, and by
//! how many like it come after it.

use std::ops::Range;

use regex_lite::Regex;

use super::Copy;

/// Compared of a line's text, in characters: less than a screen is wide.
const COMPARED: usize = 30;

/// See the module.
#[derive(Debug, Clone)]
pub struct Sought {
    pub pattern: Regex,
    text: String,
    /// Lines like it that come after it.
    after: usize,
}

impl Sought {
    /// A line of that text, before so many that are like it.
    pub fn new(pattern: Regex, text: &str, after: usize) -> Self {
        let text = compared(text);
        Self {
            pattern,
            text,
            after,
        }
    }
}

/// What of a line's text tells whether another is like it.
pub fn compared(text: &str) -> String {
    text.trim().chars().take(COMPARED).collect()
}

impl Copy {
    /// Goes there, now or as soon as the line is here.
    pub fn seek(&mut self, sought: Sought) {
        self.pattern = Some((sought.pattern.clone(), false));
        self.typing = None;
        self.mark = None;
        self.sought = Some(sought.clone());
        self.arrive();
        // More lines may still come.
        self.sought = Some(sought);
    }

    pub(super) fn arrive(&mut self) {
        let Some(sought) = self.sought.take() else {
            return;
        };
        let Some(line) = self.like(&sought) else {
            self.word = Some("the line is not on this screen".to_owned());
            return;
        };
        let begin = (line.start, 0);
        self.at = self.matches(line).first().map_or(begin, |(at, _)| *at);
        self.top = self.at.0.saturating_sub(self.rows / 2);
        self.word = None;
        self.hold();
    }

    /// The line that is like it, before as many others that are.
    fn like(&self, sought: &Sought) -> Option<Range<usize>> {
        let (mut after, mut end) = (sought.after, self.lines.len());
        while end > 0 {
            let line = self.line_of(end - 1);
            let (text, _) = self.cells(line.clone());
            if text.trim_start().starts_with(&sought.text) {
                match after {
                    0 => return Some(line),
                    _ => after -= 1,
                }
            }
            end = line.start;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Size;
    use crate::mux::Row;

    #[test]
    fn the_found_line_is_gone_to_once_it_is_there() {
        let lines = |n: usize| -> Vec<Row> {
            let line = |i: usize| match i % 10 {
                3 => "the same".to_owned(),
                _ => format!("line {i}"),
            };
            let row = |i| Row {
                bytes: line(i).into_bytes(),
                wrapped: false,
            };
            (0..n).map(row).collect()
        };
        let size = Size { cols: 80, rows: 5 };
        let mut copy = Copy::new(lines(5), size, (0, 0));
        let same = Regex::new("same").expect("a pattern");
        copy.seek(Sought::new(same, "the same", 2));
        copy.complete(lines(100));
        assert_eq!(copy.at, (73, 4));
        assert!(copy.sought.is_none());
        let none = Regex::new("none").expect("a pattern");
        copy.seek(Sought::new(none, "none", 0));
        assert!(copy.word.is_some());
    }
}
