//! Links: drawn through to the terminal, and opened with the person's browser, or copied where there is none.

use super::{leave, mux, press, run};
use crate::common::env::TestEnv;
use crate::common::terminal::{Terminal, USUAL};
use crate::common::{SOON, await_true};

/// An environment with a browser that writes down what it is to open.
fn env(browser: bool) -> TestEnv {
    let mut env = TestEnv::new();
    env.set("PS1", "ok> ");
    if browser {
        let script = "#!/bin/sh\nprintf '%s|' \"$@\" >> \"$HOME/opened\"\n";
        let path = env.script("browser", script);
        env.set("BROWSER", path.display().to_string());
    }
    env
}

fn shell(env: &TestEnv) -> Terminal {
    let mut t = mux(env, &["--", "sh"], USUAL);
    t.wait_text("ok>");
    t
}

fn await_opened(env: &TestEnv, all: &str) {
    let file = env.home().join("opened");
    let opened = || std::fs::read_to_string(&file).unwrap_or_default();
    await_true(&format!("{all} opened"), SOON, || opened() == all);
}

/// A click on the last place where `text` is shown; `held` is 16 for Ctrl.
fn click(t: &mut Terminal, text: &str, held: u16) {
    let lines = t.text();
    let found = lines.iter().enumerate().rev().find_map(|(y, line)| {
        let x = line.find(text)?;
        Some((line.get(..x)?.chars().count() + 2, y + 1))
    });
    let (x, y) = found.unwrap_or_else(|| panic!("no {text} in {lines:?}"));
    t.send(format!("\x1b[<{held};{x};{y}M\x1b[<{held};{x};{y}m"));
}

#[test]
fn links_are_drawn_through_and_opened() {
    let env = env(true);
    let mut t = shell(&env);
    let from = t.raw().len();
    run(
        &mut t,
        "printf '\\033]8;id=x;https://one.example/a\\033\\\\wo''rd\\033]8;;\\033\\\\ plain\\n'",
        "word plain",
    );
    // With its id, so that parts of it light up together; and closed behind it.
    let at = t.wait_raw(from, b"\x1b]8;id=x;https://one.example/a\x1b\\word");
    t.wait_raw(at, b"\x1b]8;;\x1b\\");
    // Ctrl and a click: where it leads is not seen.
    click(&mut t, "word", 16);
    t.wait_text("opening https://one.example/a");
    await_opened(&env, "https://one.example/a|");
    click(&mut t, "word", 0);
    click(&mut t, "plain", 0);
    // A click alone, where the program wants no mouse, on an address that just stands there, over the edge of the screen, without the full stop behind it.
    let long = format!("{}/end", "x".repeat(70));
    let typed = long.replace("/end", "/e''nd");
    run(
        &mut t,
        &format!("clear; echo 'see http''s://two.example/{typed}.'"),
        "/end.",
    );
    click(&mut t, "/end", 0);
    await_opened(
        &env,
        &format!("https://one.example/a|https://two.example/{long}|"),
    );
    std::fs::remove_file(env.home().join("opened")).expect("the browser's file");
    // What is no address of the web is never opened.
    run(
        &mut t,
        "clear; printf '\\033]8;;file:///etc/passwd\\033\\\\fi''le\\033]8;;\\033\\\\\\n'",
        "file",
    );
    t.wait_for("a clear screen", |t| {
        t.text().get(1).is_some_and(|l| l == "file")
    });
    click(&mut t, "file", 16);
    t.wait_text("only links to the web and to mail are opened: file:///etc/passwd");
    // A program that wants the mouse gets the click, but for one with Ctrl on a link.
    run(
        &mut t,
        "clear; printf '\\033[?1000;1006h'; echo 'http''://three.example/'; stty -echo -icanon; cat -v",
        "http://three.example/",
    );
    click(&mut t, "three", 0);
    t.wait_text("^[[<0;9;1m");
    click(&mut t, "three", 16);
    await_opened(&env, "http://three.example/|");
    assert!(!t.shows("^[[<16"), "{:?}", t.text());
    // Elsewhere it is the program's.
    click(&mut t, "^[[<0;9;1m", 16);
    t.wait_text("^[[<16;");
    t.send("\x03");
    leave(t);
    env.await_no_process();
}

#[test]
fn without_a_browser_a_link_is_copied() {
    let env = env(false);
    let mut t = shell(&env);
    run(
        &mut t,
        "clear; echo 'http''s://a.example/b'",
        "https://a.example/b",
    );
    let from = t.raw().len();
    click(&mut t, "a.example", 0);
    t.wait_text("no browser here; copied https://a.example/b");
    t.wait_raw(from, b"\x1b]52;c;aHR0cHM6Ly9hLmV4YW1wbGUvYg==");
    // By the keyboard: on a link, `o` or Enter.
    press(&mut t, "[");
    t.wait_text("[line");
    t.send("?a.ex\r");
    let from = t.raw().len();
    t.send("o");
    t.wait_raw(from, b"\x1b]52;c;aHR0cHM6Ly9hLmV4YW1wbGUvYg==");
    let from = t.raw().len();
    t.send("\r");
    t.wait_raw(from, b"\x1b]52;c;aHR0cHM6Ly9hLmV4YW1wbGUvYg==");
    // By the mouse, as in a program that has it.
    let from = t.raw().len();
    t.send("\x1b[<16;9;2M\x1b[<16;9;2m");
    t.wait_raw(from, b"\x1b]52;c;aHR0cHM6Ly9hLmV4YW1wbGUvYg==");
    assert!(t.shows("[line"), "{:?}", t.text());
    t.send("q");
    leave(t);
}
