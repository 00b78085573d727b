//! Tests of `banner`.

use super::*;

#[test]
fn a_question_comes_before_trouble_before_a_notice_that_goes_away() {
    let at = Duration::from_secs;
    let mut banner = Banner {
        notice: Some(("n".into(), at(6))),
        ..Banner::default()
    };
    assert_eq!(banner.wanted(at(5)), Some("n"));
    assert_eq!(banner.wanted(at(6)), None);
    banner.trouble = Some("t".into());
    banner.question = Some("q".into());
    assert_eq!(banner.wanted(at(5)), Some("q"));
    banner.question = None;
    assert_eq!(banner.wanted(at(5)), Some("t"));
    let size = Size { cols: 4, rows: 2 };
    assert!(String::from_utf8_lossy(&banner.draw(at(5), size, None)).contains("7mt   \x1b[0m"));
    assert!(banner.is_current(at(5)) && banner.is_drawn());
}

#[test]
fn a_line_is_never_wider_than_the_terminal_and_holds_no_control() {
    let size = Size { cols: 5, rows: 1 };
    let line = line("日本\x1b[2J語abc", size, Some((0, 3)));
    let text = String::from_utf8_lossy(&line);
    assert!(text.contains("日本[\x1b[0m\x1b[1;4H"), "{text:?}");
    assert_eq!(readable(b"yes\r\x03\x1b[A", 40), "yes⏎^C^[[A");
    assert_eq!(readable(b"aaaaaaaaaa", 3), "aaaa…");
}
