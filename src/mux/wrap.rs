//! Rows as they were rendered, and how they wrap at another width: what is looked back at was written when its
//! pane may have been wider or narrower than it is now.

use alacritty_terminal::term::cell::{Cell, Flags};
use unicode_width::UnicodeWidthStr;

use super::core::Core;
use super::frame::row;
use super::paint::content_len;
use super::screen::Screen;
use super::scrolled::ScrolledLine;
use super::sequence::{ESC, End, Shape, shape, string_end};
use crate::model::Size;

/// One row of a screen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Text with SGR and hyperlinks, closed at its end; no newline.
    pub bytes: Vec<u8>,
    /// It filled the screen's width and goes on in the next row.
    pub wrapped: bool,
}

impl Row {
    /// The text alone, with the blanks at its end only where it goes on.
    pub fn text(&self) -> String {
        let (mut text, mut rest) = (Vec::with_capacity(self.bytes.len()), &self.bytes[..]);
        while let Some(at) = memchr::memchr(ESC, rest) {
            let (before, sequence) = rest.split_at(at);
            text.extend_from_slice(before);
            let end = match shape(sequence) {
                Shape::Complete(n) => n,
                Shape::Open(kind) => match string_end(kind, sequence, 2, false) {
                    End::Terminated { next, .. } | End::Cut(next) => next,
                    End::Missing(_) => sequence.len(),
                },
                Shape::Incomplete => sequence.len(),
            };
            rest = sequence.get(end..).unwrap_or_default();
        }
        text.extend_from_slice(rest);
        let mut text = String::from_utf8_lossy(&text).into_owned();
        if !self.wrapped {
            text.truncate(text.trim_end().len());
        }
        text
    }
}

impl From<ScrolledLine<'_>> for Row {
    fn from(line: ScrolledLine<'_>) -> Self {
        Self {
            bytes: line.bytes.to_vec(),
            wrapped: line.wrapped,
        }
    }
}

/// Renders a row of cells; true where it goes on in the next. Blanks at its end are left out, but not those within a
/// line that goes on.
pub(super) fn render(cells: &[Cell], out: &mut Vec<u8>) -> bool {
    let last = cells.last().map_or(Flags::empty(), |c| c.flags);
    let wrapped = last.contains(Flags::WRAPLINE);
    Core::render(cells, out);
    if wrapped {
        let leading = usize::from(last.contains(Flags::LEADING_WIDE_CHAR_SPACER));
        let blank = cells.len() - content_len(cells);
        out.resize(out.len() + blank.saturating_sub(leading), b' ');
    }
    wrapped
}

impl Screen {
    /// The rows that are seen, with their looks.
    pub fn rows(&self) -> Vec<Row> {
        let core = self.core();
        let cols = usize::from(self.size().cols);
        let rows = (0..core.rows()).map(|y| {
            let cells = row(core, y);
            let mut bytes = Vec::new();
            let wrapped = render(cells.get(..cols).unwrap_or(cells), &mut bytes);
            Row { bytes, wrapped }
        });
        rows.collect()
    }
}

/// Rows of another time as a screen of `cols` columns would show them.
pub fn rewrap(rows: Vec<Row>, cols: u16) -> Vec<Row> {
    let cols = cols.max(2);
    let mut screen = Screen::new(Size { cols, rows: 2 }).keeping_scrolled();
    let mut out = Vec::with_capacity(rows.len());
    let mut line: Vec<Row> = Vec::new();
    for row in rows {
        let ends = !row.wrapped;
        line.push(row);
        if ends {
            wrap(&mut line, cols, &mut screen, &mut out);
        }
    }
    wrap(&mut line, cols, &mut screen, &mut out);
    out
}

/// One line, by what the emulator makes of it.
fn wrap(line: &mut Vec<Row>, cols: u16, screen: &mut Screen, out: &mut Vec<Row>) {
    if fits(line, cols) {
        return out.append(line);
    }
    for row in line.drain(..) {
        screen.feed(&row.bytes);
    }
    // Both rows of that screen are blank again, and all of the line has left it.
    screen.feed(b"\r\n\r\n\x1b[H");
    out.extend(screen.take_scrolled(usize::MAX).iter().map(Row::from));
}

/// Whether the rows of a line are as they would be.
fn fits(line: &[Row], cols: u16) -> bool {
    let cols = usize::from(cols);
    let width = |row: &Row| row.text().width();
    match line.split_last() {
        None => true,
        Some((last, before)) => {
            (last.bytes.len() <= cols || width(last) <= cols)
                // A wide character that had no room leaves one column free.
                && before.iter().all(|row| (cols - 1..=cols).contains(&width(row)))
        }
    }
}

#[cfg(test)]
mod tests;
