//! What a click would open: a hyperlink that a program made (OSC 8), or a web address that just stands there. What a
//! program writes is nobody's word: only addresses of the web and of mail are opened, never files or other programs.

use std::ops::Range;
use std::sync::LazyLock;

use alacritty_terminal::term::cell::Flags;
use regex_lite::Regex;

use super::frame::row;
use super::images::is_mark;
use super::screen::Screen;

/// The longest address.
const MOST: usize = 2083;
/// A line that goes on over more rows is looked at no further.
const ROWS: usize = 50;

/// An address up to what cannot be part of one: blanks, quotes, brackets of other sorts, frames drawn around it.
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new("(?i)https?://[^\\s\\x00-\\x1f\\x7f<>\"`{}|\\\\^\u{2500}-\u{259f}]+").ok()
});

/// The web addresses in a text, as ranges of bytes: without the full stop behind a sentence, and without the bracket
/// that closes around one.
pub fn addresses(text: &str) -> impl Iterator<Item = Range<usize>> {
    let found = ADDRESS.iter().flat_map(move |regex| regex.find_iter(text));
    found.filter_map(|found| {
        let mut address = found.as_str();
        loop {
            let cut =
                address.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '\u{2026}']);
            let count = |c| cut.matches(c).count();
            let cut = [('(', ')'), ('[', ']')]
                .iter()
                .find(|(open, close)| cut.ends_with(*close) && count(*close) > count(*open))
                .and_then(|(_, close)| cut.strip_suffix(*close))
                .unwrap_or(cut);
            if cut.len() == address.len() {
                break;
            }
            address = cut;
        }
        let host = address
            .split_once("://")
            .is_some_and(|(_, rest)| !rest.is_empty());
        host.then(|| found.start()..found.start() + address.len())
    })
}

/// The web address that byte `at` of a text belongs to.
pub fn address_at(text: &str, at: usize) -> Option<&str> {
    let found = addresses(text).find(|range| range.contains(&at));
    text.get(found?)
}

/// Whether an address may be opened: of the web or of mail, and without anything in it that is no address.
pub fn may_open(address: &str) -> bool {
    let scheme = address
        .split_once(':')
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    let clean = !address.chars().any(|c| c.is_control() || c.is_whitespace());
    let known = matches!(scheme.as_deref(), Some("http" | "https" | "mailto"));
    known && clean && address.len() <= MOST
}

impl Screen {
    /// The hyperlink in a cell, by column and row.
    pub fn link_at(&self, x: u16, y: u16) -> Option<String> {
        let core = self.core();
        let (x, y) = (usize::from(x), usize::from(y));
        if y >= core.rows() {
            return None;
        }
        let link = row(core, y).get(x)?.hyperlink()?;
        (!is_mark(&link)).then(|| link.uri().to_owned())
    }

    /// What a click on a cell would open: its hyperlink, or the web address that stands there, on however many rows.
    pub fn address_at(&self, x: u16, y: u16) -> Option<String> {
        if let Some(link) = self.link_at(x, y) {
            return Some(link);
        }
        let core = self.core();
        let (x, y) = (usize::from(x), usize::from(y));
        if y >= core.rows() {
            return None;
        }
        let wraps = |y: usize| {
            row(core, y)
                .last()
                .is_some_and(|c| c.flags.contains(Flags::WRAPLINE))
        };
        let first = (y.saturating_sub(ROWS)..y)
            .rev()
            .take_while(|y| wraps(*y))
            .last();
        let (mut text, mut at) = (String::new(), None);
        for line in (first.unwrap_or(y)..core.rows()).take(2 * ROWS) {
            for (column, cell) in row(core, line).iter().enumerate() {
                if (line, column) == (y, x) {
                    at = Some(text.len());
                }
                let spacer = Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER;
                if !cell.flags.intersects(spacer) {
                    text.push(cell.c);
                    text.extend(cell.zerowidth().unwrap_or_default());
                }
            }
            if !wraps(line) {
                break;
            }
        }
        address_at(&text, at?).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests;
