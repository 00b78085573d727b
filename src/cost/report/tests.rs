//! Sums by every kind of group agree with each other and with the sessions' own totals.

use proptest::prelude::*;

use super::*;
use crate::cost::ledger::tests::record;

/// A midnight.
const T: Millis = 1_795_564_800_000;

fn ended(id: &str, launched: Millis, ms: Millis) -> Record {
    let mut record = record(id, launched);
    record.ended = Some(launched + ms);
    record.deadline = Some(launched + ms);
    record
}

fn of(records: &[Record], by: By) -> Report {
    report(records, 0, (T - 30 * DAY, T + 7 * DAY), by, None)
}

#[test]
fn groups_and_days() {
    let mut night = ended("aaaaaa", T + DAY - HOUR, 2 * HOUR);
    night.repository = Some("web".to_owned());
    let all = [
        night,
        ended("bbbbbb", T, 3 * HOUR),
        ended("cccccc", T, HOUR),
    ];
    let keys = |by| {
        let report = of(&all, by);
        let told = |g: &Group| format!("{} {} {}", g.key, g.sessions, g.total);
        report.groups.iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(keys(By::Repository), ["api 2 $0.38", "web 1 $0.19"]);
    assert_eq!(
        keys(By::Session),
        [
            "session-bbbbbb 1 $0.29",
            "session-aaaaaa 1 $0.19",
            "session-cccccc 1 $0.096"
        ]
    );
    assert_eq!(keys(By::Day), ["2026-11-25 3 $0.48", "2026-11-26 1 $0.096"]);
    assert_eq!(keys(By::Workspace), [" 3 $0.58"]);
}

#[test]
fn only_the_window_counts() {
    let all = [ended("aaaaaa", T, 10 * HOUR)];
    let of = |from, to| report(&all, 0, (from, to), By::Session, None).total;
    assert_eq!(of(T + 2 * HOUR, T + 3 * HOUR), Money::micros(96_000));
    assert_eq!(of(T + 9 * HOUR, T + 90 * HOUR), Money::micros(96_000));
    assert_eq!(of(T + 11 * HOUR, T + 90 * HOUR), Money::ZERO);
    assert_eq!(of(T - 90 * HOUR, T), Money::ZERO);
}

#[test]
fn the_pace_is_since_the_first_machine() {
    let all = [ended("aaaaaa", T, 10 * HOUR)];
    let hardware = Some(Money::micros(960_000_000));
    let report = report(&all, 0, (T - 30 * DAY, T + 2 * DAY), By::Day, hardware);
    assert_eq!(report.total, Money::micros(960_000));
    assert_eq!(report.machine_ms_a_day, 5 * HOUR);
    assert_eq!(report.month, Some(Money::micros(14_592_000)));
    let even = report.hardware.expect("asked for");
    assert_eq!((even.days, even.machine_hours), (Some(2_000), Some(10_000)));
    let nothing = super::report(&[], 0, (T, T + DAY), By::Day, hardware);
    assert_eq!(
        (nothing.month, nothing.hardware.and_then(|h| h.days)),
        (None, None)
    );
}

#[test]
fn spot_says_what_it_saved_and_doubts_are_told() {
    let mut spot = ended("aaaaaa", T, 10 * HOUR);
    spot.spot = true;
    spot.rate.instance = Money::micros(30_000);
    let mut unseen = record("bbbbbb", T);
    unseen.rate.certainty = Certainty::About;
    unseen.rate.surplus = Money::micros(1);
    let report = report(&[spot, unseen], 2, (T, T + DAY), By::Day, None);
    assert_eq!(report.saved, Money::micros(660_000));
    assert_eq!(report.certainty, Certainty::AtMost);
    let told = report.unknown.join("\n");
    for part in [
        "another device",
        "end of 1 session was",
        "dated table",
        "CPU credits",
        "2 lines",
        "egress",
    ] {
        assert!(told.contains(part), "{part} not in\n{told}");
    }
}

#[test]
fn dates_are_utc() {
    assert_eq!(date(0), "1970-01-01");
    assert_eq!(date(T - 1), "2026-11-24");
    assert_eq!(date(u64::MAX), "9999-12-31");
}

proptest! {
    #[test]
    fn all_ways_of_grouping_come_to_the_same(
        lives in prop::collection::vec((0..5 * DAY, 0..4 * DAY, any::<bool>()), 1..12),
        since in 0..6 * DAY,
    ) {
        let names = ["aaaaaa", "bbbbbb", "cccccc", "dddddd"];
        let records: Vec<_> = lives.iter().enumerate().map(|(n, (at, ms, kept))| {
            let mut record = ended(names[n % 4], T + at, *ms);
            record.session = format!("session-{}{}", &names[n % 4][..5], char::from(b'a' + n as u8))
                .parse().expect("a good name");
            record.kept = *kept;
            record.rate.volumes_month = Money::micros(1_600_000);
            record
        }).collect();
        let of = |by| report(&records, 0, (T + since, T + 12 * DAY), by, None);
        let (by_session, by_day) = (of(By::Session), of(By::Day));
        prop_assert_eq!(by_session.total, by_day.total);
        prop_assert_eq!(by_session.total, of(By::Repository).total);
        prop_assert_eq!(by_session.machine_ms, by_day.machine_ms);
        if since == 0 {
            let exact: Money = records.iter().map(|r| r.spend(T + 12 * DAY).total()).sum();
            let off = exact.as_micros().abs_diff(by_session.total.as_micros());
            // A day bears the minimum of a launch that goes on past midnight, and rounding.
            prop_assert!(off <= 2_000 * records.len() as u64, "{off}");
        }
    }
}
