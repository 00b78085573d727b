//! Screens against their repaints: crafted sequences and random ones.

use proptest::prelude::*;

use super::Screen;
use super::snapshot::{snapshot, wraps};
use crate::model::Size;

pub(super) fn size(cols: u16, rows: u16) -> Size {
    Size { cols, rows }
}

pub(super) fn fed(at: Size, bytes: &[u8]) -> Screen {
    let mut s = Screen::new(at).keeping_scrolled();
    s.feed(bytes);
    s
}

/// A dirty terminal that gets the repaint is the same screen.
fn copy(a: &Screen) -> Screen {
    fed(a.size(), &a.repaint())
}

/// Feeds, repaints into another, compares, feeds both on, compares again.
fn same(bytes: &str, then: &str) -> Screen {
    let a = fed(size(20, 6), bytes.as_bytes());
    let mut dirty = fed(
        size(20, 6),
        b"\x1b[?1049h\x1b[31mjunk\x1b[2;4r\x1b[?6h\x1b(0\x1b[4h\x1b[?1000h\x1b[?7l\x1b[?2026h",
    );
    let mut b = copy(&a);
    dirty.feed(&a.repaint());
    assert_eq!(snapshot(&a), snapshot(&b), "repaint {:?}", show(&a));
    assert_eq!(snapshot(&a), snapshot(&dirty), "onto a dirty one");
    let mut a = a;
    for s in [&mut a, &mut b, &mut dirty] {
        s.feed(then.as_bytes());
    }
    assert_eq!(snapshot(&a), snapshot(&b), "after more");
    assert_eq!(snapshot(&a), snapshot(&dirty), "after more, dirty");
    assert_eq!(a.poisoned() + b.poisoned(), 0);
    a
}

pub(super) fn show(s: &Screen) -> String {
    String::from_utf8_lossy(&s.repaint()).replace('\x1b', "^[")
}

#[test]
fn margins_origin_and_tabs() {
    let s = same(
        "\x1b[2;4r\x1b[?6h\x1b[3;5Hx\x1b[3g\x1b[5G\x1bH",
        "\r\ty\n\n\nz\x1b[1;1Hhome\x1bM\x1bMq",
    );
    assert_eq!(s.text()[1], "    q");
    same("\x1b[3;3H\x1bH\x1b[?5W\x1b[9G\x1b[g", "\rab\tc\td");
}

#[test]
fn what_is_wrapped_anew_stays_while_rows_are_free() {
    let mut s = fed(size(10, 5), b"ABCDEFGHI");
    s.resize(size(8, 5));
    assert_eq!(s.text(), ["ABCDEFGH", "I", "", "", ""]);
    assert_eq!(s.cursor(), (1, 1));
    s.resize(size(3, 5));
    assert_eq!(s.text(), ["ABC", "DEF", "GHI", "", ""]);
    s.resize(size(2, 3));
    assert_eq!(s.text(), ["EF", "GH", "I"]);
    assert_eq!(s.take_scrolled(9).iter().count(), 2);

    let mut s = fed(size(10, 5), b"ABCDEFGHI\x1b[?1049hx");
    s.resize(size(8, 5));
    s.feed(b"\x1b[?1049l");
    assert_eq!(s.text(), ["ABCDEFGH", "I", "", "", ""]);
}

#[test]
fn charsets_and_shifts() {
    let s = same("\x1b(0lqk\x0e\x1b)0x\x0f\x1b(Ba\x0e", "qq\x0fqq\x1b(0q");
    assert_eq!(s.text()[0], "┌─┐│a──qq─");
    same("\x1b)0\x0e\x1b7\x0f\x1b[3;3H", "q\x1b8q");
}

#[test]
fn saved_cursors() {
    same(
        "\x1b[4;7H\x1b[1;35;4:3m\x1b(0\x1b7\x1b[m\x1b(B\x1b[Hx",
        "y\x1b8qqq",
    );
    same("\x1b[2;20Hx\x1b7\x1b[Habc", "\x1b8wraps");
    same(
        "\x1b[3;5r\x1b[?6h\x1b[2;2H\x1b7\x1b[?6l\x1b[r\x1b[Hz",
        "\x1b8x\x1b[1;1Hy",
    );
}

#[test]
fn both_screens() {
    let s = same(
        "main text\r\n\x1b[32mgreen\x1b[3;3H\x1b[?1049h\x1b[44malt\x1b[5;5Hx",
        "y\x1b[?1049lback",
    );
    assert_eq!(s.text()[..3], ["main text", "green", "  back"]);
    same("\x1b7abc\x1b[?47hx", "\x1b[?47ly\x1b8z");
    same("abc\x1b[?1047hx\x1b[?1048hy", "\x1b[?1048l\x1b[?1047lz");
    same("a\x1b[2;20Hb\x1b[?1049hx\x1b[3;20Hy", "z\x1b[?1049lw");
}

#[test]
fn keyboards_modes_and_titles() {
    let s = same(
        "\x1b[>1u\x1b[>5u\x1b[=2;2u\x1b[?1049h\x1b[>3u\x1b[?1h\x1b=\x1b[?1002;1006;1004;2004h\x1b[?1007l\
         \x1b]0;one\x07\x1b[22t\x1b]2;two\x1b\\\x1b[5 q\x1b[?25l\x1b[>4;2m\x1b[?2031h\x1b]22;pointer\x1b\\",
        "\x1b[<u\x1b[?1049l\x1b[<u\x1b[23t\x1b[?12l",
    );
    assert_eq!(s.title(), "one");
    let left = fed(s.size(), &[s.repaint(), s.leave()].concat());
    assert!(!left.bracketed_paste() && !left.app_cursor() && !left.alternate());
}

#[test]
fn links_and_looks() {
    same(
        "\x1b]8;;http://a/;b\x1b\\link\x1b]8;;\x1b\\ \x1b]8;id=7;http://c\x07on\r\nwards",
        "x\x1b]8;;\x1b\\y",
    );
    same(
        "\x1b[38;2;1;2;3m\x1b[48;5;200mtrue\x1b[4:3;58:2::9:8:7mcurl\x1b[4:2mdbl\x1b[21;5;9mblink\x1b[4:4;58:5:3mx\x1b[4:5my",
        "z\x1b[59;25mw\x1b[mn",
    );
    same(
        "\x1b[41m\x1b[2K\x1b[3;3H\x1b[J\x1b[7m  \x1b[m \x1b[35m  ",
        "x\x1b[Ky",
    );
    same(
        "\x1b]4;1;#102030;200;rgb:ff/00/ff\x07\x1b]10;#fff\x07\x1b]11;rgb:1/2/3\x1b\\\x1b]104;1\x07",
        "\x1b]111\x07",
    );
}

#[test]
fn wide_and_combining() {
    same("漢字e\u{301}\x1b[1;20H漢x\x1b[2;19H字", "y");
    same("\x1b[?7l\x1b[1;20H漢\x1b[2;19H漢字", "z");
    same(
        "漢字漢字\x1b[1;2H\x1b[X\x1b[1;5H\x1b[P\x1b[1;1H\x1b[@",
        "\x1b[1;2Hx",
    );
    same("👨\u{200d}👩 x\x1b[1;20H👍", "ok");
    let s = fed(size(20, 6), "a".as_bytes());
    let mut b = copy(&s);
    b.feed("\u{301}".repeat(10_000).as_bytes());
    assert!(b.repaint().len() < 2_000);
}

#[test]
fn pending_wrap_insert_and_newline_modes() {
    same("12345678901234567890", "x");
    same("12345678901234567890\x1b[31m", "\u{301}x");
    same("123456789012345678漢", "x");
    same("\x1b[6;20Hx", "y");
    same("hello\x1b[4h\x1b[20h\x1b[1;3H", "XY\nz");
    same("\x1b[1;1Hab\x1b[3;20Hq\x1b[K\x1b[41m", "\x1b[3bz");
    same("\x1b[2;5Hxy", "\x1b[4b");
}

#[test]
fn unfinished_sequences_go_on_after_a_repaint() {
    for cut in [
        "\x1b",
        "\x1b[3",
        "\x1b]0;ti",
        "\x1b]0;ti\x1b",
        "\x1b(",
        "\x1bPq#1",
    ] {
        let rest = match cut {
            "\x1b" => "[31mx",
            "\x1b[3" => "1mx",
            "\x1b(" => "0q",
            "\x1b]0;ti\x1b" => "\\x",
            _ => "tle\x1b\\x",
        };
        same(&format!("ab{cut}"), rest);
    }
    let mut a = fed(size(20, 6), &"é".as_bytes()[..1]);
    let mut b = copy(&a);
    a.feed(&"é".as_bytes()[1..]);
    b.feed(&"é".as_bytes()[1..]);
    assert_eq!((a.text(), a.text()[0].as_str()), (b.text(), "é"));
}

#[test]
fn a_repaint_rings_nothing_and_holds_nothing() {
    let s = fed(
        size(20, 6),
        b"\x07\x1b]9;hi\x07\x1b]52;c;aGk=\x07\x1b]777;notify;a;b\x07\x1b[?2026hx",
    );
    let r = s.repaint();
    assert!(r.starts_with(b"\x18\x1b\\"));
    assert!(!r.contains(&7));
    let text = String::from_utf8_lossy(&r).into_owned();
    assert!(!text.contains("\x1b]9;") && !text.contains("]52;") && !text.contains("?2026h"));
    assert_eq!(s.text()[0], "x");
}

#[test]
fn leaving_undoes_what_is_set_and_stands_below() {
    let s = fed(
        size(20, 6),
        b"one\r\ntwo\x1b[?1049h\x1b[?1003;1006;2004h\x1b[?25l\x1b[2;3r\x1b[>1u\x1b[3 q",
    );
    let mut t = fed(s.size(), &s.repaint());
    t.feed(&s.leave());
    assert_eq!(t.cursor(), (2, 0));
    assert_eq!(t.text()[..2], ["one", "two"]);
    assert_eq!(
        snapshot(&t).lines().next(),
        snapshot(&fed(s.size(), b"")).lines().next()
    );
    let fresh = Screen::new(size(20, 6)).leave();
    assert!(fresh.len() < 50, "{}", String::from_utf8_lossy(&fresh));
}

#[test]
fn lines_that_scroll_off_are_handed_out() {
    let mut s = Screen::new(size(10, 3)).keeping_scrolled();
    s.feed(b"one\r\n\x1b[31mtwo\x1b[m\r\nthree\r\nfour\r\n0123456789ab\r\nx");
    let out = s.take_scrolled(100);
    let text: Vec<String> = out.iter().map(|l| l.text()).collect();
    assert_eq!(text, ["one", "two", "three", "four"]);
    let bytes: Vec<&[u8]> = out.iter().map(|l| l.bytes).collect();
    assert_eq!(bytes[1], b"\x1b[0;31mtwo\x1b[m");
    s.feed(b"\r\n\r\n");
    let out = s.take_scrolled(100);
    let wrapped: Vec<bool> = out.iter().map(|l| l.wrapped).collect();
    assert_eq!(wrapped, [true, false]);
    assert_eq!(out.skipped(), 0);
    s.feed(b"\x1b[?1049h\r\n\r\n\r\n\r\n\x1b[?1049l");
    assert!(s.take_scrolled(9).is_empty());
    for n in 0..50 {
        s.feed(format!("{n}\r\n").as_bytes());
    }
    let out = s.take_scrolled(5);
    assert_eq!((out.len(), out.skipped()), (5, 45));
}

#[test]
fn erasing_everything_again_and_again_makes_no_copies() {
    let mut s = Screen::new(size(10, 3)).keeping_scrolled();
    for _ in 0..20 {
        s.feed(b"\x1b[2J\x1b[3J\x1b[Ha\r\nb\r\nc");
    }
    let out = s.take_scrolled(100);
    assert_eq!((out.len(), out.erased_before()), (0, Some(0)));
    s.feed(b"\x1b[2J\x1b[H");
    assert_eq!(s.take_scrolled(100).len(), 3);
}

#[test]
fn resizing_keeps_what_it_can() {
    let mut s = fed(size(10, 4), b"0123456789abcdef\r\ntwo\r\nthree").keeping_scrolled();
    s.resize(size(5, 4));
    let gone: Vec<String> = s.take_scrolled(9).iter().map(|l| l.text()).collect();
    assert_eq!(gone, ["01234", "56789"]);
    assert_eq!(s.text(), ["abcde", "f", "two", "three"]);
    for at in [size(1, 1), size(1000, 500), size(2, 1), size(120, 40)] {
        s.resize(at);
        s.feed("漢字 wide \x1b[?1049h\x1b[999;999Hx\x1b[?1049l\r\n\t\x1b[99M".as_bytes());
        assert_eq!(s.size(), at);
        let _ = (copy(&s).text(), s.cursor(), s.leave());
    }
    assert_eq!(s.poisoned(), 0);
}

fn piece() -> impl Strategy<Value = String> {
    let n = 0u16..24;
    prop_oneof![
        4 => "[ -~]{1,30}",
        2 => prop::sample::select(vec!["漢字", "é", "e\u{301}", "👍", "\u{200d}", "│", "ａ"]).prop_map(str::to_owned),
        3 => prop::sample::select(vec!["\r\n", "\n", "\r", "\t", "\x08", "\x0e", "\x0f", "\x07", "\x0b"]).prop_map(str::to_owned),
        4 => (n.clone(), n.clone()).prop_map(|(a, b)| format!("\x1b[{a};{b}H")),
        4 => (n.clone(), prop::sample::select("@ABCDEFGIJKLMPSTXZ`adegm".chars().collect::<Vec<_>>()))
            .prop_map(|(a, c)| format!("\x1b[{a}{c}")),
        3 => prop::collection::vec(prop::sample::select(vec![0u16, 1, 2, 3, 4, 5, 7, 9, 21, 22, 24, 27, 31, 42, 93, 104]), 1..4)
            .prop_map(|v| format!("\x1b[{}m", v.iter().map(u16::to_string).collect::<Vec<_>>().join(";"))),
        1 => prop::sample::select(vec!["4:3", "4:5", "38;5;99", "48;2;1;2;3", "58:2::4:5:6", "59", "8"])
            .prop_map(|c| format!("\x1b[{c}m")),
        2 => (0u16..8, 0u16..8).prop_map(|(a, b)| format!("\x1b[{a};{b}r")),
        3 => (prop::sample::select(vec![1u16, 3, 6, 7, 12, 25, 47, 1000, 1002, 1004, 1006, 1007, 1047, 1048, 1049, 2004, 2026, 2031]), any::<bool>())
            .prop_map(|(m, on)| format!("\x1b[?{m}{}", if on { 'h' } else { 'l' })),
        1 => (prop::sample::select(vec![4u16, 20]), any::<bool>())
            .prop_map(|(m, on)| format!("\x1b[{m}{}", if on { 'h' } else { 'l' })),
        3 => prop::sample::select(vec![
            "\x1b7", "\x1b8", "\x1bD", "\x1bE", "\x1bM", "\x1bH", "\x1bc", "\x1b=", "\x1b>", "\x1b(0", "\x1b(B",
            "\x1b)0", "\x1b#8", "\x1b[!p", "\x1b[s", "\x1b[u", "\x1b[3g", "\x1b[?5W", "\x1b[>5u", "\x1b[<u", "\x1b[=3;2u",
            "\x1b[4 q", "\x1b]2;title\x07", "\x1b[22t", "\x1b[23t", "\x1b]8;;http://x\x1b\\", "\x1b]8;id=a;y:z\x07",
            "\x1b]8;;\x1b\\", "\x1b]4;3;#123456\x07", "\x1b]104\x07", "\x1bPx\x1b\\", "\x1b_Gi=1\x1b\\", "\x1b[>4;1m",
            "\x1b[3J", "\x1b[?1049h",
        ]).prop_map(str::to_owned),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(piece(), 0..40).prop_map(|v| v.concat().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
    ]
}

/// REP is left out: what it repeats can be restored only where an erased cell is on the screen.
pub(super) fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(400),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_repaint_is_the_screen(first in stream(), then in stream(), cols in 2u16..25, rows in 1u16..8, new in (2u16..25, 1u16..8)) {
        let mut a = fed(size(cols, rows), &first);
        let mut b = copy(&a);
        prop_assert_eq!(snapshot(&a), snapshot(&b), "{}", show(&a));
        let wraps_equal = wraps(&a) == wraps(&b);
        for s in [&mut a, &mut b] {
            s.feed(&then);
        }
        prop_assert_eq!(snapshot(&a), snapshot(&b), "after more");
        if wraps_equal && then.is_empty() {
            for s in [&mut a, &mut b] {
                s.resize(size(new.0, new.1));
            }
            prop_assert_eq!(snapshot(&a), snapshot(&b), "after a resize");
        }
        prop_assert_eq!(a.poisoned() + b.poisoned(), 0);
        let _ = a.leave();
    }

    #[test]
    fn how_output_is_cut_does_not_matter(bytes in stream(), cuts in prop::collection::vec(1usize..20, 1..40)) {
        let whole = fed(size(12, 5), &bytes);
        let mut parts = Screen::new(size(12, 5));
        let mut rest = &bytes[..];
        for n in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*n).min(rest.len()));
            parts.feed(now);
            rest = later;
        }
        prop_assert_eq!(snapshot(&whole), snapshot(&parts));
    }

    #[test]
    fn any_size_and_bytes(bytes in stream(), cols in 0u16..4, rows in 0u16..3, to in (0u16..40, 0u16..20)) {
        let mut s = fed(size(cols, rows), &bytes);
        s.resize(size(to.0, to.1));
        s.feed(&bytes);
        let _ = (s.repaint(), s.text(), s.leave());
        prop_assert_eq!(s.poisoned(), 0);
    }
}
