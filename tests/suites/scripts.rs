//! libvterm's scripts in a pane.

use std::time::Duration;

use remote_compute::model::Size;

use super::outer::{Seen, Tone};
use super::pane::{Pane, Peer};
use super::script::{Cell, Check, Ink, LETTERS, Pen, Step, parse};
use super::{Outcome, folder, name, sorted};
use crate::common::env::TestEnv;

const SIZE: Size = Size { cols: 80, rows: 25 };
/// Of combining characters libvterm keeps so many with their letter; more may be seen.
const MOST: usize = 6;

/// All of them, or those that `wanted` names. Scripts of which nothing can be seen are told with what they skip.
pub fn run(
    env: &TestEnv,
    peer: Peer,
    again: Option<Duration>,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Outcome> {
    let all = sorted(&folder("shpool-vterm", "tests/data/libvterm"), ".test");
    let mut outcomes = Vec::new();
    for (n, path) in all
        .iter()
        .enumerate()
        .filter(|(_, path)| wanted(&name(path)))
    {
        let steps = parse(&std::fs::read_to_string(path).expect("a script"));
        let mut outcome = Outcome {
            name: name(path),
            skipped: steps.iter().filter(|s| **s == Step::Skip).count(),
            ..Outcome::default()
        };
        if steps.iter().any(|s| matches!(s, Step::Check(..))) {
            let mut pane = Pane::open(env, peer, SIZE, 100 + n);
            pane.patient(again);
            play(&mut pane, &steps, &mut outcome);
        }
        outcomes.push(outcome);
    }
    outcomes
}

fn play(pane: &mut Pane, steps: &[Step], outcome: &mut Outcome) {
    let mut typed = Vec::new();
    let mut fresh = false;
    for step in steps {
        match step {
            Step::Push(bytes) => {
                pane.write(bytes);
                fresh = false;
            }
            Step::Reset => {
                pane.write(b"\x1bc");
                fresh = false;
            }
            Step::Resize(rows, cols) => {
                let size = Size {
                    cols: *cols,
                    rows: *rows,
                };
                if pane.size != size {
                    pane.sync();
                    pane.resize(size);
                    fresh = false;
                }
            }
            Step::Skip => {}
            Step::Check(line, check) => {
                if !fresh {
                    typed = pane.sync();
                    fresh = true;
                }
                let wrong = match check {
                    // What was typed for what is not judged comes before.
                    Check::Output(right) => (!typed.ends_with(right)).then(|| {
                        let shown =
                            |b: &[u8]| String::from_utf8_lossy(b).escape_debug().to_string();
                        format!("typed `{}`, not `{}`", shown(&typed), shown(right))
                    }),
                    Check::Pen(pen) => {
                        let (row, col) = pane.cursor();
                        pane.write(b"x\x08");
                        pane.sync();
                        pane.wrong(|p| pen_wrong(&p.cell(row, col), pen))
                    }
                    check => pane.wrong(|p| wrong(p, check)),
                };
                match wrong {
                    Some(wrong) => outcome.failed.push(format!("line {line}: {wrong}")),
                    None => outcome.passed += 1,
                }
            }
        }
    }
}

fn wrong(pane: &Pane, check: &Check) -> Option<String> {
    let differ = |seen: &dyn std::fmt::Debug, right: &dyn std::fmt::Debug| {
        Some(format!("{seen:?}, not {right:?}"))
    };
    match check {
        Check::Cursor(row, col) => {
            let (seen, right) = (pane.cursor(), (*row, *col));
            (seen != right).then(|| differ(&seen, &right)).flatten()
        }
        Check::Text([top, left, bottom, right], text) => {
            let cols = usize::from(pane.size.cols).min(*right);
            let rows = *top..(*bottom).min(pane.size.rows.into());
            let seen: Vec<String> = rows.map(|y| pane.text(y, *left, cols)).collect();
            let (seen, text) = (trimmed(&seen.join("\n")), trimmed(text));
            (seen != text).then(|| differ(&seen, &text)).flatten()
        }
        Check::Cell(row, col, right) => {
            let seen = pane.cell(*row, *col);
            (!is_cell(&seen, right))
                .then(|| differ(&seen, right))
                .flatten()
        }
        Check::Glyph(row, col, text, width) => {
            let seen = pane.cell(*row, *col);
            let right = is_text(&seen.text, text) && is_width(&seen, *width);
            (!right).then(|| differ(&seen, &(row, col, text))).flatten()
        }
        Check::CursorShown(shown) => {
            let seen = pane.outer.shows_cursor();
            (seen != *shown).then(|| format!("the cursor is shown: {seen}"))
        }
        Check::CursorShape(shape) => {
            let seen = pane.outer.cursor_shape();
            (seen != *shape).then(|| format!("the cursor's shape is {seen}, not {shape}"))
        }
        Check::Output(_) | Check::Pen(_) => None,
    }
}

/// Blanks at the ends of lines are as good as nothing there.
fn trimmed(text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}

fn is_text(seen: &str, right: &str) -> bool {
    let right = if right.is_empty() { " " } else { right };
    seen == right || (right.chars().count() >= MOST && seen.starts_with(right))
}

fn is_width(seen: &Seen, width: usize) -> bool {
    seen.flags.contains(&"WIDE_CHAR") == (width == 2)
}

fn underline(seen: &Seen) -> u8 {
    let names = [
        "UNDERLINE",
        "DOUBLE_UNDERLINE",
        "UNDERCURL",
        "DOTTED_UNDERLINE",
        "DASHED_UNDERLINE",
    ];
    let found = (1..).zip(names).find(|(_, name)| seen.flags.contains(name));
    found.map_or(0, |(n, _)| n)
}

fn is_cell(seen: &Seen, right: &Cell) -> bool {
    let blank = seen.is_blank();
    let has = |name: &str| seen.flags.contains(&name);
    let default_bg = if blank && right.reverse {
        LETTERS
    } else {
        [0; 3]
    };
    let right_bg = if blank && right.reverse {
        right.fg
    } else {
        right.bg
    };
    is_text(&seen.text, &right.text)
        && is_width(seen, right.width)
        && color(seen.bg, default_bg) == right_bg
        && (blank
            || (has("BOLD"), has("ITALIC"), has("INVERSE"))
                == (right.bold, right.italic, right.reverse)
                && underline(seen) == right.underline
                && color(seen.fg, LETTERS) == right.fg)
}

/// In libvterm's own palette.
fn color(tone: Tone, default: [u8; 3]) -> [u8; 3] {
    match tone {
        Tone::Default => default,
        Tone::Letters => LETTERS,
        Tone::Rgb(r, g, b) => [r, g, b],
        Tone::Index(n) => {
            let (on, off) = if n < 8 { (224, 0) } else { (255, 64) };
            [1, 2, 4].map(|bit| match n {
                8 => 128,
                _ if n & bit != 0 => on,
                _ => off,
            })
        }
    }
}

fn pen_wrong(seen: &Seen, pen: &Pen) -> Option<String> {
    let right = match pen {
        Pen::Flag(name, on) => seen.flags.contains(name) == *on,
        Pen::Underline(style) => underline(seen) == *style,
        Pen::Color(letters, ink) => {
            let tone = if *letters { seen.fg } else { seen.bg };
            match ink {
                Ink::Default => tone == Tone::Default,
                Ink::Rgb([r, g, b]) => tone == Tone::Rgb(*r, *g, *b),
                // Whether bold is bright is for the terminal outside to say.
                Ink::Index(n) => {
                    tone == Tone::Index(*n)
                        || seen.flags.contains(&"BOLD") && tone == Tone::Index(n.wrapping_sub(8))
                }
            }
        }
    };
    (!right).then(|| format!("{seen:?}, not {pen:?}"))
}
