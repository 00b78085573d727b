//! Panes over rented machines: side by side with one of this device, cut and healed, ended and resumed, and the same
//! ones on another device.

use std::fmt::Write as _;

use remote_compute::model::Size;

use crate::common::SOON;
use crate::common::env::TestEnv;
use crate::common::terminal::Terminal;
use crate::guest::BOOT;
use crate::harness::{Lab, Machines, REGION};
use crate::person::{all_is_listed_and_goes, block, dispatch, instance_of, slowness};

const WIDE: Size = Size {
    cols: 150,
    rows: 40,
};

/// Says that it is there, and repeats what it is told.
fn speaker(name: &str) -> String {
    format!("echo ready-{name}; while read line; do echo \"{name} heard <$line>\"; done")
}

fn open(env: &TestEnv, args: &[&str]) -> Terminal {
    let mut terminal = env.terminal(args, WIDE);
    terminal.limit(2 * SOON * slowness());
    terminal
}

/// Goes to the pane on whose screen `name` speaks, and is answered there.
fn speaks(t: &mut Terminal, name: &str, word: &str) {
    for _ in 0..8 {
        if focused(t).contains(&format!("ready-{name}")) {
            t.send(format!("{word}\r"));
            return t.wait_text(&format!("{name} heard <{word}>"));
        }
        let before = t.emulator().cursor();
        t.send("\x02o");
        t.wait_for("another pane", |t| t.emulator().cursor() != before);
    }
    panic!("no pane of {name}:\n{}", t.text().join("\n"));
}

/// What is shown in the pane that has the cursor, as far as panes lie side by side.
fn focused(t: &Terminal) -> String {
    let (_, x) = t.emulator().cursor();
    let mut told = String::new();
    for line in t.text() {
        let cells: Vec<char> = line.chars().collect();
        let at = x.min(cells.len());
        let (left, right) = cells.split_at(at);
        let from = left.iter().rposition(|c| *c == '│').map_or(0, |p| p + 1);
        let to = right.iter().position(|c| *c == '│').unwrap_or(right.len());
        let own: String = left
            .iter()
            .skip(from)
            .chain(right.iter().take(to))
            .collect();
        let _ = writeln!(told, "{own}");
    }
    told
}

fn leave(mut t: Terminal) {
    t.send("\x02d");
    assert_eq!(t.wait_exit(), 0, "{}", t.text().join("\n"));
}

#[test]
fn panes_of_several_machines_heal_are_resumed_and_follow_to_another_device() {
    let lab = Lab::start(Machines::Box);
    let (here, there) = (lab.device(), lab.device());
    let one = dispatch(&here, &["--command", &speaker("one")]);
    let two = dispatch(&here, &["--command", &speaker("two")]);
    let near = dispatch(
        &here,
        &["--provider", "local", "--command", &speaker("near")],
    );
    let mut t = open(&here, &["mux", &one, &two, &near]);
    // Side by side, so that each is told apart by its columns.
    t.send("\x02 ");
    for name in ["one", "two", "near"] {
        t.wait_text(&format!("ready-{name}"));
    }
    for name in ["one", "two", "near"] {
        speaks(&mut t, name, "hello");
    }

    // One machine's link is cut: its pane says so, the others go on, and it heals by itself.
    let instance = instance_of(&here, &one);
    lab.control().kill(&instance, "unplug");
    t.wait_text("connection lost");
    speaks(&mut t, "two", "meanwhile");
    speaks(&mut t, "near", "meanwhile too");
    lab.control().kill(&instance, "plug");
    t.wait_for("the healed pane", |t| !t.shows("connection lost"));
    speaks(&mut t, "one", "again");
    leave(t);

    // The same agents lie there on another device; what only the first one has does not.
    let mut other = open(&there, &["mux"]);
    other.wait_text("one heard <again>");
    other.wait_text("two heard <meanwhile>");
    assert!(!other.shows("near"), "{}", other.text().join("\n"));
    speaks(&mut other, "two", "from the other device");
    leave(other);

    // A machine that is ended from outside leaves its pane's last screen; `r` brings it back on another machine.
    let mut t = open(&here, &["mux", &two]);
    t.wait_text("two heard <from the other device>");
    let gone = instance_of(&here, &two);
    let call = lab.ec2(REGION);
    block(call.terminate_instances().instance_ids(&gone).send()).expect("terminated");
    t.limit(BOOT);
    t.wait_for("word of its end", |t| {
        t.shows("r starts it again") || t.shows("r tries again")
    });
    assert!(t.shows("two heard <meanwhile>"), "{}", t.text().join("\n"));
    t.send("r");
    t.wait_for("the agent on its new machine", |t| {
        t.shows("ready-two") && !t.shows("again, x closes") && !t.shows("resume session")
    });
    t.limit(2 * SOON * slowness());
    speaks(&mut t, "two", "back");
    assert_ne!(instance_of(&here, &two), gone);
    leave(t);
    here.ok(&["terminate", "--all", "--yes"]);
    all_is_listed_and_goes(&lab, &here, "panes");
}
