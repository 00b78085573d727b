//! What happened while nobody looked, as `remote digest` tells it: on each device once, from live hosts and from
//! what dead ones have left.

use remote_compute::model::{AgentState, SessionEvent, SessionStatus, What};
use rustix::process::Signal;
use serde_json::Value;

use crate::agents::{answers, sh};
use crate::common::env::TestEnv;
use crate::common::process::kill;
use crate::common::sshd::{Sshd, SshdOptions};
use crate::common::terminal::USUAL;
use crate::common::{SOON, await_true};

/// Asks, and ends with 3 when it is answered.
fn asks() -> String {
    sh("printf 'Allow npm install? [y/N] '; read x; exit 3")
}

fn blocked(status: &SessionStatus) -> bool {
    let mut agents = status.agents.iter();
    agents.any(|a| matches!(a.state, AgentState::Blocked { .. }))
}

fn json(env: &TestEnv, args: &[&str]) -> Value {
    let ran = env.ok(&[&["digest", "--json"], args].concat());
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}:\n{}", ran.all()))
}

fn states(agent: &Value) -> Vec<String> {
    let changes = agent["changes"].as_array().expect("changes").iter();
    changes
        .map(|c| c["state"].as_str().expect("a word").to_owned())
        .collect()
}

#[test]
fn what_happened_is_shown_once_on_each_device() {
    let (a, b, server) = (TestEnv::new(), TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    for device in [&a, &b] {
        device.use_sshd(&sshd, sshd.port);
    }
    let none = a.ok(&["digest"]);
    assert!(none.stderr.contains("Nothing new"), "{}", none.all());
    let session = a.dispatch(&["--host", "box", "--name", "auth", "--command", &asks()]);
    server.await_status("the question", &session, blocked);
    // What the second device would have seen of it.
    let ledger = |env: &TestEnv| env.home().join(".local/state/remote/ledger");
    std::fs::create_dir_all(ledger(&b)).expect("a directory");
    let entry = format!("{session}.json");
    std::fs::copy(ledger(&a).join(&entry), ledger(&b).join(&entry)).expect("a copy");

    let short = session.trim_start_matches("session-");
    for device in [&a, &b] {
        let told = device.ok(&["digest"]).stdout;
        let first = told.lines().nth(1).expect(&told);
        assert!(told.starts_with("Waiting for you\n"), "{told}");
        assert!(
            first.contains(&format!("{session}/1 (auth)  \"Allow npm install? [y/N]\"")),
            "{told}"
        );
        assert!(
            first.ends_with(&format!("remote answer {short}/1")),
            "{told}"
        );
        assert!(told.contains("→ blocked"), "{told}");
        // It still waits, and nothing else is new.
        let again = device.ok(&["digest"]).stdout;
        assert!(
            again.starts_with("Waiting for you\n") && !again.contains("SINCE THEN"),
            "{again}"
        );
    }

    a.ok(&["send", &session, "y", "--enter"]);
    await_true("its end", SOON, || {
        a.status(&session)["presence"] == "ended"
    });
    for device in [&a, &b] {
        // From what the dead host has left on its machine.
        let news = json(device, &["--peek"]);
        let news = &news[0];
        assert_eq!(
            (&news["new"], &news["incomplete"]),
            (&true.into(), &false.into())
        );
        assert_eq!(states(&news["agents"][0]).last().expect("one"), "exited");
        let told = device.ok(&["digest"]).stdout;
        assert!(
            told.contains("exited(3)") && told.contains("all exited: its agent has exited"),
            "{told}"
        );
        assert!(!told.contains("Waiting"), "{told}");
        let none = device.ok(&["digest"]);
        assert!(
            none.stdout.is_empty() && none.stderr.contains("Nothing new since you looked"),
            "{}",
            none.all()
        );
    }
    let all = a.ok(&["digest", "--all"]).stdout;
    assert!(all.contains("as it was"), "{all}");
    let since = a.ok(&["digest", "--since", "1h"]).stdout;
    assert!(since.contains("blocked"), "{since}");
    let bad = a.run(&["digest", "--since", "yesterday"]);
    assert!(bad.code == 2 && bad.stderr.contains("8h"), "{}", bad.all());
}

#[test]
fn others_visits_and_a_host_that_died_are_told() {
    let mut env = TestEnv::new();
    let session = env.dispatch(&["--command", &answers()]);
    env.ok(&["digest"]);
    env.set("USER", "you");
    let mut t = env.attach(&session, USUAL);
    t.wait_text("READY");
    t.send("\r~.");
    assert_eq!(t.wait_exit(), 0);
    env.set("USER", "me");
    await_true("the visit", SOON, || {
        let news = json(&env, &["--peek"]);
        let visit = &news[0]["visits"][0];
        let who = visit["who"].as_str().unwrap_or_default();
        who.starts_with("you@") && visit["times"] == 1
    });
    let told = env.ok(&["digest"]).stdout;
    assert!(
        told.contains("visited") && told.contains("by you@"),
        "{told}"
    );
    kill(env.endpoint(&session).pid, Signal::KILL);
    await_true("its death", SOON, || {
        env.status(&session)["presence"] == "lost"
    });
    let told = env.ok(&["digest"]).stdout;
    assert!(told.contains("its host died; `remote restart"), "{told}");
    let none = env.ok(&["digest"]);
    assert!(none.stderr.contains("Nothing new"), "{}", none.all());
    // Its next host goes on with what the one before had written.
    env.ok(&["restart", &session]);
    await_true("its agent", SOON, || {
        String::from_utf8_lossy(&env.raw_logs(&session)).contains("READY")
    });
    let news = json(&env, &["--since", "1h"]);
    let seen = states(&news[0]["agents"][0]);
    assert!(seen.contains(&"lost".to_owned()), "{seen:?}");
    env.ok(&["terminate", &session, "--yes"]);
    let text = std::fs::read(env.session_dir(&session).join("events.jsonl")).expect("events");
    let events = SessionEvent::read_all(&text);
    let last = events.last().map(|e| &e.what);
    assert!(matches!(last, Some(What::Ended { .. })), "{events:?}");
}

#[test]
fn a_machine_that_does_not_answer_is_said_so_and_told_of_later() {
    let (client, server) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    client.use_sshd(&sshd, sshd.port);
    let session = client.dispatch(&["--host", "box", "--command", &asks()]);
    server.await_status("the question", &session, blocked);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = nobody.local_addr().expect("an address").port();
    drop(nobody);
    client.use_sshd(&sshd, port);
    let told = client.ok(&["digest"]).stdout;
    assert!(
        told.contains(&format!("{session}  unreachable, seen")) && !told.contains("Waiting"),
        "{told}"
    );
    client.use_sshd(&sshd, sshd.port);
    let told = client.ok(&["digest"]).stdout;
    assert!(
        told.starts_with("Waiting for you") && told.contains("SINCE THEN"),
        "{told}"
    );
    client.ok(&["terminate", &session, "--yes"]);
}
