//! What the integration tests and the benchmarks stand on: a home of their own, a terminal driven by the
//! test, a real sshd, and a bad network. Events are awaited with poll(2); what has no event is looked at
//! again and again under a deadline.
#![allow(dead_code, clippy::unwrap_used)]

pub mod emulator;
pub mod env;
pub mod process;
pub mod promise;
pub mod proxy;
pub mod repository;
pub mod sshd;
pub mod terminal;

use std::path::Path;
use std::time::{Duration, Instant};

/// How long a thing that should happen soon may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// Looks every few milliseconds until `look` finds something. For files and processes, which send no event.
///
/// # Panics
/// When `limit` has passed, with `what`.
pub fn await_some<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < limit, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(4));
    }
}

/// As [`await_some`], for a plain condition.
pub fn await_true(what: &str, limit: Duration, mut look: impl FnMut() -> bool) {
    await_some(what, limit, || look().then_some(()));
}

/// Where `name` lies in PATH or the system's own directories.
pub fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(Into::into))
        .map(|dir| dir.join(name))
        .find(|p| p.is_file())
}

/// As [`find_program`], for what tests cannot do without.
///
/// # Panics
/// It is not installed.
pub fn installed(name: &str) -> std::path::PathBuf {
    find_program(name)
        .unwrap_or_else(|| panic!("{name} is not installed, `scripts/setup` does that"))
}

/// Fails when a `.rs` file beside `main` is not one of `modules`: a forgotten file is a test that never runs.
pub fn assert_all_modules(dir: &str, modules: &[&str]) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let entries = std::fs::read_dir(&dir).expect("the tests' own directory");
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let stem = name.strip_suffix(".rs").unwrap_or(&name);
        let module = name.ends_with(".rs") || entry.path().join("mod.rs").exists();
        assert!(
            !module || stem == "main" || modules.contains(&stem),
            "{} is in no `mod` line of its main.rs",
            entry.path().display()
        );
    }
}
