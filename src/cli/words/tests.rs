//! Tests of `words`.

use super::*;
use crate::model::{BlockedOn, Check, CheckState, Ends, SessionSpec};

fn status(states: &[AgentState]) -> SessionStatus {
    let agents = (1..).zip(states).map(|(number, state)| AgentStatus {
        argv: vec![],
        since: 1000,
        ended: Some(2500),
        ..AgentStatus::sample(number, *state)
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
            workspace: None,
        },
        attached: vec![],
        ends: vec![],
        ended: None,
        warnings: vec![],
        news: Vec::new(),
        volume: None,
        load: None,
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
    let mut asks = status(&[AgentState::Working, blocked]);
    asks.agents[1].evidence.message = Some("Allow npm install?".to_owned());
    assert_eq!(
        agents(&asks, 41_000).0,
        "1 working, 1 blocked (2: \"Allow npm install?\" 40s)"
    );
    assert_eq!(
        state(&asks.agents[1], 41_000),
        "blocked: \"Allow npm install?\" 40s"
    );
}

#[test]
fn a_check_is_told_with_what_it_was_made_of_and_not_once_that_is_past() {
    let check = |state, code| {
        Some(Check {
            state,
            code,
            since: 900,
            took_ms: Some(100),
            run: 1,
            message: None,
        })
    };
    let exited = AgentState::Exited { code: 0 };
    let mut three = status(&[AgentState::Done, exited, AgentState::Working]);
    three.agents[0].check = check(CheckState::Passed, Some(0));
    three.agents[1].check = check(CheckState::Failed, Some(2));
    three.agents[2].check = check(CheckState::Passed, Some(0));
    let told = |n: usize| state(&three.agents[n], 41_000);
    assert_eq!(told(0), "done 40s, check passed");
    assert_eq!(told(1), "exited(0) 40s, check failed(2)");
    assert_eq!(told(2), "working 40s");
    assert_eq!(
        agents(&three, 0).0,
        "1 done, 1 exited, 1 working; checks: 1 passed, 1 failed"
    );
    let lines = summary(&three, &[2], &Ui::plain(), 0);
    assert!(lines[1].ends_with("failed(2) 100 ms"), "{lines:?}");
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
