//! Films of made-up histories: any moment is as if they had been played from the beginning.

use super::*;
use crate::model::{BlockedOn, HistoryKind, Source};
use bytes::Bytes;
use proptest::prelude::*;

fn record(offset: u64, at: Millis, kind: HistoryKind, bytes: &[u8]) -> LogRecord {
    LogRecord {
        offset,
        at,
        kind,
        bytes: Bytes::copy_from_slice(bytes),
    }
}

#[test]
fn pauses_are_cut_and_marks_stand_where_they_were() {
    let state = AgentState::Blocked {
        on: BlockedOn::Question,
    };
    let what = What::State {
        agent: 1,
        state,
        source: Source::Screen,
        message: Some("Which?".into()),
    };
    let events = [SessionEvent { at: 61_500, what }];
    let mut film = Film::new(Duration::from_secs(2), &events, 1).expect("a file");
    let size = |at, cols: u8| record(0, at, HistoryKind::Size, &[0, cols, 0, 10]);
    film.record(&size(1000, 40)).expect("room");
    film.record(&record(0, 1000, HistoryKind::Output, b"one\r\n"))
        .expect("room");
    film.record(&record(5, 1500, HistoryKind::Output, b"two\r\n"))
        .expect("room");
    film.record(&record(10, 60_500, HistoryKind::Output, b"three"))
        .expect("room");
    film.record(&size(61_000, 30)).expect("room");
    film.record(&record(15, 62_000, HistoryKind::Output, b"!"))
        .expect("room");
    film.finish().expect("room");
    let secs = Duration::from_secs_f64;
    assert_eq!(film.end(), secs(4.0));
    let marks: Vec<_> = film
        .marks()
        .iter()
        .map(|m| (m.at, m.word.as_str()))
        .collect();
    assert_eq!(
        marks,
        [
            (secs(3.0), "resized to 30x10"),
            (secs(3.5), "blocked: Which?")
        ]
    );
    let text = |at: f64| {
        film.seek(secs(at))
            .expect("a screen")
            .screen
            .text()
            .join("|")
    };
    assert!(text(0.0).starts_with("one|") && !text(0.0).contains("two"));
    assert!(text(0.6).contains("two") && !text(0.6).contains("three"));
    assert!(text(4.0).contains("three!"));
    assert_eq!(
        film.seek(secs(3.2)).expect("a screen").screen.size().cols,
        30
    );
    assert_eq!(film.before(secs(2.5)).expect("a time"), secs(0.5));
    assert_eq!(film.before(secs(0.5)).expect("a time"), secs(0.0));
}

#[test]
fn a_line_that_was_gone_at_once_is_seen_by_who_creeps() {
    let mut film = Film::new(Duration::from_secs(2), &[], 1).expect("a file");
    let text: String = (0..3000).map(|n| format!("row {n}\r\n")).collect();
    let flood = record(0, 1000, HistoryKind::Output, text.as_bytes());
    film.record(&flood).expect("room");
    film.finish().expect("room");
    let mut reel = film.seek(Duration::ZERO).expect("a screen");
    assert!(!film.creep(&mut reel).expect("no more"));
    let mut reel = film.reel(Duration::ZERO);
    let shows = |reel: &Reel| reel.screen.text().iter().any(|l| l == "row 77");
    while !shows(&reel) {
        assert!(film.creep(&mut reel).expect("a screen"));
    }
    let mut copy = reel.copy();
    assert!(shows(&copy));
    film.play(&mut copy, Duration::ZERO).expect("a screen");
    assert!(copy.screen.text().iter().any(|l| l == "row 2999"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_moment_is_as_if_played_from_the_beginning(
        lines in prop::collection::vec((0_u64..3000, 1_usize..30_000), 1..40),
        to in 0_u64..80_000,
    ) {
        let mut film = Film::new(Duration::from_secs(2), &[], 1).expect("a file");
        let mut plain = Vec::new();
        let (mut offset, mut at, mut time) = (0, 1000, 0);
        for (n, (pause, length)) in lines.into_iter().enumerate() {
            let text = format!("{n} ").repeat(length / 8 + 1) + "\r\n";
            if n > 0 {
                at += pause;
                time += pause.min(2000);
            }
            film.record(&record(offset, at, HistoryKind::Output, text.as_bytes())).expect("room");
            offset += text.len() as u64;
            plain.push((time, text));
        }
        film.finish().expect("room");
        let mut screen = Screen::new(DEFAULT_SIZE);
        for (_, text) in plain.iter().filter(|(time, _)| *time <= to) {
            screen.feed(text.as_bytes());
        }
        let reel = film.seek(Duration::from_millis(to)).expect("a screen");
        prop_assert_eq!(reel.screen.text(), screen.text());
    }
}
