//! Other terminals' tests, run in a pane: alacritty's recordings and libvterm's scripts, judged by what a terminal
//! outside shows then. The same for every multiplexer. The files are read from the packages that cargo has.
#![allow(dead_code)]

pub mod outer;
pub mod pane;
pub mod recordings;
pub mod script;
pub mod scripts;

use std::path::{Path, PathBuf};
use std::process::Command;

/// What came of one recording or script.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub name: String,
    pub passed: usize,
    /// What was seen in place of what is right, one line each.
    pub failed: Vec<String>,
    /// Of a script: what cannot be seen from outside.
    pub skipped: usize,
}

/// The tests' folder of a package, as cargo knows it.
pub fn folder(package: &str, below: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites/Cargo.toml");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        "x86_64-unknown-linux-gnu",
    ]);
    cargo.arg("--manifest-path").arg(manifest);
    let out = cargo.output().expect("cargo metadata");
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "cargo metadata: {told}");
    let all: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON of cargo");
    let packages = all["packages"].as_array().expect("packages");
    let found = packages.iter().find(|p| p["name"] == package);
    let path = found.and_then(|p| p["manifest_path"].as_str());
    let manifest = Path::new(path.expect("the package"));
    manifest.parent().expect("its folder").join(below)
}

/// Files or folders in a folder, sorted; those with that ending.
fn sorted(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the suite's folder");
    let mut all: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    all.retain(|p| p.to_string_lossy().ends_with(ending));
    all.sort();
    all
}

fn name(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
