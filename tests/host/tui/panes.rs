//! Panes and tabs: each of tmux's keys does what hands expect of it.

use super::{WIDE, column, env, leave, mux, press, run, titles};
use crate::agents::{answers, says};
use crate::common::env::TestEnv;
use crate::common::terminal::{Terminal, USUAL, size};

fn shell(env: &TestEnv) -> Terminal {
    let mut t = mux(env, &["--", "sh"], USUAL);
    t.wait_text("ok>");
    t
}

#[test]
fn splits_move_zoom_and_close() {
    let env = env();
    let mut t = shell(&env);
    run(&mut t, "echo fir''st", "first");
    press(&mut t, "%");
    t.wait_for("a pane to the right", |t| column(t, 5, '│') == Some(40));
    run(&mut t, "echo sec''ond", "second");
    press(&mut t, "\"");
    t.wait_for("a pane below", |t| titles(t) == 3);
    run(&mut t, "echo thi''rd", "third");
    let below = t.text().iter().position(|l| l.contains("third"));
    assert!(below.is_some_and(|y| y > 11), "{:?}", t.text());

    // Zoomed it is alone; again, and all are back.
    press(&mut t, "z");
    t.wait_for("the zoomed pane alone", |t| {
        t.shows("third") && t.shows("(zoomed)") && !t.shows("first") && !t.shows("second")
    });
    press(&mut t, "z");
    t.wait_for("all three", |t| t.shows("first") && t.shows("second"));

    // Left, and what is typed is seen there.
    press(&mut t, "\x1b[D");
    t.send("echo le''ft\r");
    t.wait_for("text in the left pane", |t| {
        t.text().iter().any(|l| l.starts_with("left"))
    });
    // Right, up, down, next, last: by what `tty` says, each pane is another.
    press(&mut t, "\x1b[C");
    press(&mut t, "\x1b[A");
    t.send("echo u''p\r");
    t.wait_for("text in the upper right", |t| {
        t.text().iter().take(12).any(|l| l.contains("│up"))
    });
    press(&mut t, "\x1b[B");
    t.send("echo do''wn\r");
    t.wait_for("text in the lower right", |t| {
        t.text().iter().skip(12).any(|l| l.contains("│down"))
    });
    press(&mut t, "o");
    t.send("echo ne''xt\r");
    t.wait_for("the first again", |t| {
        t.text().iter().any(|l| l.starts_with("next"))
    });
    press(&mut t, ";");
    t.send("echo la''st\r");
    t.wait_for("the one before", |t| {
        t.text().iter().skip(12).any(|l| l.contains("│last"))
    });

    // A pane with a program is closed after a yes only.
    press(&mut t, "x");
    t.wait_text("(y/n)");
    t.send("n");
    t.wait_for("the question's end", |t| {
        !t.shows("(y/n)") && titles(t) == 3
    });
    press(&mut t, "x");
    t.wait_text("(y/n)");
    t.send("y");
    t.wait_for("two panes", |t| titles(t) == 2);
    // A shell's own end closes its pane.
    t.send("exit\r");
    t.wait_for("one pane", |t| titles(t) == 1);
    leave(t);
    env.await_no_process();
}

#[test]
fn borders_move_by_keys_and_by_the_mouse() {
    let env = env();
    let mut t = shell(&env);
    press(&mut t, "%");
    t.wait_for("a border", |t| column(t, 5, '│') == Some(40));
    press(&mut t, "\x1b[1;5D");
    t.wait_for("one to the left", |t| column(t, 5, '│') == Some(39));
    // It repeats without the prefix.
    t.send("\x1b[1;5D\x1b[1;5D");
    t.wait_for("three to the left", |t| column(t, 5, '│') == Some(37));
    press(&mut t, "\x1b[1;3C");
    t.wait_for("five to the right", |t| column(t, 5, '│') == Some(42));
    press(&mut t, "\x1b[1;5C");
    t.wait_for("one to the right", |t| column(t, 5, '│') == Some(43));
    press(&mut t, "\x1b[1;3D");
    t.wait_for("five to the left", |t| column(t, 5, '│') == Some(38));
    // The mouse takes it along.
    t.send("\x1b[<0;39;6M\x1b[<32;30;6M\x1b[<32;21;6M\x1b[<0;21;6m");
    t.wait_for("the border at the mouse", |t| column(t, 5, '│') == Some(20));
    // A click gives a pane the keys.
    t.send("\x1b[<0;5;10M\x1b[<0;5;10m");
    run(&mut t, "tput cols", "20");
    press(&mut t, "\"");
    t.wait_for("a pane below", |t| titles(t) == 3);
    let middle = |t: &Terminal| t.text().iter().skip(1).position(|l| l.starts_with("─ sh"));
    let before = middle(&t).expect("a line between");
    press(&mut t, "\x1b[1;5A");
    t.wait_for("up by one", |t| middle(t) == Some(before - 1));
    press(&mut t, "\x1b[1;3B");
    t.wait_for("down by five", |t| middle(t) == Some(before + 4));
    press(&mut t, "\x1b[1;5B");
    t.wait_for("down by one", |t| middle(t) == Some(before + 5));
    press(&mut t, "\x1b[1;3A");
    t.wait_for("up by five", |t| middle(t) == Some(before));
    leave(t);
}

#[test]
fn layouts_swaps_and_tabs() {
    let env = env();
    let mut t = shell(&env);
    run(&mut t, "echo AAA''A", "AAAA");
    press(&mut t, "%");
    t.wait_for("a border", |t| column(t, 5, '│') == Some(40));
    run(&mut t, "echo BBB''B", "BBBB");
    let order = |t: &Terminal| {
        let line = t
            .text()
            .into_iter()
            .find(|l| l.contains("AAAA") && l.contains("BBBB"))?;
        Some(line.find("AAAA")? < line.find("BBBB")?)
    };
    assert_eq!(order(&t), Some(true), "{:?}", t.text());
    press(&mut t, "{");
    t.wait_for("the other order", |t| order(t) == Some(false));
    press(&mut t, "}");
    t.wait_for("the first order", |t| order(t) == Some(true));
    press(&mut t, "\x0f");
    t.wait_for("all moved on", |t| order(t) == Some(false));
    // Even side by side, then one below the other.
    press(&mut t, " ");
    t.wait_for("side by side", |t| column(t, 5, '│') == Some(40));
    press(&mut t, " ");
    t.wait_for("one below the other", |t| {
        column(t, 5, '│').is_none() && titles(t) == 2
    });

    // A tab of its own, a new one, and the ways between them.
    press(&mut t, "!");
    t.wait_text("1:sh*");
    assert_eq!(titles(&t), 1);
    press(&mut t, "c");
    t.wait_text("2:sh*");
    press(&mut t, "0");
    t.wait_text("0:sh*");
    press(&mut t, "l");
    t.wait_text("2:sh*");
    press(&mut t, "n");
    t.wait_text("0:sh*");
    press(&mut t, "p");
    t.wait_text("2:sh*");
    press(&mut t, ",");
    t.wait_text("name of the tab");
    t.send("builds\r");
    t.wait_text("2:builds*");
    press(&mut t, "7");
    t.wait_text("there is no tab 7");
    press(&mut t, "&");
    t.wait_text("(y/n)");
    t.send("y");
    t.wait_for("two tabs", |t| !t.shows("2:builds"));
    // A click on a tab shows it.
    let bar = t.text().last().cloned().unwrap_or_default();
    let at = bar.find("0:sh").expect("a tab") + 2;
    t.send(format!("\x1b[<0;{at};24M\x1b[<0;{at};24m"));
    t.wait_text("0:sh*");
    leave(t);
}

#[test]
fn hints_help_palette_and_keys_of_ones_own() {
    let env = env();
    let config = env.home().join(".config/remote/config.toml");
    std::fs::create_dir_all(config.parent().expect("a directory")).expect("it");
    std::fs::write(
        &config,
        "[keys]\nprefix = \"C-a\"\nsplit-right = [\"|\", \"%\"]\n",
    )
    .expect("a file");
    let mut t = shell(&env);
    // The old prefix is the program's by now: it goes back a character in the shell's line.
    t.send("\x01");
    t.wait_text("C-a and then");
    t.wait_text("split-right");
    t.send("|");
    t.wait_for("a border", |t| column(t, 5, '│') == Some(40));
    t.send("\x01?");
    t.wait_text("any key closes");
    t.send("q");
    t.wait_for("the help's end", |t| !t.shows("any key closes"));
    t.send("\x01:");
    t.wait_text("split-down");
    t.send("zoom\r");
    t.wait_text("(zoomed)");
    // The prefix twice is typed; a key without a meaning says so.
    t.send("\x01;\x01U");
    t.wait_text("C-a U does nothing");
    t.send("\x01d");
    assert_eq!(t.wait_exit(), 0);

    std::fs::write(&config, "[keys]\nsplit-rigth = \"|\"\nzoom = \"Bogus\"\n").expect("a file");
    let ran = env.run(&["config", "check"]);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(
        said.contains("did you mean `split-right`?") && said.contains("`Bogus` is no key"),
        "{said}"
    );
}

#[test]
fn inside_a_pane_programs_have_their_terminal() {
    let env = env();
    let mut t = mux(&env, &["--", "sh"], WIDE);
    t.wait_text("ok>");
    // Colours, styles, wide characters.
    run(
        &mut t,
        "printf '\\033[38;2;1;2;3;4mti''nt\\033[m \\346\\274\\242|\\n'",
        "tint",
    );
    assert!(t.shows("tint 漢|"), "{:?}", t.text());
    // The size is the pane's, and follows the terminal's.
    run(&mut t, "stty size", "34 120");
    t.resize(size(80, 24));
    t.wait_for("the new size", |t| {
        t.text().last().is_some_and(|l| l.contains("remote"))
    });
    run(&mut t, "stty size", "22 80");
    // A full-screen program: keys in its own form, pastes in brackets, the mouse.
    std::fs::write(env.work().join("text"), "one\ntwo\nthree\n").expect("a file");
    run(
        &mut t,
        "vim -u NONE -N -c 'set mouse=a ttymouse=sgr' text",
        "three",
    );
    t.send("\x1b[<0;2;4M\x1b[<0;2;4m");
    t.send("A!\x1b");
    t.wait_text("three!");
    t.send("\x1b[Ayyp:q!\r");
    t.wait_for("the shell again", |t| !t.shows("three!"));
    // A query is answered.
    run(
        &mut t,
        "stty raw -echo; printf '\\033[6n'; dd bs=1 count=1 >/dev/null 2>&1; stty sane; echo go''ne",
        "gone",
    );
    leave(t);
}

#[test]
fn agents_of_several_sessions_and_a_shell_side_by_side_come_back_the_next_day() {
    let env = env();
    let one = env.dispatch(&["--command", &answers()]);
    let two = env.dispatch(&["--command", &says("HELLO-FROM-TWO")]);
    let mut t = mux(&env, &[&one, &format!("{two}/1"), "--", "sh"], WIDE);
    for text in ["READY", "HELLO-FROM-TWO", "ok>"] {
        t.wait_text(text);
    }
    press(&mut t, "o");
    press(&mut t, "o");
    t.send("echo he''re\r");
    t.wait_text("here");
    press(&mut t, "\x1b[A");
    press(&mut t, "\x1b[D");
    t.send("hi\r");
    t.wait_text("got hi");
    // Nobody's terminal is left over on the host.
    press(&mut t, "d");
    assert_eq!(t.wait_exit(), 0);
    env.await_status("nobody attached", &one, |s| s.attached.is_empty());
    let mut t = mux(&env, &[], WIDE);
    for text in ["got hi", "HELLO-FROM-TWO", "ok>"] {
        t.wait_text(text);
    }
    leave(t);

    // All live agents, without a name.
    let mut t = env.terminal(&["attach", "--all"], WIDE);
    for text in ["got hi", "HELLO-FROM-TWO"] {
        t.wait_text(text);
    }
    leave(t);
}

#[test]
fn an_ended_agent_keeps_its_screen_and_r_starts_it_again() {
    let env = env();
    let two = env.dispatch(&["-n", "2", "--command", &answers()]);
    let mut t = mux(&env, &[&format!("{two}/1")], USUAL);
    t.wait_text("READY");
    t.send("something\r");
    t.wait_text("got something");
    env.ok(&["kill", &format!("{two}/1")]);
    t.wait_text("r starts it again");
    assert!(t.shows("got something"), "{:?}", t.text());
    t.send("r");
    t.wait_for("it runs again", |t| {
        t.shows("READY") && !t.shows("r starts it again")
    });
    t.send("more\r");
    t.wait_text("got more");
    leave(t);

    // A session that is over begins again, and its state is followed again.
    let one = env.dispatch(&["--command", &answers()]);
    let mut t = mux(&env, &[&one], USUAL);
    t.wait_text("READY");
    env.ok(&["kill", &format!("{one}/1")]);
    t.wait_text("its session is over");
    t.wait_text("exited(");
    t.send("r");
    t.wait_for("it runs, and the title says so", |t| {
        t.shows("READY") && !t.shows("exited(") && !t.shows("session is over")
    });
    leave(t);
}

#[test]
fn a_lost_host_shows_the_banner_in_its_pane_alone() {
    let env = env();
    let one = env.dispatch(&["--command", &answers()]);
    let mut t = mux(&env, &[&one, "--", "sh"], USUAL);
    t.wait_text("READY");
    t.wait_text("ok>");
    env.kill_host(&one);
    t.wait_for("a word about it", |t| {
        t.shows("connection lost") || t.shows("r tries again")
    });
    press(&mut t, "o");
    t.send("echo st''ill\r");
    t.wait_for("the other pane", |t| {
        if t.shows("still") {
            return true;
        }
        false
    });
    leave(t);
}

#[test]
fn one_looks_back_searches_copies_and_pastes() {
    let env = env();
    let mut t = shell(&env);
    run(&mut t, "seq 1 300; echo do''ne", "done");
    assert!(!t.shows("\u{2502}") && t.text().iter().all(|l| l.trim() != "33"));
    press(&mut t, "[");
    t.wait_text("[line 30");
    t.send("g");
    t.wait_for("the first line", |t| {
        t.shows("[line 1 of") && t.text().iter().any(|l| l == "1")
    });
    t.send("/^1[34]3$");
    t.wait_for("what is found as it is typed", |t| {
        t.text().iter().any(|l| l == "133")
    });
    t.send("\r");
    t.send("n");
    t.wait_for("the next", |t| t.text().iter().any(|l| l == "143"));
    let from = t.raw().len();
    t.send("vjly");
    t.wait_text("copied 2 lines");
    // `143` and `144`, in the terminal's clipboard.
    t.wait_raw(from, b"\x1b]52;c;MTQzCjE0");
    // Back at the prompt, where it is pasted.
    press(&mut t, "]");
    t.wait_for("the pasted lines", |t| t.shows("ok> 143"));
    // The wheel looks back too, and at the end returns to the program.
    t.send("\x1b[<64;10;10M");
    t.wait_text("[line");
    t.send("\x1b[<65;10;10M\x1b[<65;10;10M\x1b[<65;10;10M");
    t.wait_for("the program again", |t| !t.shows("[line"));
    // The mouse selects and copies.
    let from = t.raw().len();
    // The second line of what was pasted ends here.
    run(&mut t, "", "14: not found");
    run(&mut t, "clear; echo WO''RD", "WORD");
    t.wait_for("a clear screen", |t| {
        t.text().get(1).is_some_and(|l| l == "WORD")
    });
    t.send("\x1b[<0;1;2M\x1b[<32;3;2M\x1b[<32;4;2M\x1b[<0;4;2m");
    t.wait_raw(from, b"\x1b]52;c;V09SRA==");
    press(&mut t, "/");
    t.send("zzzz");
    t.wait_text("not found");
    t.send("\x1b");
    t.wait_for("the pattern's end", |t| !t.shows("zzzz"));
    t.send("q");
    t.wait_for("the program again", |t| !t.shows("[line"));
    leave(t);
}

#[test]
fn an_agents_whole_history_is_looked_back_at() {
    let env = env();
    let script = crate::agents::sh("seq 1 4000; echo RE''ADY; exec cat");
    let one = env.dispatch(&["--command", &script]);
    let mut t = mux(&env, &[&one], USUAL);
    t.wait_text("READY");
    press(&mut t, "/");
    t.send("?");
    t.send("\x7f\x7f");
    // More than attach brings along: it is the host's.
    t.wait_text("of 4002]");
    t.send("g");
    t.wait_for("the first line", |t| {
        t.text().get(1).is_some_and(|l| l == "1")
    });
    t.send("q");
    t.wait_text("READY");
    leave(t);
}
