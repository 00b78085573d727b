//! Tests of `keys`.

use super::*;

#[test]
fn keys_by_name() {
    for (key, bytes) in [
        ("C-c", "\x03"),
        ("^C", "\x03"),
        ("M-x", "\x1bx"),
        ("C-M-x", "\x1b\x18"),
        ("Enter", "\r"),
        ("Tab", "\t"),
        ("S-Tab", "\x1b[Z"),
        ("BTab", "\x1b[Z"),
        ("BSpace", "\x7f"),
        ("Escape", "\x1b"),
        ("C-Space", "\0"),
        ("Up", "\x1b[A"),
        ("C-Left", "\x1b[1;5D"),
        ("PPage", "\x1b[5~"),
        ("DC", "\x1b[3~"),
        ("F1", "\x1bOP"),
        ("F5", "\x1b[15~"),
        ("F12", "\x1b[24~"),
        ("S-F5", "\x1b[15;2~"),
        ("x", "x"),
        ("é", "é"),
        ("-", "-"),
        ("^", "^"),
    ] {
        assert_eq!(
            encode(key, false).as_deref(),
            Some(bytes.as_bytes()),
            "{key}"
        );
    }
    assert_eq!(encode("Up", true).as_deref(), Some(&b"\x1bOA"[..]));
    for wrong in ["", "F13", "F0", "C-é", "Nope", "C-"] {
        assert_eq!(encode(wrong, false), None, "{wrong}");
    }
}

#[test]
fn a_paste_cannot_end_itself() {
    assert_eq!(paste("a\r\nb\n", false), b"a\rb\r");
    assert_eq!(
        paste("a\x1b[201~\x03b\tc", true),
        b"\x1b[200~a[201~b\tc\x1b[201~"
    );
}
