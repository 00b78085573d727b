//! Inside a pane a program has its whole terminal: what it draws, sets and asks for arrives, and so does what is sent.

use super::{column, env, leave, press, run, shell};
use crate::common::terminal::{Terminal, find, size};

/// A program that shows what it is sent.
const SHOWS: &str = "stty -echo -icanon; cat -v";

#[test]
fn colours_underlines_and_wide_and_combining_characters_are_drawn() {
    let env = env();
    let mut t = shell(&env, &[]);
    for (set, drawn) in [
        ("38;2;1;2;3;48;2;4;5;6", "38;2;1;2;3;48;2;4;5;6"),
        ("38;5;200;1;3;9", "1;3;9;38;5;200"),
        ("4:2;58:2::255:0:9", "4:2;58:2::255:0:9"),
        ("4:3;58:5:7", "4:3;58:5:7"),
        ("4:4;5", "4:4;5"),
        ("4:5;58;2;7;8;9", "4:5;58:2::7:8:9"),
        ("21;7", "4:2;7"),
        ("4;2;8", "2;4;8"),
    ] {
        let from = t.raw().len();
        t.send(format!("printf '\\033[{set}mtin''t\\033[m\\n'\r"));
        t.wait_raw(from, format!("\x1b[0;{drawn}mtint").as_bytes());
    }
    let from = t.raw().len();
    run(
        &mut t,
        "printf 'e\\314\\201 \\346\\274\\242 \\360\\237\\221\\215|en''d\\n'",
        "|end",
    );
    t.wait_raw(from, "e\u{301}".as_bytes());
    assert!(t.shows(" 漢 👍|end"), "{:?}", t.text());
    leave(t);
}

#[test]
fn modes_reach_the_terminal_and_its_input_the_program() {
    let env = env();
    let mut t = shell(&env, &[("?0u", "\x1b[?0u")]);
    // The cursor's shape, and kitty's keyboard where the terminal has it.
    let from = t.raw().len();
    t.send("printf '\\033[5 q\\033[>1u'\r");
    t.wait_raw(from, b"\x1b[5 q");
    let at = t.wait_raw(from, b"\x1b[=1;1u");
    run(&mut t, "printf '\\033[0 q\\033[<u'; echo ba''ck", "back");
    t.wait_raw(at, b"\x1b[=0;1u");
    let asks = |question: &str, bytes: usize| {
        format!(
            "clear; stty -icanon -echo min 1; printf '{question}'; dd bs={bytes} count=1 2>/dev/null | cat -v; stty sane"
        )
    };
    run(&mut t, &asks("\\033[>5u\\033[?u", 5), "^[[?5u");
    // The mouse is told in cells: no program is offered pixels.
    run(&mut t, &asks("\\033[<u\\033[?1016$p", 11), "^[[?1016;0$y");
    run(&mut t, &asks("\\033[?1006$p", 11), "^[[?1006;2$y");
    // Pastes in brackets, focus, the mouse in its forms.
    let from = t.raw().len();
    run(
        &mut t,
        &format!(
            "clear; printf '\\033[?2004h\\033[?1004h\\033[?1003h\\033[?1006h'; echo re''ady; {SHOWS}"
        ),
        "ready",
    );
    t.wait_raw(from, b"\x1b[?1003h");
    t.send("\x1b[200~a\rb\x1b[201~");
    t.wait_text("^[[200~a");
    t.wait_text("^[[201~");
    t.send("\x1b[O\x1b[I");
    t.wait_text("^[[O^[[I");
    t.send("\x1b[<35;8;9M\x1b[<65;8;9M");
    t.wait_text("^[[<35;8;8M^[[<65;8;8M");
    // Another pane has the keys: this one's program hears that it has not.
    press(&mut t, "%");
    t.wait_for("a border", |t| column(t, 5, '│') == Some(40));
    t.wait_for("the focus lost", |t| {
        let lines = t.text();
        let own = lines
            .iter()
            .take(23)
            .map(|l| l.split('│').next().unwrap_or_default().trim_end());
        own.collect::<String>().ends_with("^[[O")
    });
    press(&mut t, ";");
    t.send("\x03");
    leave(t);
    env.await_no_process();
}

#[test]
fn without_kittys_keyboard_a_program_is_not_told_of_one() {
    let env = env();
    let mut t = shell(&env, &[]);
    // The next question's answer is the first to come.
    run(
        &mut t,
        "clear; stty -icanon -echo min 1; printf '\\033[?u\\033[5n'; dd bs=4 count=1 2>/dev/null | cat -v; stty sane",
        "^[[0n",
    );
    leave(t);
}

#[test]
fn titles_bells_notifications_and_copied_text_go_up() {
    let env = env();
    let mut t = shell(&env, &[]);
    t.send("printf '\\033]2;MY''TITLE\\007'\r");
    t.wait_for("the title in the pane's border", |t| {
        t.text().first().is_some_and(|l| l.contains("sh MYTITLE"))
    });
    t.wait_for("the terminal's title", |t| {
        t.emulator().title() == "remote: MYTITLE"
    });
    let (from, bells) = (t.raw().len(), t.emulator().bells());
    run(
        &mut t,
        "printf '\\007\\033]9;ni''ne\\007\\033]777;notify;a;se''ven\\033\\\\\\033]99;i=1;kit''ty\\033\\\\\\033]52;c;YWJj\\007'; echo do''ne",
        "done",
    );
    for sequence in [
        "\x1b]9;nine\x07",
        "\x1b]777;notify;a;seven\x1b\\",
        "\x1b]99;i=1;kitty\x1b\\",
        "\x1b]52;c;YWJj\x07",
    ] {
        t.wait_raw(from, sequence.as_bytes());
    }
    t.wait_for("the bell", |t| t.emulator().bells() > bells);
    leave(t);
}

#[test]
fn screens_are_whole_when_they_are_shown_and_the_first_one_comes_back() {
    let env = env();
    let mut t = shell(&env, &[]);
    run(&mut t, "clear; echo fir''st", "first");
    // One that does not end its update is shown after a while.
    t.send("printf '\\033[?1049h\\033[H\\033[?2026hsec''ond'; read x; printf '\\033[?2026l\\033[?1049l'\r");
    t.wait_text("second");
    assert!(!t.shows("first"), "{:?}", t.text());
    t.send("\r");
    t.wait_text("first");
    assert!(!t.shows("second"), "{:?}", t.text());
    // A whole one is drawn at once: no frame has its first half alone.
    let from = t.raw().len();
    run(
        &mut t,
        "i=0; while [ $i -lt 30 ]; do i=$((i+1)); printf '\\033[?2026h\\033[H\\033[2JA%d' $i; printf '\\033[5;1HB%d\\033[?2026l' $i; done; echo do''ne",
        "done",
    );
    t.wait_text("B30");
    assert!(t.shows("A30"), "{:?}", t.text());
    assert!(find(&t.raw()[from..], b"?2026h").is_some());
    leave(t);
}

#[test]
fn lines_wrap_anew_as_the_pane_changes() {
    let env = env();
    let mut t = shell(&env, &[]);
    run(
        &mut t,
        "clear; seq 9; printf '%s%s\\n' 0123456789012345678901234567890123456789 abc''def",
        "abcdef",
    );
    let follows = |t: &Terminal, first: &str, second: &str| {
        let lines = t.text();
        let at = lines.iter().position(|l| l.starts_with(first));
        at.is_some_and(|at| lines.get(at + 1).is_some_and(|l| l.starts_with(second)))
    };
    let whole = "0123456789012345678901234567890123456789abcdef";
    t.wait_for("one row", |t| follows(t, whole, "ok>"));
    press(&mut t, "%");
    t.wait_for("two rows", |t| {
        follows(t, &whole[..40], "abcdef") && column(t, 5, '│') == Some(40)
    });
    press(&mut t, "x");
    t.wait_text("(y/n)");
    t.send("y");
    t.wait_for("one row again", |t| follows(t, whole, "ok>"));
    t.resize(size(30, 12));
    t.wait_for("two rows of a small terminal", |t| {
        follows(t, &whole[..30], &whole[30..])
    });
    leave(t);
}
