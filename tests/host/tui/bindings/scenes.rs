//! What a person does and sees, by the actions' names: whichever keys these have.

use remote_compute::config::Action;

use super::{Hands, Scene, sent};
use crate::agents::answers;
use crate::common::terminal::Terminal;
use crate::tui::{WIDE, mux, titles};

pub const SCENES: &[Scene] = &[
    (PANES, panes),
    (SIZES, sizes),
    (ORDER, order),
    (TABS, tabs),
    (BACK, back),
    (VIEWS, views),
    (AGENTS, agents),
];

/// Columns from and to, rows from and to.
pub type Place = (usize, usize, usize, usize);
const ALL: Place = (0, 80, 0, 24);
const LEFT: Place = (0, 40, 0, 24);
const RIGHT: Place = (40, 80, 0, 24);
const UPPER_RIGHT: Place = (40, 80, 0, 12);
const LOWER_RIGHT: Place = (40, 80, 12, 24);

pub fn seen_in(t: &Terminal, word: &str, (left, right, top, bottom): Place) -> bool {
    let text = t.text();
    let rows = text.iter().take(bottom).skip(top);
    rows.map(|row| {
        row.chars()
            .skip(left)
            .take(right - left)
            .collect::<String>()
    })
    .any(|part| part.contains(word))
}

/// The column of the border between panes side by side.
fn border(t: &Terminal) -> Option<usize> {
    t.text().get(5)?.chars().position(|c| c == '│')
}

/// The row of the line between panes one below the other.
fn line(t: &Terminal) -> Option<usize> {
    t.text().iter().skip(2).position(|l| l.contains("─ sh"))
}

const PANES: &[&str] = &[
    "split-right",
    "split-down",
    "left",
    "right",
    "up",
    "down",
    "next-pane",
    "last-pane",
    "zoom",
    "close-pane",
];

fn panes(h: &mut Hands) {
    h.does("split-right", "a pane to the right", |t| {
        border(t) == Some(40)
    });
    h.types("beside", "the right one", RIGHT);
    h.does("split-down", "a pane below", |t| titles(t) == 3);
    h.types("below", "the lower right one", LOWER_RIGHT);
    h.key("left", 0);
    h.types("leftmost", "the left one", LEFT);
    h.key("right", 0);
    h.types("rightmost", "the one used last on the right", LOWER_RIGHT);
    h.key("up", 0);
    h.types("upward", "the upper right one", UPPER_RIGHT);
    h.key("down", 0);
    h.types("downward", "the lower right one", LOWER_RIGHT);
    // In their order: left, upper right, lower right, and around.
    h.key("next-pane", 0);
    h.types("around", "the left one", LEFT);
    h.key("next-pane", 0);
    h.types("onward", "the upper right one", UPPER_RIGHT);
    h.key("last-pane", 0);
    h.types("former", "the left one", LEFT);
    h.does("zoom", "it alone", |t| {
        t.shows("(zoomed)") && border(t).is_none()
    });
    h.does("zoom", "all of them", |t| {
        !t.shows("(zoomed)") && titles(t) == 3
    });
    h.does("close-pane", "a question", |t| t.shows("(y/n)"));
    h.t.send("y");
    h.t.wait_for("two panes", |t| titles(t) == 2);
}

const SIZES: &[&str] = &[
    "grow-left",
    "grow-right",
    "grow-up",
    "grow-down",
    "grow-left-5",
    "grow-right-5",
    "grow-up-5",
    "grow-down-5",
];

fn sizes(h: &mut Hands) {
    h.does("split-right", "a border", |t| border(t) == Some(40));
    h.does("grow-left", "one to the left", |t| border(t) == Some(39));
    // A key that repeats does so without the prefix.
    let again = h.bindings.keys_of(Action::GrowLeft);
    let again = sent(&again[0]).repeat(2);
    h.t.send(format!("{}{again}", h.prefix));
    h.t.wait_for("two more", |t| border(t) == Some(37));
    h.does("grow-right", "one to the right", |t| border(t) == Some(38));
    h.does("grow-left-5", "five to the left", |t| border(t) == Some(33));
    h.does("grow-right-5", "five to the right", |t| {
        border(t) == Some(38)
    });
    h.does("next-layout", "side by side", |t| border(t) == Some(40));
    h.does("next-layout", "one below the other", |t| {
        border(t).is_none() && line(t).is_some()
    });
    let at = line(&h.t).expect("a line");
    h.does("grow-up", "one up", |t| line(t) == Some(at - 1));
    h.does("grow-down", "one down", |t| line(t) == Some(at));
    h.does("grow-up-5", "five up", |t| line(t) == Some(at - 5));
    h.does("grow-down-5", "five down", |t| line(t) == Some(at));
}

const ORDER: &[&str] = &[
    "swap-next",
    "swap-previous",
    "rotate",
    "next-layout",
    "break-pane",
];

fn order(h: &mut Hands) {
    h.types("AAAA", "the first", ALL);
    h.does("split-right", "a border", |t| border(t) == Some(40));
    h.types("BBBB", "the second", RIGHT);
    let placed =
        |a: Place, b: Place| move |t: &Terminal| seen_in(t, "AAAA", a) && seen_in(t, "BBBB", b);
    h.does("swap-previous", "the other order", placed(RIGHT, LEFT));
    h.does("swap-next", "the first order", placed(LEFT, RIGHT));
    h.does("rotate", "all moved on", placed(RIGHT, LEFT));
    h.does("next-layout", "even, side by side", |t| {
        border(t) == Some(40)
    });
    h.does("next-layout", "one below the other", |t| {
        border(t).is_none() && titles(t) == 2
    });
    h.does("break-pane", "a tab of its own", |t| {
        t.shows("1:sh*") && titles(t) == 1
    });
}

const TABS: &[&str] = &[
    "new-tab",
    "next-tab",
    "previous-tab",
    "last-tab",
    "close-tab",
    "rename-tab",
    "tab-0",
    "tab-1",
    "tab-2",
    "tab-3",
    "tab-4",
    "tab-5",
    "tab-6",
    "tab-7",
    "tab-8",
    "tab-9",
];

fn tabs(h: &mut Hands) {
    h.t.resize(WIDE);
    let shown = |n: usize| {
        move |t: &Terminal| {
            t.text()
                .last()
                .is_some_and(|bar| bar.contains(&format!("{n}:sh*")))
        }
    };
    for n in 1..=9 {
        h.does("new-tab", "another tab", shown(n));
    }
    for n in 0..=9 {
        h.does(&format!("tab-{n}"), "that tab", shown(n));
    }
    h.does("last-tab", "the one before", shown(8));
    h.does("last-tab", "and again", shown(9));
    h.does("next-tab", "around to the first", shown(0));
    h.does("previous-tab", "around to the last", shown(9));
    h.does("previous-tab", "the one before", shown(8));
    h.does("close-tab", "a question", |t| t.shows("(y/n)"));
    h.t.send("y");
    h.t.wait_for("nine tabs", |t| !t.shows("9:sh"));
    h.does("tab-9", "a word", |t| t.shows("there is no tab 9"));
    h.does("rename-tab", "a line", |t| t.shows("name of the tab"));
    h.t.send("builds\r");
    h.t.wait_text(":builds*");
}

const BACK: &[&str] = &["copy", "search", "paste"];

fn back(h: &mut Hands) {
    h.t.send("seq 1 300; echo do''ne\r");
    h.t.wait_text("done");
    for which in 0..h.bindings.keys_of(Action::Copy).len() {
        h.does_by("copy", which, "the place", |t| t.shows("[line 30"));
        h.t.send("q");
        h.t.wait_for("the program", |t| !t.shows("[line"));
    }
    h.does("search", "a pattern's line", |t| t.shows("[line"));
    h.t.send("^277$\rvy");
    h.t.wait_text("copied 1 line");
    h.does("paste", "what was copied", |t| t.shows("ok> 2"));
}

const VIEWS: &[&str] = &[
    "list",
    "palette",
    "help",
    "messages",
    "detach",
    "search-all",
];

fn views(h: &mut Hands) {
    for which in 0..h.bindings.keys_of(Action::List).len() {
        h.does_by("list", which, "the list", |t| t.shows("type a task"));
        h.does_by("list", which, "the tabs", |t| {
            !t.shows("type a task") && t.shows("0:sh*")
        });
    }
    h.does("palette", "all commands", |t| {
        t.shows("commands") && t.shows("split-right")
    });
    h.t.send("rotate");
    h.t.wait_for("what fits", |t| {
        t.shows("rotate the panes") && !t.shows("split-right")
    });
    h.t.send("\x1b");
    h.t.wait_for("its end", |t| !t.shows("rotate the panes"));
    h.does("help", "all keys", |t| t.shows("any key closes"));
    h.t.send("q");
    h.t.wait_for("its end", |t| !t.shows("any key closes"));
    h.does("messages", "what was said", |t| {
        t.shows("messages: any key closes")
    });
    h.t.send("q");
    h.t.wait_for("its end", |t| !t.shows("any key closes"));
    h.does("search-all", "the search", |t| t.shows("search all agents"));
    h.t.send("\x1b");
    h.t.wait_for("its end", |t| !t.shows("search all agents"));
    // Half a second after the prefix its keys are shown.
    h.t.send(h.prefix);
    h.t.wait_text("and then");
    h.t.send("\x1b");
    h.t.wait_for("the hint's end", |t| !t.shows("and then"));
    h.key("detach", 0);
    assert_eq!(h.t.wait_exit(), 0, "{}", h.t.text().join("\n"));
}

const AGENTS: &[&str] = &["resume", "answer", "extend", "pull", "terminate"];

fn agents(h: &mut Hands) {
    let session = h
        .env
        .dispatch(&["-n", "2", "--ttl", "1h", "--command", &answers()]);
    let one = format!("{session}/1");
    h.key("detach", 0);
    assert_eq!(h.t.wait_exit(), 0);
    h.t = mux(&h.env, &[&one], WIDE);
    h.t.wait_text("READY");
    h.does("resume", "a word", |t| t.shows("it still runs"));
    h.does("answer", "the verb", |t| {
        t.shows(&format!("answer {one}")) && t.shows("any key closes")
    });
    h.t.send(" ");
    h.does("pull", "the verb", |t| {
        t.shows(&format!("pull {one}")) && t.shows("any key closes")
    });
    h.t.send(" ");
    h.does("extend", "a line", |t| {
        t.shows(&format!("extend {session} by"))
    });
    h.t.send("\x152h\r");
    h.t.wait_text("done: any key closes");
    h.t.send(" ");
    h.env.ok(&["kill", &one]);
    h.t.wait_text("r starts it again");
    h.does("resume", "it runs again", |t| {
        t.shows("READY") && !t.shows("r starts it again")
    });
    h.does("terminate", "the verb's question", |t| {
        t.shows(&format!("terminate {session}")) && t.shows("Terminate session")
    });
    h.t.send("y\r");
    h.t.wait_text("any key closes");
    h.t.send(" ");
    h.env
        .await_status("its end", &session, |s| s.ended.is_some());
}
