//! Addresses in texts and on screens.

use super::*;
use crate::model::Size;

fn found(text: &str) -> Vec<&str> {
    addresses(text)
        .filter_map(|range| text.get(range))
        .collect()
}

#[test]
fn addresses_are_found_as_people_write_them() {
    for (text, expected) in [
        ("see https://a.b/c.", "https://a.b/c"),
        ("(https://a.b/c)", "https://a.b/c"),
        (
            "(https://en.wikipedia.org/wiki/Rust_(game)), and",
            "https://en.wikipedia.org/wiki/Rust_(game)",
        ),
        ("[x](http://a.b/?q=1&r=2#f)", "http://a.b/?q=1&r=2#f"),
        ("**https://a.b/c**", "https://a.b/c"),
        ("<https://a.b/c>", "https://a.b/c"),
        ("│https://a.b/c│", "https://a.b/c"),
        ("\"HTTPS://A.b/c\"", "HTTPS://A.b/c"),
        (
            "https://a.b:8080/~u/x_y-z%20!",
            "https://a.b:8080/~u/x_y-z%20",
        ),
        ("https://[::1]:3000/x", "https://[::1]:3000/x"),
        ("https://例え.jp/パス", "https://例え.jp/パス"),
    ] {
        assert_eq!(found(text), [expected], "{text}");
    }
    assert_eq!(found("http://a http://b, c"), ["http://a", "http://b"]);
    assert!(found("http:// https://... file:///etc/passwd ftp://x").is_empty());
    assert_eq!(address_at("x http://a y", 3), Some("http://a"));
    assert_eq!(address_at("x http://a y", 10), None);
}

#[test]
fn only_the_web_and_mail_are_opened() {
    assert!(may_open("https://a") && may_open("HTTP://a") && may_open("mailto:a@b"));
    for no in [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "-a",
        "ssh://x",
        "https://a b",
        "https://a\x1b",
        "",
    ] {
        assert!(!may_open(no), "{no:?}");
    }
}

#[test]
fn a_click_finds_links_and_addresses_over_the_rows_edge() {
    let mut screen = Screen::new(Size { cols: 12, rows: 5 });
    screen
        .feed("漢 \x1b]8;;mailto:x@y\x1b\\me\x1b]8;;\x1b\\\r\n=> https://abc.de/fgh ok".as_bytes());
    let at = |x, y| screen.address_at(x, y);
    assert_eq!(at(3, 0).as_deref(), Some("mailto:x@y"));
    assert_eq!(at(0, 0), None);
    for (x, y) in [(3, 1), (11, 1), (0, 2), (8, 2)] {
        assert_eq!(at(x, y).as_deref(), Some("https://abc.de/fgh"), "{x} {y}");
    }
    assert_eq!(
        (at(2, 1), at(10, 2), at(0, 9), at(90, 1)),
        (None, None, None, None)
    );
}
