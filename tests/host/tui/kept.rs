//! Panes that come back: after a device was switched off, and not after they were closed.

use rustix::process::Signal;

use super::{env, leave, mux, press, titles};
use crate::common::terminal::USUAL;
use crate::common::{SOON, await_true};

#[test]
fn panes_outlive_a_client_that_is_killed_and_closed_ones_stay_closed() {
    let env = env();
    let mut t = mux(&env, &["--", "sh"], USUAL);
    t.wait_text("ok>");
    press(&mut t, "%");
    t.wait_for("two panes", |t| titles(t) == 2);
    let file = env.home().join(".local/state/remote/mux.json");
    let kept = || std::fs::read_to_string(&file).unwrap_or_default();
    await_true("both on disk", SOON, || {
        kept().matches("\"argv\"").count() == 2
    });
    t.signal(Signal::KILL);
    t.wait_exit();

    let mut t = mux(&env, &[], USUAL);
    t.wait_for("both again", |t| titles(t) == 2);
    for left in [1, 0] {
        press(&mut t, "x");
        t.wait_text("(y/n)");
        t.send("y");
        t.wait_for("one pane fewer", |t| titles(t) == left && !t.shows("(y/n)"));
    }
    leave(t);
    let mut t = mux(&env, &[], USUAL);
    t.wait_text("type a task");
    assert_eq!(titles(&t), 0, "{:?}", t.text());
    leave(t);
    env.await_no_process();
}
