//! Holds the source to ARCHITECTURE.md: imports point down, rooms of one row do not see each other, `unsafe`
//! is in one file, files are short and say what they are for.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each room may import. A room that is not here may not exist.
const MAY_SEE: &[(&str, &[&str])] = &[
    // The bottom row: data, errors, configuration, what all use of AWS shares.
    ("error", &[]),
    ("model", &["error"]),
    ("config", &["model", "error"]),
    ("aws", &["config", "model", "error"]),
    // Each knows its own subject only.
    ("proto", &BOTTOM),
    ("mux", &BOTTOM),
    ("ssh", &BOTTOM),
    ("provision", &BOTTOM),
    // On the same account, tags and machines.
    (
        "workspace",
        &["provision", "model", "error", "config", "aws"],
    ),
    ("repo", &BOTTOM),
    ("cost", &BOTTOM),
    ("notice", &BOTTOM),
    ("secret", &BOTTOM),
    // The two roles.
    ("client", &SUBJECTS),
    ("host", &SUBJECTS),
    // What a person sees. The command line starts the views; views know nothing of verbs.
    ("cli", &ALL),
    ("tui", &ROLES),
    // main.rs
    ("main", &["cli"]),
];

const BOTTOM: [&str; 4] = ["model", "error", "config", "aws"];
const SUBJECTS: [&str; 13] = [
    "proto",
    "mux",
    "ssh",
    "provision",
    "workspace",
    "repo",
    "cost",
    "notice",
    "secret",
    "model",
    "error",
    "config",
    "aws",
];
const ROLES: [&str; 15] = [
    "client",
    "host",
    "proto",
    "mux",
    "ssh",
    "provision",
    "workspace",
    "repo",
    "cost",
    "notice",
    "secret",
    "model",
    "error",
    "config",
    "aws",
];
const ALL: [&str; 16] = [
    "tui",
    "client",
    "host",
    "proto",
    "mux",
    "ssh",
    "provision",
    "workspace",
    "repo",
    "cost",
    "notice",
    "secret",
    "model",
    "error",
    "config",
    "aws",
];

/// The only file with `unsafe`.
const UNSAFE: &str = "src/mux/pty.rs";
const LONGEST: usize = 500;
const MEDIAN: usize = 150;
const NINE_IN_TEN: usize = 350;

struct Source {
    /// From the repository's top: `src/mux/pty.rs`.
    path: String,
    text: String,
}

impl Source {
    /// `src/mux/pty.rs` and `src/mux.rs` are of the room `mux`.
    fn room(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap();
        inside.split(['/', '.']).next().unwrap()
    }

    /// The modules above this file's own: 1 for `src/mux/mod.rs`, 2 for `src/mux/pty.rs`.
    fn depth(&self) -> usize {
        let inside = self.path.strip_prefix("src/").unwrap();
        let inside = inside.strip_suffix("/mod.rs").unwrap_or(inside);
        inside.split('/').count()
    }

    /// The text without comments; strings stay.
    fn code(&self) -> String {
        self.text
            .lines()
            .map(|line| match line.trim_start().starts_with("//") {
                true => "",
                false => line.split(" // ").next().unwrap_or(""),
            })
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn sources() -> Vec<Source> {
    fn collect(dir: &Path, all: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            match entry.path() {
                path if path.is_dir() => collect(&path, all),
                path if path.extension().is_some_and(|e| e == "rs") => all.push(path),
                _ => {}
            }
        }
    }
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&top.join("src"), &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| Source {
            text: std::fs::read_to_string(&path).unwrap(),
            path: path
                .strip_prefix(top)
                .unwrap()
                .to_string_lossy()
                .into_owned(),
        })
        .collect()
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The first words after a path's root: one, or those of a `{a::b, c}` group.
fn heads(after: &str) -> Vec<&str> {
    let Some(group) = after.strip_prefix('{') else {
        return vec![word(after)];
    };
    let (mut depth, mut at_item, mut found) = (0_usize, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_item = true,
            c if at_item && !c.is_whitespace() => {
                found.push(word(&group[at..]));
                at_item = false;
            }
            _ => {}
        }
    }
    found
}

/// Every room that a file names: through `crate::`, `remote_compute::`, or enough `super::` to reach the top.
fn seen(source: &Source, rooms: &BTreeSet<&str>) -> BTreeSet<String> {
    let code = source.code();
    let mut found = Vec::new();
    for root in ["crate::", "remote_compute::"] {
        for (at, _) in code.match_indices(root) {
            if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
                found.extend(heads(&code[at + root.len()..]));
            }
        }
    }
    let mut rest = code.as_str();
    while let Some(at) = rest.find("super::") {
        let chain = &rest[at..];
        let supers = chain.split("::").take_while(|w| *w == "super").count();
        rest = &chain[supers * "super::".len()..];
        if supers >= source.depth() {
            found.extend(heads(rest));
        }
    }
    found
        .into_iter()
        .filter(|name| rooms.contains(name) && *name != source.room())
        .map(str::to_owned)
        .collect()
}

#[test]
fn imports_point_down() {
    let sources = sources();
    let rooms: BTreeSet<&str> = sources
        .iter()
        .map(Source::room)
        .filter(|r| *r != "lib")
        .collect();
    let table: BTreeMap<&str, &[&str]> = MAY_SEE.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|s| s.room() != "lib") {
        let Some(may) = table.get(source.room()) else {
            wrong.push(format!(
                "{}: the room `{}` has no row",
                source.path,
                source.room()
            ));
            continue;
        };
        for room in seen(source, &rooms) {
            if !may.contains(&room.as_str()) {
                wrong.push(format!("{} must not see `{room}`", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn an_edge_is_found_however_it_is_written() {
    let rooms = BTreeSet::from(["mux", "ssh", "model", "client", "proto"]);
    let of = |path: &str, text: &str| {
        let source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        seen(&source, &rooms).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(of("src/mux/a.rs", "use crate::ssh::X;"), ["ssh"]);
    assert_eq!(
        of(
            "src/mux/a.rs",
            "use crate::{\n    model::{A, client::B},\n    ssh,\n};"
        ),
        ["model", "ssh"]
    );
    assert_eq!(
        of("src/mux/a.rs", "fn f(x: &crate::client::X) {}"),
        ["client"]
    );
    assert_eq!(of("src/mux/a.rs", "use super::super::proto::X;"), ["proto"]);
    assert_eq!(of("src/mux/mod.rs", "use super::proto::X;"), ["proto"]);
    assert_eq!(of("src/mux/a.rs", "use super::proto::X;"), [""; 0]);
    assert_eq!(
        of(
            "src/mux/a.rs",
            "/// [`X`](crate::ssh::X)\nuse crate::mux::Y;"
        ),
        [""; 0]
    );
    assert_eq!(of("src/main.rs", "remote_compute::client::x()"), ["client"]);
}

#[test]
fn unsafe_is_in_one_file() {
    for source in sources().iter().filter(|s| s.path != UNSAFE) {
        let code = source.code();
        for form in [
            "unsafe {",
            "unsafe fn",
            "unsafe impl",
            "unsafe extern",
            "unsafe trait",
        ] {
            assert!(!code.contains(form), "{} has `{form}`", source.path);
        }
        assert!(
            !code.contains("allow(unsafe_code)"),
            "{} allows unsafe code",
            source.path
        );
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for source in sources() {
        let first = source.text.lines().next().unwrap_or("");
        assert!(
            first.starts_with("//! "),
            "{} has no //! header",
            source.path
        );
    }
}

#[test]
fn files_are_short() {
    let mut lengths: Vec<(usize, String)> = sources()
        .into_iter()
        .map(|s| (s.text.lines().count(), s.path))
        .collect();
    lengths.sort();
    let at = |share: usize| lengths[(lengths.len() - 1) * share / 100].0;
    let (longest, path) = lengths.last().unwrap();
    assert!(*longest <= LONGEST, "{path} has {longest} lines: split it");
    assert!(at(50) <= MEDIAN, "the median file has {} lines", at(50));
    assert!(
        at(90) <= NINE_IN_TEN,
        "nine in ten files have up to {} lines",
        at(90)
    );
}

#[test]
fn main_is_thin() {
    let main = sources()
        .into_iter()
        .find(|s| s.path == "src/main.rs")
        .unwrap();
    assert!(main.text.lines().count() <= 30);
}
