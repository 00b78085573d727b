//! Tests of `flood`.

use proptest::prelude::*;

use crate::model::Size;
use crate::mux::Screen;
use crate::mux::snapshot::{snapshot, wraps};

fn lines(s: &mut Screen) -> Vec<(String, bool)> {
    let taken = s.take_scrolled(usize::MAX);
    taken.iter().map(|l| (l.text(), l.wrapped)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_short_way_is_the_same(
        before in "([a-z]{0,30}|\r\n|\x1b\\[[1-6];[1-9]H|\x1b\\[3[12]m|\x1b\\[m|\x1b\\[4h|\x1b\\[2;4r|\x1b\\(0|\x1b\\[42m\x1b\\[J){0,6}",
        parts in prop::collection::vec(("([ -~]{0,14}\r\n){0,25}", "(\x1b\\[m|\x1b\\[r|\x1b\\[H|tab\t|long line that wraps|\n|é|\x1b\\[41m)?"), 1..5),
    ) {
        let size = Size { cols: 14, rows: 6 };
        let text = parts.iter().map(|(a, b)| format!("{a}{b}")).collect::<String>();
        let of = |size| Screen::new(size).keeping_scrolled();
        let (mut short, mut long) = (of(size), of(size));
        for s in [&mut short, &mut long] {
            s.feed(before.as_bytes());
        }
        short.feed(text.as_bytes());
        for c in text.as_bytes().chunks(5) {
            long.feed(c);
        }
        prop_assert_eq!(lines(&mut short), lines(&mut long));
        prop_assert_eq!(snapshot(&short), snapshot(&long));
        prop_assert_eq!(wraps(&short), wraps(&long));
    }
}
