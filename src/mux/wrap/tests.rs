//! Lines at another width.

use proptest::prelude::*;

use super::*;

fn rows(cols: u16, text: &str) -> Vec<Row> {
    let mut screen = Screen::new(Size { cols, rows: 2 }).keeping_scrolled();
    screen.feed(format!("{text}\r\n\r\n").as_bytes());
    screen
        .take_scrolled(usize::MAX)
        .iter()
        .map(Row::from)
        .collect()
}

fn texts(rows: &[Row]) -> Vec<String> {
    rows.iter().map(Row::text).collect()
}

#[test]
fn lines_wrap_at_the_width_there_is_and_keep_their_looks() {
    let wide = rows(20, "\x1b[31mone two\x1b[m three\r\nx");
    assert_eq!(texts(&wide), ["one two three", "x"]);
    let narrow = rewrap(wide.clone(), 5);
    assert_eq!(texts(&narrow), ["one t", "wo th", "ree", "x"]);
    assert_eq!(
        narrow.iter().map(|r| r.wrapped).collect::<Vec<_>>(),
        [true, true, false, false]
    );
    assert!(
        narrow[1].bytes.starts_with(b"\x1b[0;31mwo"),
        "{:?}",
        narrow[1]
    );
    assert_eq!(rewrap(narrow, 20), wide);
    // Blanks at the edge belong to the line.
    let narrow = rows(4, "abc def");
    assert_eq!(texts(&narrow), ["abc ", "def"]);
    assert_eq!(texts(&rewrap(narrow, 20)), ["abc def"]);
    // A wide character is not cut.
    assert_eq!(texts(&rewrap(rows(20, "abc漢字"), 4)), ["abc", "漢字"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_by_any_widths(text in "([a-z ]|漢|\x1b\\[3[1-3]m){1,60}[a-z]", first in 2u16..30, then in 2u16..30) {
        let joined = |rows: &[Row]| texts(rows).concat();
        let one = rows(first, &text);
        let two = rewrap(one.clone(), then);
        prop_assert_eq!(joined(&one), joined(&two));
        prop_assert!(two.iter().all(|r| r.text().width() <= usize::from(then)));
    }
}
