//! A pane's lines looked back at: its screen as it stood, and all that scrolled off above it. Keys as in vi,
//! and those of emacs that do not clash; nothing here touches the program.

mod draw;
mod seek;
#[cfg(test)]
mod tests;

use regex_lite::{Regex, RegexBuilder};

pub use self::seek::{Sought, compared};
use super::line::Line;
use crate::config::{Chord, Code};
use crate::mux::rendered_text;

/// A place: line from the top of all, column in cells.
pub type Place = (usize, usize);

/// What is being selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    at: Place,
    /// Whole lines.
    lines: bool,
}

/// A pattern while it is typed, and where the search began.
struct Typing {
    line: Line,
    backward: bool,
    from: Place,
    top: usize,
}

/// What follows from a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Stay,
    Leave,
    /// This was copied; it is over.
    Copied(String),
}

/// The lines, and where one is in them.
pub struct Copy {
    /// As bytes, with their looks.
    lines: Vec<Vec<u8>>,
    rows: usize,
    top: usize,
    at: Place,
    mark: Option<Mark>,
    typing: Option<Typing>,
    pattern: Option<(Regex, bool)>,
    /// A line that was found in another way, until it is here.
    sought: Option<Sought>,
    /// What went wrong with a search.
    word: Option<String>,
}

impl Copy {
    /// At the end of `lines`, `rows` of which are seen at once; the cursor's place is counted in the screen.
    pub fn new(lines: Vec<Vec<u8>>, rows: u16, (x, y): (u16, u16)) -> Self {
        let rows = usize::from(rows.max(1));
        let top = lines.len().saturating_sub(rows);
        Self {
            at: (top + usize::from(y), usize::from(x)),
            lines,
            rows,
            top,
            mark: None,
            typing: None,
            pattern: None,
            sought: None,
            word: None,
        }
    }

    /// All of the history came: one stays where one is, as counted from the end.
    pub fn complete(&mut self, lines: Vec<Vec<u8>>) {
        let (before, now) = (self.lines.len(), lines.len());
        let moved = |n: usize| (n + now).saturating_sub(before);
        self.top = moved(self.top);
        self.at.0 = moved(self.at.0);
        if let Some(mark) = &mut self.mark {
            mark.at.0 = (mark.at.0 + now).saturating_sub(before);
        }
        self.lines = lines;
        self.hold();
        self.arrive();
    }

    pub fn resize(&mut self, rows: u16) {
        self.rows = usize::from(rows.max(1));
        self.hold();
    }

    /// Line of the cursor and how many there are, from 1.
    pub fn position(&self) -> (usize, usize) {
        (self.at.0 + 1, self.lines.len())
    }

    /// Lines by the wheel; false at the end, where one goes back to the program.
    pub fn scroll(&mut self, by: isize) -> bool {
        let end = self.lines.len().saturating_sub(self.rows);
        if by > 0 && self.top >= end && self.mark.is_none() {
            return false;
        }
        self.top = self.top.saturating_add_signed(by).min(end);
        self.at.0 = self.at.0.clamp(self.top, self.top + self.rows - 1);
        self.hold();
        true
    }

    /// The mouse selects from a cell of the pane on, or to it.
    pub fn select(&mut self, x: u16, y: u16, begins: bool) {
        self.at = (self.top + usize::from(y), usize::from(x));
        self.hold();
        if begins || self.mark.is_none() {
            self.mark = Some(Mark {
                at: self.at,
                lines: false,
            });
        }
    }

    /// Begins to type a pattern.
    pub fn search(&mut self, backward: bool) {
        self.typing = Some(Typing {
            line: Line::default(),
            backward,
            from: self.at,
            top: self.top,
        });
    }

    pub fn paste(&mut self, text: &str) {
        if let Some(typing) = &mut self.typing {
            typing.line.insert(text);
            self.look();
        }
    }

    pub fn key(&mut self, key: Chord) -> Next {
        self.word = None;
        if self.typing.is_some() {
            self.search_key(key);
            return Next::Stay;
        }
        let page = isize::try_from(self.rows.saturating_sub(1).max(1)).unwrap_or(1);
        match (key.code, key.ctrl, key.alt) {
            (Code::Char('q'), false, false)
            | (Code::Escape, ..)
            | (Code::Char('c' | 'g'), true, _) => {
                if key.code == Code::Escape && self.mark.take().is_some() {
                    return Next::Stay;
                }
                return Next::Leave;
            }
            (Code::Enter, ..) | (Code::Char('y'), false, false) | (Code::Char('w'), _, true) => {
                return match self.selected() {
                    Some(text) => Next::Copied(text),
                    None => Next::Leave,
                };
            }
            (Code::Char('v'), false, false) | (Code::Char(' '), ..) => self.marks(false),
            (Code::Char('V'), ..) => self.marks(true),
            (Code::Char('/' | 's'), ..) => self.search(false),
            (Code::Char('?' | 'r'), ..) => self.search(true),
            (Code::Char('n'), false, _) => self.again(false),
            (Code::Char('N'), ..) => self.again(true),
            (Code::PageUp, ..) | (Code::Char('b'), true, _) | (Code::Char('v'), _, true) => {
                self.go(-page)
            }
            (Code::PageDown, ..) | (Code::Char('f' | 'v'), true, _) => self.go(page),
            (Code::Char('u'), true, _) => self.go(-page / 2),
            (Code::Char('d'), true, _) => self.go(page / 2),
            (Code::Up | Code::Char('k'), ..) | (Code::Char('p'), true, _) => self.go(-1),
            (Code::Down | Code::Char('j'), ..) | (Code::Char('n'), true, _) => self.go(1),
            (Code::Left | Code::Char('h'), ..) => self.at.1 = self.at.1.saturating_sub(1),
            (Code::Right | Code::Char('l'), ..) => self.at.1 = self.at.1.saturating_add(1),
            (Code::Home | Code::Char('0' | '^'), ..) | (Code::Char('a'), true, _) => self.at.1 = 0,
            (Code::End | Code::Char('$'), ..) | (Code::Char('e'), true, _) => {
                self.at.1 = usize::MAX
            }
            (Code::Char('g' | '<'), ..) => self.at.0 = 0,
            (Code::Char('G' | '>'), ..) => self.at.0 = usize::MAX,
            _ => {}
        }
        self.hold();
        Next::Stay
    }

    fn marks(&mut self, lines: bool) {
        self.mark = match self.mark {
            Some(mark) if mark.lines == lines => None,
            Some(mark) => Some(Mark { lines, ..mark }),
            None => Some(Mark { at: self.at, lines }),
        };
    }

    fn go(&mut self, by: isize) {
        self.at.0 = self.at.0.saturating_add_signed(by);
    }

    /// The cursor within the lines, and in sight.
    fn hold(&mut self) {
        let last = self.lines.len().saturating_sub(1);
        self.at.0 = self.at.0.min(last);
        let width = cells(&self.text(self.at.0))
            .last()
            .map_or(0, |(col, _)| *col);
        self.at.1 = self.at.1.min(width);
        self.top = self.top.min(self.lines.len().saturating_sub(self.rows));
        self.top = self
            .top
            .clamp((self.at.0 + 1).saturating_sub(self.rows), self.at.0);
    }

    fn text(&self, line: usize) -> String {
        self.lines
            .get(line)
            .map(|l| rendered_text(l))
            .unwrap_or_default()
    }

    fn search_key(&mut self, key: Chord) {
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
    fn look(&mut self) {
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

    fn again(&mut self, other: bool) {
        if let Some((_, backward)) = &self.pattern {
            let backward = *backward != other;
            self.find(self.at, backward);
        }
    }

    /// The next place where the pattern is found, from the other end where there is none before the end.
    fn find(&mut self, from: Place, backward: bool) {
        let n = self.lines.len();
        for step in 0..=n {
            let line = match backward {
                false => (from.0 + step) % n.max(1),
                true => (from.0 + n - step) % n.max(1),
            };
            let found = self.matches(line).into_iter().map(|(col, _)| col);
            let here = step == 0;
            let found = match backward {
                false => found.into_iter().find(|col| !here || *col > from.1),
                true => found.rev().find(|col| !here || *col < from.1),
            };
            if let Some(col) = found {
                self.at = (line, col);
                // In the middle, with what is around it, and never under the line that is typed into.
                let seen = self.top..(self.top + self.rows).saturating_sub(1);
                if !seen.contains(&line) {
                    self.top = line.saturating_sub(self.rows / 2);
                }
                return self.hold();
            }
        }
        self.word = Some("not found".to_owned());
    }

    /// Columns from and to of what is found in a line.
    fn matches(&self, line: usize) -> Vec<(usize, usize)> {
        let Some((pattern, _)) = &self.pattern else {
            return Vec::new();
        };
        let text = self.text(line);
        let cells = cells(&text);
        let column = |byte: usize| {
            let at = cells.partition_point(|(_, start)| *start < byte);
            cells.get(at).map_or(0, |(col, _)| *col)
        };
        let found = pattern.find_iter(&text).filter(|m| !m.is_empty());
        found
            .map(|m| (column(m.start()), column(m.end())))
            .collect()
    }

    /// The selected columns of a line.
    fn selection(&self, line: usize) -> Option<(usize, usize)> {
        let mark = self.mark?;
        let (from, to) = (mark.at.min(self.at), mark.at.max(self.at));
        if !(from.0..=to.0).contains(&line) {
            return None;
        }
        let first = if line == from.0 && !mark.lines {
            from.1
        } else {
            0
        };
        let last = if line == to.0 && !mark.lines {
            to.1 + 1
        } else {
            usize::MAX
        };
        Some((first, last))
    }

    pub fn selected(&self) -> Option<String> {
        let mark = self.mark?;
        let (from, to) = (mark.at.0.min(self.at.0), mark.at.0.max(self.at.0));
        let mut all = Vec::new();
        for line in from..=to {
            let (first, last) = self.selection(line)?;
            let text = self.text(line);
            let cells = cells(&text);
            let byte = |col: usize| {
                let at = cells.partition_point(|(c, _)| *c < col);
                cells.get(at).map_or(text.len(), |(_, start)| *start)
            };
            all.push(
                text.get(byte(first)..byte(last))
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
        Some(all.join("\n"))
    }
}

/// The column and the first byte of each character of a line that takes room, and of its end.
fn cells(text: &str) -> Vec<(usize, usize)> {
    use unicode_width::UnicodeWidthChar;
    let mut col = 0;
    let mut all = Vec::with_capacity(text.len() + 1);
    for (start, c) in text.char_indices() {
        let width = if c == '\t' { 1 } else { c.width().unwrap_or(0) };
        if width > 0 {
            all.push((col, start));
        }
        col += width;
    }
    all.push((col, text.len()));
    all
}
