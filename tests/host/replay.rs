//! `remote replay` on a terminal: the time line and its keys.

use crate::common::env::TestEnv;
use crate::common::terminal::{Terminal, USUAL};

/// What the time line says: ` ▶ 0:01 / 0:08 `.
fn bar(t: &Terminal) -> String {
    t.text().last().cloned().unwrap_or_default()
}

fn wait_bar(t: &mut Terminal, text: &str) {
    t.wait_for(&format!("`{text}` in the time line"), |t| {
        bar(t).contains(text)
    });
}

/// An agent that has counted to six, with five pauses between, of which a replay keeps 2 s; it runs on.
fn counted(env: &TestEnv) -> String {
    let script = env.script(
        "counts",
        "#!/bin/sh\nfor word in one two three four five six; do printf 'it is %s\\r\\n' $word; sleep 1.2; done\n\
         printf 'al''l of it\\n'; exec sleep 600\n",
    );
    let session = env.dispatch(&["--command", &script.display().to_string()]);
    env.await_status("its end", &session, |s| {
        s.agents.iter().all(|a| a.bytes >= 87)
    });
    session
}

#[test]
fn a_time_line_is_gone_along_by_keys() {
    let env = TestEnv::new();
    let session = counted(&env);
    let short = session.strip_prefix("session-").expect("a name");
    let mut t = env.terminal(&["replay", &session, "--max-idle", "1s"], USUAL);
    t.wait_text("it is one");
    wait_bar(&mut t, "▶ 0:0");
    wait_bar(&mut t, "/ 0:06");
    wait_bar(&mut t, &format!("1x {short}/1"));
    t.send(" ");
    wait_bar(&mut t, "‖ 0:0");
    // The beginning, and one frame after the other, and back.
    t.send("g");
    t.wait_for("the beginning", |t| {
        bar(t).contains("‖ 0:00") && t.shows("it is one") && !t.shows("it is two")
    });
    t.send(".");
    t.wait_for("the second", |t| {
        t.shows("it is two") && !t.shows("it is three")
    });
    t.send("..");
    t.wait_for("the fourth", |t| {
        t.shows("it is four") && !t.shows("it is five")
    });
    t.send(",");
    t.wait_for("the third", |t| {
        t.shows("it is three") && !t.shows("it is four")
    });
    // The end; five seconds back and forth; tenths.
    t.send("G");
    t.wait_for("the end", |t| {
        bar(t).contains("‖ 0:06 / 0:06") && t.shows("all of it")
    });
    t.send("\x1b[D");
    t.wait_for("five seconds before", |t| {
        bar(t).contains("0:01") && t.shows("it is two") && !t.shows("it is three")
    });
    t.send("\x1b[C");
    t.wait_for("the end again", |t| t.shows("all of it"));
    t.send("5");
    t.wait_for("half of it", |t| {
        t.shows("it is four") && !t.shows("it is five")
    });
    t.send("0");
    t.wait_for("nothing of it", |t| {
        t.shows("it is one") && !t.shows("it is two")
    });
    // The speed.
    t.send(">>");
    wait_bar(&mut t, "4x");
    t.send("<<<");
    wait_bar(&mut t, "0.5x");
    t.send(">");
    // Search, from there on; as text where it is no pattern.
    t.send("/IS F");
    t.wait_for("the pattern", |t| bar(t) == "/IS F");
    t.send("\x1b");
    wait_bar(&mut t, "‖ 0:00");
    t.send("/is f[io]\r");
    t.wait_for("the fourth", |t| {
        t.shows("it is four") && !t.shows("it is five")
    });
    t.send("n");
    t.wait_for("the fifth", |t| {
        t.shows("it is five") && !t.shows("it is six")
    });
    t.send("/nowhere\r");
    wait_bar(&mut t, "not found");
    // It plays on to the end and stays there.
    t.send("9>>>>");
    t.send(" ");
    t.wait_for("the end by itself", |t| bar(t).contains("‖ 0:06 / 0:06"));
    t.send(" ");
    wait_bar(&mut t, "this is the end");
    t.send("q");
    assert_eq!(t.wait_exit(), 0);
    assert!(!t.emulator().alternate());
    let modes = t.emulator().modes();
    let fresh = crate::common::emulator::Emulator::new(t.size()).modes();
    assert_eq!(modes, fresh);
}

#[test]
fn states_and_sizes_are_marked_and_gone_to() {
    let env = TestEnv::new();
    let script = env.script(
        "asks",
        "#!/bin/sh\nprintf 'begun\\r\\n'; read -r x\nprintf '\\033]7501;state=blocked:kind=question:msg=V2hpY2ggb25lPw==\\033\\\\asked\\r\\n'\n\
         read -r x\nprintf '\\033]7501;state=done\\033\\\\over\\r\\n'\nexec sleep 600\n",
    );
    let session = env.dispatch(&["--command", &script.display().to_string()]);
    env.await_status("its word", &session, |s| {
        s.agents.iter().all(|a| a.bytes > 6)
    });
    let mut t = env.attach(&session, crate::common::terminal::size(100, 30));
    t.wait_text("begun");
    t.send("\r");
    t.wait_text("asked");
    env.await_status("its question", &session, |s| {
        s.agents.iter().all(|a| a.state.word() == "blocked")
    });
    t.send("\r");
    t.wait_text("over");
    env.await_status("its end", &session, |s| {
        s.agents.iter().all(|a| a.state.word() == "done")
    });
    t.send("\r~.");
    assert_eq!(t.wait_exit(), 0);
    let mut t = env.terminal(
        &["replay", &session],
        crate::common::terminal::size(120, 40),
    );
    // Signs, and not colours alone.
    t.wait_for("the marks", |t| {
        let bar = bar(t);
        bar.contains('▲') && bar.contains('✓') && bar.contains('/')
    });
    t.send(" g");
    wait_bar(&mut t, "‖ 0:00");
    let mut words = Vec::new();
    for _ in 0..12 {
        let before = bar(&t);
        t.send("]");
        t.wait_for("another mark, or none", |t| bar(t) != before);
        let bar = bar(&t);
        if bar.contains("no further mark") {
            break;
        }
        words.push(bar);
    }
    let at = |word: &str| words.iter().position(|bar| bar.contains(word));
    let (asked, done) = (at("blocked"), at("done"));
    assert!(
        asked.is_some() && done.is_some() && asked < done,
        "{words:?}"
    );
    t.send("[");
    t.send("\x03");
    assert_eq!(t.wait_exit(), 130);
}

#[test]
fn without_a_terminal_it_is_plain_and_a_poor_one_is_enough() {
    let mut env = TestEnv::new();
    let session = counted(&env);
    let ran = env.ok(&["replay", &session, "--speed", "1000"]);
    assert!(ran.stdout.contains("it is one\r") && ran.stdout.contains("all of it"));
    assert!(
        !ran.stdout.contains("1x") && !ran.stdout.contains("\x1b[?1049h"),
        "{:?}",
        ran.stdout
    );
    env.set("LC_ALL", "C");
    env.set("NO_COLOR", "1");
    for at in [(40, 12), (20, 3), (1, 1)] {
        let at = crate::common::terminal::size(at.0, at.1);
        let mut t = env.terminal(&["replay", &session, "--speed", "1000"], at);
        if at.cols >= 20 {
            wait_bar(&mut t, "= 0:0");
        } else {
            t.settle(std::time::Duration::from_millis(300));
        }
        let drawn = String::from_utf8_lossy(t.raw()).into_owned();
        assert!(drawn.is_ascii(), "{drawn:?}");
        t.send("q");
        assert_eq!(t.wait_exit(), 0);
    }
}
