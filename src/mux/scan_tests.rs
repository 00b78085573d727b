//! The scanner: every byte accounted for, however the stream is cut.

use bytes::Bytes;
use proptest::prelude::*;

use super::{Piece, Query, Scanner, What};

fn scan(chunks: &[&[u8]]) -> (Vec<Piece>, usize) {
    let (mut scanner, mut out) = (Scanner::new(), Vec::new());
    for chunk in chunks {
        scanner.feed(&Bytes::copy_from_slice(chunk), &mut out);
    }
    (out, scanner.held())
}

fn one(bytes: &[u8]) -> What {
    let (pieces, held) = scan(&[bytes]);
    assert_eq!((pieces.len(), held), (1, 0), "{pieces:?}");
    pieces[0].what.clone()
}

#[test]
fn known_queries_are_cut_out() {
    use Query as Q;
    for (bytes, query) in [
        ("\x1b[c", Q::PrimaryAttributes),
        ("\x1b[0c", Q::PrimaryAttributes),
        ("\x1bZ", Q::PrimaryAttributes),
        ("\x1b[>c", Q::SecondaryAttributes),
        ("\x1b[=c", Q::TertiaryAttributes),
        ("\x1b[5n", Q::Status),
        ("\x1b[6n", Q::Cursor),
        ("\x1b[?6n", Q::CursorExtended),
        ("\x1b[?996n", Q::ColorScheme),
        (
            "\x1b[?2026$p",
            Q::Mode {
                private: true,
                mode: 2026,
            },
        ),
        (
            "\x1b[4$p",
            Q::Mode {
                private: false,
                mode: 4,
            },
        ),
        ("\x1b[?u", Q::KittyKeyboard),
        ("\x1b[?4m", Q::ModifyOtherKeys),
        ("\x1b[>q", Q::Version),
        ("\x1b[>0q", Q::Version),
        ("\x1b[14t", Q::Window(14)),
        ("\x1b[21t", Q::Window(21)),
        (
            "\x1b]11;?\x07",
            Q::Dynamic {
                codes: vec![11],
                bel: true,
            },
        ),
        (
            "\x1b]10;?;?\x1b\\",
            Q::Dynamic {
                codes: vec![10, 11],
                bel: false,
            },
        ),
        (
            "\x1b]4;1;?;7;?\x1b\\",
            Q::Palette {
                indices: vec![1, 7],
                bel: false,
            },
        ),
        ("\x1b]52;c;?\x07", Q::ClipboardRead),
        (
            "\x1b]7501;?\x1b\\",
            Q::ProgramStatus(Bytes::from_static(b"\x1b]7501;?\x1b\\")),
        ),
        ("\x05", Q::Enquiry),
    ] {
        assert_eq!(one(bytes.as_bytes()), What::Query(query), "{bytes:?}");
    }
    let (pieces, _) = scan(&[b"ab\x1b[", b"6ncd"]);
    let texts: Vec<&[u8]> = pieces.iter().map(|p| &p.bytes[..]).collect();
    assert_eq!(texts, [&b"ab"[..], b"\x1b[6n", b"cd"]);
    assert!(!pieces[1].live() && pieces[0].live());
}

#[test]
fn what_only_a_terminal_can_answer() {
    for q in [
        "\x1bP$qm\x1b\\",
        "\x1bP+q544e\x1b\\",
        "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\",
        "\x1b[?15n",
        "\x1b[?1;1;0S",
        "\x1b]4;1;?;2;red\x07",
    ] {
        assert_eq!(one(q.as_bytes()), What::UnknownQuery, "{q:?}");
    }
}

#[test]
fn what_tells_of_the_agent() {
    assert_eq!(one(b"\x07"), What::Bell);
    assert_eq!(
        one(b"\x1b]9;4;1;30\x1b\\"),
        What::Progress {
            state: 1,
            percent: Some(30)
        }
    );
    let body = |t: Option<&str>, b: &str| What::Notification {
        title: t.map(str::to_owned),
        body: b.to_owned(),
    };
    assert_eq!(one(b"\x1b]9;build done\x07"), body(None, "build done"));
    assert_eq!(one(b"\x1b]777;notify;T;B;C\x07"), body(Some("T"), "B;C"));
    assert_eq!(one(b"\x1b]99;i=1:e=1;aGVsbG8=\x1b\\"), body(None, "hello"));
    assert_eq!(one(b"\x1b]9;9;/tmp\x07"), What::Pass);
    assert_eq!(one(b"\x1b]52;c;aGk=\x07"), What::Clipboard);
    assert_eq!(one(b"\x1b]7501;state=working\x1b\\"), What::Status);
    assert_eq!(one(b"\x1b]133;A\x07"), What::Prompt);
    assert_eq!(one(b"\x1bc"), What::Reset);
}

#[test]
fn the_rest_passes() {
    for s in [
        "plain text\r\n",
        "\x1b[1;31mred\x1b[m\x1b[?1049h\x1b[2;5r\x1b[1 q\x1b[>1u\x1b[=1;1u\x1b[<u\x1b[22;0t\x1b[>4;2m\x1b[u",
        "\x1b]0;title\x07\x1b]8;;http://x\x1b\\l\x1b]8;;\x1b\\\x1b]4;1;#fff\x07\x1b]11;#000\x07",
        "\x1bPq#0;2;0;0;0~~\x07\x05[c\x1b\\\x1b_Ga=T,f=100;AAAA\x1b\\",
        "\x1bPtmux;\x1b\x1b[c\x1b\x1b]52;c;?\x07\x1b\\",
    ] {
        assert_eq!(one(s.as_bytes()), What::Pass, "{s:?}");
    }
}

#[test]
fn long_strings_stream_through() {
    let big = vec![b'A'; 100_000];
    let (pieces, held) = scan(&[b"\x1b]52;c;", &big, b"\x07after"]);
    assert_eq!(held, 0);
    assert!(
        pieces
            .iter()
            .rev()
            .skip(1)
            .all(|p| p.what == What::Clipboard)
    );
    assert_eq!(pieces.last().map(|p| &p.bytes[..]), Some(&b"after"[..]));
    let (pieces, held) = scan(&[b"\x1bPq", &big, b"\x1b"]);
    assert_eq!(held, 1);
    assert!(pieces.iter().all(|p| p.what == What::Pass));
    let (pieces, _) = scan(&[b"\x1b]9;", &big, &big, b"\x1b\\x\x1b[c"]);
    assert!(matches!(pieces[0].what, What::Notification { .. }));
    assert!(matches!(pieces[1].what, What::More) && !pieces[1].replayable());
    assert_eq!(pieces.last().map(|p| p.live()), Some(false));
    let (_, held) = scan(&[b"\x1b[", &vec![b'1'; 5000]]);
    assert_eq!(held, 0);
}

fn bits() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec![
            "text",
            "é漢",
            "\x1b",
            "\x1b[",
            "6n",
            "c",
            "\x1b[c",
            "\x1b]11;?",
            "\x07",
            "\x1b\\",
            "\x1b]52;c;",
            "AAAA",
            "\x1bP",
            "$qm",
            "tmux;",
            "\x1b_G",
            "a=q",
            ";",
            "\x18",
            "\x1b]7501;",
            "?",
            "\x05",
            "\x1b[31m",
            "\r\n",
            "9;4;1;5",
            "\x1b]",
        ])
        .prop_map(|s| s.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_byte_is_lost_and_cuts_do_not_matter(parts in prop::collection::vec(bits(), 0..40), n in 1usize..9) {
        let bytes = parts.concat();
        let (whole, held) = scan(&[&bytes]);
        let chunks: Vec<&[u8]> = bytes.chunks(n).collect();
        let (cut, held_cut) = scan(&chunks);
        for (pieces, held) in [(&whole, held), (&cut, held_cut)] {
            let back: Vec<u8> = pieces.iter().flat_map(|p| p.bytes.to_vec()).collect();
            prop_assert_eq!(&back[..], &bytes[..bytes.len() - held]);
        }
        let told = |pieces: &[Piece]| -> Vec<What> {
            pieces.iter().map(|p| p.what.clone()).filter(|w| !matches!(w, What::Pass | What::More | What::Clipboard)).collect()
        };
        prop_assert_eq!(told(&whole), told(&cut));
    }
}
