//! Choosing where sessions run changes those values and nothing else.

use super::common::env::TestEnv;
use super::common::terminal::size;

#[test]
fn a_new_file_is_written_and_is_right() {
    let env = TestEnv::new();
    env.ok(&["init", "--provider", "local"]);
    let text = std::fs::read_to_string(env.home().join(".config/remote/config.toml")).unwrap();
    assert!(text.contains("provider = \"local\""), "{text}");
    env.ok(&["config", "check"]);
    assert!(
        env.ok(&["init", "--provider", "local"])
            .all()
            .contains("says so already")
    );
}

#[test]
fn an_existing_file_is_changed_only_on_a_yes() {
    let env = TestEnv::new();
    // A machine that does not answer is told of, and is no error.
    env.script("ssh", "#!/bin/sh\necho 'no route to host' >&2\nexit 255\n");
    let dir = env.home().join(".config/remote");
    std::fs::create_dir_all(&dir).unwrap();
    let before = "# mine\nttl = \"1h\" # short\n";
    std::fs::write(dir.join("config.toml"), before).unwrap();
    let read = || std::fs::read_to_string(dir.join("config.toml")).unwrap();
    let args = ["init", "--provider", "ssh", "--host", "me@box"];
    let ran = env.run(&args);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.stderr.contains("--yes"), "{}", ran.stderr);
    assert_eq!(read(), before);

    let mut terminal = env.terminal(&args, size(120, 20));
    terminal.wait_text("[y/N]");
    terminal.send("n\r");
    assert_eq!(terminal.wait_exit(), 1);
    assert_eq!(read(), before);

    let ran = env.ok(&["init", "--host", "me@box", "--yes"]);
    assert!(ran.stderr.contains("no route to host"), "{}", ran.stderr);
    assert_eq!(
        read(),
        "provider = \"ssh\"\n# mine\nttl = \"1h\" # short\n\n[ssh]\nhost = \"me@box\"\n"
    );
    env.ok(&["config", "check"]);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let env = TestEnv::new();
    let ran = env.run(&["init", "--provider", "ec2", "--host", "me@box"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("it has no --host"), "{}", ran.stderr);
    // Without credentials nothing is promised.
    let ran = env.run(&["init", "--provider", "ec2", "--region", "eu-west-1"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("no AWS credentials"), "{}", ran.stderr);
    let ran = env.run(&["init", "--provider", "ssh", "--host=-oProxyCommand=x"]);
    assert_eq!(ran.code, 1);
    let ran = env.run(&["init"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("`remote init --provider local`"),
        "{}",
        ran.stderr
    );
    assert!(!env.home().join(".config/remote/config.toml").exists());
}
