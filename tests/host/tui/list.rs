//! `remote` alone: the list, the chosen agent's screen, the line for a task, and what is done from there.

use super::{B, WIDE, leave, press};
use crate::agents::{answers, says, sh};
use crate::common::env::TestEnv;
use crate::common::terminal::{Terminal, USUAL, size};

pub fn list(env: &TestEnv, at: remote_compute::model::Size) -> Terminal {
    let mut t = env.terminal(&[], at);
    t.wait_text("sessions");
    t
}

pub fn short(session: &str) -> &str {
    session.strip_prefix("session-").unwrap_or(session)
}

#[test]
fn the_chosen_agent_is_seen_and_opened() {
    let env = TestEnv::new();
    let one = env.dispatch(&["--name", "alpha", "--command", &answers()]);
    let two = env.dispatch(&["--name", "beta", "--command", &says("HELLO-FROM-TWO")]);
    let mut t = list(&env, WIDE);
    for text in [short(&one), "alpha", short(&two), "beta", "type a task"] {
        t.wait_text(text);
    }
    // The newest is chosen at first; down to the other.
    t.wait_text("HELLO-FROM-TWO");
    t.send("\x1b[B");
    t.wait_for("the other's screen", |t| {
        t.shows("READY") && !t.shows("HELLO-FROM-TWO")
    });
    // Looking at it is no typing: Enter opens it.
    t.send("\r");
    t.wait_text(&format!("0:{}/1*", short(&one)));
    t.send("hi\r");
    t.wait_text("got hi");
    // The list again, the same agent chosen; and by Tab the keys of the list.
    press(&mut t, "w");
    t.wait_for("the list with its screen", |t| {
        t.shows("beta") && t.shows("got hi")
    });
    t.send("\tk");
    t.wait_text("HELLO-FROM-TWO");
    t.send("j");
    t.wait_text("got hi");
    // A click chooses, a second one opens.
    t.send("\x1b[<0;10;2M\x1b[<0;10;2m");
    t.wait_text("HELLO-FROM-TWO");
    t.send("\x1b[<0;10;3M\x1b[<0;10;3m");
    t.wait_text(&format!("1:{}/1*", short(&two)));
    leave(t);
}

#[test]
fn a_typed_task_is_dispatched_and_its_agent_opened() {
    let env = TestEnv::new();
    let config = env.home().join(".config/remote/config.toml");
    std::fs::create_dir_all(config.parent().expect("a directory")).expect("it");
    let script = env.script(
        "worker",
        "#!/bin/sh\nprintf 'TASK<%s>\\n' \"$*\"\nexec cat\n",
    );
    let text = format!(
        "agent = \"worker\"\n[agents.worker]\ncommand = [\"{}\", \"{{task}}\"]\n",
        script.display()
    );
    std::fs::write(&config, text).expect("a file");
    let mut t = list(&env, WIDE);
    t.send("fix teh");
    t.wait_text("fix teh");
    t.send("\x17the \x1b[200~parser\x1b[201~");
    t.wait_text("fix the parser");
    t.send("\r");
    t.wait_text("TASK<fix the parser>");
    t.wait_for("its pane", |t| {
        t.text().last().is_some_and(|l| l.contains("/1*"))
    });
    t.send("typed\r");
    t.wait_text("typed");
    // One that cannot be dispatched is not lost.
    std::fs::remove_file(&script).expect("the program away");
    press(&mut t, "w");
    t.wait_text("type a task");
    t.send("again\r");
    t.wait_text("exited(1): any key closes");
    t.send(" ");
    t.wait_for("the task on its line", |t| {
        !t.shows("any key closes") && t.shows("› again")
    });
    leave(t);
}

#[test]
fn verbs_run_over_the_list_and_say_what_they_do() {
    let env = TestEnv::new();
    let one = env.dispatch(&["--ttl", "1h", "--command", &answers()]);
    let mut t = list(&env, WIDE);
    t.wait_text("READY");
    t.wait_text("TTL 59m");
    t.send("\te");
    t.wait_text(&format!("extend {one} by"));
    t.send("\x15" /* all of it */);
    t.send("2h\r");
    t.wait_text("done: any key closes");
    t.send(" ");
    t.wait_text("TTL 2h");
    // Nothing waits for an answer: the verb says so itself.
    t.send("a");
    t.wait_text("any key closes");
    t.send(" ");
    press(&mut t, "P");
    t.wait_text("pull session");
    t.wait_text("any key closes");
    t.send(" ");
    t.wait_for("the list", |t| !t.shows("any key closes"));
    t.send("T");
    t.wait_text("terminate session");
    t.wait_text("Terminate session");
    t.send("y\r");
    t.wait_text("any key closes");
    t.send(" ");
    t.wait_text("ended");
    env.await_status("its end", &one, |s| s.ended.is_some());
    leave(t);
}

#[test]
fn small_and_poor_terminals_are_enough() {
    let mut env = TestEnv::new();
    env.set("PS1", "ok> ");
    env.set("LC_ALL", "C");
    env.set("NO_COLOR", "1");
    let one = env.dispatch(&["--command", &sh("echo RE''ADY; exec cat")]);
    for at in [size(40, 12), USUAL] {
        let mut t = list(&env, at);
        t.wait_text(short(&one));
        let drawn = String::from_utf8_lossy(t.raw()).into_owned();
        assert!(drawn.is_ascii(), "{drawn:?}");
        assert!(
            !drawn.contains("\x1b[0;3") && !drawn.contains(";46m"),
            "{drawn:?}"
        );
        t.send("\r");
        t.wait_text("READY");
        press(&mut t, "%");
        t.wait_text("ok>");
        t.wait_for("a border of ASCII", |t| {
            t.text().get(4).is_some_and(|l| l.contains('|'))
        });
        t.send(format!("{B}?"));
        t.wait_text("any key closes");
        t.send("q");
        leave(t);
    }
    // Down to nothing, and back.
    let mut t = list(&env, USUAL);
    for at in [size(1, 1), size(3, 2), size(20, 5), USUAL] {
        t.resize(at);
        t.settle(std::time::Duration::from_millis(100));
    }
    t.wait_text(short(&one));
    assert!(t.running());
    leave(t);
}

#[test]
fn without_a_terminal_it_is_the_help() {
    let env = TestEnv::new();
    let ran = env.run(&[]);
    assert!(ran.stderr.contains("Usage: remote") || ran.stdout.contains("Usage: remote"));
    let ran = env.run(&["mux"]);
    assert!(ran.stderr.contains("needs a terminal"), "{}", ran.stderr);
}
