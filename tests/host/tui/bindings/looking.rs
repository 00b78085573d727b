//! The keys of looking back, which are not bindings: each moves, finds, selects, copies or leaves.

use super::{Hands, sent};
use crate::common::terminal::Terminal;
use crate::tui::leave;

/// A line and a column.
type At = (usize, usize);

/// Keys of looking back that move: the key, where it begins, where it leads. Lines count from 1, and columns.
const MOVES: &[(&str, At, At)] = &[
    ("j", (100, 1), (101, 1)),
    ("k", (100, 1), (99, 1)),
    ("Down", (100, 1), (101, 1)),
    ("Up", (100, 1), (99, 1)),
    ("C-n", (100, 1), (101, 1)),
    ("C-p", (100, 1), (99, 1)),
    ("h", (100, 3), (100, 2)),
    ("l", (100, 1), (100, 2)),
    ("Left", (100, 3), (100, 2)),
    ("Right", (100, 1), (100, 2)),
    ("0", (100, 4), (100, 1)),
    ("$", (100, 1), (100, 9)),
    ("C-a", (100, 4), (100, 1)),
    ("C-e", (100, 1), (100, 9)),
    ("Home", (100, 4), (100, 1)),
    ("End", (100, 1), (100, 9)),
    ("C-d", (100, 1), (110, 1)),
    ("C-u", (100, 1), (90, 1)),
    ("PageDown", (100, 1), (121, 1)),
    ("PageUp", (100, 1), (79, 1)),
    ("C-f", (100, 1), (121, 1)),
    ("g", (100, 1), (1, 1)),
];

#[test]
fn every_key_of_looking_back_does_what_the_manual_says() {
    let mut h = Hands::new(false);
    h.t.send("clear; seq -f 'row-%04g' 1 300; echo do''ne\r");
    h.t.wait_text("done");
    h.does("copy", "the place", |t| t.shows("[line 30"));
    // `clear` leaves nothing above: line N is row-N.
    let at = |t: &Terminal| {
        let text = t.text().join("\n");
        let (_, rest) = text.split_once("[line ")?;
        let line: usize = rest.split_once(' ')?.0.parse().ok()?;
        Some((line, t.snapshot().avt.cursor.1 + 1))
    };
    let to_row = |h: &mut Hands, n: usize, col: usize| {
        h.t.send(format!("g?row-{n:04}\r0{}", "l".repeat(col - 1)));
        h.t.wait_for("the place to begin at", |t| {
            at(t).is_some_and(|(_, c)| c == col) && cursor_row(t).contains(&format!("row-{n:04}"))
        });
    };
    to_row(&mut h, 100, 1);
    // What stood above the first row stays there.
    let (shift, _) = at(&h.t).expect("a place");
    let shift = shift - 100;
    for (key, from, to) in MOVES {
        to_row(&mut h, from.0, from.1);
        // Pages go from wherever the window stands; the cursor goes along.
        h.t.send(sent(key));
        let wanted = if *key == "g" {
            (1, 1)
        } else {
            (to.0 + shift, to.1)
        };
        h.t.wait_for(&format!("{wanted:?} by {key} from {from:?}"), |t| {
            at(t) == Some(wanted)
        });
    }
    h.t.send("G");
    h.t.wait_for("the end", |t| cursor_row(t).starts_with("ok>"));
    // Patterns forward and back, and on.
    for (key, again, found) in [
        ("/", "", 205),
        ("s", "", 205),
        ("/", "n", 215),
        ("s", "nN", 205),
        ("?", "", 195),
        ("r", "", 195),
        ("?", "n", 185),
        ("r", "nN", 195),
    ] {
        to_row(&mut h, 200, 1);
        h.t.send(format!("{key}row-0[0-9]*5$\r{again}"));
        h.t.wait_for(&format!("row {found} by {key} {again}"), |t| {
            cursor_row(t).contains(&format!("row-{found:04}"))
        });
    }
    // Selections, and each way to copy and to leave.
    for (keys, copied) in [
        ("vll\r", "row"),
        (" ll\r", "row"),
        ("vlly", "row"),
        ("vll\x1bw", "row"),
        ("Vy", "row-0200"),
        ("Vjy", "row-0200\nrow-0201"),
        ("vVvlly", "row"),
    ] {
        to_row(&mut h, 200, 1);
        let from = h.t.raw().len();
        h.t.send(keys);
        h.t.wait_raw(
            from,
            format!("\x1b]52;c;{}\x1b\\", base64(copied)).as_bytes(),
        );
        h.t.wait_for("the program", |t| !t.shows("[line"));
        h.does("copy", "the place", |t| t.shows("[line 30"));
    }
    // Escape gives a selection up first.
    to_row(&mut h, 200, 1);
    h.t.send("vll");
    let from = h.t.raw().len();
    h.t.send("\x1b");
    h.t.wait_for("the selection's end", |t| t.raw().len() > from);
    assert!(h.t.shows("[line"), "{:?}", h.t.text());
    for key in ["q", "\x1b", "\x03", "y", "\r"] {
        h.t.send(key);
        h.t.wait_for("the program", |t| !t.shows("[line"));
        h.does("copy", "the place", |t| t.shows("[line 30"));
    }
    h.t.send("q");
    leave(h.t);
}

/// The row that the cursor is in.
fn cursor_row(t: &Terminal) -> String {
    let (row, ..) = t.snapshot().avt.cursor;
    t.text().get(row).cloned().unwrap_or_default()
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
