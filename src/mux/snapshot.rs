//! Everything observable of a screen as text, so that tests can compare two of them and show a difference.

use std::fmt::Write as _;

use alacritty_terminal::grid::{Cursor, Dimensions, Grid};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};

use super::paint::LOOKS;
use super::screen::Screen;

pub(super) fn snapshot(screen: &Screen) -> String {
    let core = screen.core();
    let rec = &core.rec;
    let mut s = String::new();
    let _ = writeln!(s, "mode {:?} alt {}", core.term.mode(), core.alt());
    if core.alt() {
        let _ = writeln!(s, "entered by {}", rec.alt_mode);
    }
    let _ = writeln!(s, "region {:?} active {:?}", rec.region, rec.active);
    let tabs = rec.tabs.iter().map(|t| if *t { 'T' } else { '.' });
    let _ = writeln!(s, "tabs {}", tabs.collect::<String>());
    let _ = writeln!(s, "saved {:?}", &rec.saved[..1 + usize::from(core.alt())]);
    let _ = writeln!(s, "style {:?} pointer {:?}", rec.style, rec.pointer);
    let _ = writeln!(s, "title {:?} stack {:?}", rec.title, rec.titles);
    let _ = writeln!(s, "kitty {:?} keys {}", rec.kitty, rec.other_keys);
    let _ = writeln!(
        s,
        "extra {:b} tail {:?}",
        rec.extra.on,
        screen.in_sequence()
    );
    for index in 0..259 {
        if let Some(c) = core.term.colors()[index] {
            let _ = writeln!(s, "color {index} {c:?}");
        }
    }
    grid(&mut s, "shown", core.grid());
    if let Some(primary) = &core.primary {
        grid(&mut s, "main", primary);
    }
    s
}

/// The rows that wrap into the next: what only a resize shows.
pub(super) fn wraps(screen: &Screen) -> Vec<(usize, bool)> {
    let core = screen.core();
    let mut out = Vec::new();
    for grid in [Some(core.grid()), core.primary.as_ref()]
        .into_iter()
        .flatten()
    {
        for y in 0..grid.screen_lines() {
            let row = &grid[Line(y as i32)];
            let last = &row[Column(row.len() - 1)];
            if last.flags.contains(Flags::WRAPLINE) {
                out.push((y, last.flags.contains(Flags::LEADING_WIDE_CHAR_SPACER)));
            }
        }
    }
    out
}

fn looks(cell: &Cell) -> String {
    format!(
        "{:?}/{:?}/{:x}/{:?}/{:?}",
        cell.fg,
        cell.bg,
        (cell.flags & (LOOKS | Flags::WIDE_CHAR | Flags::WIDE_CHAR_SPACER)).bits(),
        cell.underline_color(),
        cell.hyperlink()
            .map(|l| (link_id(l.id()), l.uri().to_owned())),
    )
}

/// A link without an id gets a fresh one each time.
fn link_id(id: &str) -> String {
    if id.ends_with("_alacritty") {
        "auto"
    } else {
        id
    }
    .to_owned()
}

fn cursor(s: &mut String, name: &str, c: &Cursor<Cell>) {
    let _ = writeln!(
        s,
        "{name} at {:?} wrap {} pen {} charsets {:?}",
        c.point,
        c.input_needs_wrap,
        looks(&c.template),
        c.charsets
    );
}

fn grid(s: &mut String, name: &str, grid: &Grid<Cell>) {
    let _ = writeln!(s, "-- {name}");
    cursor(s, "cursor", &grid.cursor);
    cursor(s, "saved", &grid.saved_cursor);
    let blank = looks(&Cell::default());
    for y in 0..grid.screen_lines() {
        let row = &grid[Line(y as i32)][..];
        let text: String = row
            .iter()
            .map(|c| if c.c == '\t' { ' ' } else { c.c })
            .collect();
        let _ = writeln!(s, "{y:3} |{text}|");
        for (x, cell) in row.iter().enumerate() {
            let (l, z) = (looks(cell), cell.zerowidth().unwrap_or_default());
            if l != blank || !z.is_empty() {
                let _ = writeln!(s, "    {x}: {l} {z:?}");
            }
        }
    }
}
