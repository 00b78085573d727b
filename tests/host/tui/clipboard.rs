//! A program that asks for the clipboard: the person is asked, in a pane of this machine and in an agent's.

use super::{WIDE, env, leave, mux, press};
use crate::agents::sh;
use crate::common::terminal::USUAL;

/// Asks once for each line it reads, and shows what it is told.
const ASKS: &str = "stty -echo -icanon min 0 time 30; printf 'RE''ADY\\n'; while :; do \
    x=$(dd bs=99 count=1 2>/dev/null); case \"$x\" in '') continue;; q*) printf 'asked\\n\\033]52;c;?\\007'; continue;; esac; \
    printf '%s' \"$x\" | cat -v; echo; done";

#[test]
fn the_person_says_whether_a_program_reads_the_clipboard() {
    let env = env();
    let mut t = mux(&env, &["--", "sh", "-c", ASKS], WIDE);
    t.poses(&[("52", "\x1b]52;c;T1VUU0lERQ==\x1b\\")]);
    t.wait_text("READY");
    let from = t.raw().len();
    t.send("q");
    t.wait_text("sh wants to read your clipboard: C-b y yes, C-b n no, C-b a always for this pane");
    // A key that is typed is the program's, and says nothing.
    t.send("y");
    t.wait_for("the key in the program", |t| {
        t.text().iter().any(|l| l == "y")
    });
    assert!(t.shows("wants to read"));
    press(&mut t, "y");
    t.wait_text("^[]52;c;T1VUU0lERQ==^[\\");
    assert!(crate::common::terminal::find(&t.raw()[from..], b"\x1b]52;c;?").is_some());
    // Always: it is not asked about again.
    t.send("q");
    t.wait_text("wants to read");
    press(&mut t, "a");
    t.wait_for("a second answer", |t| {
        t.text().iter().filter(|l| l.contains("T1VUU0lERQ")).count() == 2
    });
    t.send("q");
    t.wait_for("a third", |t| {
        t.text().iter().filter(|l| l.contains("T1VUU0lERQ")).count() == 3
    });
    assert!(!t.shows("wants to read"));
    t.send("\x03");
    leave(t);
}

#[test]
fn a_no_tells_nothing() {
    let env = env();
    // In the words that fit 80 columns.
    let mut t = mux(&env, &["--", "sh", "-c", ASKS], USUAL);
    t.wait_text("READY");
    let from = t.raw().len();
    t.send("q");
    t.wait_text("sh reads clipboard? C-b y/n/a");
    press(&mut t, "n");
    t.wait_for("no question", |t| !t.shows("reads clipboard?"));
    // It is not asked about again for a while, and the program goes on.
    t.send("q");
    t.wait_for("another question", |t| {
        t.text().iter().filter(|l| *l == "asked").count() == 2
    });
    t.send("m");
    t.wait_for("a key of the program's", |t| {
        t.text().iter().any(|l| l == "m")
    });
    assert!(!t.shows("reads clipboard?"));
    assert!(crate::common::terminal::find(&t.raw()[from..], b"\x1b]52;c;?").is_none());
    t.send("\x03");
    leave(t);
}

#[test]
fn an_agents_program_asks_as_well_and_has_what_was_copied_here() {
    let env = env();
    let one = env.dispatch(&["--command", &sh(ASKS)]);
    let mut t = mux(&env, &[&one], WIDE);
    t.wait_text("READY");
    // The terminal has nothing to tell; what was copied here is known.
    t.poses(&[("52", "\x1b]52;c;\x1b\\")]);
    press(&mut t, "/");
    t.send("READY\r");
    t.send("vllll");
    t.send("y");
    t.wait_text("copied 1 line");
    t.send("q");
    t.wait_text("/1 wants to read your clipboard");
    press(&mut t, "y");
    t.wait_text("^[]52;c;UkVBRFk=^[\\");
    leave(t);
}
