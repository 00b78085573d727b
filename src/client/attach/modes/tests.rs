//! Tests of `modes`.

use super::*;

fn after(bytes: &[u8]) -> Modes {
    let mut whole = Modes::new();
    whole.feed(bytes);
    // The same, one byte at a time.
    let mut bits = Modes::new();
    bytes.iter().for_each(|b| bits.feed(&[*b]));
    assert_eq!(format!("{whole:?}"), format!("{bits:?}"));
    whole
}

#[test]
fn it_knows_where_a_sequence_or_a_character_is_not_over() {
    for inside in [
        &b"\x1b"[..],
        b"\x1b[",
        b"\x1b[?25",
        b"\x1b]0;title",
        b"\x1bP$q",
        b"\x1b(",
        b"\x1b]0;t\x1b",
        b"abc\xe2\x82",
        b"\xf0",
    ] {
        assert!(!after(inside).at_ground(), "{inside:?}");
    }
    for whole in [
        &b"text\r\n"[..],
        b"\x1b[?25h",
        b"\x1b]0;title\x07",
        b"\x1b]8;;x\x1b\\",
        b"\x1bPq\x07x\x1b\\",
        b"\x1b(0",
        "€".as_bytes(),
        b"\x1b[12\x18",
    ] {
        assert!(after(whole).at_ground(), "{whole:?}");
    }
}

#[test]
fn it_takes_back_what_was_set_and_no_more() {
    let text = |bytes: &[u8]| String::from_utf8_lossy(&after(bytes).leave()).into_owned();
    let set = text(b"\x1b[?1049h\x1b[?1000;1006h\x1b[>1u\x1b[?25l\x1b[?2004h\x1b[?2004l\x1b[5 q");
    for part in [
        "\x1b[<1u",
        "\x1b[?1049l",
        "\x1b[?1000l",
        "\x1b[?1006l",
        "\x1b[?25h",
        "\x1b[0 q",
    ] {
        assert!(set.contains(part), "{part:?} in {set:?}");
    }
    assert!(!set.contains("2004"));
    assert_eq!(
        text(b"ls\r\n"),
        "\x1b[r\x1b[4l\x1b]8;;\x1b\\\x1b[m\x1b[999;1H\r\n"
    );
    assert!(text(b"\x1b[?25l\x1b]0;x").starts_with("\x18\x1b\\"));
    assert_eq!(text(b"\x1b[?25l\x1b[?1049h\x1bc"), text(b""));
    // Each screen has its own stack of keyboard flags.
    let both = text(b"\x1b[>1u\x1b[>3u\x1b[?1049h\x1b[>1u");
    assert!(
        both.contains("\x1b[<1u\x1b[=0u\x1b[?1049l\x1b[<2u\x1b[=0u"),
        "{both:?}"
    );
}
