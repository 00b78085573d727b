//! Overlays on terminals whose program does not know of them: drawn, changed, and gone.

use proptest::prelude::*;

use super::super::screen_tests::{fed, size};
use super::super::snapshot::{snapshot, wraps};
use super::*;

fn overlay(screen: &Screen, cells: &[(u16, u16, char)], cursor: Option<(u16, u16)>) -> Overlay {
    let cells = cells.iter().filter(|(row, col, _)| {
        let glyph = screen.glyph(*row, *col);
        col + 1 < screen.size().cols && glyph.is_some_and(|g| !g.is_wide())
    });
    Overlay {
        cells: cells
            .map(|&(row, col, c)| ((row, col), screen.as_written(c).underlined()))
            .collect(),
        cursor,
    }
}

#[test]
fn drawn_in_the_programs_pen_and_gone_without_a_trace() {
    let program = b"\x1b[2;5r\x1b[31mred \x1b[1mbold";
    let screen = fed(size(20, 6), program);
    let mut terminal = fed(size(20, 6), program);
    let over = overlay(&screen, &[(0, 8, 'x'), (0, 9, 'y')], Some((0, 10)));
    let bytes = Overlay::default().turn_into(&over, &screen);
    assert!(bytes.len() < 60, "{}", String::from_utf8_lossy(&bytes));
    terminal.feed(&bytes);
    assert_eq!(terminal.text()[0], "red boldxy");
    assert_eq!(terminal.cursor(), (0, 10));
    assert_eq!(terminal.glyph(0, 8), over.cells.get(&(0, 8)).cloned());
    let fewer = overlay(&screen, &[(0, 8, 'x')], Some((0, 9)));
    terminal.feed(&over.turn_into(&fewer, &screen));
    assert_eq!(terminal.text()[0], "red boldx");
    assert_eq!(fewer.turn_into(&fewer, &screen), b"");
    terminal.feed(&fewer.turn_into(&Overlay::default(), &screen));
    assert_eq!(snapshot(&terminal), snapshot(&screen));
}

#[test]
fn some_states_take_none() {
    let takes = |bytes: &str| fed(size(20, 6), bytes.as_bytes()).takes_overlay();
    assert!(takes("hello\x1b[31m\x1b[2;4r\x1b[?1049h"));
    assert!(!fed(size(20, 6), b"").takes_overlay());
    for bytes in [
        "\x1b[?25l",
        "\x1b[4h",
        "\x1b[?6h",
        "\x1b(0",
        "\x0e",
        "\x1b[?2026h",
        "\x1b[3",
    ] {
        assert!(!takes(&format!("hello{bytes}")), "{bytes:?}");
    }
    // The last column was erased after it was written: REP would repeat a blank.
    let full = "x".repeat(20);
    assert!(takes(&full) && !takes(&format!("{full}\x1b[J")));
}

#[test]
fn none_where_an_image_has_moved_the_terminals_cursor() {
    let takes = |bytes: &str| fed(size(20, 6), format!("hello{bytes}").as_bytes()).takes_overlay();
    let images = [
        "\x1bPq#1~\x1b\\",
        "\x1b]1337;File=:AA==\x07",
        "\x1b_Ga=T;AA==\x1b\\",
    ];
    for image in images {
        assert!(!takes(image), "{image:?}");
        assert!(!takes(&format!("{image}\x1b[1;1H")));
        assert!(!takes(&format!("{image}\x1b[2J")));
        assert!(!takes(&format!(
            "{image}\x1b[?1049h\x1b[H\x1b[2J\x1b[?1049l"
        )));
        // Erased whole with the cursor put in its place, both agree again.
        assert!(takes(&format!("{image}\r\n\x1b[H\x1b[2J$ ")));
        assert!(!takes(&format!("{image}\x1b[H\x1b[2J{image}")));
        assert!(!takes(&format!("\x1b7{image}\x1b[H\x1b[2J\x1b8")));
        assert!(takes(&format!("{image}\x1bcanew")));
        let screen = fed(size(20, 6), format!("hello{image}").as_bytes());
        assert!(fed(size(20, 6), &screen.repaint()).takes_overlay());
    }
}

#[test]
fn none_in_a_row_of_doubtful_width() {
    let takes = |bytes: &str| fed(size(20, 6), bytes.as_bytes()).takes_overlay();
    assert!(takes("漢 ä $ "));
    for prompt in ["🚀 $ ", "\u{2764}\u{fe0f} $ ", "e\u{301} $ "] {
        assert!(!takes(prompt), "{prompt:?}");
        assert!(!takes(&format!("{prompt}{}", "x".repeat(30))));
        assert!(takes(&format!("{prompt}\r\n$ ")));
        let screen = fed(size(20, 6), format!("{prompt}\r\n$ ").as_bytes());
        assert!(screen.is_doubtful(0) && !screen.is_doubtful(1) && !screen.is_doubtful(99));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the program had written, and whatever it writes afterwards.
    #[test]
    fn a_terminal_is_the_same_after_it(
        steps in prop::collection::vec(
            "([ -~]{0,30}|漢|e\u{301}|\r\n|\x1b7|\x1b8|\x1b\\[[1-9];[1-9]H|\x1b\\[[0-2]?[JK]|\x1b\\[4[1-3]m|\x1b\\[3;4m|\x1b\\[m|\x1b\\[2;4r|\x1b\\[[1-3]b|\x1b]8;;http://a\x1b\\\\\x1b\\[\\?1049[hl]){0,8}",
            1..5,
        ),
        cells in prop::collection::vec((0u16..6, 0u16..20, proptest::char::range('!', '~')), 0..12),
        more in prop::collection::vec((0u16..6, 0u16..20, proptest::char::range('!', '~')), 0..12),
        cursor in prop::option::of((0u16..6, 0u16..19)),
    ) {
        let mut screen = fed(size(20, 6), b"");
        let mut terminal = fed(size(20, 6), b"");
        for step in steps {
            screen.feed(step.as_bytes());
            terminal.feed(step.as_bytes());
            if !screen.takes_overlay() {
                continue;
            }
            let (none, one) = (Overlay::default(), overlay(&screen, &cells, cursor));
            let two = overlay(&screen, &more, None);
            terminal.feed(&none.turn_into(&one, &screen));
            for (at, glyph) in &one.cells {
                prop_assert_eq!(terminal.glyph(at.0, at.1), Some(glyph.clone()));
            }
            terminal.feed(&one.turn_into(&two, &screen));
            terminal.feed(&two.turn_into(&none, &screen));
            prop_assert_eq!(snapshot(&terminal), snapshot(&screen));
            prop_assert_eq!(wraps(&terminal), wraps(&screen));
        }
    }
}
