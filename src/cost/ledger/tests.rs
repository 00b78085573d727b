//! Records on a real disk: torn lines, other versions' lines, several writers, compaction.

use super::*;
use crate::error::Result;

pub const HOUR: Millis = 3_600_000;

/// An m6i.large in us-east-1 without volumes, $0.096 an hour.
pub fn record(id: &str, launched: Millis) -> Record {
    Record {
        session: format!("session-{id}").parse().expect("a good name"),
        owner: "arn:aws:iam::123456789012:user/me".to_owned(),
        name: None,
        task: "add rate limit".to_owned(),
        repository: Some("api".to_owned()),
        workspace: None,
        instance_type: "m6i.large".to_owned(),
        region: "us-east-1".to_owned(),
        zone: "us-east-1b".to_owned(),
        spot: false,
        on_demand: Some(Money::micros(96_000)),
        rate: Rate {
            instance: Money::micros(96_000),
            ..Rate::default()
        },
        launched,
        ended: None,
        deadline: Some(launched + HOUR),
        runs: Vec::new(),
        kept: false,
        kept_month: None,
        gone: None,
        seen: launched,
    }
}

fn place() -> Result<(tempfile::TempDir, Ledger)> {
    let dir = tempfile::tempdir()?;
    let paths = Paths::new(|v| (v == "HOME").then(|| dir.path().into()))?;
    Ok((dir, Ledger::new(&paths)))
}

#[test]
fn the_last_line_of_a_session_counts() -> Result<()> {
    let (_dir, ledger) = place()?;
    assert_eq!(ledger.all()?, Recorded::default());
    let mut one = record("aaaaaa", 1000);
    ledger.saw(&one)?;
    ledger.saw(&record("bbbbbb", 500))?;
    one.ended = Some(2000);
    one.seen = 2000;
    ledger.saw(&one)?;
    // Seen before, written after: another command was slow.
    ledger.saw(&record("aaaaaa", 1000))?;
    let all = ledger.all()?;
    assert_eq!(all.records, [record("bbbbbb", 500), one]);
    assert_eq!(all.damaged, 0);
    Ok(())
}

#[test]
fn a_torn_line_costs_only_itself() -> Result<()> {
    let (_dir, ledger) = place()?;
    ledger.saw(&record("aaaaaa", 1))?;
    let whole = std::fs::read(&ledger.file)?;
    for cut in 1..whole.len() {
        std::fs::write(&ledger.file, &whole[..cut])?;
        ledger.saw(&record("bbbbbb", 2))?;
        let all = ledger.all()?;
        // Without its newline only, the line is whole.
        let kept = usize::from(cut == whole.len() - 1);
        assert_eq!(all.records.len(), 1 + kept, "cut at {cut}");
        assert_eq!(all.damaged, 1 - kept, "cut at {cut}");
    }
    std::fs::write(&ledger.file, b"\xff\xfe\n[]\nnull\n\n")?;
    assert_eq!(ledger.all()?.damaged, 3);
    Ok(())
}

#[test]
fn several_writers_lose_nothing_and_the_file_stays_small() -> Result<()> {
    let (_dir, ledger) = place()?;
    let foreign = r#"{"session":"session-zzzzzz","version":9}"#;
    if let Some(dir) = ledger.file.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(&ledger.file, format!("{foreign}\n"))?;
    std::thread::scope(|scope| {
        for writer in ["aaaaaa", "bbbbbb", "cccccc", "dddddd"] {
            let ledger = &ledger;
            scope.spawn(move || {
                for n in 0..300 {
                    let mut record = record(writer, 0);
                    record.seen = n;
                    ledger.saw(&record).expect("written");
                }
            });
        }
    });
    let all = ledger.all()?;
    assert_eq!(all.records.len(), 4);
    assert!(
        all.records.iter().all(|r| r.seen == 299),
        "{:?}",
        all.records
    );
    let text = std::fs::read_to_string(&ledger.file)?;
    assert!(text.lines().count() < COMPACT + 1);
    assert!(text.contains(foreign), "another version's line is kept");
    Ok(())
}

#[test]
fn an_end_that_nobody_saw_is_bounded_by_the_deadline() {
    let mut record = record("aaaaaa", 0);
    let told = |r: &Record, now| r.spend(now).told();
    // Seen running a moment ago.
    record.seen = HOUR / 2;
    assert_eq!(told(&record, HOUR / 2 + 1000), "$0.048");
    // Not seen for long, and it may have ended before.
    assert_eq!(told(&record, HOUR - 1), "≤$0.096");
    assert_eq!(told(&record, 100 * HOUR), "≤$0.096");
    record.ended = Some(HOUR / 4);
    assert_eq!(told(&record, 100 * HOUR), "$0.024");
}

#[test]
fn a_kept_volume_costs_on_until_it_is_gone() {
    let mut record = record("aaaaaa", 0);
    record.rate.volumes_month = Money::micros(1_460_000);
    record.ended = Some(HOUR);
    assert_eq!(record.spend(10 * HOUR).volumes, Money::micros(2_000));
    assert!(record.is_over());
    record.kept = true;
    assert_eq!(record.spend(10 * HOUR).volumes, Money::micros(20_000));
    assert!(!record.is_over());
    record.gone = Some(5 * HOUR);
    assert_eq!(record.spend(10 * HOUR).volumes, Money::micros(10_000));
    assert!(record.is_over());
}

#[test]
fn what_one_side_does_not_know_the_other_fills_in() {
    let mut ours = record("aaaaaa", 0);
    ours.ended = Some(7);
    let mut theirs = record("aaaaaa", 0);
    theirs.repository = None;
    theirs.seen = 99;
    let merged = merge(vec![ours.clone()], vec![theirs, record("bbbbbb", 3)]);
    assert_eq!(merged.len(), 2);
    assert_eq!(merged[0].repository, ours.repository);
    assert_eq!((merged[0].ended, merged[0].seen), (Some(7), 99));
}
