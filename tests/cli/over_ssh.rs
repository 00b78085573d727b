//! Provider `ssh`, on a real OpenSSH server of the test's own.

use rustix::process::Signal;

use super::common::env::TestEnv;
use super::common::process::kill;
use super::common::sshd::{Sshd, SshdOptions};
use super::common::{SOON, await_true};

fn place(extra: &[&str]) -> (TestEnv, Sshd) {
    let env = TestEnv::new();
    let mut options = SshdOptions::home(env.home());
    for line in extra {
        options = options.line(line);
    }
    let sshd = Sshd::start(&options);
    env.use_sshd(&sshd, sshd.port);
    (env, sshd)
}

fn on_box<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["--host", "box"], more].concat()
}

#[test]
fn a_dozen_begin_side_by_side_over_one_connection() {
    let (env, sshd) = place(&[]);
    let config = env.home().join(".config/remote");
    std::fs::create_dir_all(&config).unwrap();
    let text = "agent = \"it\"\n[agents.it]\ncommand = [\"sleep\", \"{task}\"]\n";
    std::fs::write(config.join("config.toml"), text).unwrap();
    std::fs::write(env.work().join("tasks"), "1000\n".repeat(12)).unwrap();
    let ran = env.ok(&[
        &["dispatch", "--from", "tasks"],
        &on_box(&["--name", "far%n"])[..],
    ]
    .concat());
    assert_eq!(ran.stdout.lines().count(), 12, "{}", ran.all());
    assert!(ran.stderr.contains("12 sessions run\n"), "{}", ran.all());
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 1);
    let bin = env.home().join(".local/share/remote/bin");
    assert_eq!(std::fs::read_dir(bin).unwrap().count(), 1, "one upload");
    for name in ["far1", "far12"] {
        assert_eq!(env.status(name)["presence"], "live", "{name}");
    }
    env.ok(&["terminate", "--all", "--yes"]);
    env.await_no_process();
}

#[test]
fn the_binary_goes_there_once_and_a_session_outlives_its_connection() {
    let (env, sshd) = place(&[]);
    let session = env.dispatch(&on_box(&[
        "--name",
        "far",
        "--command",
        "echo there; sleep 1000",
    ]));
    let bin = env.home().join(".local/share/remote/bin");
    let names = || -> Vec<_> {
        let entries = std::fs::read_dir(&bin).unwrap();
        entries
            .flatten()
            .map(|e| (e.file_name(), e.metadata().unwrap().modified().unwrap()))
            .collect()
    };
    let first = names();
    assert_eq!(first.len(), 1, "{first:?}");
    sshd.kill_connections();
    await_true("its output", SOON, || {
        env.ok(&["logs", "far"]).stdout.contains("there")
    });
    assert_eq!(env.status("far")["presence"], "live");
    let ran = env.run(
        &[
            &["dispatch"],
            &on_box(&["--command", "echo $HOME; exit 5"])[..],
        ]
        .concat(),
    );
    assert_eq!(ran.code, 5, "{}", ran.all());
    assert_eq!(ran.stdout.trim(), env.home().display().to_string());
    assert_eq!(names(), first, "not uploaded again");
    let mut offered = env.remote(&["--", "remote", "attach", "fa"]);
    offered
        .env("COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "2");
    let offered = String::from_utf8(offered.output().unwrap().stdout).unwrap();
    assert!(offered.contains("far"), "{offered}");
    env.ok(&["send", "far", "x"]);
    env.ok(&["terminate", "far", "--yes"]);
    assert_eq!(env.status("far")["presence"], "ended");
    assert!(env.ok(&["logs", &session]).stdout.contains("there"));
}

#[test]
fn where_forwarding_is_forbidden_a_bridge_carries_it() {
    let (env, _sshd) = place(&["AllowStreamLocalForwarding no", "AllowTcpForwarding no"]);
    let session = env.dispatch(&on_box(&["-n", "12", "--command", "echo one; sleep 1000"]));
    assert_eq!(env.status(&session)["presence"], "live");
    let numbers: Vec<String> = (1..=12).map(|n| format!("{session}/{n}")).collect();
    for agent in &numbers {
        env.ok(&["kill", agent]);
    }
    env.ok(&["wait", &session]);
}

#[test]
fn a_host_that_died_there_is_lost_and_can_be_started_again() {
    let (env, _sshd) = place(&[]);
    let session = env.dispatch(&on_box(&["--command", "echo alive; sleep 1000"]));
    await_true("its output", SOON, || {
        env.ok(&["logs", &session]).stdout.contains("alive")
    });
    kill(env.endpoint(&session).pid, Signal::KILL);
    await_true("its death", SOON, || {
        env.status(&session)["presence"] == "lost"
    });
    assert!(env.ok(&["logs", &session]).stdout.contains("alive"));
    env.ok(&["restart", &session]);
    assert_eq!(env.status(&session)["presence"], "live");
    env.ok(&["terminate", &session, "--yes"]);
    env.ok(&["prune", "--yes"]);
    assert!(!env.session_dir(&session).exists());
    assert_eq!(env.ok(&["status", "--all", "--json"]).stdout.trim(), "[]");
}

#[test]
fn an_agent_that_is_not_there_is_named_and_nothing_is_left() {
    let (env, _sshd) = place(&[]);
    let all = on_box(&["--", "no-such-program"]);
    let ran = env.run(&[&["dispatch", "--detach"], &all[..]].concat());
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.stderr.contains("`no-such-program`"), "{}", ran.stderr);
    assert_eq!(env.ok(&["status", "--all", "--json"]).stdout.trim(), "[]");
}

#[test]
fn a_machine_that_does_not_answer_is_unreachable_with_an_age() {
    let (env, sshd) = place(&[]);
    let session = env.dispatch(&on_box(&["--command", "sleep 1000"]));
    assert_eq!(env.status(&session)["presence"], "live");
    let (port, silent) = (
        sshd.port,
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    env.use_sshd(&sshd, silent.local_addr().unwrap().port());
    let begun = std::time::Instant::now();
    let report = env.status(&session);
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    assert_eq!(report["presence"], "unreachable");
    assert_eq!(report["status"]["agents"][0]["number"], 1);
    env.use_sshd(&sshd, port);
    env.ok(&["terminate", &session, "--yes"]);
}
