//! `dispatch` on this machine: what it prints, how it exits, what it refuses.

use rustix::process::Signal;

use super::common::env::{TestEnv, session_in};
use super::common::process::run;
use super::common::terminal::size;
use super::common::{SOON, await_true};

#[test]
fn a_command_prints_and_its_exit_status_is_ours() {
    let env = TestEnv::new();
    let ran = env.run(&["dispatch", "--command", "echo hi; exit 3"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (3, "hi\n"),
        "{}",
        ran.all()
    );
    let first = ran.stderr.lines().next().unwrap_or_default();
    assert!(first.contains("this machine") && first.contains("`remote init`"));
    assert!(ran.stderr.contains("exited(3)") && ran.stderr.contains("COST"));
    let ran = env.ok(&[
        "dispatch",
        "--provider",
        "local",
        "--",
        "printf",
        "%s|",
        "a b",
        "$x",
    ]);
    assert_eq!(ran.stdout, "a b|$x|");
    assert!(!ran.stderr.contains("remote init"), "{}", ran.stderr);
    env.await_no_process();
}

#[test]
fn output_is_whole_and_as_it_was_written() {
    let env = TestEnv::new();
    let command = "head -c 3000000 /dev/zero | tr '\\0' x; echo; printf 'a\\377b'";
    let ran = env
        .remote(&["dispatch", "--command", command])
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(0));
    assert_eq!(ran.stdout.len(), 3_000_000 + 1 + 3);
    assert!(ran.stdout.ends_with(b"x\na\xffb"));
}

#[test]
fn several_agents_have_their_lines_numbered_and_the_first_failure_counts() {
    let env = TestEnv::new();
    let command = "printf '\\033[31mred\\033[0m %s' \"$REMOTE_AGENT\"; exit $((REMOTE_AGENT - 1))";
    let ran = env.run(&["dispatch", "-n", "3", "--command", command]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    let mut lines: Vec<&str> = ran.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["1 | red 1", "2 | red 2", "3 | red 3"]);
    for state in ["exited(0)", "exited(1)", "exited(2)"] {
        assert!(ran.stderr.contains(state), "{}", ran.stderr);
    }
}

#[test]
fn one_agent_on_a_terminal_is_attached_to() {
    let env = TestEnv::new();
    let mut terminal = env.terminal(
        &[
            "dispatch",
            "--command",
            "stty size; read x; echo got=$x; exit 4",
        ],
        size(91, 17),
    );
    terminal.wait_text("17 91");
    terminal.send("hello\r");
    terminal.wait_text("got=hello");
    assert_eq!(terminal.wait_exit(), 4);
}

#[test]
fn ctrl_c_leaves_the_session_running_and_says_how_to_come_back() {
    let env = TestEnv::new();
    let mut terminal = env.terminal(
        &["dispatch", "-n", "2", "--command", "echo begun; sleep 100"],
        size(100, 20),
    );
    terminal.wait_text("1 | begun");
    terminal.wait_text("2 | begun");
    terminal.send("\x03");
    assert_eq!(terminal.wait_exit(), 130);
    let shown = terminal.text().join("\n");
    let session = session_in(&shown).expect("the session's name");
    let short = session.trim_start_matches("session-");
    assert!(shown.contains(&format!("remote attach {short}")), "{shown}");
    let live = env.status(&session);
    assert_eq!(live["presence"], "live");
    env.ok(&["terminate", &session, "--yes"]);
    env.await_no_process();
}

#[test]
fn a_dead_client_does_not_hurt_the_agent() {
    let env = TestEnv::new();
    let mut child = env
        .remote(&["dispatch", "--name", "long", "--command", "sleep 1000"])
        .stdin(std::process::Stdio::null())
        .spawn()
        .unwrap();
    await_true("the session", SOON, || {
        let status = env.run(&["status", "long", "--json"]);
        status.code == 0 && status.stdout.contains("\"live\"")
    });
    super::common::process::kill(child.id(), Signal::KILL);
    child.wait().unwrap();
    assert_eq!(env.status("long")["presence"], "live");
    env.ok(&["terminate", "long", "--yes"]);
    env.await_no_process();
}

#[test]
fn what_cannot_be_is_refused_before_anything_starts() {
    let env = TestEnv::new();
    for (args, code, said) in [
        (
            &["dispatch", "--ttl", "0s", "--command", "true"][..],
            1,
            "--ttl 0s is too short",
        ),
        (
            &["dispatch", "--ttl", "10years", "--command", "true"],
            1,
            "--ttl 10years is too long",
        ),
        (
            &["dispatch", "--ttl", "soon", "--command", "true"],
            2,
            "'soon'",
        ),
        (
            &["dispatch", "--", "no-such-program"],
            1,
            "`no-such-program`",
        ),
        (&["dispatch", "do it"], 1, "`claude`"),
        (
            &["dispatch", "--agent", "cluade", "do it"],
            2,
            "did you mean `claude`?",
        ),
        (&["dispatch"], 1, "there is nothing to do"),
        (&["dispatch", " "], 1, "the task is empty"),
        (&["dispatch", "@no-such-file"], 1, "no-such-file"),
        (
            &["dispatch", "--cwd", "/no/such", "--command", "true"],
            1,
            "`/no/such`",
        ),
        (
            &["dispatch", "--env", "X", "--command", "true"],
            1,
            "`--env X`",
        ),
        (
            &["dispatch", "--name", "a b", "--command", "true"],
            1,
            "`a b`",
        ),
        (
            &["dispatch", "--provider", "ec3", "--command", "true"],
            1,
            "`ec3`",
        ),
        (
            &["dispatch", "--provider", "ssh", "--command", "true"],
            1,
            "--host",
        ),
        (
            &["dispatch", "--into", "nothing", "--command", "true"],
            1,
            "there is no session",
        ),
        (
            &["dispatch", "-n", "0", "--command", "true"],
            2,
            "0 is not in 1..=100",
        ),
    ] {
        let ran = env.run(args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.all());
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
    }
    let made = std::fs::read_dir(env.sessions_dir()).map_or(0, Iterator::count);
    assert_eq!(made, 0, "nothing may be left behind");
}

#[test]
fn tasks_come_from_stdin_files_and_the_editor() {
    let mut env = TestEnv::new();
    let config = env.home().join(".config/remote");
    std::fs::create_dir_all(&config).unwrap();
    let text = "[agents.echo]\ncommand = [\"printf\", \"[%s]\"]\n";
    std::fs::write(config.join("config.toml"), text).unwrap();
    std::fs::write(env.work().join("task"), "from a file\n").unwrap();
    let agent = ["dispatch", "--agent", "echo"];
    let with = |more: &[&'static str]| [&agent[..], more].concat();
    assert_eq!(env.ok(&with(&["a task"])).stdout, "[a task]");
    assert_eq!(env.ok(&with(&["@task"])).stdout, "[from a file]");
    assert_eq!(env.ok(&with(&["--file", "task"])).stdout, "[from a file]");
    let ran = run(&mut env.remote(&with(&["-"])), b"from stdin\n", SOON);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "[from stdin]"));
    // Nothing said, somebody there to ask.
    env.set("EDITOR", "sed -i '1s/^/from the editor/'");
    let text = "agent = \"echo\"\n[agents.echo]\ncommand = [\"printf\", \"[%s]\"]\n";
    std::fs::write(config.join("config.toml"), text).unwrap();
    let mut terminal = env.terminal(&["dispatch"], size(80, 24));
    terminal.wait_text("[from the editor]");
    assert_eq!(terminal.wait_exit(), 0);
}

#[test]
fn what_can_mean_nothing_is_refused_before_anything_starts() {
    let env = TestEnv::new();
    let refused = |args: &[&str], why: &str| {
        let mut all = vec!["dispatch", "--detach", "--command", "true"];
        all.extend(args);
        let ran = env.run(&all);
        assert_eq!(ran.code, 1, "{}", ran.all());
        assert!(ran.stderr.contains(why), "{}", ran.all());
        assert!(ran.stderr.contains("Hint: "), "{}", ran.all());
    };
    refused(&["--env", "1=2"], "`1` is no variable's name");
    refused(&["--env", "a b=2"], "`a b` is no variable's name");
    refused(&["--env", "=2"], "is no NAME=VALUE");
    refused(
        &["--host-binary", "/bin/true"],
        "this session runs on this one",
    );
    assert!(
        !env.sessions_dir().exists()
            || env
                .sessions_dir()
                .read_dir()
                .expect("lists")
                .next()
                .is_none()
    );
}
