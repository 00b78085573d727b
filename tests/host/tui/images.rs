//! Images in panes: passed on to a terminal that takes them, and a word of their size where they cannot be.

use super::{env, leave, mux, press, run, shell};
use crate::common::terminal::USUAL;

/// 80 by 40 pixels: 8 by 2 cells.
const SIXEL: &str = "\\033Pq\"1;1;80;40#0;2;99;0;0#0!80~-\\033\\\\";
const DRAWN: &[u8] = b"\x1bP7;;0q\"1;1;80;40#0;2;99;0;0#0!80~-\x1b\\";
const CELL: (&str, &str) = ("16t", "\x1b[6;20;10t");

#[test]
fn sixels_are_drawn_in_their_pane_and_go_with_its_text() {
    let env = env();
    let mut t = shell(&env, &[CELL, ("0c", "\x1b[?62;4;22c")]);
    let from = t.raw().len();
    run(
        &mut t,
        &format!("clear; printf 'le''ft {SIXEL}\\nbel''ow\\n'"),
        "below",
    );
    // At the cursor, in the pane: behind `left `, on its first line, below the line of titles.
    let at = t.wait_raw(from, b"\x1b7\x1b[2;6H");
    let end = t.wait_raw(at, DRAWN);
    assert_eq!(end - at, DRAWN.len());
    t.wait_raw(end, b"\x1b8");
    assert!(!t.shows("[image"), "{:?}", t.text());
    assert!(
        t.text().get(3).is_some_and(|l| l.starts_with("below")),
        "{:?}",
        t.text()
    );
    // In another tab it is not seen; back, it is drawn again, beside another pane too.
    press(&mut t, "c");
    t.wait_text("1:sh*");
    let from = t.raw().len();
    press(&mut t, "p");
    t.wait_raw(from, DRAWN);
    press(&mut t, "%");
    t.wait_for("two panes", |t| super::column(t, 5, '│') == Some(40));
    // A program's text over it takes it away.
    press(&mut t, ";");
    run(&mut t, "printf '\\033[2;7HX\\033[9;1Hdo''ne\\n'", "done");
    t.wait_for("the cells", |t| {
        t.text().get(2).is_some_and(|l| l.get(6..7) == Some("X"))
    });
    // One wider than what is left is none.
    let from = t.raw().len();
    run(
        &mut t,
        &format!("clear; printf '\\033[36C{SIXEL}\\nne''xt\\n'"),
        "next",
    );
    t.wait_text("[ima");
    assert!(crate::common::terminal::find(&t.raw()[from..], b"\x1bP").is_none());
    // The program is told, by what it asks.
    run(
        &mut t,
        "clear; stty -icanon -echo min 1; printf '\\033[c'; dd bs=11 count=1 2>/dev/null | cat -v; stty sane",
        "^[[?62;4;22c",
    );
    leave(t);
}

#[test]
fn kittys_images_are_taken_away_by_their_number() {
    let env = env();
    let mut t = shell(&env, &[CELL, (">0q", "\x1bP>|kitty(0.40.0)\x1b\\")]);
    let from = t.raw().len();
    run(
        &mut t,
        "clear; printf '\\033_Ga=T,f=24,s=10,v=20,c=8,r=2,q=2;AAAA\\033\\\\\\nbel''ow\\n'",
        "below",
    );
    let at = t.wait_raw(from, b"\x1b_Ga=T,q=2,C=1,i=");
    let end = t.wait_raw(at, b",p=1,c=8,r=2,f=24,s=10,v=20,m=0;AAAA\x1b\\");
    let id = String::from_utf8_lossy(&t.raw()[at..end])
        .split(',')
        .next()
        .unwrap_or_default()
        .to_owned();
    t.send("clear\r");
    t.wait_raw(end, format!("\x1b_Ga=d,d=I,i={id},q=2\x1b\\").as_bytes());
    leave(t);
}

#[test]
fn a_terminal_that_takes_none_is_told_their_size() {
    let env = env();
    let mut t = shell(&env, &[CELL]);
    let from = t.raw().len();
    run(
        &mut t,
        &format!(
            "clear; printf '{}\\nbel''ow\\n'",
            SIXEL.replace("80;40", "160;40").replace("!80", "!160")
        ),
        "below",
    );
    t.wait_text("[image 16x2]");
    assert!(
        t.text().get(3).is_some_and(|l| l.starts_with("below")),
        "{:?}",
        t.text()
    );
    // Of a file nothing is known without its data, and nothing is ever downloaded.
    run(
        &mut t,
        "clear; printf '\\033]1337;File=inline=1:AAAA\\007|\\033]1337;File=name=eA==:AAAA\\007|en''d\\n'",
        "end",
    );
    t.wait_text("[image]||end");
    for sequence in [&b"\x1bP"[..], b"\x1b]1337"] {
        let own = crate::common::terminal::find(&t.raw()[from..], sequence);
        assert!(own.is_none(), "{own:?}");
    }
    leave(t);
}

#[test]
fn iterms_files_are_passed_on_with_their_place() {
    let env = env();
    let mut t = shell(&env, &[CELL, (">0q", "\x1bP>|iTerm2 3.6\x1b\\")]);
    let from = t.raw().len();
    run(
        &mut t,
        "clear; printf '\\033]1337;File=inline=1;width=5;height=2:AAAA\\007\\nbel''ow\\n'",
        "below",
    );
    t.wait_raw(
        from,
        b"\x1b7\x1b[2;1H\x1b]1337;File=inline=1;width=5;height=2;preserveAspectRatio=1;doNotMoveCursor=1:AAAA\x07\x1b8",
    );
    leave(t);
}

#[test]
fn an_agents_images_are_drawn_as_those_of_a_program_here() {
    let env = env();
    let script =
        format!("stty -echo; echo RE''ADY; while read x; do printf 'a{SIXEL}\\nb\\n'; done");
    let one = env.dispatch(&["--command", &crate::agents::sh(&script)]);
    let mut t = mux(&env, &[&one, "--", "sh"], USUAL);
    t.poses(&[CELL, ("0c", "\x1b[?62;4;22c")]);
    t.wait_text("READY");
    t.wait_text("ok>");
    let from = t.raw().len();
    t.send("\r");
    let at = t.wait_raw(from, DRAWN);
    // It goes with the text of its pane.
    t.send("\r");
    t.wait_raw(at, DRAWN);
    t.wait_for("both texts", |t| {
        t.text().iter().filter(|l| *l == "b").count() == 2
    });
    leave(t);
}
