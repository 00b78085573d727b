//! Other emulators' opinion of our repaints.

use proptest::prelude::*;

use super::screen_tests::{cases, fed, show, size};

/// Text, colours and moves that all emulators understand alike.
fn common() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => "[!-~]{1,12}",
        1 => Just("漢字".to_owned()),
        2 => Just("\r\n".to_owned()),
        2 => (1u16..6, 1u16..18).prop_map(|(a, b)| format!("\x1b[{a};{b}H")),
        2 => (1u16..5, prop::sample::select("ABCDGXPLM".chars().collect::<Vec<_>>())).prop_map(|(a, c)| format!("\x1b[{a}{c}")),
        1 => prop::sample::select(vec!["\x1b[K", "\x1b[J", "\x1b[1;31m", "\x1b[m", "\x1b[7m", "\x1b[2;5r\x1b[3;1H", "\x1b[r", "\x1b[?1049h", "\x1b[?1049l"])
            .prop_map(str::to_owned),
    ]
}

fn avt_text(bytes: &str) -> Vec<String> {
    let mut vt = avt::Vt::builder().size(20, 6).scrollback_limit(0).build();
    vt.feed_str(bytes);
    vt.view().map(|l| l.text().trim_end().to_owned()).collect()
}

fn cells(n: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(n).expect("not zero")
}

fn vt100_text(bytes: &[u8]) -> Vec<String> {
    let mut p = vt100::Parser::new(cells(6), cells(20), 0);
    p.process(bytes);
    p.screen()
        .rows(0, 20)
        .map(|l| l.trim_end().to_owned())
        .collect()
}

proptest! {
    #![proptest_config(cases())]

    /// The repaint means the same to emulators that know nothing of ours.
    #[test]
    fn others_see_the_repaint_alike(pieces in prop::collection::vec(common(), 0..30)) {
        let screen = fed(size(20, 6), pieces.concat().as_bytes());
        let repaint = screen.repaint();
        prop_assert_eq!(avt_text(&String::from_utf8_lossy(&repaint)), screen.text(), "avt {}", show(&screen));
        prop_assert_eq!(vt100_text(&repaint), screen.text(), "vt100 {}", show(&screen));
    }
}

#[test]
fn others_agree_on_plain_sequences() {
    let page = "one\r\n\x1b[1;31mtwo\x1b[m \x1b[5;3Hfive 漢字\x1b[2;1H\x1b[Lnew\x1b[3;2H\x1b[2Px\x1b[2;5r\x1b[5;1H\nscrolled\x1b[r\x1b[6;18Hwrap";
    let ours = fed(size(20, 6), page.as_bytes()).text();
    assert_eq!(ours, avt_text(page));
    assert_eq!(ours, vt100_text(page.as_bytes()));
}
