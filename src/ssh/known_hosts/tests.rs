//! Tests of `known_hosts`.

use super::*;
use crate::ssh::keys;
use std::process::Command;

fn key() -> (String, Vec<u8>) {
    let line = keys::public_line(&keys::generate_ed25519());
    let blob = BASE64
        .decode(line.split(' ').nth(1).expect("blob"))
        .expect("base64");
    (line, blob)
}

fn judge(text: &str, name: &str, blob: &[u8]) -> Verdict {
    let mut known = Known::default();
    known.collect(text, Path::new("kh"), name);
    known.judge("ssh-ed25519", blob)
}

const NEW: Verdict = Verdict::New {
    other_types: Vec::new(),
};

#[test]
fn plain_lists_wildcards_ports_comments_and_tabs() {
    let (key, blob) = key();
    let text = format!(
        "# hi\n\nbox,10.0.0.1\t{key} me@there\n*.lab,!bad.lab {key}\n[box]:2222 {key}\n@unknown q {key}\nbroken ssh-ed25519 AAAA\nwrong ssh-rsa {}\n",
        key.split(' ').nth(1).expect("key")
    );
    for name in ["box", "10.0.0.1", "a.lab", "[box]:2222"] {
        assert_eq!(judge(&text, name, &blob), Verdict::Match, "{name}");
    }
    for name in [
        "bad.lab",
        "[box]:22",
        "[10.0.0.1]:2222",
        "q",
        "broken",
        "wrong",
    ] {
        assert_eq!(judge(&text, name, &blob), NEW, "{name}");
    }
    assert_eq!(name_of("Box", 22), "box");
    assert_eq!(name_of("BOX", 2222), "[box]:2222");
}

#[test]
fn several_keys_changed_keys_other_types_and_revocation() {
    let ((a, blob_a), (b, blob_b), (_, blob_c)) = (key(), key(), key());
    let text = format!("box {a}\nbox {b}\n@revoked * {a}\n@revoked other {b}\n");
    assert_eq!(judge(&text, "box", &blob_b), Verdict::Match);
    assert!(matches!(judge(&text, "box", &blob_a), Verdict::Revoked(e) if e.line == 3));
    assert!(matches!(judge(&text, "box", &blob_c), Verdict::Changed(e) if e.line == 1));
    let mut known = Known::default();
    known.collect(&text, Path::new("kh"), "box");
    assert_eq!(known.types(), ["ssh-ed25519", "ssh-ed25519"]);
    let other = known.judge("ssh-rsa", &blob_c);
    assert_eq!(
        other,
        Verdict::New {
            other_types: vec!["ssh-ed25519".into()]
        }
    );
    assert!(!known.has_authority());
    known.collect(
        &format!("@cert-authority *x {a}\n@cert-authority b* {b}\n"),
        Path::new("kh"),
        "box",
    );
    assert!(known.authority(&blob_a) && known.authority(&blob_b) && !known.authority(&blob_c));
}

/// ssh-keygen hashes what we wrote and finds what we hashed.
#[test]
fn hashed_names_as_ssh_keygen_makes_and_finds_them() {
    let dir = tempfile::tempdir().expect("dir");
    let file = dir.path().join("sub/known_hosts");
    let (key, blob) = key();
    append(&file, &line("box", "ssh-ed25519", &blob, None)).expect("append");
    append(&file, format!("[box]:2222,10.1.1.1 {key}").as_str()).expect("append");
    append(&file, &line("mine", "ssh-ed25519", &blob, Some([7; 20]))).expect("append");
    let run = |args: &[&str]| {
        let out = Command::new("ssh-keygen")
            .args(args)
            .arg("-f")
            .arg(&file)
            .output();
        out.expect("ssh-keygen")
    };
    assert!(run(&["-F", "mine"]).status.success());
    assert!(run(&["-F", "box"]).status.success());
    assert!(!run(&["-F", "nobody"]).status.success());
    assert!(run(&["-H"]).status.success());
    let text = std::fs::read_to_string(&file).expect("read");
    assert!(
        !text.contains("box") && text.matches("|1|").count() >= 4,
        "{text}"
    );
    for name in ["box", "[box]:2222", "10.1.1.1", "mine"] {
        let known = Known::read([&file], name);
        assert_eq!(known.judge("ssh-ed25519", &blob), Verdict::Match, "{name}");
    }
    assert_eq!(
        Known::read([&file], "nobody").judge("ssh-ed25519", &blob),
        NEW
    );
    assert!(run(&["-R", "box"]).status.success());
    assert_eq!(Known::read([&file], "box").judge("ssh-ed25519", &blob), NEW);
}
