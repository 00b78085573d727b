//! What was spent, by session, workspace, repository or day: sums over records, a month's forecast, what
//! hardware of one's own would have to cost, and what this device cannot know. Pure; days are UTC, as AWS's.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::ledger::Record;
use super::spend::{NOT_COUNTED, Spend, spend};
use crate::model::{Certainty, Millis, Money};

const DAY: Millis = 86_400_000;
const HOUR: Millis = 3_600_000;
/// A month in days, times ten.
const MONTH_TENTHS: u64 = 304;

/// What sums are made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    Session,
    Workspace,
    Repository,
    Day,
}

/// One sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// `session-abc123`, a workspace's or repository's name, `2026-11-25`; empty for what has none.
    pub key: String,
    /// A session's task; empty for other groups.
    pub about: String,
    pub sessions: usize,
    pub machine_ms: Millis,
    #[serde(flatten)]
    pub spend: Spend,
    pub total: Money,
    /// Spot machines would have cost this much more on demand.
    pub saved: Money,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub by: By,
    pub from: Millis,
    pub to: Millis,
    /// The dearest first; days in their order.
    pub groups: Vec<Group>,
    pub sessions: usize,
    pub machine_ms: Millis,
    pub total: Money,
    pub certainty: Certainty,
    pub saved: Money,
    /// At this pace; absent where nothing was spent.
    pub month: Option<Money>,
    pub machine_ms_a_day: Millis,
    pub hardware: Option<BreakEven>,
    /// What costs on while no machine runs, as this device has last seen it.
    pub workspaces: Vec<Held>,
    /// What the figures cannot tell, each in a sentence.
    pub unknown: Vec<String>,
}

/// A workspace and its snapshots, or the snapshots alone of one that is no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    pub name: String,
    pub region: String,
    /// 0 where the workspace is no more.
    pub gib: u32,
    /// Of the workspace; zero where that is not known.
    pub month: Money,
    pub snapshots: usize,
    /// At most.
    pub snapshots_month: Money,
    /// When it was seen.
    pub seen: Millis,
}

/// What hardware of one's own is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BreakEven {
    pub price: Money,
    /// At this pace it is paid back after so many days; absent where nothing was spent.
    pub days: Option<u64>,
    /// So many hours of the machines that were used cost as much.
    pub machine_hours: Option<u64>,
}

/// Sums up what `records` cost in `from..to`; `damaged` lines of the ledger could not be read.
pub fn report(
    records: &[Record],
    damaged: usize,
    (from, to): (Millis, Millis),
    by: By,
    hardware: Option<Money>,
) -> Report {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let (mut sessions, mut first) = (0, to);
    for record in records {
        let parts = parts(record, (from, to), DAY);
        if parts.is_empty() {
            continue;
        }
        sessions += 1;
        first = first.min(record.launched.max(from));
        match by {
            By::Day => {
                for part in parts {
                    add(&mut groups, date(part.at), "", part);
                }
            }
            _ => {
                let key = match by {
                    By::Workspace => record.workspace.clone().unwrap_or_default(),
                    By::Repository => record.repository.clone().unwrap_or_default(),
                    By::Session | By::Day => record.session.to_string(),
                };
                let about = if by == By::Session {
                    record.task.as_str()
                } else {
                    ""
                };
                let whole = parts.into_iter().reduce(Part::plus);
                if let Some(part) = whole {
                    add(&mut groups, key, about, part);
                }
            }
        }
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    if by != By::Day {
        groups.sort_by(|a, b| b.total.cmp(&a.total).then_with(|| a.key.cmp(&b.key)));
    }
    let total: Money = groups.iter().map(|g| g.total).sum();
    let machine_ms = groups.iter().map(|g| g.machine_ms).sum();
    // The pace is over the days since the first machine in the window: a week's report of a program first
    // used yesterday must not divide by seven.
    let days = to.saturating_sub(first).div_ceil(DAY).max(1);
    let month = (!total.is_zero()).then(|| total.share(MONTH_TENTHS, days * 10));
    Report {
        by,
        from,
        to,
        sessions,
        machine_ms,
        total,
        certainty: groups
            .iter()
            .map(|g| g.spend.certainty)
            .fold(Certainty::Exact, Certainty::and),
        saved: groups.iter().map(|g| g.saved).sum(),
        month,
        machine_ms_a_day: machine_ms / days,
        workspaces: Vec::new(),
        hardware: hardware.map(|price| BreakEven {
            price,
            days: price
                .as_micros()
                .saturating_mul(days)
                .checked_div(total.as_micros()),
            machine_hours: price
                .share(machine_ms, HOUR)
                .as_micros()
                .checked_div(total.as_micros()),
        }),
        unknown: unknown(records, damaged, from, to),
        groups,
    }
}

/// What one session cost on one day, or in one hour.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// When that began.
    pub at: Millis,
    ms: Millis,
    pub spend: Spend,
    saved: Money,
}

impl Part {
    fn plus(self, other: Self) -> Self {
        Self {
            ms: self.ms.saturating_add(other.ms),
            spend: self.spend.plus(other.spend),
            saved: self.saved.plus(other.saved),
            at: self.at,
        }
    }
}

fn add(groups: &mut BTreeMap<String, Group>, key: String, about: &str, part: Part) {
    let group = groups.entry(key).or_insert_with_key(|key| Group {
        key: key.clone(),
        about: about.to_owned(),
        sessions: 0,
        machine_ms: 0,
        spend: Spend::default(),
        total: Money::ZERO,
        saved: Money::ZERO,
    });
    group.sessions += 1;
    group.machine_ms = group.machine_ms.saturating_add(part.ms);
    group.spend = group.spend.plus(part.spend);
    group.total = group.spend.total();
    group.saved = group.saved.plus(part.saved);
}

/// A session's cost by days, or in whatever steps of the clock, within `from..to`. The minute that a shorter launch
/// is billed for counts on the day of the launch.
pub(super) fn parts(record: &Record, (from, to): (Millis, Millis), step: Millis) -> Vec<Part> {
    let step = step.max(1);
    let (launches, volumes) = (record.launches(to), record.volumes(to));
    let certainty = record.spend(to).certainty;
    let mut parts = Vec::new();
    let begin = from.max(volumes.from);
    let mut day = begin / step * step;
    while day < to && day <= volumes.to {
        let (start, end) = (day.max(from), day.saturating_add(step).min(to));
        let today: Vec<_> = launches
            .iter()
            .filter(|l| l.from < end && (l.to > start || l.from >= start))
            .map(|l| (l.within(start, end), l.from >= start))
            .collect();
        let ms = today.iter().map(|(l, _)| l.ms()).sum();
        // A launch goes on by the second on its later days: only its first bears the minimum.
        let (begun, going_on): (Vec<_>, Vec<_>) = today.iter().partition(|(_, first)| *first);
        let mut sum = spend(&record.rate, &spans(&begun), None);
        let later: Millis = going_on.iter().map(|(l, _)| l.ms()).sum();
        sum.instance = sum.instance.plus(record.rate.instance.for_ms(later));
        sum.address = sum.address.plus(record.rate.address.for_ms(later));
        sum.volumes = record.stored(start, end, to);
        sum.certainty = certainty;
        let saved = match record.on_demand {
            Some(dear) if record.spot => dear.minus(record.rate.instance).for_ms(ms),
            _ => Money::ZERO,
        };
        if !sum.total().is_zero() || !today.is_empty() {
            parts.push(Part {
                at: day,
                ms,
                spend: sum,
                saved,
            });
        }
        day = day.saturating_add(step);
    }
    parts
}

fn spans(launches: &[&(super::Span, bool)]) -> Vec<super::Span> {
    launches.iter().map(|(span, _)| *span).collect()
}

/// `2026-11-25`
pub fn date(at: Millis) -> String {
    // The clock's own bound; a record beyond it is damaged.
    let at = Duration::from_millis(at.min(253_402_300_799_000));
    let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + at).to_string();
    text.get(..10).unwrap_or_default().to_owned()
}

fn unknown(records: &[Record], damaged: usize, from: Millis, to: Millis) -> Vec<String> {
    let seen: Vec<_> = records
        .iter()
        .filter(|r| r.launched < to && r.volumes(to).to >= from)
        .collect();
    let count = |test: fn(&Record, Millis) -> bool| seen.iter().filter(|r| test(r, to)).count();
    let mut all = vec![
        "only what this device started or has seen is here: another device's sessions that ended unseen are not"
            .to_owned(),
    ];
    let unseen = count(|r, to| !r.until(to).1);
    if unseen > 0 {
        all.push(format!(
            "≤: the end of {} was not seen; the deadline bounds what {} cost",
            plural(unseen, "session"),
            if unseen == 1 { "it" } else { "they" },
        ));
    }
    if count(|r, _| r.rate.certainty == Certainty::About) > 0 {
        all.push("≈: prices are from a dated table, AWS's list could not be asked then".to_owned());
    }
    let burst = count(|r, _| !r.rate.surplus.is_zero());
    if burst > 0 {
        all.push(format!(
            "CPU credits beyond the free ones, of {} on a burstable type, are known to AWS alone",
            plural(burst, "session")
        ));
    }
    if damaged > 0 {
        all.push(format!(
            "{} of the record could not be read",
            plural(damaged, "line")
        ));
    }
    all.push(NOT_COUNTED.to_owned());
    all
}

fn plural(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
