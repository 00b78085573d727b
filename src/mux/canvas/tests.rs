//! What was put on a canvas is what a terminal shows, however many frames it took.

use proptest::prelude::*;

use super::*;

const SIZE: Size = Size { cols: 24, rows: 6 };

fn screen(cols: u16, rows: u16, bytes: &[u8]) -> Screen {
    let mut screen = Screen::new(Size { cols, rows });
    screen.feed(bytes);
    screen
}

fn fresh(canvas: &Canvas) -> Screen {
    let mut screen = Screen::new(canvas.size());
    screen.feed(&Painted::default().frame(canvas.clone()));
    screen
}

#[test]
fn panes_and_text_stand_where_they_were_put() {
    let mut canvas = Canvas::new(SIZE);
    let pane = screen(
        5,
        3,
        "\x1b[4:3;38;2;1;2;3mab\x1b[m\r\n\x1b]8;;http://x\x1b\\漢l\x1b]8;;\x1b\\\x1b[?1h\x1b[?1000h".as_bytes(),
    );
    canvas.blit(&pane, Rect::new(3, 1, 5, 3));
    canvas.text(0, 0, 24, "tab 漢 e\u{301}!", Look::default());
    canvas.focus(&pane, Rect::new(3, 1, 5, 3));
    canvas.mouse(false);
    let shown = fresh(&canvas);
    assert_eq!(shown.text()[..3], ["tab 漢 e\u{301}!", "   ab", "   漢l"]);
    assert_eq!(shown.cursor(), (2, 6));
    assert_eq!(shown.link_at(3, 2).as_deref(), Some("http://x"));
    assert!(shown.app_cursor() && shown.mouse().drags && shown.mouse().sgr);
    assert!(!shown.mouse().clicks && !shown.synchronized());
}

#[test]
fn a_wide_character_at_a_border_is_no_half() {
    let mut canvas = Canvas::new(SIZE);
    canvas.text(0, 0, 24, "漢漢漢", Look::default());
    canvas.text(1, 0, 1, "x", Look::default());
    canvas.fill(Rect::new(4, 0, 1, 1), Look::default());
    assert_eq!(canvas.lines()[0], " x漢");
    let pane = screen(4, 1, "ab漢".as_bytes());
    canvas.blit(&pane, Rect::new(0, 1, 3, 1));
    assert_eq!(canvas.lines()[1], "ab");
    assert_eq!(fresh(&canvas).text()[..2], [" x漢", "ab"]);
}

#[test]
fn one_key_costs_few_bytes_and_nothing_none() {
    let mut painted = Painted::default();
    let mut canvas = Canvas::new(SIZE);
    canvas.text(0, 2, 24, "$ ls", Look::default());
    assert!(painted.frame(canvas.clone()).len() > 100);
    assert!(painted.frame(canvas.clone()).is_empty());
    canvas.text(4, 2, 20, "x", Look::default());
    canvas.cursor(5, 2);
    let bytes = painted.frame(canvas);
    assert!(bytes.len() < 50, "{:?}", String::from_utf8_lossy(&bytes));
}

/// What is seen of a screen.
fn cells(screen: &Screen) -> Vec<Vec<Cell>> {
    let mut canvas = Canvas::new(SIZE);
    canvas.blit(screen, canvas.area());
    canvas.frame.rows
}

fn piece() -> impl Strategy<Value = (u16, u16, String, bool)> {
    (
        0u16..24,
        0u16..6,
        "([ -~]|漢|e\u{301}){0,12}",
        any::<bool>(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn differences_add_up(frames in prop::collection::vec(prop::collection::vec(piece(), 0..8), 1..6)) {
        let mut painted = Painted::default();
        let mut seen = Screen::new(SIZE);
        for pieces in frames {
            let mut canvas = Canvas::new(SIZE);
            // Where a hidden cursor stands is nobody's business.
            canvas.cursor(0, 0);
            for (x, y, text, bold) in pieces {
                canvas.text(x, y, 24, &text, Look { bold, ..Look::default() });
                canvas.cursor(x, y);
            }
            seen.feed(&painted.frame(canvas.clone()));
            let text: Vec<String> = canvas.lines();
            prop_assert_eq!(seen.text(), text);
            prop_assert!(cells(&seen) == cells(&fresh(&canvas)));
            prop_assert_eq!(seen.cursor(), fresh(&canvas).cursor());
        }
    }
}

#[test]
fn images_are_drawn_while_they_are_whole_and_again_when_touched() {
    use std::sync::Arc;

    use crate::mux::images::Mark;

    let at = Size { cols: 30, rows: 6 };
    let mut screen = Screen::new(at);
    screen.feed(b"top\r\n");
    screen.place_image(Mark(5), (20, 3), false, false);
    screen.feed(b"\r\nbelow");
    let picture = Picture {
        mark: Mark(5),
        rect: Rect::new(0, 1, 20, 3),
        bytes: Arc::new(b"<IMAGE>".to_vec()),
        remove: Arc::new(b"<GONE>".to_vec()),
    };
    let compose = |screen: &Screen, covered: bool| {
        let mut canvas = Canvas::new(at);
        canvas.blit(screen, Rect::new(0, 0, 30, 6));
        canvas.has_marks();
        canvas.picture(picture.clone());
        if covered {
            canvas.text(5, 2, 10, "over", Look::default());
        }
        canvas
    };
    let mut painted = Painted::default();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let first = text(painted.frame(compose(&screen, false)));
    assert!(
        first.contains("\x1b7\x1b[2;1H<IMAGE>\x1b8") && !first.contains("[image"),
        "{first:?}"
    );
    assert!(!first.contains("remote-image"), "{first:?}");
    // Nothing new is nothing; text elsewhere does not send it again.
    assert_eq!(text(painted.frame(compose(&screen, false))), "");
    screen.feed(b"!");
    let next = text(painted.frame(compose(&screen, false)));
    assert!(next.contains('!') && !next.contains("<IMAGE>"), "{next:?}");
    // Covered it is taken away, and its size stands there; then it is back.
    let over = text(painted.frame(compose(&screen, true)));
    assert!(
        over.contains("<GONE>") && over.contains("[image 20x3]") && over.contains("over"),
        "{over:?}"
    );
    let back = text(painted.frame(compose(&screen, false)));
    assert!(
        back.contains("<IMAGE>") && !back.contains("[image"),
        "{back:?}"
    );
    // What is kept of a frame keeps it.
    let mut kept = Canvas::new(at);
    kept.keep(painted.shown(at).expect("a frame"), Rect::new(0, 0, 30, 6));
    assert_eq!(kept.pictures_in(kept.area()).count(), 1);
}
