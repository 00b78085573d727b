//! The verbs on a live session and on what is left of one.

use std::process::Stdio;

use rustix::process::Signal;

use super::common::env::TestEnv;
use super::common::process::{kill, run, wait_child};
use super::common::terminal::{USUAL, size};
use super::common::{SOON, await_true};

/// A shell that answers what is typed, in a session of one agent.
const ECHO: &str = "echo ready; while read line; do echo \"got $line\"; done";

#[test]
fn detached_it_is_in_status_and_terminate_leaves_nothing() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--name", "web", "--ttl", "90m", "--command", "sleep 1000"]);
    let one = env.status("web");
    assert_eq!(one["session"], session.as_str());
    assert_eq!(
        (one["presence"].as_str(), one["name"].as_str()),
        (Some("live"), Some("web"))
    );
    let left = one["ttl_left_ms"].as_u64().unwrap();
    assert!((5_300_000..=5_400_000).contains(&left), "{left}");
    assert_eq!(one["status"]["agents"][0]["argv"][2], "sleep 1000");
    let all: serde_json::Value =
        serde_json::from_str(&env.ok(&["status", "--json"]).stdout).unwrap();
    assert_eq!(all.as_array().map(Vec::len), Some(1));
    let table = env.ok(&["status"]).stdout;
    assert!(
        table.contains(&session) && table.contains("TTL in 1h"),
        "{table}"
    );

    let refused = env.run(&["terminate", "web"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("--yes"),
        "{}",
        refused.all()
    );
    env.ok(&["terminate", "web", "--yes"]);
    env.await_no_process();
    assert_eq!(env.ok(&["status", "--json"]).stdout.trim(), "[]");
    assert_eq!(env.status("web")["presence"], "ended");
    let again = env.run(&["terminate", "web", "--yes"]);
    assert!(
        again.code == 1 && again.stderr.contains("over already"),
        "{}",
        again.all()
    );
}

#[test]
fn typing_waiting_and_reading() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", ECHO]);
    env.ok(&["send", &session, "hello there", "--enter"]);
    await_true("the answer", SOON, || {
        env.ok(&["logs", &session])
            .stdout
            .contains("got hello there")
    });
    let typed = run(
        &mut env.remote(&["send", &session, "-", "--enter"]),
        b"by stdin",
        SOON,
    );
    assert_eq!(typed.code, 0, "{}", typed.all());
    assert_eq!(env.run(&["wait", &session, "--timeout", "300ms"]).code, 124);
    let never = env
        .remote(&["wait", &session, "--state", "blocked"])
        .spawn()
        .unwrap();
    let mut never = never;
    env.ok(&["send", &session, "--key", "C-d"]);
    let arrived = env.ok(&["wait", &session, "--json"]);
    let arrived: serde_json::Value = serde_json::from_str(&arrived.stdout).unwrap();
    assert_eq!(
        (&arrived[0]["state"], &arrived[0]["code"]),
        (&"exited".into(), &0.into())
    );
    let status = wait_child(&mut never, SOON).expect("a wait that cannot be met ends");
    assert_eq!(status.code(), Some(1));
    env.await_no_process();

    // Now all comes from the directory.
    let plain = env.ok(&["logs", &session]).stdout;
    assert!(
        plain.contains("ready\n") && plain.contains("got by stdin\n"),
        "{plain}"
    );
    assert!(env.raw_logs(&session).windows(2).any(|w| w == b"\r\n"));
    let cast = env.ok(&["logs", &session, "--cast", "-"]).stdout;
    for line in cast.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("each line is JSON");
    }
    assert!(cast.starts_with('{') && cast.contains("got hello there"));
    let played = env.ok(&["replay", &session, "--speed", "100", "--max-idle", "100ms"]);
    assert!(played.stdout.contains("got by stdin"));
    let bad = env.run(&["logs", &format!("{session}/7")]);
    assert!(
        bad.code == 1 && bad.stderr.contains("no agent 7"),
        "{}",
        bad.all()
    );
}

#[test]
fn logs_follow_to_the_end() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", ECHO]);
    let mut follower = env
        .remote(&["logs", "-f", &session])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    for n in 0..20 {
        env.ok(&["send", &session, &format!("line {n}"), "--enter"]);
    }
    env.ok(&["send", &session, "--key", "C-d"]);
    wait_child(&mut follower, SOON).expect("logs -f ends with the agent");
    let out = follower.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let got: Vec<&str> = text.lines().filter(|l| l.starts_with("got ")).collect();
    let expected: Vec<String> = (0..20).map(|n| format!("got line {n}")).collect();
    assert_eq!(got, expected, "{text}");
}

#[test]
fn agents_are_added_killed_and_started_again() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", "sleep 1000"]);
    let added = env.ok(&[
        "dispatch",
        "-d",
        "--into",
        &session,
        "--command",
        "sleep 1001",
    ]);
    assert_eq!(added.stdout.trim(), format!("{session}/2"));
    assert_eq!(env.status(added.stdout.trim())["session"], session.as_str());
    let refused = env.run(&["kill", &session]);
    assert!(
        refused.code == 1 && refused.stderr.contains("has 2 agents"),
        "{}",
        refused.all()
    );
    let two = format!("{session}/2");
    env.ok(&["kill", &two]);
    let state = |n: usize| env.status(&session)["status"]["agents"][n]["state"].clone();
    assert_eq!((state(1), state(0) != "exited"), ("exited".into(), true));
    env.ok(&["restart", &two]);
    assert_ne!(state(1), "exited");
    let none = env.run(&["restart", &session]);
    assert!(
        none.code == 1 && none.stderr.contains("name the one"),
        "{}",
        none.all()
    );
}

#[test]
fn the_configured_key_leaves_and_a_wrong_one_is_refused_before_anything_starts() {
    let mut env = TestEnv::new();
    let session = env.dispatch(&["--command", ECHO]);
    env.set("REMOTE_DETACH_KEY", "C-]");
    let mut terminal = env.attach(&session, size(60, 12));
    terminal.wait_text("ready");
    terminal.send("half a line\x1d");
    assert_eq!(terminal.wait_exit(), 0);
    env.set("REMOTE_DETACH_KEY", "no key");
    let refused = env.run(&["dispatch", "--command", "true"]);
    assert!(
        refused.code == 2 && refused.stderr.contains("names no key"),
        "{}",
        refused.all()
    );
    assert_eq!(env.run(&["status", "--all"]).stdout.lines().count(), 2);
}

#[test]
fn what_is_over_is_removed_by_name() {
    let env = TestEnv::new();
    let over = env.dispatch(&["--command", "true"]);
    let other = env.dispatch(&["--command", "true"]);
    let live = env.dispatch(&["--command", "sleep 1000"]);
    for session in [&over, &other] {
        await_true("its end", SOON, || {
            env.status(session)["presence"] == "ended"
        });
    }
    let refused = env.run(&["prune", &live, "--yes"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("remote terminate"),
        "{}",
        refused.all()
    );
    env.ok(&["prune", &over, "--yes"]);
    assert_eq!(env.run(&["status", &over]).code, 1);
    assert_eq!(env.status(&other)["presence"], "ended");
}

#[test]
fn a_cleared_screen_and_a_restart_leave_lines_that_can_be_read() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", "echo one; printf '\\033[H\\033[2J'; echo two"]);
    env.ok(&["wait", &session]);
    env.ok(&["restart", &session]);
    env.ok(&["wait", &session]);
    let logs = env.ok(&["logs", &session]);
    let lines: Vec<&str> = logs.stdout.lines().filter(|l| !l.is_empty()).collect();
    assert_eq!(lines, ["one", "two", "one", "two"]);
    assert!(!logs.stderr.contains("full-screen"), "{}", logs.stderr);
}

#[test]
fn of_a_program_that_draws_only_the_state_is_followed() {
    let env = TestEnv::new();
    // As top begins: its first frame is lines on an empty screen.
    let command = "echo before; printf '\\033[?25l\\033[H\\033[2Jframe one\\n'; \
                   while [ ! -e go ]; do sleep 0.02; done";
    let session = env.dispatch(&["--command", command]);
    let mut t = env.terminal(&["logs", "-f", &session], USUAL);
    t.wait_text("a full-screen program: attach to see it");
    std::fs::write(env.work().join("go"), "").expect("written");
    assert_eq!(t.wait_exit(), 0);
    let said = String::from_utf8_lossy(t.raw()).into_owned();
    assert!(
        said.starts_with("before\r\n") && !said.contains("frame"),
        "{said}"
    );
}

#[test]
fn names_and_times_can_change() {
    let env = TestEnv::new();
    // None can be the beginning of a session's own: 0 and 1 are in no identity.
    let session = env.dispatch(&["--ttl", "1h", "--name", "a0", "--command", "sleep 1000"]);
    env.dispatch(&["--name", "b0", "--command", "sleep 1000"]);
    let taken = env.run(&["rename", &session, "b0"]);
    assert!(
        taken.code == 1 && taken.stderr.contains("named `b0` already"),
        "{}",
        taken.all()
    );
    env.ok(&["rename", "a0", "c0"]);
    assert_eq!(env.status("c0")["session"], session.as_str());
    let unknown = env.run(&["status", "a0"]);
    assert!(
        unknown.code == 1 && unknown.stderr.contains("(c0)"),
        "{}",
        unknown.all()
    );
    env.ok(&["extend", "c0", "2h"]);
    let left = env.status("c0")["ttl_left_ms"].as_u64().unwrap();
    assert!((10_700_000..=10_800_000).contains(&left), "{left}");
    for (args, said) in [
        (["extend", "c0", "0s"], "too short"),
        (["extend", "c0", "10years"], "too long"),
        (["extend", "b0", "1h"], "has no TTL"),
    ] {
        let ran = env.run(&args);
        assert!(
            ran.code == 1 && ran.stderr.contains(said),
            "{args:?}: {}",
            ran.all()
        );
    }
}

#[test]
fn files_ports_and_shells_on_its_machine() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", "sleep 1000"]);
    let at = |path: &str| format!("{session}:{path}");
    std::fs::create_dir_all(env.work().join("tree/deep")).unwrap();
    std::fs::write(env.work().join("tree/deep/x"), "deep\n").unwrap();
    let big = vec![7u8; 5 << 20];
    std::fs::write(env.work().join("big"), &big).unwrap();
    env.ok(&["cp", "big", &at("copy of big")]);
    assert!(std::fs::read(env.work().join("copy of big")).unwrap() == big);
    env.ok(&["cp", &at("copy of big"), "back"]);
    assert!(std::fs::read(env.work().join("back")).unwrap() == big);
    env.ok(&["cp", "-r", "tree", &at("there")]);
    env.ok(&["cp", "-r", &at("there"), "here"]);
    assert_eq!(
        std::fs::read_to_string(env.work().join("here/deep/x")).unwrap(),
        "deep\n"
    );
    for (args, said) in [
        (
            vec!["cp", "tree", "nobody-of-that-name:y"],
            "there is no session",
        ),
        (vec!["cp", "big", "big2"], "both sides of the copy are here"),
    ] {
        let ran = env.run(&args);
        assert!(
            ran.code == 1 && ran.stderr.contains(said),
            "{args:?}: {}",
            ran.all()
        );
    }
    let absent = env.run(&["cp", &at("absent"), "."]);
    assert!(
        absent.code == 1 && absent.stderr.contains("`absent`"),
        "{}",
        absent.all()
    );

    let shell = env.run(&["ssh", &session, "pwd; cat; exit 7"]);
    assert_eq!(shell.code, 7, "{}", shell.all());
    assert_eq!(shell.stdout.trim(), env.work().display().to_string());
    let mut terminal = env.terminal(&["ssh", &session], size(88, 20));
    terminal.send("stty size; exit 5\r");
    terminal.wait_text("20 88");
    assert_eq!(terminal.wait_exit(), 5);
}

#[test]
fn a_port_there_is_a_port_here() {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", "sleep 1000"]);
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let (to, from) = (
        there.local_addr().unwrap().port(),
        free.local_addr().unwrap().port(),
    );
    drop(free);
    std::thread::spawn(move || {
        for mut stream in there.incoming().flatten() {
            let mut text = String::new();
            let _ = stream.read_to_string(&mut text);
            let _ = stream.write_all(text.to_uppercase().as_bytes());
        }
    });
    let mut forward = env
        .remote(&["forward", &session, &format!("{from}:{to}")])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stream = super::common::await_some("the port", SOON, || {
        TcpStream::connect(("127.0.0.1", from)).ok()
    });
    stream.write_all(b"hello").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "HELLO");
    kill(forward.id(), Signal::INT);
    let status = wait_child(&mut forward, SOON).expect("forward ends at Ctrl-C");
    assert_eq!(status.code(), Some(130));
    // A port alone is one of the last session; it is taken here, and that is what is said.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = env.run(&["forward", &port]);
    assert!(
        refused.stderr.contains("cannot listen"),
        "{}",
        refused.all()
    );
}

#[test]
fn a_dead_host_is_told_and_can_be_started_again() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", "echo alive; sleep 1000"]);
    await_true("the agent's output", SOON, || {
        env.ok(&["logs", &session]).stdout.contains("alive")
    });
    kill(env.endpoint(&session).pid, Signal::KILL);
    await_true("the host's death", SOON, || {
        env.run(&["send", &session, "x"]).code == 255
    });
    let dead = env.run(&["send", &session, "x"]);
    assert!(dead.stderr.contains("has died"), "{}", dead.all());
    for verb in ["logs", "restart", "prune"] {
        assert!(
            dead.stderr.contains(&format!("`remote {verb}")),
            "{}",
            dead.all()
        );
    }
    assert_eq!(env.status(&session)["presence"], "lost");
    assert!(env.ok(&["logs", &session]).stdout.contains("alive"));
    env.ok(&["restart", &session]);
    assert_eq!(env.status(&session)["presence"], "live");
    env.ok(&["terminate", &session, "--yes"]);
    env.ok(&["prune", "--yes"]);
    assert!(!env.session_dir(&session).exists());
    assert_eq!(env.ok(&["status", "--all", "--json"]).stdout.trim(), "[]");
}

#[test]
fn names_that_mean_nothing_or_too_much() {
    let env = TestEnv::new();
    let none = env.run(&["attach"]);
    assert!(
        none.code == 1 && none.stderr.contains("remote dispatch"),
        "{}",
        none.all()
    );
    let one = env.dispatch(&["--name", "twin-a", "--command", "sleep 1000"]);
    env.dispatch(&["--name", "twin-b", "--command", "sleep 1000"]);
    let unknown = env.run(&["status", "nope"]);
    assert!(
        unknown.code == 1 && unknown.stderr.contains(&one),
        "{}",
        unknown.all()
    );
    let both = env.run(&["status", "twin"]);
    assert!(
        both.code == 1 && both.stderr.contains("twin-a"),
        "{}",
        both.all()
    );
    assert!(both.stderr.contains("twin-b"), "{}", both.all());
    let prefix = one.trim_start_matches("session-");
    assert_eq!(env.status(prefix)["session"], one.as_str());
    assert_eq!(env.run(&["kill", "twin-a/0"]).code, 2);
}
