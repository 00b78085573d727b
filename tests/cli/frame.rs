//! What holds for every verb: exit codes, errors, colours, other names, closed pipes.

use std::process::Stdio;

use super::common::env::{TestEnv, remote_binary};
use super::common::process::run;
use super::common::{SOON, terminal::size};

#[test]
fn wrong_usage_is_2_with_what_is_near() {
    let env = TestEnv::new();
    let ran = env.run(&["confg"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("'config'"), "{}", ran.stderr);
    assert_eq!(env.run(&[]).code, 2);
    assert_eq!(
        env.ok(&["--version"]).stdout,
        format!("remote {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert!(env.ok(&["--help"]).stdout.contains("Usage: remote"));
}

#[test]
fn without_a_home_it_says_so() {
    let mut command = std::process::Command::new(remote_binary());
    command.env_clear().args(["config", "path"]);
    let ran = run(&mut command, b"", SOON);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.starts_with("Config error: HOME is not set"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("Hint: "), "{}", ran.stderr);
}

#[test]
fn a_link_by_a_dotted_name_is_its_verbs() {
    let env = TestEnv::new();
    for (name, args) in [
        ("remote.config.path", &[][..]),
        ("remote.config", &["path"][..]),
    ] {
        let link = env.bin().join(name);
        std::os::unix::fs::symlink(remote_binary(), &link).unwrap();
        let ran = run(env.command(&link).args(args), b"", SOON);
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert!(
            ran.stdout.ends_with("remote/config.toml\n"),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn a_closed_pipe_is_silent() {
    let env = TestEnv::new();
    let mut child = env
        .remote(&["config", "show"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""));
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let mut env = TestEnv::new();
    let coloured = |env: &TestEnv, args: &[&str]| {
        let mut terminal = env.terminal(args, size(100, 40));
        assert_eq!(terminal.wait_exit(), 0);
        terminal.raw().windows(3).any(|w| w == b"\x1b[2")
    };
    assert!(coloured(&env, &["config", "show"]));
    assert!(!coloured(&env, &["config", "show", "--color", "never"]));
    assert!(!env.ok(&["config", "show"]).stdout.contains('\x1b'));
    assert!(
        env.ok(&["config", "show", "--color", "always"])
            .stdout
            .contains('\x1b')
    );
    env.set("TERM", "dumb");
    assert!(!coloured(&env, &["config", "show"]));
    env.set("TERM", "xterm");
    env.set("NO_COLOR", "1");
    assert!(!coloured(&env, &["config", "show"]));
}
