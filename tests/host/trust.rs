//! Which agents are told to trust the working tree that is made for them.

use crate::common::env::TestEnv;

/// Tells what it was told.
const CLAUDE: &str = "#!/bin/sh\necho \"trusts:$CLAUDE_CODE_SANDBOXED.\"\nexec sleep 600\n";
const CODEX: &str =
    "#!/bin/sh\necho \"in:$PWD\" >told\nprintf '%s\\n' \"$@\" >>told\necho up\nexec sleep 600\n";

fn repository() -> TestEnv {
    let env = TestEnv::new();
    env.script("claude", CLAUDE);
    env.script("codex", CODEX);
    for args in [
        &["init", "-q"][..],
        &["config", "user.name", "Me"],
        &["config", "user.email", "me@test"],
        &["commit", "-q", "--allow-empty", "-m", "begun"],
    ] {
        let ran = env.command("git").args(args).status().expect("git");
        assert!(ran.success(), "git {args:?}");
    }
    env
}

fn said(env: &TestEnv, args: &[&str], what: &str) -> String {
    let session = env.dispatch(args);
    env.await_status(what, &session, |_| {
        String::from_utf8_lossy(&env.raw_logs(&session)).contains(what)
    });
    String::from_utf8_lossy(&env.raw_logs(&session)).into_owned()
}

#[test]
fn a_tree_of_a_repository_that_the_program_trusts_is_trusted() {
    let env = repository();
    let claude = ["--agent", "claude", "look"];
    assert!(said(&env, &claude, "trusts:").contains("trusts:."));
    let record = format!(
        r#"{{"projects": {{"{}": {{"hasTrustDialogAccepted": true}}}}}}"#,
        env.work().display()
    );
    let file = env.home().join(".claude.json");
    std::fs::write(&file, &record).expect("written");
    assert!(said(&env, &claude, "trusts:").contains("trusts:1."));
    // Where no tree is made the program asks by itself, or does not.
    let there = ["--no-repo", "--agent", "claude", "look"];
    assert!(said(&env, &there, "trusts:").contains("trusts:."));
    assert_eq!(std::fs::read_to_string(&file).expect("it"), record);
}

#[test]
fn the_tree_is_named_to_a_program_that_wants_its_name() {
    let env = repository();
    std::fs::create_dir(env.home().join(".codex")).expect("made");
    let record = format!(
        "[projects.\"{}\"]\ntrust_level = \"trusted\"\n",
        env.work().display()
    );
    std::fs::write(env.home().join(".codex/config.toml"), record).expect("written");
    let session = env.dispatch(&["--agent", "codex", "what is {cwd}?"]);
    let agent = env.await_status("its words", &session, |s| {
        !s.agents.is_empty() && String::from_utf8_lossy(&env.raw_logs(&session)).contains("up")
    });
    let cwd = &agent.spec.agents[0].cwd;
    let told = std::fs::read_to_string(cwd.join("told")).expect("what it was told");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], format!("in:{}", cwd.display()));
    let trusts = format!(
        r#"projects={{"{}"={{trust_level="trusted"}}}}"#,
        cwd.display()
    );
    assert!(lines.contains(&trusts.as_str()), "{told}");
    assert_eq!(lines.last(), Some(&"what is {cwd}?"));
}
