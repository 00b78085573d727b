//! The programs that `scripts/agents` installed, by tests/agents/versions.

use std::path::{Path, PathBuf};

/// An agent's program and its version. `None`, and a note, where it is not installed.
pub fn find(name: &str) -> Option<(PathBuf, String)> {
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
    match program.canonicalize() {
        Ok(program) => Some((program, version)),
        Err(_) => {
            eprintln!("{name} {version} is not installed (scripts/agents): this did not run");
            None
        }
    }
}
