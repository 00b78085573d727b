//! Moving, searching and selecting in lines, key by key.

use super::*;

fn rows_of(lines: &[&str]) -> Vec<Row> {
    let row = |line: &&str| Row {
        bytes: line.as_bytes().to_vec(),
        wrapped: false,
    };
    lines.iter().map(row).collect()
}

fn copy(lines: &[&str], rows: u16) -> Copy {
    Copy::new(rows_of(lines), Size { cols: 80, rows }, (0, rows - 1))
}

fn keys(copy: &mut Copy, keys: &str) -> Next {
    let mut next = Next::Stay;
    for key in keys.split(' ') {
        next = copy.key(key.parse().expect("a key"));
    }
    next
}

const LINES: [&str; 6] = [
    "one",
    "\x1b[31mtwo\x1b[m 漢字 x",
    "three",
    "four",
    "Two again",
    "six",
];

#[test]
fn one_moves_by_lines_pages_and_to_the_ends() {
    let mut copy = copy(&LINES, 3);
    assert_eq!(copy.position(), (6, 6));
    keys(&mut copy, "k");
    assert_eq!((copy.at.0, copy.top), (4, 3));
    keys(&mut copy, "g");
    assert_eq!((copy.at.0, copy.top), (0, 0));
    keys(&mut copy, "PageDown");
    assert_eq!((copy.at.0, copy.top), (2, 0));
    keys(&mut copy, "G");
    assert_eq!((copy.at.0, copy.top), (5, 3));
    assert!(!copy.scroll(3) && copy.scroll(-2));
    assert_eq!((copy.at.0, copy.top), (3, 1));
    assert_eq!(keys(&mut copy, "q"), Next::Leave);
}

#[test]
fn searches_go_on_as_one_types_and_around_the_end() {
    let mut copy = copy(&LINES, 3);
    keys(&mut copy, "? t w");
    assert_eq!(copy.at, (4, 0));
    keys(&mut copy, "o Enter n");
    assert_eq!(copy.at, (1, 0));
    keys(&mut copy, "n");
    assert_eq!(copy.at, (4, 0));
    keys(&mut copy, "N");
    assert_eq!(copy.at, (1, 0));
    // Upper case is meant so; what is no pattern yet is text.
    keys(&mut copy, "/ T w Enter");
    assert_eq!(copy.at, (4, 0));
    keys(&mut copy, "/ [ 字 ] Enter");
    assert_eq!(copy.at, (1, 6));
    keys(&mut copy, "/ z z");
    assert_eq!((copy.at, copy.word.as_deref()), ((1, 6), Some("not found")));
    keys(&mut copy, "Escape");
    assert!(copy.pattern.is_none());
}

#[test]
fn what_is_selected_is_copied_by_columns_or_lines() {
    let mut copy = copy(&LINES, 3);
    keys(&mut copy, "g j l l l l v l l");
    assert_eq!(keys(&mut copy, "Enter"), Next::Copied("漢字".into()));
    keys(&mut copy, "Escape g V j");
    assert_eq!(keys(&mut copy, "y"), Next::Copied("one\ntwo 漢字 x".into()));
    keys(&mut copy, "Escape");
    assert_eq!(keys(&mut copy, "y"), Next::Leave);
    copy.select(0, 1, true);
    copy.select(1, 2, false);
    assert_eq!(copy.selected().as_deref(), Some("two 漢字 x\nth"));
}

#[test]
fn the_history_comes_in_above_and_one_stays_where_one_was() {
    let mut copy = copy(&LINES[3..], 3);
    keys(&mut copy, "g");
    let here = |copy: &Copy| copy.lines[copy.at.0].text();
    assert_eq!(here(&copy), "four");
    copy.complete(rows_of(&LINES));
    assert_eq!((here(&copy).as_str(), copy.top), ("four", 3));
    // Of nothing at all there is nothing to see, and nothing fails.
    copy.complete(Vec::new());
    assert_eq!(
        keys(&mut copy, "k j l v / x Enter n y"),
        Next::Copied(String::new())
    );
}

#[test]
fn what_wrapped_is_found_selected_and_opened_as_one_line() {
    let mut copy = copy(
        &[
            "see https://abc.de/fgh.",
            "漢漢漢x",
            "\x1b]8;;mailto:a@b\x1b\\m\x1b]8;;\x1b\\",
        ],
        3,
    );
    copy.resize(Size { cols: 7, rows: 3 });
    assert_eq!(copy.position(), (6, 6));
    keys(&mut copy, "/ b c . d e Enter");
    assert_eq!(copy.at, (1, 6));
    assert_eq!(copy.found(), [(1, (6, usize::MAX)), (2, (0, 4))]);
    assert_eq!(
        keys(&mut copy, "o"),
        Next::Open("https://abc.de/fgh".into())
    );
    keys(&mut copy, "v j");
    assert_eq!(keys(&mut copy, "y"), Next::Copied("bc.de/fg".into()));
    keys(&mut copy, "Escape V");
    assert_eq!(
        keys(&mut copy, "y"),
        Next::Copied("see https://abc.de/fgh.".into())
    );
    keys(&mut copy, "Escape");
    // Wider, one is where one was.
    copy.resize(Size { cols: 40, rows: 3 });
    assert_eq!((copy.at, copy.position().1), ((0, 20), 3));
    keys(&mut copy, "o");
    assert_eq!(copy.word.as_deref(), None);
    keys(&mut copy, "g 0 o");
    assert_eq!(copy.word.as_deref(), Some("no link here"));
    keys(&mut copy, "G Enter");
    assert_eq!(keys(&mut copy, "Enter"), Next::Open("mailto:a@b".into()));
}

#[test]
fn another_program_waits_for_the_whole_history() {
    let mut copy = copy(&LINES, 3);
    assert_eq!(keys(&mut copy, "e"), Next::Export(Tool::Editor));
    copy.expect();
    assert_eq!(keys(&mut copy, "p"), Next::Stay);
    assert_eq!(copy.arrived(), Some(Tool::Pager));
    assert_eq!(
        (copy.arrived(), keys(&mut copy, "p")),
        (None, Next::Export(Tool::Pager))
    );
}
