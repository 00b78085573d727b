//! The host's binary is replaced under running agents, who notice nothing.

use std::time::Duration;

use crate::agents::{Stream, answers};
use crate::common::env::{TestEnv, remote_binary};
use crate::common::process::alive;
use crate::common::terminal::{Terminal, USUAL};
use crate::common::{SOON, await_true};
use crate::stream::Judge;

/// A copy of the binary elsewhere: what a new version would be.
fn other_binary(env: &TestEnv) -> std::path::PathBuf {
    let path = env.work().join("remote-new");
    std::fs::copy(remote_binary(), &path).expect("a copy of the binary");
    path
}

#[test]
fn vim_and_a_flood_go_on_and_the_client_sees_a_repaint() {
    let env = TestEnv::new();
    let stream = Stream::new(&env, 1400);
    let page = env.work().join("page");
    std::fs::write(&page, "the first line\nthe second line\n").expect("a page");
    let vim = format!("vim -u NONE -i NONE -N -n {}", page.display());
    let session = env.dispatch(&["--command", &vim]);
    env.ok(&[
        "dispatch",
        "--detach",
        "--into",
        &session,
        "--command",
        &stream.command,
    ]);

    let mut editor = env.attach(&format!("{session}/1"), USUAL);
    editor.wait_text("the second line");
    editor.send("oadded before\x1b");
    editor.wait_text("added before");
    let attach = env.remote(&["attach", &format!("{session}/2")]);
    let mut flood = Terminal::spawn_bare(attach, USUAL);
    let mut judge = Judge::default();
    while judge.lines < 2000 {
        assert!(flood.pump(SOON), "the stream stopped");
        judge.feed(&flood.take_raw());
    }

    let host = env.endpoint(&session).pid;
    let both = |s: &remote_compute::model::SessionStatus| s.agents.len() == 2;
    let before = env.await_status("both agents", &session, both).agents;
    let binary = other_binary(&env);
    let ran = env.run(&[
        "host",
        "upgrade",
        &session,
        "--binary",
        &binary.to_string_lossy(),
    ]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    // The same process runs another file.
    assert!(alive(host), "the host's process is the same");
    await_true("the new binary to run", SOON, || {
        std::fs::read_link(format!("/proc/{host}/exe")).is_ok_and(|p| p == binary)
    });

    let from = judge.last();
    let begun = std::time::Instant::now();
    while judge.last() < from + 20_000 {
        assert!(begun.elapsed() < SOON, "the stream does not come back");
        flood.pump(Duration::from_millis(100));
        judge.feed(&flood.take_raw());
    }
    assert!(judge.faults.is_empty(), "{:#?}", judge.faults);
    editor.send("oadded after\x1b");
    editor.wait_text("added after");
    editor.send(":wq\r");
    assert_eq!(editor.wait_exit(), 0);
    let text = std::fs::read_to_string(&page).expect("the page");
    assert!(text.contains("added before\nadded after\n"), "{text}");

    let after = env.last(&session).expect("status").agents;
    let pids = |agents: &[remote_compute::model::AgentStatus]| -> Vec<(u32, u64)> {
        agents.iter().map(|a| (a.number, a.started)).collect()
    };
    assert_eq!(pids(&before), pids(&after), "no agent was started again");
    // Not a byte of the flood's history is missing, across the upgrade too.
    drop(flood);
    env.ok(&["kill", &format!("{session}/2")]);
    let mut whole = Judge::default();
    whole.feed(&env.raw_logs(&format!("{session}/2")));
    assert!(
        whole.faults.is_empty() && whole.skipped == 0,
        "{:#?}",
        whole.faults
    );
    assert!(whole.last() > from);
}

#[test]
fn a_binary_that_is_none_is_refused_and_nothing_happens() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &answers()]);
    let mut t = env.attach(&session, USUAL);
    t.wait_text("READY");
    let junk = env.script("junk", "not a program at all\n");
    let ran = env.run(&[
        "host",
        "upgrade",
        &session,
        "--binary",
        &junk.to_string_lossy(),
    ]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    t.send("one\r");
    t.wait_text("got one");
}

#[test]
fn logins_that_an_upgrade_cuts_off_leave_nothing_behind() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &answers()]);
    let file = env.work().join("pids");
    let mut logins = Vec::new();
    for how in ["exec sleep 600", "trap '' HUP; while :; do sleep 1; done"] {
        let line = format!("echo $$ >> {}; {how}", file.display());
        let mut login = env.remote(&["ssh", &session, "--", &line]);
        login.stdin(std::process::Stdio::null());
        logins.push(login.spawn().expect("starts"));
    }
    let pids = || std::fs::read_to_string(&file).unwrap_or_default();
    await_true("the logins", SOON, || pids().lines().count() == 2);
    let binary = other_binary(&env);
    env.ok(&[
        "host",
        "upgrade",
        &session,
        "--binary",
        &binary.to_string_lossy(),
    ]);
    for login in &mut logins {
        assert!(!login.wait().expect("ends").success());
    }
    // Ended, and reaped too: a zombie would still be there.
    await_true("the logins' end", SOON, || {
        let there = |pid: &str| std::path::Path::new("/proc").join(pid).exists();
        !pids().lines().any(there)
    });
    let mut t = env.attach(&session, USUAL);
    t.wait_text("READY");
}
