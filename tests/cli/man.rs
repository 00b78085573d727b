//! The manual that is checked in is the one that this program writes.

use std::collections::BTreeMap;
use std::path::Path;

use super::common::env::TestEnv;
use super::common::installed;

fn pages(dir: &Path, section: &str) -> BTreeMap<String, String> {
    std::fs::read_dir(dir)
        .unwrap()
        .flatten()
        .filter(|e| e.path().extension().is_some_and(|x| x == section))
        .map(|e| {
            let name = e.file_name().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(e.path()).unwrap())
        })
        .collect()
}

#[test]
fn generated_pages_have_not_drifted() {
    let env = TestEnv::new();
    let fresh = env.home().join("man");
    env.ok(&["util", "man", fresh.to_str().unwrap()]);
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (fresh, kept) = (pages(&fresh, "1"), pages(&top.join("man"), "1"));
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    let remedy = "run `make man` and commit what it writes";
    assert_eq!(names(&fresh), names(&kept), "{remedy}");
    for (name, text) in &fresh {
        assert!(
            kept.get(name) == Some(text),
            "man/{name} has drifted: {remedy}"
        );
    }
}

#[test]
fn hand_written_pages_are_clean() {
    let man = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    assert!(man.join("remote.toml.5").exists() && man.join("remote-protocol.7").exists());
    let mandoc = installed("mandoc");
    for page in ["remote.toml.5", "remote-protocol.7"] {
        let output = std::process::Command::new(&mandoc)
            .args(["-T", "lint", "-W", "warning"])
            .arg(man.join(page))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && said.is_empty(),
            "{page}:\n{said}"
        );
    }
}

#[test]
fn every_key_and_agent_is_in_remote_toml_5() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/remote.toml.5");
    let text = std::fs::read_to_string(page).unwrap();
    for key in remote_compute::config::KEYS {
        let item = format!(".It Ic {}", key.name);
        assert!(
            text.lines().any(|l| l.starts_with(&item)),
            "`{}` is missing",
            key.name
        );
        assert!(text.contains(key.env), "`{}` is missing", key.env);
    }
    for (name, _) in remote_compute::config::Config::default().agents() {
        assert!(
            text.contains(&format!(".It Cm {name}")),
            "the agent `{name}` is missing"
        );
    }
}
