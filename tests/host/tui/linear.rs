//! Plain lines for screen readers, on a real terminal: no cursor is moved and nothing drawn over.

use super::dashboard::asks;
use super::list::short;
use crate::agents::says;
use crate::common::env::TestEnv;
use crate::common::terminal::{Terminal, size};

fn env() -> TestEnv {
    let mut env = TestEnv::new();
    env.set("NO_COLOR", "1");
    let script = env.script(
        "worker",
        "#!/bin/sh\nprintf 'TASK<%s>\\n' \"$*\"\nexec cat\n",
    );
    let config = env.home().join(".config/remote/config.toml");
    std::fs::create_dir_all(config.parent().expect("a directory")).expect("it");
    let text = format!(
        "agent = \"worker\"\n[agents.worker]\ncommand = [\"{}\", \"{{task}}\"]\n",
        script.display()
    );
    std::fs::write(&config, text).expect("a file");
    env
}

/// All that was printed since it was asked last, once it has this.
fn told(t: &mut Terminal, text: &str) -> String {
    t.wait_raw(0, text.as_bytes());
    String::from_utf8_lossy(&t.take_raw()).into_owned()
}

#[test]
fn sessions_are_lines_changes_are_lines_and_what_is_typed_is_done() {
    let env = env();
    let one = env.dispatch(&["--name", "alpha", "--command", &asks()]);
    let mut t = env.terminal(&["--screen-reader"], size(200, 40));
    let who = format!("session {} alpha, agent 1 stty, ", short(&one));
    let mut first = told(&mut t, "\r\n> ");
    assert!(first.contains("Type a task, a number to attach, or help."));
    // Its host may take longer than the first list waits.
    for _ in 0..100 {
        if first.contains(&format!("1 of 1: {who}")) {
            break;
        }
        t.settle(std::time::Duration::from_millis(200));
        t.send("list\r");
        first += &told(&mut t, "\r\n> ");
    }
    assert!(first.contains(&format!("1 of 1: {who}")), "{first}");
    let mut all = first;
    // A change is a line when it happens, the prompt again below it.
    env.ok(&["send", &one, "go", "--enter"]);
    let asked = told(&mut t, &format!("1: {who}blocked: Allow npm install?"));
    all += &asked;
    // Its answer is the verb of that name.
    t.send("answer 1\r");
    all += &told(&mut t, "answer:");
    t.send("y\r");
    all += &told(&mut t, "\r\n> ");
    t.send("status\r");
    all += &told(&mut t, "NEXT END");
    // A slip is asked about, a task dispatched, its agent a number.
    t.send("statsu\r");
    all += &told(&mut t, "Yes or no.");
    t.send("no\r");
    all += &told(&mut t, "Not dispatched.");
    t.send("fix the parser\r");
    all += &told(&mut t, "2: session ");
    t.send("list\r");
    all += &told(&mut t, "2 of 2: session ");
    t.send("terminate 7\r");
    all += &told(&mut t, "There is no agent number 7; the last is 2.");
    assert!(!all.contains('\x1b'), "{all:?}");
    assert!(
        all.chars().all(|c| !('\u{2500}'..='\u{259f}').contains(&c)),
        "{all}"
    );
    // A number is `remote attach`; leaving it comes back.
    t.send("2\r");
    t.wait_raw(0, b"TASK<fix the parser>");
    t.send("\r~.");
    t.wait_raw(0, b"\r\n> ");
    t.take_raw();
    env.ok(&["terminate", &one, "--yes"]);
    told(&mut t, "alpha has ended");
    t.send("quit\r");
    assert_eq!(t.wait_exit(), 0);
}

#[test]
fn the_configuration_makes_every_verb_plain() {
    let mut env = env();
    env.set("REMOTE_SCREEN_READER", "yes");
    env.set("TERM", "dumb");
    let mut t = env.terminal(&[], size(200, 40));
    let first = told(&mut t, "\r\n> ");
    assert!(first.contains("No live sessions."), "{first}");
    // A session of elsewhere is told of too.
    let one = env.dispatch(&["--command", &says("HELLO-THERE")]);
    told(
        &mut t,
        &format!("1: session {}, agent 1 printf, ", short(&one)),
    );
    t.send("quit\r");
    assert_eq!(t.wait_exit(), 0);
    // Nothing is drawn over by others either.
    let mut t = env.terminal(&["status"], size(200, 40));
    assert_eq!(t.wait_exit(), 0);
    let drawn = String::from_utf8_lossy(t.raw()).into_owned();
    assert!(drawn.contains(&one) && !drawn.contains('\x1b'), "{drawn:?}");
    // And Ctrl-D leaves.
    let mut t = env.terminal(&["mux"], size(200, 40));
    told(&mut t, "\r\n> ");
    t.send("\x04");
    assert_eq!(t.wait_exit(), 0);
}
