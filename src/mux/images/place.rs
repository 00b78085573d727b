//! Where images stand on a screen: their cells are marked, row by row, by a hyperlink that no terminal gets to see.

use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags, Hyperlink};
use alacritty_terminal::vte::ansi::Handler as _;

use super::super::core::Core;
use super::super::frame::row;
use super::super::screen::Screen;

/// What marks begin with.
const SCHEME: &str = "remote-image:";

/// What an image is known by on a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub u32);

impl Mark {
    fn row(self, row: usize) -> String {
        format!("{SCHEME}{}:{row}", self.0)
    }

    /// What its cells in a row are marked with.
    pub(in super::super) fn link(self, row: usize) -> Hyperlink {
        let uri = self.row(row);
        Hyperlink::new(Some(uri.clone()), uri)
    }
}

/// Whether a hyperlink is none, but an image's mark.
pub(in super::super) fn is_mark(link: &Hyperlink) -> bool {
    link.uri().starts_with(SCHEME)
}

/// What stands where an image cannot.
pub(in super::super) fn label(cols: u16, rows: u16) -> String {
    format!("[image {cols}x{rows}]")
}

impl Screen {
    /// Room for an image at the cursor, as a terminal makes it: the screen scrolls where it must. Until it is drawn its
    /// size stands there. Sixels leave the cursor at the beginning of their last row; others behind it, or where it was.
    /// False where there is not enough room: then it is never drawn.
    pub fn place_image(
        &mut self,
        mark: Mark,
        (cols, rows): (u16, u16),
        after: bool,
        stays: bool,
    ) -> bool {
        let core = self.core_mut();
        let (before, left) = core.place();
        let right = (left + usize::from(cols)).min(core.cols());
        let height = usize::from(rows).min(core.rows());
        let whole = left + usize::from(cols) <= core.cols() && usize::from(rows) <= core.rows();
        let text = label(cols, rows);
        for n in 0..height {
            if n > 0 {
                core.linefeed();
                let (line, _) = core.place();
                core.set_place(line, left);
            }
            let link = whole.then(|| mark.link(n));
            core.fill(left, right, if n == 0 { &text } else { "" }, link.as_ref());
        }
        let (last, _) = core.place();
        match (stays, after) {
            (true, _) => core.set_place(before.min((last + 1).saturating_sub(height)), left),
            (_, true) => core.set_place(last, right),
            (_, false) => core.set_place(last, left),
        }
        whole
    }

    /// Where a whole image stands, its upper left cell.
    pub fn find_image(&self, mark: Mark, (cols, rows): (u16, u16)) -> Option<(u16, u16)> {
        let core = self.core();
        let (cols, rows) = (usize::from(cols), usize::from(rows));
        let first = mark.row(0);
        let is = |cell: &Cell, uri: &str| cell.hyperlink().is_some_and(|link| link.uri() == uri);
        for y in 0..(core.rows() + 1).saturating_sub(rows) {
            let Some(x) = row(core, y).iter().position(|cell| is(cell, &first)) else {
                continue;
            };
            let whole = (0..rows).all(|n| {
                let uri = mark.row(n);
                let cells = row(core, y + n).get(x..x + cols);
                cells.is_some_and(|cells| cells.iter().all(|cell| is(cell, &uri)))
            });
            return whole.then_some((u16::try_from(x).ok()?, u16::try_from(y).ok()?));
        }
        None
    }

    /// Blanks all images' cells that are seen.
    pub fn remove_images(&mut self) {
        let core = self.core_mut();
        let (rows, cols) = (core.rows(), core.cols());
        let grid = core.term.grid_mut();
        for y in 0..rows {
            let row = &mut grid[Line(i32::try_from(y).unwrap_or(0))];
            for x in 0..cols {
                if row[Column(x)]
                    .hyperlink()
                    .is_some_and(|link| is_mark(&link))
                {
                    row[Column(x)] = Cell::default();
                }
            }
        }
    }
}

impl Core {
    /// Writes over columns of the cursor's row.
    fn fill(&mut self, left: usize, right: usize, text: &str, link: Option<&Hyperlink>) {
        self.split(left);
        self.split(right);
        let line = self.grid().cursor.point.line;
        let row = &mut self.term.grid_mut()[line];
        let mut text = text.chars();
        for x in left..right {
            let mut cell = Cell {
                c: text.next().unwrap_or(' '),
                flags: Flags::empty(),
                ..Cell::default()
            };
            cell.set_hyperlink(link.cloned());
            row[Column(x)] = cell;
        }
    }
}
