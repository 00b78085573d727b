//! What a user sees when something is wrong: the message, the remedy, the exit code.

use std::time::Duration;

use crate::agents::{answers, says, sh};
use crate::common::env::TestEnv;
use crate::common::process::{Ran, alive, process, run};
use crate::common::terminal::{USUAL, size};
use crate::common::{SOON, await_true};

/// The exit code, and words that the message must have.
#[track_caller]
fn says_so(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, code, "{}", ran.all());
    for word in words {
        assert!(ran.stderr.contains(word), "no `{word}` in:\n{}", ran.all());
    }
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
}

#[test]
fn an_unknown_session() {
    let env = TestEnv::new();
    says_so(&env.run(&["attach", "zzz"]), 1, &["remote dispatch"]);
    env.dispatch(&["--command", &says("here")]);
    for verb in ["attach", "logs", "kill", "terminate", "extend"] {
        let mut args = vec![verb, "session-222222"];
        if verb == "extend" {
            args.push("1h");
        }
        says_so(&env.run(&args), 1, &["222222"]);
    }
    let ran = env.run(&["attach", "session-abc/x"]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    assert!(ran.stderr.contains("`x`"), "{}", ran.all());
}

#[test]
fn an_agent_that_is_not_there() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &says("here")]);
    for verb in ["attach", "logs", "kill"] {
        let ran = env.run(&[verb, &format!("{session}/7")]);
        assert_eq!(ran.code, 1, "{verb}: {}", ran.all());
        assert!(ran.stderr.contains('7'), "{verb}: {}", ran.all());
    }
}

#[test]
fn an_ambiguous_prefix() {
    let env = TestEnv::new();
    let a = env.dispatch(&["--command", &says("a")]);
    let b = env.dispatch(&["--command", &says("b")]);
    says_so(&env.run(&["logs", "session-"]), 1, &[&a, &b]);
}

#[test]
fn a_dead_host() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &says("here")]);
    env.kill_host(&session);
    says_so(
        &env.run(&["attach", &session]),
        255,
        &[&session, "remote logs"],
    );
    says_so(
        &env.run(&["send", &format!("{session}/1"), "x"]),
        255,
        &[&session],
    );
    env.await_no_process();
}

#[test]
fn a_ttl_of_nothing_and_of_ten_years() {
    let env = TestEnv::new();
    for (ttl, word) in [
        ("0", "0"),
        ("0s", "0s"),
        ("10years", "10years"),
        ("soon", "soon"),
    ] {
        let ran = env.run(&["dispatch", "--detach", "--ttl", ttl, "--command", "true"]);
        assert!([1, 2].contains(&ran.code), "{ttl}: {}", ran.all());
        assert!(ran.stderr.contains(word), "{ttl}: {}", ran.all());
        assert!(ran.stderr.contains("ttl"), "{ttl}: {}", ran.all());
    }
    let none = std::fs::read_dir(env.sessions_dir()).map_or(0, Iterator::count);
    assert_eq!(none, 0, "a refused dispatch leaves nothing");
}

#[test]
fn output_that_is_not_utf8() {
    let env = TestEnv::new();
    let session = env.dispatch(&[
        "--command",
        &sh("printf 'a\\377\\376\\300b\\n'; exec sleep 600"),
    ]);
    let agent = format!("{session}/1");
    let want = b"a\xff\xfe\xc0b\r\n";
    await_true("the bytes", SOON, || env.raw_logs(&agent).ends_with(want));
    let plain = env.ok(&["logs", "--plain", &agent]);
    assert!(
        plain.stdout.contains('a') && plain.stdout.contains('b'),
        "{}",
        plain.all()
    );
    let mut t = env.attach(&session, USUAL);
    t.wait_for("the line", |t| {
        t.text()
            .iter()
            .any(|l| l.starts_with('a') && l.contains('b'))
    });
}

#[test]
fn a_line_of_four_megabytes() {
    let env = TestEnv::new();
    let session = env.dispatch(&[
        "--command",
        &sh("head -c 4000000 /dev/zero | tr '\\0' x; printf '\\nEN''D\\n'; exec sleep 600"),
    ]);
    let agent = format!("{session}/1");
    env.await_status("all bytes", &session, |s| {
        s.agents.iter().all(|a| a.bytes >= 4_000_004)
    });
    let raw = env.raw_logs(&agent);
    assert_eq!(raw.iter().filter(|b| **b == b'x').count(), 4_000_000);
    let mut t = env.attach(&session, USUAL);
    t.wait_text("END");
    let plain = env.ok(&["logs", "--plain", &agent]);
    // As lines of text it may be cut short, but not silently dropped.
    assert!(plain.stdout.matches('x').count() >= 65_536 && plain.stdout.contains("END"));
    let rss = resident(env.endpoint(&session).pid);
    assert!(rss < 150 * 1024, "the host holds {rss} KiB");
}

/// Resident memory in KiB.
fn resident(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text
        .lines()
        .find(|l| l.starts_with("VmRSS:"))
        .map(ToOwned::to_owned);
    line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

#[test]
fn terminals_of_one_cell_and_of_half_a_million() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &answers()]);
    for (cols, rows) in [(1, 1), (1000, 500), (2, 1), (1, 50), (80, 24)] {
        let mut t = env.attach(&session, size(cols, rows));
        t.wait_for("anything at all", |t| !t.raw().is_empty());
        t.send("stt\r");
        let agent = format!("{session}/1");
        let want = format!("got stt{cols}x{rows}");
        t.send(format!("stt{cols}x{rows}\r"));
        await_true(&want, SOON, || {
            t.pump(Duration::from_millis(10));
            String::from_utf8_lossy(&env.raw_logs(&agent)).contains(&want)
        });
        t.send("\r~.");
        assert_eq!(t.wait_exit(), 0, "{cols}x{rows}");
    }
    assert!(alive(env.endpoint(&session).pid));
}

#[test]
fn an_agent_that_forks_and_exits() {
    let env = TestEnv::new();
    let script = sh("sleep 600 & echo parent is done; exit 3");
    let ran = env.run(&["dispatch", "--command", &script]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    assert!(ran.stdout.contains("parent is done"), "{}", ran.all());
    assert!(ran.took < Duration::from_secs(15), "{:?}", ran.took);
    // What it left behind ends with the session.
    env.await_no_process();
}

#[test]
fn an_agent_that_ignores_sighup_and_sigterm() {
    let env = TestEnv::new();
    let script = sh("trap '' HUP TERM INT; echo deaf; while :; do sleep 0.2; done");
    let session = env.dispatch(&["--command", &script]);
    env.await_status("its pid", &session, |s| {
        s.agents.iter().all(|a| a.bytes > 4)
    });
    let pid = env
        .last(&session)
        .and_then(|s| s.agents.first()?.pid)
        .expect("its pid");
    assert!(process(pid).is_some());
    let ran = env.ok(&["terminate", "--yes", &session]);
    assert!(ran.took < Duration::from_secs(30), "{:?}", ran.took);
    await_true("its end", SOON, || !alive(pid));
    env.await_no_process();
}

#[test]
fn no_term() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &answers()]);
    let mut command = env.remote(&["attach", session.as_str()]);
    command.env_remove("TERM");
    let mut t = crate::common::terminal::Terminal::spawn(command, USUAL);
    t.wait_text("READY");
    t.send("one\r");
    t.wait_text("got one");
    t.send("\r~.");
    assert_eq!(t.wait_exit(), 0);
}

#[test]
fn stdin_that_is_no_terminal() {
    let env = TestEnv::new();
    // As with ssh: it shows what comes, and its end is the agent's.
    let session = env.dispatch(&[
        "--command",
        &sh("echo READY; read -r x; echo \"got $x\"; exit 4"),
    ]);
    let mut attach = env.remote(&["attach", session.as_str()]);
    let waiting = std::thread::spawn(move || run(&mut attach, b"", SOON));
    let seen = |s: &remote_compute::model::SessionStatus| s.attached.len() == 1;
    env.await_status("somebody attached", &session, seen);
    env.ok(&["send", &session, "word", "--enter"]);
    let ran = waiting.join().expect("attach");
    assert_eq!(ran.code, 4, "{}", ran.all());
    assert!(ran.stdout.contains("got word"), "{}", ran.all());
    // A dispatch without a terminal follows as lines.
    let ran = env.run(&["dispatch", "--command", &sh("echo plain")]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stdout.contains("plain"), "{}", ran.all());
}

#[test]
fn a_program_that_is_not_there() {
    let env = TestEnv::new();
    let ran = env.run(&["dispatch", "--detach", "--", "no-such-program-anywhere"]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    assert!(
        ran.stderr.contains("no-such-program-anywhere"),
        "{}",
        ran.all()
    );
    let left = std::fs::read_dir(env.sessions_dir()).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a refused dispatch leaves nothing");
}

#[test]
fn the_built_in_agent_is_not_installed() {
    let mut env = TestEnv::new();
    // This machine may have it.
    env.set("PATH", env.bin().display().to_string());
    let ran = env.run(&["dispatch", "--detach", "do something"]);
    says_so(&ran, ran.code.max(1), &["claude"]);
}
