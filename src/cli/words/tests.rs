//! Tests of `words`.

use super::*;
use crate::model::{BlockedOn, DEFAULT_SIZE, Ends, Evidence, SessionSpec, Source};

fn status(states: &[AgentState]) -> SessionStatus {
    let agents = (1..).zip(states).map(|(number, state)| AgentStatus {
        number,
        name: "sh".into(),
        argv: vec![],
        task: String::new(),
        state: *state,
        since: 1000,
        evidence: Evidence {
            source: Source::Process,
            at: 0,
            message: None,
            progress: None,
        },
        title: String::new(),
        pid: None,
        size: DEFAULT_SIZE,
        started: 0,
        ended: Some(2500),
        bytes: 0,
        full_screen: false,
    });
    SessionStatus {
        agents: agents.collect(),
        spec: SessionSpec {
            id: "session-abc234".parse().expect("a good id"),
            name: None,
            task: String::new(),
            provider: "local".into(),
            owner: String::new(),
            created: 0,
            ends: Ends::default(),
            agents: vec![],
            price_microusd_per_hour: 0,
            budget_microusd: None,
        },
        attached: vec![],
        ends: vec![],
        ended: None,
        warnings: vec![],
        now: 0,
        version: String::new(),
    }
}

#[test]
fn many_agents_are_counted_and_a_blocked_one_stands_out() {
    let blocked = AgentState::Blocked {
        on: BlockedOn::Question,
    };
    let three = status(&[AgentState::Working, blocked, AgentState::Working]);
    assert_eq!(
        agents(&three, 0),
        ("2 working, 1 blocked".to_owned(), Some(Color::Yellow))
    );
    assert_eq!(
        agents(&status(&[blocked]), 61_000).0,
        "blocked(question) 1m"
    );
    assert_eq!(agents(&status(&[]), 0).0, "-");
}

#[test]
fn a_summary_has_a_line_for_each_agent_asked_for() {
    let both = status(&[AgentState::Exited { code: 3 }, AgentState::Lost]);
    assert_eq!(
        summary(&both, &[1], &Ui::plain(), 0),
        [
            "AGENT             STATE      TOOK   COST",
            "session-abc234/1  exited(3)  2.5 s  -",
        ]
    );
    assert_eq!(cost(3_600_000_000, Duration::from_secs(1)), "$1.00");
}

#[test]
fn ends_say_when() {
    let ttl = End {
        kind: EndKind::Ttl,
        at: 120_000,
        why: String::new(),
    };
    assert_eq!(end(&ttl, 0), "TTL in 2m00s");
    assert_eq!(end(&ttl, 120_000), "TTL now");
}
