//! The keys of the list, which are not bindings.

use crate::agents::sh;
use crate::common::env::TestEnv;
use crate::common::terminal::Terminal;
use crate::tui::WIDE;

#[test]
fn every_key_of_the_list_does_what_the_manual_says() {
    let env = TestEnv::new();
    let one = env.dispatch(&[
        "--ttl",
        "1h",
        "--name",
        "alpha",
        "--command",
        &sh("echo ON''E; exec cat"),
    ]);
    let two = env.dispatch(&[
        "--ttl",
        "1h",
        "--name",
        "beta",
        "-n",
        "2",
        "--command",
        &sh("echo TW''O; exec cat"),
    ]);
    let mut t = env.terminal(&[], WIDE);
    t.wait_for("both, the newest chosen", |t| {
        t.shows("alpha") && t.shows("beta") && t.shows("TWO")
    });
    // Tab goes to the list: letters are no task there; and back.
    t.send("\tj\tj");
    t.wait_text("› j");
    assert!(!t.shows("› jj"), "{:?}", t.text());
    t.send("\x7f\t");
    let chosen = |t: &Terminal, session: &str, agent: u32| {
        let name = format!("{}/{agent}", session.trim_start_matches("session-"));
        t.text().first().is_some_and(|l| l.contains(&name))
    };
    t.send("jjj");
    t.wait_for("the last by j", |t| chosen(t, &one, 1) && t.shows("ONE"));
    t.send("kkk");
    t.wait_for("the first by k", |t| chosen(t, &two, 1) && t.shows("TWO"));
    t.send("j");
    t.wait_for("the one below", |t| chosen(t, &two, 2));
    t.send("k");
    t.wait_for("the one above", |t| chosen(t, &two, 1));
    for (key, title) in [("a", "answer"), ("P", "pull")] {
        t.send(key);
        t.wait_for(&format!("{title} by {key}"), |t| {
            t.shows(&format!("{title} {two}/")) && t.shows("any key closes")
        });
        t.send(" ");
        t.wait_for("its end", |t| !t.shows("any key closes"));
    }
    t.send("e");
    t.wait_text(&format!("extend {two} by"));
    t.send("\x152h\r");
    t.wait_text("done: any key closes");
    t.send(" ");
    t.wait_for("its end", |t| !t.shows("any key closes"));
    // An agent that has ended starts again; the other one keeps the session alive.
    env.ok(&["kill", &format!("{two}/1")]);
    t.wait_text("exited");
    t.send("r");
    t.wait_for("the verb", |t| t.shows(&format!("restart {two}/")));
    t.wait_text("any key closes");
    t.send(" ");
    t.wait_for("its end", |t| !t.shows("any key closes"));
    t.send("T");
    t.wait_text(&format!("terminate {two}"));
    t.wait_text("Terminate session");
    t.send("y\r");
    t.wait_text("any key closes");
    t.send(" ");
    env.await_status("its end", &two, |s| s.ended.is_some());
    t.wait_for("the list", |t| !t.shows("any key closes"));
    // What has ended is below what lives.
    t.wait_for("its place", |t| {
        let row = |name: &str| t.text().iter().position(|l| l.contains(name));
        row("beta").is_none_or(|beta| row("alpha") < Some(beta))
    });
    t.send("kkk");
    t.wait_for("the agent of alpha", |t| chosen(t, &one, 1));
    t.send("l");
    t.wait_text(&format!("0:{}/1*", one.trim_start_matches("session-")));
    t.send("\x02w");
    t.wait_text("type a task");
    // The list has the keys as before.
    t.send("q");
    assert_eq!(t.wait_exit(), 0, "{}", t.text().join("\n"));
}
