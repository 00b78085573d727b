//! Columns that line up, whatever the width of the characters and the colours in them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Color, Ui};
use crate::cli::terminal;

/// One field of a table.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    color: Option<Color>,
}

impl Cell {
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            color: None,
        }
    }

    pub fn color(mut self, color: Color) -> Self {
        self.color = Some(color);
        self
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// Rows under headings. Control characters in a cell are shown as `�`: cells hold what programs say.
#[derive(Debug)]
pub struct Table {
    head: Vec<Cell>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub fn new(head: &[&str]) -> Self {
        Self {
            head: head
                .iter()
                .map(|h| Cell::new(*h).color(Color::Dim))
                .collect(),
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, two spaces between columns; the last column is not padded.
    pub fn lines(&self, ui: &Ui) -> Vec<String> {
        self.within(None, ui)
    }

    /// The lines, with the last column cut to what `room` leaves of a row; never to less than its heading.
    fn within(&self, room: Option<usize>, ui: &Ui) -> Vec<String> {
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let columns = all().map(Vec::len).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for row in all() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(clean(&cell.text).width());
            }
        }
        let last = widths.pop().unwrap_or(0);
        let before: usize = widths.iter().map(|w| w + 2).sum();
        let least = self.head.last().map_or(0, |h| h.text.width());
        let last = room.map_or(last, |room| {
            last.min(room.saturating_sub(before).max(least))
        });
        widths.push(last);
        all()
            .map(|row| {
                let mut line = String::new();
                for (n, (cell, width)) in row.iter().zip(&widths).enumerate() {
                    let text = cut(clean(&cell.text), *width);
                    let pad = width.saturating_sub(text.width());
                    line += &match cell.color {
                        Some(color) => ui.paint(&text, color),
                        None => text,
                    };
                    if n + 1 < row.len() {
                        line += &" ".repeat(pad + 2);
                    }
                }
                line.trim_end().to_owned()
            })
            .collect()
    }

    /// Prints it on stdout.
    ///
    /// # Errors
    /// As [`Ui::line`].
    pub fn print(&self, ui: &Ui) -> crate::error::Result<()> {
        let room = ui.out_is_terminal().then(terminal::size).flatten();
        let room = room.map(|(size, _)| usize::from(size.cols));
        self.within(room, ui)
            .into_iter()
            .try_for_each(|l| ui.line(l))
    }
}

/// As much of `text` as is no wider than `width`, with a mark where something is missing.
pub fn cut(text: String, width: usize) -> String {
    if text.width() <= width {
        return text;
    }
    let mut short = String::new();
    for c in text.chars() {
        if short.width() + c.width().unwrap_or(0) >= width {
            break;
        }
        short.push(c);
    }
    short + "…"
}

pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_line_up_and_escapes_are_shown_not_obeyed() {
        let mut table = Table::new(&["NAME", "STATE"]);
        table.row(vec!["漢字".into(), "x\x1b[2J".into()]);
        table.row(vec!["abcdef".into(), "".into()]);
        assert_eq!(
            table.lines(&Ui::plain()),
            ["NAME    STATE", "漢字    x\u{fffd}[2J", "abcdef"]
        );
    }

    #[test]
    fn a_narrow_terminal_cuts_the_last_column() {
        let mut table = Table::new(&["NAME", "TASK"]);
        table.row(vec!["abc".into(), "漢字 and more".into()]);
        assert_eq!(
            table.within(Some(13), &Ui::plain()),
            ["NAME  TASK", "abc   漢字 a…"]
        );
        assert_eq!(
            table.within(Some(5), &Ui::plain()),
            ["NAME  TASK", "abc   漢…"]
        );
    }
}
