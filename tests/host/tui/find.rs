//! The search of all agents, and the way from what it finds to where that stands.

use super::{WIDE, leave, mux, press};
use crate::agents::{says, sh};
use crate::common::env::TestEnv;
use crate::common::terminal::size;

#[test]
fn what_any_agent_wrote_is_found_and_opened_where_it_stands() {
    let mut env = TestEnv::new();
    env.set("PS1", "ok> ");
    let many =
        sh("n=0; while [ $n -lt 3000 ]; do n=$((n+1)); echo row-$n-; done; echo RE''ADY; exec cat");
    let one = env.dispatch(&["--command", &many]);
    let two = env.dispatch(&["--command", &says("HELLO-row-x-FROM-TWO")]);
    let over = env.dispatch(&["--command", &sh("echo OV''ER-row-y-")]);
    env.await_status("its end", &over, |s| s.ended.is_some());
    // All is written before it is searched: `row-N-` and a line's end each.
    env.await_status("all rows", &one, |s| s.agents[0].bytes >= 31_893);
    env.await_status("its line", &two, |s| s.agents[0].bytes >= 20);
    let short = |session: &str| session.trim_start_matches("session-").to_owned();
    let mut t = mux(&env, &["--", "sh"], WIDE);
    t.wait_text("ok>");
    press(&mut t, "f");
    t.wait_text("search all agents");
    t.send("row-(15.7|x|y)-");
    // As it is typed; live and ended ones.
    for text in [
        "row-1507-",
        "row-1597-",
        "HELLO-row-x-FROM-TWO",
        "OVER-row-y-",
    ] {
        t.wait_text(text);
    }
    t.wait_text("12 lines");
    assert!(t.shows(&format!("{}/1", short(&one))), "{:?}", t.text());
    // Another pattern at once; none.
    t.send("\x15zzzz-none");
    t.wait_text("nothing found");
    t.send("\x15row-1234-");
    t.wait_text("1 line");
    t.wait_text("row-1234-");
    t.send("\r");
    // Its pane, looked back at, at that line.
    t.wait_for("the agent's pane at the line", |t| {
        t.shows(&format!("1:{}/1*", short(&one)))
            && t.shows("[line 1234 of")
            && t.shows("row-1234-")
            && t.shows("row-1233-")
    });
    t.send("q");
    t.wait_text("READY");
    // It is as it was left; the arrows choose; Escape leaves.
    press(&mut t, "f");
    t.wait_text("row-1234-");
    t.send("\x15-from-two|over-row");
    t.wait_text("2 lines");
    t.send("\x1b[B\x1b[A\x0e\x10");
    t.send("\x1b");
    t.wait_for("its end", |t| !t.shows("search all agents"));
    // One that has ended is looked back at all the same.
    press(&mut t, "f");
    t.send("\x15over-row");
    t.wait_text("1 line");
    t.send("\r");
    t.wait_for("the ended agent's line", |t| {
        t.shows(&format!("2:{}/1*", short(&over)))
            && t.shows("[line 1 of")
            && t.shows("OVER-row-y-")
    });
    // By the palette too, and in little room.
    t.send("q");
    press(&mut t, ":");
    t.send("search-all\r");
    t.wait_text("search all agents");
    t.resize(size(40, 12));
    t.send("\x15hello");
    t.wait_text("HELLO-row");
    t.send("\x1b");
    t.wait_for("its end", |t| !t.shows("HELLO-row"));
    leave(t);
}
