//! What was spent lately: today (UTC, as AWS's days) and hour by hour, for a person who looks at it now.

use std::collections::BTreeMap;

use super::ledger::Record;
use super::report::parts;
use crate::model::{Certainty, Millis, Money, SessionId};

const HOUR: Millis = 3_600_000;
const DAY: Millis = 24 * HOUR;
const HOURS: u64 = 24;

/// What the record tells of the last hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lately {
    /// Since the day began.
    pub today: Money,
    pub certainty: Certainty,
    /// By hours of the clock, the one that runs last.
    pub hours: Vec<Money>,
    /// What each session that is not over has cost in all.
    pub sessions: BTreeMap<SessionId, Money>,
}

/// `None` where nothing was spent in these hours.
pub fn lately(records: &[Record], now: Millis) -> Option<Lately> {
    let from = (now / HOUR).saturating_sub(HOURS - 1).saturating_mul(HOUR);
    let day = now / DAY * DAY;
    let mut hours = vec![Money::ZERO; usize::try_from(HOURS).unwrap_or_default()];
    let (mut today, mut certainty) = (Money::ZERO, Certainty::Exact);
    for record in records {
        // The hours of today are among the last 24.
        for part in parts(record, (from, now), HOUR) {
            let spent = part.spend.total();
            let place = usize::try_from((part.at - from.min(part.at)) / HOUR);
            if let Some(hour) = place.ok().and_then(|n| hours.get_mut(n)) {
                *hour = hour.plus(spent);
            }
            if part.at >= day {
                today = today.plus(spent);
                certainty = certainty.and(part.spend.certainty);
            }
        }
    }
    if hours.iter().all(|h| h.is_zero()) {
        return None;
    }
    let live = records.iter().filter(|r| !r.is_over());
    Some(Lately {
        today,
        certainty,
        hours,
        sessions: live
            .map(|r| (r.session.clone(), r.spend(now).total()))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::ledger::tests::record;
    use crate::cost::{By, report};

    /// A midnight.
    const T: Millis = 1_795_564_800_000;

    #[test]
    fn the_last_hours_are_told_apart_and_today_is_as_the_report_has_it() {
        let mut night = record("aaaaaa", T - 2 * HOUR);
        night.ended = Some(T + HOUR / 2);
        let mut short = record("bbbbbb", T + 3 * HOUR);
        short.ended = Some(T + 3 * HOUR + 1000);
        let old = record("cccccc", T - 40 * HOUR);
        let now = T + 4 * HOUR + HOUR / 2;
        let records = [night, short, old];
        let all = lately(&records, now).expect("some");
        assert_eq!(all.hours.len(), 24);
        // 19 hours before it is midnight.
        let told: Vec<u64> = all.hours.iter().map(|h| h.as_micros()).collect();
        assert_eq!(told[17..], [96_000, 96_000, 48_000, 0, 0, 1_600, 0]);
        assert!(told[..17].iter().all(|h| *h == 0));
        let report = report(&records, 0, (T, now), By::Session, None);
        assert_eq!((all.today, all.certainty), (report.total, report.certainty));
        let live: Vec<_> = all.sessions.keys().map(SessionId::short).collect();
        assert_eq!(live, ["cccccc"]);
    }

    #[test]
    fn where_nothing_was_spent_nothing_is_told() {
        assert_eq!(lately(&[], T), None);
        assert_eq!(lately(&[record("aaaaaa", T - 40 * HOUR)], T), None);
        assert_eq!(lately(&[record("aaaaaa", T + HOUR)], T), None);
        assert_eq!(lately(&[], 0), None);
    }
}
