//! `status --watch` on a terminal.

use crate::common::env::{TestEnv, remote_binary};
use crate::common::terminal::{Terminal, USUAL, find};

#[test]
fn states_go_to_a_terminal_that_shows_them_and_q_leaves() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", "sleep 600"]);
    let mut t = Terminal::spawn_bare(env.remote(&["status", "--watch"]), USUAL);
    t.wait_raw(0, b"\x1b]7501;?\x1b\\\x1b[c");
    t.send("\x1b]7501;?\x1b\\\x1b[?62c");
    let id = format!("id={session}/1:app=remote");
    t.wait_for("the state", |t| find(t.raw(), id.as_bytes()).is_some());
    t.send("q");
    assert_eq!(t.wait_exit(), 0);
    let clear = format!("\x1b]7501;state=clear:{id}\x1b\\");
    assert!(find(t.raw(), clear.as_bytes()).is_some());
    // The answers were not typed into anything, nor echoed.
    assert!(find(t.raw(), b"62c").is_none());
}

#[test]
fn a_terminal_is_put_back_when_it_is_told_to_end() {
    let env = TestEnv::new();
    let watch = format!(
        "{} status --watch; echo \"code $?\"; stty -a",
        remote_binary().display()
    );
    let mut command = env.command("sh");
    command.args(["-c", &watch]);
    let mut t = Terminal::spawn_bare(command, USUAL);
    t.wait_raw(0, b"\x1b[c");
    let pid = t.pid();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let child: i32 = children.expect("a child").trim().parse().expect("one");
    let child = rustix::process::Pid::from_raw(child).expect("a number");
    rustix::process::kill_process(child, rustix::process::Signal::TERM).expect("told");
    assert_eq!(t.wait_exit(), 0);
    let said = String::from_utf8_lossy(t.raw()).into_owned();
    assert!(said.contains("code 143"), "{said}");
    assert!(
        said.contains(" icanon") && said.contains(" echo "),
        "{said}"
    );
}

#[test]
fn a_terminal_that_knows_no_states_is_told_none() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", "sleep 600"]);
    let mut t = Terminal::spawn_bare(env.remote(&["status", "--watch", &session]), USUAL);
    t.wait_raw(0, b"\x1b[c");
    t.send("\x1b[?62c");
    t.wait_for("the drawing", |t| {
        find(t.raw(), session.as_bytes()).is_some()
    });
    t.send("q");
    assert_eq!(t.wait_exit(), 0);
    assert!(find(t.raw(), b"7501;state").is_none());
}

#[test]
fn a_read_only_terminal_says_so_and_keeps_no_trace_of_it() {
    let env = TestEnv::new();
    let command = "printf 'the first''-line\\n'; exec sleep 600";
    let session = env.dispatch(&["--command", command]);
    let mut t = env.terminal(&["attach", &session, "--read-only"], USUAL);
    t.wait_text("remote: read-only; what you type goes nowhere");
    t.wait_for("the agent's own line", |t| {
        t.shows("the first-line") && !t.shows("read-only")
    });
    t.send("~.");
    assert_eq!(t.wait_exit(), 0);
}
