//! Looking back: lines of a wider pane, the mouse where the program wants it, the person's own editor and pager.

use super::{column, leave, mux, press, run};
use crate::common::env::TestEnv;
use crate::common::terminal::{Terminal, USUAL};

/// An environment with an editor and a pager that tell what they were given, and wait for Enter.
fn env() -> TestEnv {
    let mut env = TestEnv::new();
    env.set("PS1", "ok> ");
    for name in ["edit", "page"] {
        let script = format!(
            "#!/bin/sh\nfor f; do :; done\nstat -c %a \"$f\" > \"$HOME/mode\"\ncp \"$f\" \"$HOME/copied\"\n\
             echo \"$f\" > \"$HOME/name\"\necho THIS-IS-{name}\nread line\n"
        );
        let path = env.script(name, &script);
        let variable = if name == "edit" { "EDITOR" } else { "PAGER" };
        env.set(variable, path.display().to_string());
    }
    env
}

fn read(env: &TestEnv, name: &str) -> String {
    std::fs::read_to_string(env.home().join(name)).expect("the program's file")
}

fn shell(env: &TestEnv) -> Terminal {
    let mut t = mux(env, &["--", "sh"], USUAL);
    t.wait_text("ok>");
    t
}

#[test]
fn lines_of_a_wider_pane_are_wrapped() {
    let env = env();
    let mut t = shell(&env);
    let middle = "-".repeat(50);
    run(
        &mut t,
        &format!("echo 'BEG''IN{middle}EN''D'; seq 1 60"),
        "60",
    );
    press(&mut t, "%");
    t.wait_for("a border", |t| column(t, 5, '│') == Some(40));
    press(&mut t, ";");
    press(&mut t, "/");
    t.send("BEGIN-+END");
    t.wait_for("both parts of the line", |t| {
        let lines = t.text();
        let at = lines.iter().position(|l| l.starts_with("BEGIN---"));
        at.is_some_and(|at| {
            lines
                .get(at + 1)
                .is_some_and(|l| l.starts_with("----") && l.contains("END"))
        })
    });
    t.send("\r");
    // It is one line to who copies it.
    let from = t.raw().len();
    t.send("Vy");
    t.wait_text("copied 1 line");
    t.wait_raw(from, b"\x1b]52;c;QkVHSU4tLS0");
    // Wide again it is one row.
    press(&mut t, "[");
    press(&mut t, "z");
    press(&mut t, "[");
    t.send("?END\r");
    t.wait_for("the line", |t| {
        t.text()
            .iter()
            .any(|l| l.starts_with("BEGIN---") && l.ends_with("END"))
    });
    t.send("q");
    leave(t);
}

#[test]
fn the_history_opens_in_editor_and_pager_and_one_is_back_where_one_was() {
    let env = env();
    let mut t = shell(&env);
    run(
        &mut t,
        "printf '\\033[31mre''d\\033[m\\n'; seq 1 99; echo do''ne",
        "done",
    );
    press(&mut t, "[");
    t.send("g");
    t.wait_text("[line 1 of");
    t.send("e");
    t.wait_text("THIS-IS-edit");
    // Over the whole screen.
    assert_eq!(t.text().first().map(String::as_str), Some("THIS-IS-edit"));
    let name = read(&env, "name");
    let text = read(&env, "copied");
    assert_eq!(read(&env, "mode"), "600\n");
    assert!(
        text.contains("\nred\n1\n2\n") && text.contains("\n99\ndone\n"),
        "{text:?}"
    );
    assert!(std::path::Path::new(name.trim()).exists());
    t.send("\r");
    t.wait_text("[line 1 of");
    assert!(!std::path::Path::new(name.trim()).exists());
    t.send("p");
    t.wait_text("THIS-IS-page");
    assert!(
        read(&env, "copied").contains("31mred\u{1b}["),
        "{:?}",
        read(&env, "copied")
    );
    t.send("\r");
    t.wait_text("[line 1 of");
    t.send("q");
    leave(t);
    let left =
        std::fs::read_dir(env.home().parent().expect("a directory").join("tmp")).expect("it");
    assert_eq!(
        left.filter_map(Result::ok)
            .filter(|f| f.file_name().to_string_lossy().contains("history"))
            .count(),
        0
    );

    // An agent's, all of it.
    let script = crate::agents::sh("seq 1 4000; echo RE''ADY; exec cat");
    let one = env.dispatch(&["--command", &script]);
    let mut t = mux(&env, &[&one], USUAL);
    t.wait_text("READY");
    press(&mut t, "[");
    t.send("e");
    t.wait_text("THIS-IS-edit");
    let text = read(&env, "copied");
    assert!(
        text.starts_with("1\n2\n3\n") && text.contains("\n4000\nREADY"),
        "{} bytes",
        text.len()
    );
    t.send("\r");
    t.wait_text("of 4002]");
    t.send("q");
    leave(t);
}

#[test]
fn alt_and_shift_select_where_the_program_wants_the_mouse() {
    let env = env();
    let mut t = shell(&env);
    run(
        &mut t,
        "clear; printf '\\033[?1002;1006h'; echo WO''RD; stty -echo -icanon; cat -v",
        "WORD",
    );
    t.wait_for("a clear screen", |t| {
        t.text().get(1).is_some_and(|l| l == "WORD")
    });
    for held in [8, 4] {
        let (press, drag) = (held, held + 32);
        let from = t.raw().len();
        t.send(format!(
            "\x1b[<{press};1;2M\x1b[<{drag};3;2M\x1b[<{drag};4;2M\x1b[<{press};4;2m"
        ));
        t.wait_raw(from, b"\x1b]52;c;V09SRA==");
    }
    // Without them, and where nothing was selected with them, the program hears of it.
    t.send("\x1b[<0;1;2M\x1b[<32;3;2M\x1b[<0;3;2m");
    t.wait_text("^[[<0;1;1M^[[<32;3;1M^[[<0;3;1m");
    t.send("\x1b[<8;2;2M\x1b[<8;2;2m");
    t.wait_text("^[[<8;2;1M^[[<8;2;1m");
    t.send("\x03");
    leave(t);
}
