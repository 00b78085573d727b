//! Reports, their bounds and lifetimes.

use super::table::MAX_RECORDS;
use super::*;

fn table(reports: &[&str]) -> Table {
    let mut t = Table::new();
    for (at, r) in (1..).zip(reports) {
        if let Some(report) = parse(r.as_bytes(), at) {
            t.apply(report);
        }
    }
    t
}

#[test]
fn reports_within_bounds_only() {
    for good in [
        "state=idle",
        "state=blocked:kind=auth:progress=100:id=a/b-c.d:app=x",
        "state=done:new-key=1",
    ] {
        assert!(parse(good.as_bytes(), 0).is_some(), "{good}");
    }
    let long_id = ["a"; 9].join("/");
    for bad in [
        "",
        "state=asleep",
        "id=a",
        "state=idle:id=",
        "state=idle:id=a//b",
        "state=idle:id=a b",
        "state=idle:title=%%",
        "state=idle:msg=Cg==",
        "state=idle:averylongkeyname1=x",
    ] {
        assert_eq!(parse(bad.as_bytes(), 0), None, "{bad}");
    }
    assert_eq!(
        parse(format!("state=idle:id={long_id}").as_bytes(), 0),
        None
    );
    assert_eq!(
        parse(format!("state=idle:x={}", "y".repeat(4096)).as_bytes(), 0),
        None
    );
    let whole = parse(
        b"\x1b]7501;state=working:progress=101:kind=auth:msg=aGk\x1b\\",
        7,
    );
    let Some(Report::Set { record, .. }) = whole else {
        panic!("a report")
    };
    assert_eq!(
        (
            record.progress,
            record.kind,
            record.message.as_deref(),
            record.at
        ),
        (None, None, Some("hi"), 7)
    );
}

#[test]
fn replacement_clearing_and_lifetimes() {
    let mut t = table(&[
        "state=working:msg=aGk=",
        "state=working",
        "state=blocked:id=a",
        "state=done:id=a/b",
        "state=error:id=ab",
    ]);
    assert_eq!(t.len(), 4);
    assert!(
        t.iter()
            .next()
            .is_some_and(|(id, r)| id.is_empty() && r.message.is_none())
    );
    t.ended();
    assert_eq!(
        t.iter().map(|(id, _)| id).collect::<Vec<_>>(),
        ["a/b", "ab"]
    );
    t.apply(Report::Clear { id: "a".into() });
    assert_eq!(t.len(), 1);
    t.apply(Report::Clear { id: String::new() });
    assert!(t.is_empty() && t.summary().is_none());
}

#[test]
fn the_oldest_of_257_goes() {
    let reports: Vec<String> = (0..=MAX_RECORDS)
        .map(|n| format!("state=idle:id={n}"))
        .collect();
    let t = table(&reports.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(t.len(), MAX_RECORDS);
    assert!(t.iter().all(|(id, _)| id != "0"));
}

#[test]
fn what_matters_most() {
    let state = |r: &[&str]| table(r).summary().map(|s| s.state);
    let blocked = AgentState::Blocked {
        on: BlockedOn::Question,
    };
    assert_eq!(
        state(&["state=blocked:kind=question:id=a", "state=working"]),
        Some(blocked)
    );
    assert_eq!(
        state(&["state=working:id=a", "state=done"]),
        Some(AgentState::Working)
    );
    assert_eq!(
        state(&["state=done", "state=error:id=a"]),
        Some(AgentState::Done)
    );
    assert_eq!(
        state(&["state=done:id=a", "state=idle:id=b"]),
        Some(AgentState::Idle)
    );
}

#[test]
fn our_own_reports_can_be_read() {
    let on = BlockedOn::Permission;
    let bytes = encode(
        "session-abc123/2",
        AgentState::Blocked { on },
        Some("may I?"),
        None,
    );
    let Some(Report::Set { id, record }) = parse(&bytes, 0) else {
        panic!("a report")
    };
    assert_eq!(
        (id.as_str(), record.kind, record.message.as_deref()),
        ("session-abc123/2", Some(on), Some("may I?"))
    );
    assert!(matches!(
        parse(&encode("x", AgentState::Unknown, None, None), 0),
        Some(Report::Clear { .. })
    ));
}
