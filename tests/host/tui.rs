//! The whole-terminal views as a person has them: in a real terminal, over real sessions, by their keys.

mod back;
mod bindings;
mod clipboard;
mod dashboard;
mod find;
mod images;
mod inside;
mod kept;
mod linear;
mod links;
mod list;
mod panes;

use remote_compute::model::Size;

use crate::common::env::TestEnv;
use crate::common::terminal::{Terminal, USUAL};

/// The prefix.
const B: &str = "\x02";

const WIDE: Size = Size {
    cols: 120,
    rows: 36,
};

/// Types the prefix and a key.
fn press(t: &mut Terminal, key: &str) {
    t.send(format!("{B}{key}"));
}

/// The column at which `c` stands in a row, if it does.
fn column(t: &Terminal, row: usize, c: char) -> Option<usize> {
    let text = t.text();
    text.get(row)?.chars().position(|x| x == c)
}

/// Runs a line in the shell that has the keys; `shows` is what it prints and does not contain.
fn run(t: &mut Terminal, line: &str, shows: &str) {
    t.send(format!("{line}\r"));
    t.wait_text(shows);
}

/// Leaves; nothing of the view stays in the terminal.
fn leave(mut t: Terminal) {
    press(&mut t, "d");
    assert_eq!(t.wait_exit(), 0, "{}", t.text().join("\n"));
    assert!(!t.emulator().alternate());
    let modes = t.emulator().modes();
    let fresh = crate::common::emulator::Emulator::new(t.size()).modes();
    assert_eq!(modes, fresh);
}

fn mux(env: &TestEnv, args: &[&str], size: Size) -> Terminal {
    let args: Vec<&str> = ["mux"].into_iter().chain(args.iter().copied()).collect();
    env.terminal(&args, size)
}

/// An environment in which a shell's prompt is `ok> `.
fn env() -> TestEnv {
    let mut env = TestEnv::new();
    env.set("PS1", "ok> ");
    env
}

/// A shell in a pane of a terminal that takes what `answers` say.
fn shell(env: &TestEnv, answers: &[(&'static str, &'static str)]) -> Terminal {
    let mut t = mux(env, &["--", "sh"], USUAL);
    t.poses(answers);
    t.wait_text("ok>");
    t
}

/// How many panes of shells have their titles in the lines above them.
fn titles(t: &Terminal) -> usize {
    t.text().iter().map(|l| l.matches(" sh ").count()).sum()
}
