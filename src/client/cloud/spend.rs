//! What this device saw of rented machines' cost, written down as it happens: `remote cost` reads it.

use std::collections::BTreeMap;

use super::Plan;
use crate::config::Paths;
use crate::cost::{Lately, Ledger, Rate, Record, book, surplus};
use crate::error::Result;
use crate::model::{Certainty, Millis, Money, SessionId, SessionSpec};
use crate::provision::{Machine, MachineState, Rented};

const HOUR: Millis = 3_600_000;

/// A machine was rented.
///
/// # Errors
/// The record cannot be written.
pub fn began(
    paths: &Paths,
    plan: &Plan,
    spec: &SessionSpec,
    repository: Option<String>,
    rented: Option<&Rented>,
    now: Millis,
) -> Result<()> {
    let mut record = Record {
        session: spec.id.clone(),
        owner: spec.owner.clone(),
        name: spec.name.clone(),
        task: spec.task.clone(),
        repository,
        workspace: plan.wish.workspace().map(str::to_owned),
        instance_type: plan.wish.instance_type.clone(),
        region: plan.region.clone(),
        zone: plan.wish.zone.clone().unwrap_or_default(),
        spot: plan.wish.spot,
        on_demand: plan.on_demand,
        rate: plan.rate,
        launched: spec.created,
        ended: None,
        deadline: spec.ends.deadline,
        runs: Vec::new(),
        // A workspace is no session's to count.
        kept: plan.wish.workspace().is_none(),
        kept_month: Some(plan.kept_month()),
        gone: None,
        seen: now,
    };
    if let Some(rented) = rented {
        settle(&mut record, rented);
    }
    Ledger::new(paths).saw(&record)
}

/// A session that had ended was put back on a new machine: what it has cost goes on.
///
/// # Errors
/// The record cannot be read or written.
pub fn resumed(
    paths: &Paths,
    plan: &Plan,
    spec: &SessionSpec,
    rented: Option<&Rented>,
    now: Millis,
) -> Result<()> {
    let ledger = Ledger::new(paths);
    let known = ledger.all()?.records;
    let Some(before) = known.into_iter().find(|r| r.session == spec.id) else {
        // Another device saw its beginning.
        let spec = SessionSpec {
            created: now,
            ..spec.clone()
        };
        return began(paths, plan, &spec, None, rented, now);
    };
    let mut record = Record {
        runs: before.launches(now),
        instance_type: plan.wish.instance_type.clone(),
        zone: plan.wish.zone.clone().unwrap_or_default(),
        spot: plan.wish.spot,
        on_demand: plan.on_demand,
        rate: plan.rate,
        launched: now,
        ended: None,
        deadline: spec.ends.deadline,
        seen: now,
        ..before
    };
    if let Some(rented) = rented {
        settle(&mut record, rented);
    }
    ledger.saw(&record)
}

/// Makes a record say what was rented in the end, which fail-over may have made another zone, size or market than
/// was planned. Returns whether that is new.
fn settle(record: &mut Record, rented: &Rented) -> bool {
    let known = !rented.zone.is_empty() && !rented.instance_type.is_empty();
    let before = (&record.instance_type, &record.zone, record.spot);
    if !known || before == (&rented.instance_type, &rented.zone, rented.spot) {
        return false;
    }
    let other_type = record.instance_type != rented.instance_type;
    if other_type || record.spot != rented.spot {
        let rate = &mut record.rate;
        let hour = Money::micros(rented.microusd_per_hour);
        // The tag has the hour with volumes and address in it.
        let rest = rate.address.plus(rate.volumes(HOUR));
        if !hour.is_zero() {
            rate.instance = hour.minus(rest);
        }
        let shape = book::shape(&rented.instance_type, &rented.region);
        rate.surplus = match (&shape, rented.spot) {
            (Some(shape), false) => surplus(shape),
            _ => Money::ZERO,
        };
        if other_type {
            record.on_demand = None;
        }
    }
    record.instance_type.clone_from(&rented.instance_type);
    record.zone.clone_from(&rented.zone);
    record.spot = rented.spot;
    true
}

/// What a session has cost by now; `None` where its beginning was not seen here.
///
/// # Errors
/// The record cannot be read.
pub fn spent(paths: &Paths, session: &SessionId, now: Millis) -> Result<Option<Money>> {
    let known = Ledger::new(paths).all()?.records;
    let record = known.into_iter().find(|r| r.session == *session);
    Ok(record.map(|record| record.spend(now).total()))
}

/// What was spent in the last hours, and what each session has cost that is not over; `None` where the record tells of
/// nothing.
///
/// # Errors
/// The record cannot be read.
pub fn lately(paths: &Paths, now: Millis) -> Result<Option<Lately>> {
    let known = Ledger::new(paths).all()?.records;
    Ok(crate::cost::lately(&known, now))
}

/// What a machine has cost, with what it is made of: `$0.02 (12m 5s at $0.11/h)`; `None` where its beginning was not
/// seen here.
///
/// # Errors
/// The record cannot be read.
pub fn so_far(paths: &Paths, session: &SessionId, now: Millis) -> Result<Option<String>> {
    let known = Ledger::new(paths).all()?.records;
    let record = known.into_iter().find(|r| r.session == *session);
    Ok(record.map(|record| told(&record, now)))
}

fn told(record: &Record, now: Millis) -> String {
    let ran = record
        .launches(now)
        .iter()
        .map(|s| s.ms().div_ceil(1000))
        .sum();
    let time = humantime::format_duration(std::time::Duration::from_secs(ran));
    let hour = record.rate.certainty.of(record.rate.hour());
    let mut told = format!("{} ({time} at {hour}/h", record.spend(now).told());
    if let Some(dear) = record.on_demand.filter(|_| record.spot) {
        let saved = dear.minus(record.rate.instance).for_ms(ran * 1000);
        if !saved.is_zero() {
            told.push_str(&format!(", {saved} less than on demand"));
        }
    }
    told + ")"
}

/// What is told of a machine that has ended.
pub struct Total {
    /// As [`so_far`] tells it.
    pub spent: String,
    /// What its work volume costs from now on: `$1.60 a month`.
    pub kept: Option<String>,
}

/// Its end was seen; what it has cost, where its beginning was seen here too.
///
/// # Errors
/// The record cannot be read or written.
pub fn ended(paths: &Paths, session: &SessionId, at: Millis, now: Millis) -> Result<Option<Total>> {
    let ledger = Ledger::new(paths);
    let known = ledger.all()?.records;
    let Some(mut record) = known.into_iter().find(|r| r.session == *session) else {
        return Ok(None);
    };
    if record.ended.is_none() {
        record.ended = Some(at.max(record.launched));
        record.seen = now;
        ledger.saw(&record)?;
    }
    let month = record.kept_month.filter(|m| record.kept && !m.is_zero());
    Ok(Some(Total {
        spent: told(&record, now),
        kept: month.map(|month| format!("{} a month", record.rate.certainty.of(month))),
    }))
}

/// A machine was taken back with its volume: it has cost what it has, and costs no more.
///
/// # Errors
/// The record cannot be read or written.
pub fn undone(paths: &Paths, session: &SessionId, now: Millis) -> Result<()> {
    ended(paths, session, now, now)?;
    deleted(paths, &[session], now)
}

/// Whether its work volume outlives its machine has changed.
///
/// # Errors
/// The record cannot be read or written.
pub fn kept(paths: &Paths, session: &SessionId, kept: bool) -> Result<()> {
    let ledger = Ledger::new(paths);
    let known = ledger.all()?.records;
    match known.into_iter().find(|r| r.session == *session) {
        Some(record) if record.kept != kept && record.ended.is_none() => {
            ledger.saw(&Record { kept, ..record })
        }
        _ => Ok(()),
    }
}

/// Work volumes that were kept are deleted, and cost no more.
///
/// # Errors
/// The record cannot be read or written.
pub fn deleted(paths: &Paths, sessions: &[&SessionId], now: Millis) -> Result<()> {
    let ledger = Ledger::new(paths);
    for mut record in ledger.all()?.records {
        if record.gone.is_none() && sessions.contains(&&record.session) {
            record.gone = Some(now);
            record.seen = now;
            ledger.saw(&record)?;
        }
    }
    Ok(())
}

/// What the tags and EC2 tell of machines whose beginning was seen here: what was rented, and ends.
///
/// # Errors
/// The record cannot be read or written.
pub fn learned(paths: &Paths, machines: &[Machine], now: Millis) -> Result<()> {
    let known = |m: &Machine| Some((m.session.clone(), m.rented.clone()?));
    let rented: BTreeMap<SessionId, Rented> = machines.iter().filter_map(known).collect();
    if rented.is_empty() {
        return Ok(());
    }
    let ledger = Ledger::new(paths);
    let records = ledger.all()?.records;
    for mut record in records.into_iter().filter(|r| r.ended.is_none()) {
        let Some(rented) = rented.get(&record.session) else {
            continue;
        };
        let mut new = settle(&mut record, rented);
        if let Some((at, _)) = &rented.ended {
            record.ended = Some((*at).max(record.launched));
            new = true;
        }
        if new {
            record.seen = now;
            ledger.saw(&record)?;
        }
    }
    Ok(())
}

/// Machines as the tags tell of them, for a report of what this device has no record of.
pub fn from_tags(machines: &[Machine], now: Millis) -> Vec<Record> {
    machines.iter().filter_map(|m| record(m, now)).collect()
}

fn record(machine: &Machine, now: Millis) -> Option<Record> {
    let rented = machine.rented.as_ref()?;
    // What ran on it is in the hour; a volume that outlives it is told by `gc`.
    let rate = Rate {
        instance: Money::micros(rented.microusd_per_hour),
        certainty: Certainty::AtMost,
        ..Rate::default()
    };
    let gone = machine.state == MachineState::Gone;
    Some(Record {
        session: machine.session.clone(),
        owner: rented.owner.clone(),
        name: rented.name.clone(),
        task: rented.task.clone(),
        repository: None,
        workspace: rented.workspace.clone(),
        instance_type: rented.instance_type.clone(),
        region: rented.region.clone(),
        zone: rented.zone.clone(),
        spot: rented.spot,
        on_demand: None,
        rate,
        launched: machine.launched,
        ended: match &rented.ended {
            Some((at, _)) => Some((*at).max(machine.launched)),
            // Its end is not told any more: the deadline bounds it.
            None => rented.deadline.filter(|_| gone).map(|d| d.min(now)),
        },
        deadline: rented.deadline,
        runs: Vec::new(),
        kept: false,
        kept_month: None,
        gone: None,
        seen: now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rented(instance_type: &str, zone: &str, spot: bool, hour: u64) -> Rented {
        Rented {
            instance_type: instance_type.into(),
            zone: zone.into(),
            spot,
            microusd_per_hour: hour,
            ..Rented::sample()
        }
    }

    fn machine(rented: Rented, launched: Millis) -> Machine {
        Machine {
            session: "session-abc234".parse().expect("an id"),
            state: MachineState::Running,
            launched,
            rented: Some(rented),
        }
    }

    #[test]
    fn a_record_follows_the_machine_that_was_had_in_the_end() -> Result<()> {
        let home = tempfile::tempdir()?;
        let paths = Paths::new(|v| (v == "HOME").then(|| home.path().into()))?;
        let mut first =
            record(&machine(rented("m6i.large", "", true, 0), 1000), 1000).expect("one");
        first.rate = Rate {
            instance: Money::micros(40_000),
            address: Money::micros(5_000),
            ..Rate::default()
        };
        first.on_demand = Some(Money::micros(96_000));
        let ledger = Ledger::new(&paths);
        ledger.saw(&first)?;
        // Spot of that size was not to be had: a larger one on demand, in another zone.
        let had = machine(rented("m6i.xlarge", "us-east-1b", false, 197_000), 1000);
        learned(&paths, std::slice::from_ref(&had), 2000)?;
        let now = ledger.all()?.records.remove(0);
        assert_eq!((now.zone.as_str(), now.spot), ("us-east-1b", false));
        assert_eq!(
            (now.instance_type.as_str(), now.on_demand),
            ("m6i.xlarge", None)
        );
        assert_eq!(now.rate.hour(), Money::micros(197_000));
        // The same again says nothing new.
        learned(&paths, std::slice::from_ref(&had), 9000)?;
        assert_eq!(ledger.all()?.records, [now]);
        let told = so_far(&paths, &had.session, 1000 + 3_600_000)?.expect("known");
        assert!(told.contains("$0.20 (1h at $0.20/h)"), "{told}");
        Ok(())
    }

    #[test]
    fn a_total_says_what_spot_saved_what_is_kept_and_ends_with_the_volume() -> Result<()> {
        const DAY: Millis = 24 * HOUR;
        let home = tempfile::tempdir()?;
        let paths = Paths::new(|v| (v == "HOME").then(|| home.path().into()))?;
        let had = machine(rented("m6i.large", "us-east-1b", true, 40_000), 0);
        let mut first = record(&had, 0).expect("one");
        first.rate = Rate {
            instance: Money::micros(36_000),
            volumes_month: Money::micros(2_240_000),
            ..Rate::default()
        };
        first.on_demand = Some(Money::micros(96_000));
        (first.kept, first.kept_month) = (true, Some(Money::micros(1_600_000)));
        let ledger = Ledger::new(&paths);
        ledger.saw(&first)?;
        let total = ended(&paths, &had.session, HOUR, HOUR)?.expect("known");
        assert!(
            total.spent.ends_with(", $0.06 less than on demand)"),
            "{}",
            total.spent
        );
        assert_eq!(total.kept.as_deref(), Some("$1.60 a month"));

        // A month of it costs what it says; once it is deleted nothing.
        let spent = |at| ledger.all().map(|all| all.records[0].spend(at).total());
        let month = 730 * HOUR;
        let a_month = spent(HOUR + month)?.minus(spent(HOUR)?);
        assert_eq!(a_month, Money::micros(1_600_000));
        deleted(&paths, &[&had.session], HOUR + DAY)?;
        assert_eq!(spent(HOUR + month)?, spent(HOUR + DAY)?);
        assert!(ledger.all()?.records[0].is_over());
        Ok(())
    }

    #[test]
    fn tags_alone_make_a_record_of_at_most() {
        let told = record(
            &machine(rented("m6i.large", "a", false, 100_000), 0),
            7_200_000,
        );
        let spent = told.expect("one").spend(7_200_000);
        assert_eq!(spent.told(), "≤$0.20");
    }
}
