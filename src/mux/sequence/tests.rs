//! Tests of `sequence`.

use super::*;

#[test]
fn shapes() {
    assert_eq!(shape(b"\x1b"), Shape::Incomplete);
    assert_eq!(shape(b"\x1b[1;31"), Shape::Incomplete);
    assert_eq!(shape(b"\x1b[1;31mx"), Shape::Complete(7));
    assert_eq!(shape(b"\x1b(0x"), Shape::Complete(3));
    assert_eq!(shape(b"\x1b7x"), Shape::Complete(2));
    assert_eq!(shape(b"\x1b[1\x1b[2m"), Shape::Complete(3));
    assert_eq!(shape(b"\x1b]0;t"), Shape::Open(Text::Osc));
    assert_eq!(shape(b"\x1b\x1b[c"), Shape::Complete(1));
    assert_eq!(shape(b"\x1b\n[c"), Shape::Complete(1));
}

#[test]
fn strings_end_at_their_terminator_or_are_cut_off() {
    let end = |b: &[u8]| string_end(Text::Osc, b, 2, false);
    let term = |payload, next| End::Terminated { payload, next };
    assert_eq!(end(b"\x1b]0;t\x07"), term(5, 6));
    assert_eq!(end(b"\x1b]0;t\x1b\\"), term(5, 7));
    assert_eq!(end(b"\x1b]0;t\x1b[m"), End::Cut(5));
    assert_eq!(end(b"\x1b]0;t\x1b"), End::Missing(true));
    assert_eq!(end(b"\x1b]0;t"), End::Missing(false));
    let tmux = b"\x1bPtmux;\x1b\x1b[c\x1b\\";
    assert_eq!(string_end(Text::Dcs, tmux, 2, true), term(11, 13));
}

#[test]
fn half_characters() {
    assert_eq!(partial_utf8("ab".as_bytes()), 0);
    assert_eq!(partial_utf8(&"€".as_bytes()[..2]), 2);
    assert_eq!(partial_utf8(&"😀".as_bytes()[..3]), 3);
    assert_eq!(partial_utf8(b"\xff\x80"), 0);
    assert_eq!(partial_utf8(b"\x80\x80\x80"), 0);
}
