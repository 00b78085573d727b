//! Agents' states in the terminal outside: told to one that shows them, and no trace of it in one that does not.

use std::process::Command;

use remote_compute::model::AgentState;

use crate::agents::sh;
use crate::common::env::TestEnv;
use crate::common::terminal::{Terminal, USUAL, find};
use crate::common::{SOON, await_some};

/// Each reports another state, and says that it is up.
const TWO: &str = "[ $REMOTE_AGENT = 1 ] && s=working || s=done; printf '\\033]7501;state=%s\\033\\\\up' $s; exec sleep 600";

fn two(env: &TestEnv) -> String {
    let session = env.dispatch(&["--no-repo", "--agents", "2", "--command", &sh(TWO)]);
    env.await_status("both states", &session, |s| {
        let states: Vec<AgentState> = s.agents.iter().map(|a| a.state).collect();
        states == [AgentState::Working, AgentState::Done]
    });
    session
}

#[test]
fn both_agents_are_told_by_their_names_and_forgotten_on_leaving() {
    let env = TestEnv::new();
    let session = two(&env);
    let report = |agent: u32, state: &str| {
        format!("\x1b]7501;state={state}:id={session}/{agent}:app=remote")
    };
    let mut watch = Terminal::spawn_bare(env.remote(&["status", "--watch"]), USUAL);
    watch.wait_raw(0, b"\x1b]7501;?\x1b\\\x1b[c");
    watch.send("\x1b]7501;?\x1b\\\x1b[?62c");
    for told in [report(1, "working"), report(2, "done")] {
        watch.wait_raw(0, told.as_bytes());
    }
    watch.send("q");
    assert_eq!(watch.wait_exit(), 0);
    for agent in [1, 2] {
        assert!(find(watch.raw(), report(agent, "clear").as_bytes()).is_some());
    }

    let mut t = Terminal::spawn_bare(env.remote(&["attach", &format!("{session}/2")]), USUAL);
    t.wait_raw(0, b"\x1b]7501;?\x1b\\");
    t.send("\x1b]7501;?\x1b\\\x1b[?62c");
    let told = t.wait_raw(0, report(2, "done").as_bytes());
    t.send("\r~.");
    assert_eq!(t.wait_exit(), 0);
    assert!(find(&t.raw()[told..], report(2, "clear").as_bytes()).is_some());
    assert!(
        find(t.raw(), format!("id={session}/1:").as_bytes()).is_none(),
        "it shows one agent"
    );
}

/// A tmux server of the test's own, ended with it.
struct Tmux<'a>(&'a TestEnv);

impl Tmux<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.0.command("tmux");
        let socket = self.0.home().join("tmux");
        command
            .arg("-S")
            .arg(socket)
            .args(["-f", "/dev/null"])
            .args(args);
        command
    }

    fn run(&self, args: &[&str]) -> String {
        let out = self.command(args).output().expect("tmux");
        assert!(
            out.status.success(),
            "tmux {args:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// The pane once it shows this.
    fn shows(&self, text: &str) -> String {
        await_some(&format!("`{text}` in the pane"), SOON, || {
            let pane = self.run(&["capture-pane", "-p"]);
            pane.contains(text).then_some(pane)
        })
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).output();
    }
}

/// tmux 3.3 does not know the protocol: it must show nothing of it, and no answer may arrive as typed text, neither
/// at the agent nor at who reads the terminal next.
#[test]
fn nothing_leaks_within_tmux() {
    let env = TestEnv::new();
    // What it is given by its terminal is shown.
    let agent = "printf '\\033]7501;state=working\\033\\\\'; stty raw -echo; printf 'up\\r\\n'; exec cat -v";
    let session = env.dispatch(&["--no-repo", "--command", &sh(agent)]);
    env.await_status("its state", &session, |s| {
        s.agents[0].state == AgentState::Working
    });
    let tmux = Tmux(&env);
    let there = format!(
        "{} attach {session}; stty -echo; printf 'next:'; exec cat -v",
        env.bin().join("remote").display()
    );
    tmux.run(&[
        "new-session",
        "-d",
        "-x",
        "80",
        "-y",
        "24",
        "sh",
        "-c",
        &there,
    ]);
    tmux.shows("up");
    tmux.run(&["send-keys", "-l", "mine"]);
    let pane = tmux.shows("mine");
    assert_eq!(
        pane.split_whitespace().collect::<Vec<_>>(),
        ["up", "mine"],
        "{pane}"
    );
    tmux.run(&["send-keys", "Enter"]);
    tmux.run(&["send-keys", "-l", "~."]);
    tmux.shows("next:");
    tmux.run(&["send-keys", "-l", "yours"]);
    tmux.run(&["send-keys", "Enter"]);
    let pane = tmux.shows("yours");
    assert!(pane.contains("next:yours\n"), "{pane}");
    for leaked in ["7501", "[?", "]10", "]11", ";rgb", "tmux "] {
        assert!(!pane.contains(leaked), "`{leaked}` in:\n{pane}");
    }
    let typed = String::from_utf8_lossy(&env.raw_logs(&session)).into_owned();
    assert!(
        typed.contains("up\r\nmine^M") && !typed.contains("^["),
        "{typed}"
    );
}
