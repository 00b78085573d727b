//! Tests of the record of what happens.

use super::*;
use crate::model::{
    AgentStatus, AttachedClient, BlockedOn, CheckState, DEFAULT_SIZE, EndKind, Ended, Evidence,
};

fn report(state: AgentState, source: Source, message: Option<&str>) -> Report {
    Report {
        status: AgentStatus {
            evidence: Evidence {
                source,
                at: 0,
                message: message.map(str::to_owned),
                progress: None,
            },
            ..AgentStatus::sample(1, state)
        },
        attached: Vec::new(),
        warning: None,
        activity: 0,
    }
}

const ASKS: AgentState = AgentState::Blocked {
    on: BlockedOn::Question,
};

fn states(journal: &mut Journal) -> Vec<String> {
    let (events, _) = journal.since(0, 0);
    let told = |e: &SessionEvent| match &e.what {
        What::State { state, message, .. } => match message {
            Some(m) => format!("{} {}: {m}", e.at, state.word()),
            None => format!("{} {}", e.at, state.word()),
        },
        other => format!("{} {other:?}", e.at),
    };
    events.iter().map(told).collect()
}

#[test]
fn what_moves_about_is_no_news_and_what_asks_is() {
    let mut journal = Journal::default();
    let mut tell = |at, state, source, message| {
        journal.agent(1, None, &report(state, source, message), at);
    };
    tell(1, AgentState::Starting, Source::Process, None);
    for at in 2..50 {
        let moves = at % 2 == 0;
        let state = if moves {
            AgentState::Working
        } else {
            AgentState::Unknown
        };
        tell(at, state, Source::Activity, None);
    }
    tell(50, ASKS, Source::Screen, Some("One?\x1b[2J"));
    tell(51, ASKS, Source::Screen, Some("One?\x1b[2J"));
    tell(52, ASKS, Source::Screen, Some("Two?"));
    tell(53, AgentState::Working, Source::Report, Some("line 1"));
    tell(54, AgentState::Working, Source::Report, Some("line 2"));
    tell(55, AgentState::Done, Source::Report, None);
    let told = states(&mut journal);
    assert_eq!(told[0], "1 starting");
    assert!(told[1].starts_with("50 blocked: One?") && !told[1].contains('\x1b'));
    let rest = ["52 blocked: Two?", "53 working", "55 done"];
    assert_eq!(told[2..], rest);
}

#[test]
fn who_comes_and_goes_is_noted_and_one_who_reconnects_is_not() {
    let client = |since| AttachedClient {
        agent: 1,
        since,
        size: DEFAULT_SIZE,
        read_only: false,
        who: "me@there".into(),
    };
    let mut journal = Journal::default();
    let alone = report(AgentState::Done, Source::Report, None);
    let mut visited = alone.clone();
    visited.attached.push(client(1));
    let mut again = alone.clone();
    again.attached.push(client(2));
    journal.agent(1, None, &alone, 1);
    journal.agent(1, Some(&alone), &visited, 2);
    journal.agent(1, Some(&visited), &again, 3);
    journal.agent(1, Some(&again), &alone, 4);
    let (events, _) = journal.since(1, 4);
    let who = || "me@there".to_owned();
    let what: Vec<What> = events.into_iter().map(|e| e.what).collect();
    assert_eq!(
        what,
        [
            What::Attached {
                agent: 1,
                who: who()
            },
            What::Left {
                agent: 1,
                who: who()
            }
        ]
    );
}

#[test]
fn it_stays_bounded_here_and_in_its_file_and_says_what_is_missing() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("events.jsonl");
    let mut journal = Journal::open(&file);
    let mut longest = 0;
    for n in 1..=5000_u64 {
        journal.warning(&format!("{n} {}", "\"".repeat(1000)), n);
        if n % 100 == 0 {
            let batch = journal.take().expect("something new");
            batch.write(&file).expect("written");
            let text = std::fs::read(&file).expect("there");
            longest = longest.max(SessionEvent::read_all(&text).len());
        }
    }
    assert!(longest <= 2 * KEPT, "{longest}");
    let (events, now) = journal.since(0, 0);
    assert_eq!((events.len(), now), (KEPT, 5000));
    assert_eq!((&events[0].what, events[0].at), (&What::Cut, 4001));
    let bytes = serde_json::to_vec(&events).expect("JSON").len();
    assert!(bytes < crate::proto::MAX_BODY, "{bytes}");
    let mut read = Journal::open(&file);
    assert_eq!(read.since(0, 0).0, events);
    assert!(read.take().is_none());
}

#[test]
fn a_torn_file_and_one_that_could_not_be_written_are_written_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("events.jsonl");
    let whole = r#"{"at":5,"what":"warning","text":"w"}"#;
    std::fs::write(&file, format!("{whole}\n{{\"at\":6,")).expect("written");
    let mut journal = Journal::open(&file);
    let ended = Ended {
        kind: EndKind::Ttl,
        at: 9,
        why: "time".into(),
    };
    let (_, told) = journal.since(0, 20);
    journal.ended(&ended);
    let batch = journal.take().expect("it");
    assert!(batch.write(&dir.path().join("no/such/dir")).is_err());
    journal.failed();
    let batch = journal.take().expect("it again");
    batch.write(&file).expect("written");
    let read = SessionEvent::read_all(&std::fs::read(&file).expect("there"));
    // Later than all that was told of before.
    assert_eq!((read[0].at, read[1].at), (5, told + 1));
    assert!(matches!(read[1].what, What::Ended { .. }));
    assert_eq!(read.len(), 2);
}

#[test]
fn what_was_made_and_checked_is_noted_where_it_changes() {
    let mut journal = Journal::default();
    let work = |commits| Work {
        commits,
        ..Work::default()
    };
    let check = |state| Check {
        state,
        code: None,
        since: 1,
        took_ms: None,
        run: 1,
        message: None,
    };
    for at in 1..10 {
        journal.work(1, work(at / 5), at);
        journal.work(2, work(3), at);
        journal.check(1, &check(CheckState::Running), at);
    }
    journal.check(1, &check(CheckState::Passed), 10);
    let (events, _) = journal.since(0, 10);
    let noted: Vec<_> = events.iter().map(|e| (e.at, e.agent())).collect();
    assert_eq!(
        noted,
        [(1, Some(1)), (1, Some(2)), (5, Some(1)), (10, Some(1))]
    );
}
