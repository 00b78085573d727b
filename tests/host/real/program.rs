//! The programs that `scripts/agents` installed, by tests/agents/versions.

use std::path::{Path, PathBuf};

/// An agent's program and its version.
pub fn find(name: &str) -> (PathBuf, String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agents/versions");
    let text = std::fs::read_to_string(file).expect("tests/agents/versions");
    let version = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.last().expect("a version").to_owned())
    });
    let version = version.unwrap_or_else(|| panic!("{name} is not in tests/agents/versions"));
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache"),
    };
    let program = cache.join(format!("remote/agents/{name}-{version}/program"));
    let program = program.canonicalize().unwrap_or_else(|e| {
        panic!("{name} {version} is not installed, `scripts/agents` does that: {e}")
    });
    (program, version)
}
