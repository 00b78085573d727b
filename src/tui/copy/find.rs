//! Looking for a pattern, and what is selected: over lines, on however many rows they stand.

use std::ops::Range;

use regex_lite::RegexBuilder;

use super::{Copy, Place, cells};
use crate::config::{Chord, Code};

impl Copy {
    /// The text of some rows as one, and each character's place and first byte, the end's too.
    pub(super) fn cells(&self, rows: Range<usize>) -> (String, Vec<(Place, usize)>) {
        let (mut all, mut places) = (String::new(), Vec::new());
        let last = rows.end.saturating_sub(1);
        for n in rows {
            let text = self.lines.get(n).map(|row| row.text()).unwrap_or_default();
            let cells = cells(&text);
            let own = if n == last {
                cells.len()
            } else {
                cells.len().saturating_sub(1)
            };
            places.extend(
                cells
                    .iter()
                    .take(own)
                    .map(|(col, start)| ((n, *col), all.len() + start)),
            );
            all.push_str(&text);
        }
        (all, places)
    }

    pub(super) fn search_key(&mut self, key: Chord) {
        let Some(typing) = &mut self.typing else {
            return;
        };
        match key.code {
            Code::Enter => self.typing = None,
            Code::Escape => {
                (self.at, self.top) = (typing.from, typing.top);
                (self.typing, self.pattern) = (None, None);
            }
            Code::Backspace if typing.line.is_empty() => self.typing = None,
            _ => {
                typing.line.key(key);
                self.look();
            }
        }
    }

    /// Finds what is typed, from where the search began.
    pub(super) fn look(&mut self) {
        let Some(typing) = &self.typing else {
            return;
        };
        let (text, backward, from) = (typing.line.text(), typing.backward, typing.from);
        (self.at, self.top) = (typing.from, typing.top);
        // As it is typed a pattern is often none yet: then it is taken as text.
        let small = !text.chars().any(char::is_uppercase);
        let build = |text: &str| RegexBuilder::new(text).case_insensitive(small).build();
        let pattern = build(&text).or_else(|_| build(&regex_lite::escape(&text)));
        self.pattern = pattern
            .ok()
            .filter(|_| !text.is_empty())
            .map(|p| (p, backward));
        if self.pattern.is_some() {
            self.find(from, backward);
        }
    }

    pub(super) fn again(&mut self, other: bool) {
        if let Some((_, backward)) = &self.pattern {
            let backward = *backward != other;
            self.find(self.at, backward);
        }
    }

    /// The next place where the pattern is found, from the other end where there is none before the end.
    fn find(&mut self, from: Place, backward: bool) {
        let first = self.line_of(from.0);
        let mut line = first.clone();
        for step in 0..=self.lines.len() {
            let found = self.matches(line.clone()).into_iter().map(|(at, _)| at);
            let here = step == 0;
            let found = match backward {
                false => found.into_iter().find(|at| !here || *at > from),
                true => found.rev().find(|at| !here || *at < from),
            };
            if let Some(at) = found {
                self.at = at;
                // In the middle, with what is around it, and never under the line that is typed into.
                let seen = self.top..(self.top + self.rows).saturating_sub(1);
                if !seen.contains(&at.0) {
                    self.top = at.0.saturating_sub(self.rows / 2);
                }
                return self.hold();
            }
            if step > 0 && line == first {
                break;
            }
            line = self.line_of(match backward {
                false if line.end >= self.lines.len() => 0,
                false => line.end,
                true => line
                    .start
                    .checked_sub(1)
                    .unwrap_or(self.lines.len().saturating_sub(1)),
            });
        }
        self.word = Some("not found".to_owned());
    }

    /// Where what is found in a line begins and ends.
    pub(super) fn matches(&self, line: Range<usize>) -> Vec<(Place, Place)> {
        let Some((pattern, _)) = &self.pattern else {
            return Vec::new();
        };
        let (text, cells) = self.cells(line);
        let place = |byte: usize| {
            let at = cells.partition_point(|(_, start)| *start < byte);
            cells.get(at).map_or((0, 0), |(place, _)| *place)
        };
        let found = pattern.find_iter(&text).filter(|m| !m.is_empty());
        found.map(|m| (place(m.start()), place(m.end()))).collect()
    }

    /// The columns from and to of what is found in each of the rows that are seen.
    pub(super) fn found(&self) -> Vec<(usize, (usize, usize))> {
        let mut all = Vec::new();
        let mut row = self.top;
        let end = (self.top + self.rows).min(self.lines.len());
        while row < end && self.pattern.is_some() {
            let line = self.line_of(row);
            for (from, to) in self.matches(line.clone()) {
                for row in from.0.max(self.top)..=to.0.min(end.saturating_sub(1)) {
                    let first = if row == from.0 { from.1 } else { 0 };
                    let last = if row == to.0 { to.1 } else { usize::MAX };
                    all.push((row, (first, last)));
                }
            }
            row = line.end.max(row + 1);
        }
        all
    }

    /// What is selected, first and last, both within.
    fn marked(&self) -> Option<(Place, Place)> {
        let mark = self.mark?;
        let (from, to) = (mark.at.min(self.at), mark.at.max(self.at));
        Some(match mark.lines {
            true => (
                (self.line_of(from.0).start, 0),
                (self.line_of(to.0).end.max(1) - 1, usize::MAX - 1),
            ),
            false => (from, to),
        })
    }

    /// The selected columns of a row.
    pub(super) fn selection(&self, row: usize) -> Option<(usize, usize)> {
        let (from, to) = self.marked()?;
        let first = if row == from.0 { from.1 } else { 0 };
        let last = if row == to.0 {
            to.1.saturating_add(1)
        } else {
            usize::MAX
        };
        (from.0..=to.0).contains(&row).then_some((first, last))
    }

    /// The selected text; what wrapped is one line.
    pub fn selected(&self) -> Option<String> {
        let (from, to) = self.marked()?;
        let mut all = String::new();
        for n in from.0..=to.0 {
            let Some(row) = self.lines.get(n) else {
                break;
            };
            let (first, last) = self.selection(n)?;
            let text = row.text();
            let cells = cells(&text);
            let byte = |col: usize| {
                let at = cells.partition_point(|(c, _)| *c < col);
                cells.get(at).map_or(text.len(), |(_, start)| *start)
            };
            all.push_str(text.get(byte(first)..byte(last)).unwrap_or_default());
            if n < to.0 && !row.wrapped {
                all.push('\n');
            }
        }
        Some(all)
    }
}
