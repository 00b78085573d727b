//! Dispatch, leave, come back: what a user does all day, and every way to die in the middle of it.

use std::time::Duration;

use remote_compute::model::AgentState;
use rustix::process::Signal;

use crate::agents::{answers, says, sh};
use crate::common::env::{TestEnv, session_in};
use crate::common::process::{alive, kill, run};
use crate::common::terminal::{Terminal, USUAL, size};
use crate::common::{SOON, await_true};

#[test]
fn dispatch_prints_the_output_and_passes_the_exit_status() {
    let env = TestEnv::new();
    let ran = env.run(&[
        "dispatch",
        "--command",
        &sh("echo hello from the agent; exit 7"),
    ]);
    assert_eq!(ran.code, 7, "{}", ran.all());
    assert!(ran.stdout.contains("hello from the agent"), "{}", ran.all());
    // The session is over and stays readable.
    let session = session_in(&ran.all()).expect("the session's name");
    let logs = env.ok(&["logs", "--plain", &format!("{session}/1")]);
    assert!(
        logs.stdout.contains("hello from the agent"),
        "{}",
        logs.all()
    );
    let all = env.ok(&["status", "--all"]);
    assert!(all.stdout.contains(&session), "{}", all.all());
    env.await_no_process();
}

#[test]
fn dispatch_on_a_terminal_attaches() {
    let env = TestEnv::new();
    let mut t = env.terminal(&["dispatch", "--command", &answers()], USUAL);
    t.wait_text("READY");
    t.send("one\r");
    t.wait_text("got one");
    t.send("\x04");
    assert_eq!(t.wait_exit(), 0);
}

#[test]
fn leave_and_come_back() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &answers()]);
    let status = env.status(&session).to_string();
    assert!(status.contains(&session), "{status}");

    let mut first = env.attach(&session, USUAL);
    first.wait_text("READY");
    first.send("one\r");
    first.wait_text("got one");
    first.send("\r~.");
    assert_eq!(first.wait_exit(), 0, "{:?}", first.text());

    let mut second = env.attach(&format!("{session}/1"), size(100, 30));
    second.wait_text("got one");
    second.send("two\r");
    second.wait_text("got two");
    // With no argument: the last session.
    let mut third = env.terminal(&["attach"], size(100, 30));
    third.wait_text("got two");
}

#[test]
fn leaving_resets_every_mode_of_the_terminal() {
    let env = TestEnv::new();
    let modes = sh(
        "printf '\\033[?1049h\\033[?1000h\\033[?1006h\\033[?2004h\\033[?1h\\033=\\033[?25l\\033[31mFULL'; \
         exec sleep 600",
    );
    let session = env.dispatch(&["--command", &modes]);
    let mut shell = env.command("sh");
    shell.args([
        "-c",
        &format!("printf 'before\\n'; read x; remote attach {session}; stty -a; echo AFTER"),
    ]);
    let mut t = Terminal::spawn(shell, USUAL);
    t.wait_text("before");
    let clean = t.emulator().modes();
    t.send("\r");
    t.wait_text("FULL");
    assert!(t.emulator().alternate());
    t.send("\r~.");
    t.wait_text("AFTER");
    assert_eq!(t.emulator().modes(), clean);
    let text = t.text().join("\n");
    assert!(
        text.contains(" icanon") && text.contains(" echo "),
        "{text}"
    );
}

#[test]
fn the_terminal_is_restored_when_attach_is_terminated() {
    let env = TestEnv::new();
    let session = env.dispatch(&[
        "--command",
        &sh("printf '\\033[?1049h\\033[?25lFULL'; exec sleep 600"),
    ]);
    let mut shell = env.command("sh");
    let script = format!(
        "remote attach {session} & echo $! > pid; fg 2>/dev/null; wait; stty -a; echo AFTER"
    );
    shell.args(["-c", &format!("set -m; {script}")]);
    let mut t = Terminal::spawn(shell, USUAL);
    t.wait_text("FULL");
    let pid = std::fs::read_to_string(env.work().join("pid")).expect("the client's pid");
    kill(pid.trim().parse().expect("a number"), Signal::TERM);
    t.wait_text("AFTER");
    assert!(!t.emulator().alternate());
    let text = t.text().join("\n");
    assert!(text.contains(" icanon"), "{text}");
}

#[test]
fn killing_the_client_hurts_no_agent() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &answers()]);
    let t = {
        let mut t = env.attach(&session, USUAL);
        t.wait_text("READY");
        t.send("one\r");
        t.wait_text("got one");
        t
    };
    t.signal(Signal::KILL);
    drop(t);
    let mut again = env.attach(&session, USUAL);
    again.wait_text("got one");
    again.send("two\r");
    again.wait_text("got two");
}

#[test]
fn a_dead_hosts_agents_are_lost_and_their_history_stays() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &says("before the crash")]);
    let agent = format!("{session}/1");
    await_true("the agent's output", SOON, || {
        String::from_utf8_lossy(&env.raw_logs(&agent)).contains("before the crash")
    });
    env.kill_host(&session);
    let ran = env.run(&["attach", &session]);
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains(&session), "{}", ran.all());
    let logs = env.ok(&["logs", "--plain", &agent]);
    assert!(logs.stdout.contains("before the crash"), "{}", logs.all());
    let status = env.status(&session).to_string();
    assert!(status.contains("lost"), "{status}");
    // Its agents' terminals are gone with it: the kernel hangs them up.
    env.await_no_process();
}

#[test]
fn a_second_host_on_the_same_directory_refuses() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &says("here")]);
    env.endpoint(&session);
    let dir = env.session_dir(&session);
    let ran = env.run(&["host", "run", "--dir", &dir.to_string_lossy()]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    assert!(alive(env.endpoint(&session).pid));
}

#[test]
fn a_new_host_on_a_dead_ones_directory_reports_its_agents_lost() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &says("before the crash")]);
    env.await_status("the agent's output", &session, |s| {
        s.agents.iter().all(|a| a.bytes > 10)
    });
    env.kill_host(&session);
    env.await_no_process();
    let dir = env.session_dir(&session);
    let mut host = env
        .remote(&["host", "run", "--dir", &dir.to_string_lossy()])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("a host");
    env.await_status("`lost`", &session, |s| {
        s.agents.iter().all(|a| a.state == AgentState::Lost)
    });
    let logs = env.ok(&["logs", "--plain", &format!("{session}/1")]);
    assert!(logs.stdout.contains("before the crash"), "{}", logs.all());
    env.run(&["terminate", "--yes", &session]);
    if crate::common::process::wait_child(&mut host, SOON).is_none() {
        let _ = host.kill();
        let _ = host.wait();
        panic!("the host does not end");
    }
}

#[test]
fn several_agents_side_by_side_and_one_more() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--agents", "3", "--command", &answers()]);
    for n in 1..=3 {
        let agent = format!("{session}/{n}");
        env.ok(&["send", &agent, &format!("hello {n}"), "--enter"]);
    }
    env.ok(&[
        "dispatch",
        "--detach",
        "--into",
        &session,
        "--command",
        &says("the fourth"),
    ]);
    for n in 1..=4 {
        let agent = format!("{session}/{n}");
        let want = if n == 4 {
            "the fourth".to_owned()
        } else {
            format!("got hello {n}")
        };
        await_true(&want, SOON, || {
            String::from_utf8_lossy(&env.raw_logs(&agent)).contains(&want)
        });
    }
    env.ok(&["kill", &format!("{session}/2")]);
    env.await_status("the second agent's end", &session, |s| {
        s.agents.iter().any(|a| a.number == 2 && a.state.is_over())
    });
    let seen = env.status(&session).to_string();
    assert!(seen.contains("exited"), "{seen}");
    env.ok(&["restart", &format!("{session}/2")]);
    env.await_status("the second agent's new life", &session, |s| {
        s.agents.iter().any(|a| a.number == 2 && !a.state.is_over())
    });
}

#[test]
fn a_read_only_client_sees_and_does_not_type() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &answers()]);
    let mut writer = env.attach(&session, USUAL);
    writer.wait_text("READY");
    let mut reader = env.terminal(&["attach", "--read-only", &session], USUAL);
    reader.wait_text("READY");
    reader.send("evil\r");
    writer.send("good\r");
    writer.wait_text("got good");
    reader.wait_text("got good");
    assert!(!reader.shows("evil") && !writer.shows("evil"));
}

#[test]
fn several_agents_stream_with_their_names_and_a_summary_ends_it() {
    let env = TestEnv::new();
    let ran = env.run(&[
        "dispatch",
        "--agents",
        "2",
        "--command",
        &sh("echo from agent; exit 3"),
    ]);
    assert_eq!(ran.code, 3, "{}", ran.all());
    assert_eq!(ran.stdout.matches("from agent").count(), 2, "{}", ran.all());
    assert!(ran.all().contains("exited"), "{}", ran.all());
}

#[test]
fn interrupting_a_followed_dispatch_leaves_the_session_running() {
    let env = TestEnv::new();
    let mut command = env.remote(&["dispatch", "--command", &says("streamed")]);
    command.stdin(std::process::Stdio::null());
    let mut shell = env.command("sh");
    // Its output is no terminal, so it follows instead of attaching; Ctrl-C comes from the terminal.
    let inner = format!(
        "remote dispatch --command {} | cat",
        shell_words::quote(&says("streamed"))
    );
    shell.args(["-c", &inner]);
    let mut t = Terminal::spawn(shell, size(160, 30));
    t.wait_text("streamed");
    t.send("\x03");
    t.wait_exit();
    let ran = env.ok(&["status"]);
    let session = session_in(&ran.stdout).expect("a live session");
    assert!(alive(env.endpoint(&session).pid));
}

#[test]
fn wait_sees_the_end_and_a_timeout_is_exit_124() {
    let env = TestEnv::new();
    let long = env.dispatch(&["--command", &says("long")]);
    let ran = env.run(&["wait", "--timeout", "300ms", &long]);
    assert_eq!(ran.code, 124, "{}", ran.all());
    let short = env.dispatch(&["--command", &sh("read -r x; exit 0")]);
    let mut waiting = env.remote(&["wait", &short]);
    let waiter = std::thread::spawn(move || run(&mut waiting, b"", 2 * SOON));
    env.ok(&["send", &format!("{short}/1"), "go", "--enter"]);
    let ran = waiter.join().expect("the waiter");
    assert_eq!(ran.code, 0, "{}", ran.all());
}

#[test]
fn a_ttl_ends_the_session_and_everything_in_it() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--ttl", "1s", "--command", &says("short life")]);
    env.await_no_process();
    let last = env.last(&session).expect("last.json");
    let ended = last.ended.expect("an end");
    assert_eq!(format!("{:?}", ended.kind), "Ttl");
    let all = env.ok(&["status", "--all"]);
    assert!(all.stdout.contains(&session), "{}", all.all());
    env.ok(&["prune", "--yes"]);
    assert!(!env.session_dir(&session).exists());
}

#[test]
fn status_never_waits_long_for_a_host_that_does_not_answer() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &says("here")]);
    let host = env.endpoint(&session).pid;
    kill(host, Signal::STOP);
    let ran = env.run(&["status"]);
    kill(host, Signal::CONT);
    assert!(
        ran.took < Duration::from_secs(4),
        "{:?}: {}",
        ran.took,
        ran.all()
    );
    assert!(ran.all().contains("unreachable"), "{}", ran.all());
}
