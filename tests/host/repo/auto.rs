//! Results that come by themselves, and pulls that meet.

use crate::common::process::run;
use crate::common::terminal::{Terminal, USUAL};
use crate::common::{SOON, await_true};

use super::both;
use super::world::{WORK, World};

fn wanting(mut w: World) -> World {
    w.client.set("REMOTE_AUTO_PULL", "yes");
    w
}

/// Whether an agent's branch is here.
fn is_here(w: &World, session: &str, agent: u32) -> bool {
    let name = format!("refs/heads/remote/{session}/{agent}");
    !w.git(&["for-each-ref", &name]).is_empty()
}

#[test]
fn results_come_by_themselves_to_who_follows() {
    both(|w| {
        let w = wanting(w);
        let ran = w.dispatch("sub", &["-n", "2", "--command", WORK]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        let session = w.latest();
        for n in [1, 2] {
            let line = format!(
                "  pull      {session}/{n}  1 commit on remote/{session}/{n}; uncommitted work at"
            );
            assert_eq!(ran.stderr.matches(&line).count(), 1, "{}", ran.all());
            assert!(is_here(&w, &session, n));
        }
        assert!(!ran.stderr.contains("Its branches"), "{}", ran.all());
        let again = w.ok(&["pull", &session, "--json"]).stdout;
        let again: serde_json::Value = serde_json::from_str(&again).unwrap();
        for agent in again[0]["agents"].as_array().unwrap() {
            assert_eq!(
                (&agent["state"], &agent["new"]),
                (&"same".into(), &false.into())
            );
        }
        // What made nothing has nothing to say.
        let ran = w.dispatch("", &["--command", "true"]);
        assert!(
            ran.code == 0 && !ran.stderr.contains("pull"),
            "{}",
            ran.all()
        );
        let ran = w.dispatch("", &["--config", "auto_pull=no", "--command", WORK]);
        assert!(ran.stderr.contains("remote pull"), "{}", ran.all());
        assert!(!is_here(&w, &w.latest(), 1));
    });
}

#[test]
fn what_comes_while_one_is_attached_is_said_once_the_screen_is_ones_own() {
    let w = wanting(World::local());
    let work = format!("if [ $REMOTE_AGENT = 2 ]; then exec cat; fi; {WORK}");
    let ran = w.dispatch("", &["-n", "2", "--detach", "--command", &work]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let session = w.latest();
    let mut command = w.client.remote(&["attach", &format!("{session}/2")]);
    command.current_dir(&w.top);
    let mut t = Terminal::spawn(command, USUAL);
    await_true("the other's branch", 2 * SOON, || is_here(&w, &session, 1));
    t.send("echoed\r");
    t.wait_text("echoed");
    assert!(!t.shows("pull"), "{:?}", t.text());
    t.send("\r~.");
    t.wait_text(&format!("pull      {session}/1  1 commit on"));
    assert_eq!(t.wait_exit(), 0);
    assert!(t.shows("left session-"), "{:?}", t.text());
}

#[test]
fn what_cannot_be_pulled_is_said_with_the_way_to_do_it() {
    let w = wanting(World::local());
    let command = format!("read x; {WORK}");
    let ran = w.dispatch("", &["--detach", "--command", &command]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let session = w.latest();
    w.git(&["branch", "remote"]);
    let mut command = w.client.remote(&["attach", &session]);
    command.current_dir(&w.top);
    let mut t = Terminal::spawn(command, USUAL);
    t.send("go\r");
    t.wait_text("was not pulled");
    assert_eq!(t.wait_exit(), 0);
    let again = format!("remote pull {}", session.trim_start_matches("session-"));
    assert!(t.shows(&again), "{:?}", t.text());
    w.git(&["branch", "--quiet", "-D", "remote"]);
    assert!(w.ok(&["pull"]).stdout.contains("1 commit on"));
}

#[test]
fn pulls_at_the_same_moment_do_not_break_each_other() {
    let w = World::local();
    let ran = w.dispatch("", &["-n", "3", "--command", WORK]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let session = w.latest();
    std::thread::scope(|scope| {
        let pull = |args: &'static [&'static str]| {
            let w = &w;
            scope.spawn(move || {
                let mut command = w.client.remote(args);
                command.current_dir(&w.top);
                run(&mut command, b"", 4 * SOON)
            })
        };
        let all = [pull(&["pull"]), pull(&["pull", "--all"]), pull(&["pull"])];
        for ran in all {
            let ran = ran.join().expect("a pull");
            let good = ran.code == 0 && !ran.stderr.contains("Warning");
            assert!(good, "{}", ran.all());
            assert_eq!(ran.stdout.matches("1 commit").count(), 3, "{}", ran.all());
        }
    });
    for n in [1, 2, 3] {
        assert!(is_here(&w, &session, n));
    }
}

#[test]
fn one_session_that_cannot_be_reached_keeps_no_other_from_being_pulled() {
    let w = World::ssh();
    let far = w.dispatch("", &["--command", WORK]);
    assert_eq!(far.code, 0, "{}", far.all());
    let far = w.latest();
    let near = w.remote("", &["dispatch", "--command", WORK]);
    assert_eq!(near.code, 0, "{}", near.all());
    let near = w.latest();
    let config = w.client.home().join(".ssh/config");
    let good = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, "Host box\n  HostName 127.0.0.1\n  Port 1\n").unwrap();
    let ran = w.remote("", &["pull", "--all", "--json"]);
    assert!(
        ran.code != 0 && ran.stderr.contains("the results of 1 session"),
        "{}",
        ran.all()
    );
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&rows[0]["session"], &rows[0]["safe"]),
        (&near.as_str().into(), &true.into())
    );
    assert_eq!(rows[1]["session"], far.as_str());
    assert!(rows[1]["error"].is_string() && is_here(&w, &near, 1));
    std::fs::write(&config, &good).unwrap();
    await_true("its end", SOON, || {
        w.client.status(&far)["presence"] == "ended"
    });
    assert_eq!(w.ok(&["pull", "--all"]).stdout.lines().count(), 2);
    // All of it is here: that the machine does not answer is of no matter any more.
    std::fs::write(&config, "Host box\n  HostName 127.0.0.1\n  Port 1\n").unwrap();
    assert_eq!(w.ok(&["pull", "--all"]).stdout.lines().count(), 1);
    std::fs::write(&config, &good).unwrap();
}
