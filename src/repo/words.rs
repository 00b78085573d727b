//! Files and sizes as errors name them.

use std::path::PathBuf;

/// At most so many files are named in a message.
const NAMED: usize = 5;

pub(super) fn names(files: &[PathBuf]) -> String {
    let named: Vec<String> = files
        .iter()
        .take(NAMED)
        .map(|f| format!("`{}`", f.display()))
        .collect();
    named.join(", ")
}

pub(super) fn more(count: usize) -> String {
    match count.saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    }
}

pub(super) fn sizes(files: &[(PathBuf, u64)]) -> String {
    let named: Vec<String> = files
        .iter()
        .take(NAMED)
        .map(|(file, bytes)| format!("`{}` ({})", file.display(), size(*bytes)))
        .collect();
    format!("{}{}", named.join(", "), more(files.len()))
}

/// `310 B`, `1.2 MB`, `2.0 GB`.
pub fn size(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = bytes / (unit / 10);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}
