//! alacritty's recordings: what programs wrote, and the cells that are right then.

use std::path::Path;
use std::time::Duration;

use remote_compute::model::Size;
use serde_json::Value;

use super::outer::{Seen, Tone, flag, indexed, order};
use super::pane::{Pane, Peer};
use super::{Outcome, folder, name, sorted};
use crate::common::env::TestEnv;

/// All of them, or those that `wanted` names.
pub fn run(
    env: &TestEnv,
    peer: Peer,
    again: Option<Duration>,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Outcome> {
    let all = sorted(&folder("alacritty_terminal", "tests/ref"), "");
    let some = all.iter().filter(|dir| wanted(&name(dir)));
    some.enumerate()
        .map(|(n, dir)| one(env, peer, again, dir, n))
        .collect()
}

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a recording's file");
    serde_json::from_str(&text).expect("JSON")
}

fn number(value: &Value) -> u16 {
    value
        .as_u64()
        .and_then(|n| u16::try_from(n).ok())
        .unwrap_or(0)
}

fn one(env: &TestEnv, peer: Peer, again: Option<Duration>, dir: &Path, n: usize) -> Outcome {
    let size = json(&dir.join("size.json"));
    let size = Size {
        cols: number(&size["columns"]),
        rows: number(&size["screen_lines"]),
    };
    let right = grid(&json(&dir.join("grid.json")), size);
    let mut pane = Pane::open(env, peer, size, n);
    pane.patient(again);
    pane.write(&std::fs::read(dir.join("alacritty.recording")).expect("the recording"));
    pane.sync();
    let wrong = pane.wrong(|pane| differs(pane, &right));
    Outcome {
        name: name(dir),
        passed: usize::from(wrong.is_none()),
        failed: wrong.into_iter().collect(),
        skipped: 0,
    }
}

/// Where the first wrong cell is, and how many there are.
fn differs(pane: &Pane, right: &[Vec<Seen>]) -> Option<String> {
    let mut wrong = Vec::new();
    for (y, row) in right.iter().enumerate() {
        let differ = |(x, cell): &(usize, &Seen)| pane.cell(y, *x) != **cell;
        wrong.extend(row.iter().enumerate().filter(differ).map(|(x, _)| (y, x)));
    }
    let (y, x) = *wrong.first()?;
    Some(format!(
        "{} cells, the first at {y},{x}: {:?}, not {:?}",
        wrong.len(),
        pane.cell(y, x),
        right[y][x]
    ))
}

/// The rows of a grid as alacritty writes it down: from the last to the first, around.
fn grid(value: &Value, size: Size) -> Vec<Vec<Seen>> {
    let raw = &value["raw"];
    let rows = raw["inner"].as_array().expect("rows");
    let zero = usize::from(number(&raw["zero"]));
    let lines = usize::from(size.rows);
    let row = |y: usize| {
        let row = &rows[(zero + lines - 1 - y) % rows.len()]["inner"];
        row.as_array().expect("cells").iter().map(cell).collect()
    };
    (0..lines).map(row).collect()
}

fn tone(value: &Value) -> Tone {
    const NAMES: [&str; 8] = [
        "Black", "Red", "Green", "Yellow", "Blue", "Magenta", "Cyan", "White",
    ];
    if let Some(n) = value["Indexed"].as_u64() {
        return indexed(u8::try_from(n).unwrap_or(0));
    }
    if let Some(rgb) = value.get("Spec") {
        let part = |name: &str| u8::try_from(number(&rgb[name])).unwrap_or(0);
        return Tone::Rgb(part("r"), part("g"), part("b"));
    }
    let named = value["Named"].as_str().unwrap_or_default();
    let (bright, plain) = match named.strip_prefix("Bright") {
        Some(plain) => (8, plain),
        None => (0, named),
    };
    match (0..).zip(NAMES).find(|(_, n)| *n == plain) {
        Some((n, _)) => Tone::Index(n + bright),
        None => Tone::Default,
    }
}

fn cell(value: &Value) -> Seen {
    let flags = value["flags"].as_str().unwrap_or_default();
    let extra = &value["extra"];
    let mut text = String::new();
    if !flags.contains("WIDE_CHAR_SPACER") {
        text.push_str(value["c"].as_str().unwrap_or(" "));
        let more = extra["zerowidth"].as_array().into_iter().flatten();
        text.extend(more.filter_map(Value::as_str));
    }
    if text == "\t" {
        text = " ".to_owned();
    }
    let line = &extra["underline_color"];
    let link = extra["hyperlink"]["inner"]["uri"].as_str();
    let mut flags: Vec<&str> = flags.split(" | ").filter_map(flag).collect();
    flags.sort_by_key(|f| order(f));
    Seen {
        text,
        fg: tone(&value["fg"]),
        bg: tone(&value["bg"]),
        flags,
        line: (!line.is_null()).then(|| tone(line)),
        link: link.map(str::to_owned),
    }
    .normal()
}
