//! Agents' work is checked and counted when they are done, and the session waits for it.

use remote_compute::model::{AgentStatus, CheckState, EndKind, SessionStatus};
use serde_json::Value;

use super::both;
use super::world::World;
use crate::common::env::{TestEnv, remote_binary};
use crate::common::process::Ran;

/// Commits a line, is done, and does the same with each line that it is told.
const AGENT: &str = "say() { printf '\\033]7501;state=%s\\033\\\\' $1; }; \
    work() { say working; echo $1 >>f; git add f; git commit -qm $1; say done; }; \
    work one; while read x; do work $x; done";

fn check(agent: &AgentStatus) -> Option<(CheckState, u32)> {
    agent.check.as_ref().map(|c| (c.state, c.run))
}

/// The same of a session of one agent, which may not have begun.
fn checked(s: &SessionStatus) -> Option<(CheckState, u32)> {
    s.agents.first().and_then(check)
}

/// Where its sessions' directories lie.
fn there(w: &World) -> &TestEnv {
    w.server.as_ref().unwrap_or(&w.client)
}

fn detached(w: &World, args: &[&str]) -> String {
    let ran = w.dispatch("", &[&["--detach"], args].concat());
    assert_eq!(ran.code, 0, "{}", ran.all());
    w.latest()
}

fn rows(w: &World, session: &str) -> Value {
    let json = w.ok(&["compare", session, "--json"]).stdout;
    serde_json::from_str(&json).unwrap()
}

#[test]
fn who_is_done_is_checked_and_again_when_it_has_worked() {
    both(|w| {
        let line = "echo port $PORT in \"$(basename \"$PWD\")\"; test \"$(wc -l <f)\" -ge 2";
        let session = detached(&w, &["--check", line, "--command", AGENT]);
        let waited = w.ok(&["wait", &session]);
        assert_eq!(
            waited.stdout,
            format!("{session}/1  done, check failed(1)\n")
        );
        let shown = w.ok(&["status"]).stdout;
        assert!(shown.contains(", check failed(1)"), "{shown}");
        w.ok(&["send", &session, "two", "--enter"]);
        let now = there(&w).await_status("the second check", &session, |s| {
            checked(s) == Some((CheckState::Passed, 2))
        });
        let work = now.agents[0].work.unwrap();
        assert_eq!((work.commits, work.files, work.insertions), (2, 1, 2));
        let shown = w.ok(&["status", &session]).stdout;
        assert!(shown.contains("2 commits, 1 file +2 -0"), "{shown}");
        assert!(shown.contains("passed "), "{shown}");
        for which in ["--check", "--check=1"] {
            let said = w.ok(&["logs", &session, which]).stdout;
            assert!(
                said.starts_with("port ") && said.ends_with(" in my project\n"),
                "{said}"
            );
        }
        let row = &rows(&w, &session)[0];
        assert_eq!(row["check"]["state"], "passed");
        assert_eq!(
            (&row["work"]["commits"], &row["cost_microusd"]),
            (&2.into(), &Value::Null)
        );
        let shown = w.ok(&["compare", &session, "--diff"]).stdout;
        assert!(
            shown.contains("2        1 file +2 -0") && shown.contains("\n+two\n"),
            "{shown}"
        );
        w.ok(&["terminate", &session, "--yes"]);
        let said = w.ok(&["logs", &session, "--check"]).stdout;
        assert!(
            said.starts_with("port "),
            "of a session that is over: {said}"
        );
        let none = w.remote("", &["logs", &session, "--check=9"]);
        assert!(
            none.code == 1 && none.stderr.contains("has no check 9"),
            "{}",
            none.all()
        );
    });
}

#[test]
fn a_session_does_not_end_while_its_work_is_checked() {
    let w = World::local();
    let line = "echo looking; until test -e ../go; do sleep 0.05; done; exit 3";
    let session = detached(&w, &["--check", line, "--command", "echo left >left"]);
    let exited = |s: &SessionStatus| s.agents.first().is_some_and(|a| a.state.is_over());
    let now = w.client.await_status("its end", &session, exited);
    assert_eq!(check(&now.agents[0]), Some((CheckState::Running, 1)));
    let shown = w.ok(&["status"]).stdout;
    assert!(
        shown.contains("exited(0)") && shown.contains(", check running"),
        "{shown}"
    );
    let wait = w.remote("", &["wait", &session, "--timeout", "1s"]);
    assert_eq!(wait.code, 124, "{}", wait.all());
    let there = w.ok(&["wait", &session, "--state", "exited"]);
    assert!(there.stdout.contains("check running"), "{}", there.all());
    std::fs::write(w.client.session_dir(&session).join("work/1/go"), "").unwrap();
    let now = w
        .client
        .await_status("the end", &session, |s| s.ended.is_some());
    assert_eq!(now.ended.map(|e| e.kind), Some(EndKind::Exited));
    let agent = &now.agents[0];
    let ended = agent.check.as_ref().unwrap();
    assert_eq!((ended.state, ended.code), (CheckState::Failed, Some(3)));
    let work = agent.work.unwrap();
    assert_eq!((work.commits, work.files, work.insertions), (0, 1, 1));
}

fn followed(w: &World, check: &[&str], command: &str) -> Ran {
    w.dispatch("", &[check, &["--command", command]].concat())
}

#[test]
fn a_followed_dispatch_tells_of_the_check_and_fails_with_it() {
    let w = World::local();
    let ran = followed(&w, &["--check", "test -e made"], "echo x >made");
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stderr.contains("passed "), "{}", ran.all());
    let ran = followed(&w, &["--check", "exit 4"], "true");
    assert!(
        ran.code == 1 && ran.stderr.contains("failed(4)"),
        "{}",
        ran.all()
    );
    let ran = followed(&w, &["--check", "no-such-program --all"], "true");
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(
        ran.stderr.contains("broken: its command was not found"),
        "{}",
        ran.all()
    );
    let slow = ["--check", "sleep 600", "--check-limit", "1s"];
    let ran = followed(&w, &slow, "true");
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(
        ran.stderr.contains("broken: it took longer than 1s"),
        "{}",
        ran.all()
    );
    // Of one that failed there is nothing to check.
    let ran = followed(&w, &["--check", "exit 4"], "exit 9");
    assert!(
        ran.code == 9 && !ran.stderr.contains("failed(4)"),
        "{}",
        ran.all()
    );
    let ran = followed(&w, &["--check-limit", "1m"], "true");
    assert!(
        ran.code == 1 && ran.stderr.contains("limits no check"),
        "{}",
        ran.all()
    );
    w.client.await_no_process();
}

#[test]
fn an_end_breaks_off_the_check_and_leaves_none_of_it() {
    let w = World::local();
    // One that wants to stay.
    let line = "trap '' HUP TERM; setsid sleep 601 & sleep 602";
    let session = detached(&w, &["--check", line, "--command", "true"]);
    w.client.await_status("the check", &session, |s| {
        checked(s) == Some((CheckState::Running, 1))
    });
    w.ok(&["terminate", &session, "--yes"]);
    let now = w.client.last(&session).unwrap();
    let broken = now.agents[0].check.clone().unwrap();
    assert_eq!(broken.state, CheckState::Broken);
    let why = broken.message.unwrap();
    assert!(why.contains("the session ended"), "{why}");
    w.client.await_no_process();
}

#[test]
fn a_new_binary_checks_again_what_the_old_one_checked() {
    let w = World::local();
    let line = "until test -e ../go; do sleep 0.05; done";
    let session = detached(&w, &["--check", line, "--command", "true"]);
    w.client.await_status("the check", &session, |s| {
        checked(s) == Some((CheckState::Running, 1))
    });
    let binary = w.client.work().join("remote-new");
    std::fs::copy(remote_binary(), &binary).unwrap();
    w.ok(&[
        "host",
        "upgrade",
        &session,
        "--binary",
        &binary.to_string_lossy(),
    ]);
    w.client.await_status("the check", &session, |s| {
        checked(s) == Some((CheckState::Running, 2))
    });
    std::fs::write(w.client.session_dir(&session).join("work/1/go"), "").unwrap();
    let now = w
        .client
        .await_status("the end", &session, |s| s.ended.is_some());
    assert_eq!(check(&now.agents[0]), Some((CheckState::Passed, 2)));
}

#[test]
fn a_configured_check_is_for_agents_and_waits_to_be_allowed() {
    let mut w = World::local();
    w.client.set("REMOTE_AGENT", "mine");
    w.client.script("mine", "#!/bin/sh\necho \"did $1\"\n");
    let config = w.client.home().join(".config/remote");
    std::fs::create_dir_all(&config).unwrap();
    let own = "[agents.mine]\ncommand = [\"mine\", \"{task}\"]\nhome = \"own\"\n";
    std::fs::write(config.join("config.toml"), own).unwrap();
    w.write(
        ".remote.toml",
        "check = \"test -n \\\"$HOME\\\" && exit 5\"\n",
    );
    let tasks = ["--task", "the parser", "--task", "the printer"];
    let ran = w.dispatch("", &tasks);
    assert!(
        ran.code == 1 && ran.stderr.contains("not allowed yet"),
        "{}",
        ran.all()
    );
    // A command of one's own says enough by its exit status.
    let ran = w.dispatch("", &["--command", "true"]);
    assert!(
        ran.code == 0 && !ran.stderr.contains("CHECK"),
        "{}",
        ran.all()
    );
    w.ok(&["config", "allow", "--yes"]);
    let ran = w.dispatch("", &tasks);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert_eq!(ran.stderr.matches("failed(5)").count(), 2, "{}", ran.all());
    for line in ["1 | did the parser", "2 | did the printer"] {
        assert!(ran.stdout.contains(line), "{}", ran.all());
    }
    let session = w.latest();
    let shown = w.ok(&["status", &session]).stdout;
    assert!(
        shown.contains("the parser") && shown.contains("the printer"),
        "{shown}"
    );
    let shown = w.ok(&["compare", &session]).stdout;
    assert!(
        shown.lines().nth(1).unwrap().ends_with("the parser"),
        "{shown}"
    );
    assert!(w.client.session_dir(&session).join("work/2/home").is_dir());
    let ran = w.dispatch("", &[&tasks[..], &["-n", "3"]].concat());
    assert!(
        ran.code == 1 && ran.stderr.contains("`--agents 3` and 2 tasks"),
        "{}",
        ran.all()
    );
    let ran = w.dispatch("", &[&["--no-check"], &tasks[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.all());
}
