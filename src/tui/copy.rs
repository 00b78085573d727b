//! A pane's lines looked back at: its screen as it stood, and all that scrolled off above it. Keys as in vi,
//! and those of emacs that do not clash; nothing here touches the program.

mod draw;
mod export;
mod find;
mod seek;
#[cfg(test)]
mod tests;

use std::ops::Range;

use regex_lite::Regex;

pub use self::export::Tool;
pub use self::seek::{Sought, compared};
use super::line::Line;
use crate::config::{Chord, Code};
use crate::model::Size;
use crate::mux::{Row, Screen, address_at, rewrap};

/// A place: row from the top of all, column in cells.
pub type Place = (usize, usize);

/// A line that goes on over more rows than this is several.
const LONGEST: usize = 500;

/// A place that outlives another width and more lines above: lines from the end, cells from the line's beginning.
type Anchor = (usize, usize);

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
    /// This address is to be opened.
    Open(String),
    /// All lines are to be seen in another program.
    Export(Tool),
}

/// The lines, and where one is in them.
pub struct Copy {
    /// Wrapped at `cols`.
    lines: Vec<Row>,
    cols: u16,
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
    /// More of the history comes; then this is wanted.
    awaits: Option<Option<Tool>>,
}

impl Copy {
    /// At the end of `lines`, as many of which are seen at once as a pane of that size has; the cursor's place is
    /// counted in the screen.
    pub fn new(lines: Vec<Row>, size: Size, (x, y): (u16, u16)) -> Self {
        let rows = usize::from(size.rows.max(1));
        let top = lines.len().saturating_sub(rows);
        let mut copy = Self {
            at: (top + usize::from(y), usize::from(x)),
            lines,
            cols: size.cols,
            rows,
            top,
            mark: None,
            typing: None,
            pattern: None,
            sought: None,
            word: None,
            awaits: None,
        };
        let lines = std::mem::take(&mut copy.lines);
        copy.change(lines.clone(), lines);
        // What the screen shows is seen as it stands there, wherever lines above it wrap by now.
        copy.top = copy.lines.len().saturating_sub(rows);
        copy
    }

    /// All of the history came: one stays where one is, as counted from the end.
    pub fn complete(&mut self, lines: Vec<Row>) {
        let before = std::mem::take(&mut self.lines);
        self.change(before, lines);
        self.arrive();
    }

    pub fn resize(&mut self, size: Size) {
        self.rows = usize::from(size.rows.max(1));
        if std::mem::replace(&mut self.cols, size.cols) != size.cols {
            let lines = std::mem::take(&mut self.lines);
            self.change(lines.clone(), lines);
        }
        self.hold();
    }

    /// From lines as they are to others, wrapped anew; all places stay with what stands there.
    fn change(&mut self, before: Vec<Row>, lines: Vec<Row>) {
        self.lines = before;
        let at = self.anchor(self.at);
        let top = self.anchor((self.top, 0));
        let mark = self.mark.map(|mark| self.anchor(mark.at));
        let from = self
            .typing
            .as_ref()
            .map(|t| (self.anchor(t.from), self.anchor((t.top, 0))));
        self.lines = rewrap(lines, self.cols);
        self.at = self.place(at);
        self.top = self.place(top).0;
        if let (Some(mark), Some(anchor)) = (self.mark, mark) {
            self.mark = Some(Mark {
                at: self.place(anchor),
                ..mark
            });
        }
        if let Some((from, top)) = from {
            let places = (self.place(from), self.place(top).0);
            if let Some(typing) = &mut self.typing {
                (typing.from, typing.top) = places;
            }
        }
        self.hold();
    }

    fn anchor(&self, (row, column): Place) -> Anchor {
        let line = self.line_of(row);
        let behind = self
            .lines
            .iter()
            .skip(line.end)
            .filter(|row| !row.wrapped)
            .count();
        let before = self.lines.iter().take(row).skip(line.start);
        (behind, before.map(width).sum::<usize>() + column)
    }

    fn place(&self, (behind, mut column): Anchor) -> Place {
        let ends = self
            .lines
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, row)| !row.wrapped);
        let end = ends.map(|(n, _)| n).nth(behind).unwrap_or(0);
        let line = self.line_of(end);
        for row in line.clone() {
            let wide = self.lines.get(row).map_or(0, width);
            if column < wide || row + 1 == line.end {
                return (row, column);
            }
            column -= wide;
        }
        (end, column)
    }

    /// The rows of the line that a row belongs to.
    fn line_of(&self, row: usize) -> Range<usize> {
        let wraps = |row: usize| self.lines.get(row).is_some_and(|row| row.wrapped);
        let least = row.saturating_sub(LONGEST);
        let from = (least..row)
            .rev()
            .take_while(|row| wraps(*row))
            .last()
            .unwrap_or(row);
        let to = (row..row.saturating_add(LONGEST))
            .find(|row| !wraps(*row))
            .unwrap_or(row);
        from..(to + 1).min(self.lines.len()).max(from)
    }

    /// What is under the cursor to be opened: a hyperlink, or the address that stands there.
    fn address(&self) -> Option<String> {
        let (row, column) = self.at;
        let mut screen = Screen::new(Size {
            cols: self.cols,
            rows: 1,
        });
        screen.feed(b"\x1b[?7l");
        screen.feed(&self.lines.get(row)?.bytes);
        if let Some(link) = screen.link_at(u16::try_from(column).ok()?, 0) {
            return Some(link);
        }
        let (text, cells) = self.cells(self.line_of(row));
        let found = cells.iter().rev().find(|(place, _)| *place <= self.at)?;
        address_at(&text, found.1).map(str::to_owned)
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

    /// The mouse puts the cursor into a cell of the pane; what is there to be opened.
    pub fn point(&mut self, x: u16, y: u16) -> Option<String> {
        self.at = (self.top + usize::from(y), usize::from(x));
        self.hold();
        self.address()
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
            (Code::Char('e'), false, false) => return self.wants(Tool::Editor),
            (Code::Char('p'), false, false) => return self.wants(Tool::Pager),
            (Code::Char('o'), false, false) => match self.address() {
                Some(address) => return Next::Open(address),
                None => self.word = Some("no link here".to_owned()),
            },
            (Code::Enter, ..) if self.mark.is_none() && self.address().is_some() => {
                return self.address().map_or(Next::Stay, Next::Open);
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
        self.at.1 = self.at.1.min(self.lines.get(self.at.0).map_or(0, width));
        self.top = self.top.min(self.lines.len().saturating_sub(self.rows));
        self.top = self
            .top
            .clamp((self.at.0 + 1).saturating_sub(self.rows), self.at.0);
    }
}

fn width(row: &Row) -> usize {
    cells(&row.text()).last().map_or(0, |(col, _)| *col)
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
