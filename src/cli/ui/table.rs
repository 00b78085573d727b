//! Columns that line up, whatever the width of the characters and the colours in them.

use unicode_width::UnicodeWidthStr;

use super::{Color, Ui};

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
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let columns = all().map(Vec::len).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for row in all() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(clean(&cell.text).width());
            }
        }
        all()
            .map(|row| {
                let mut line = String::new();
                for (n, (cell, width)) in row.iter().zip(&widths).enumerate() {
                    let text = clean(&cell.text);
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
        self.lines(ui).into_iter().try_for_each(|l| ui.line(l))
    }
}

fn clean(text: &str) -> String {
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
}
