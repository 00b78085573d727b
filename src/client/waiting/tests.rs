//! When a wait is over, from states as they come.

use super::*;
use crate::client::status::tests::status;
use crate::model::CheckState;

fn waiting(any: bool, states: &[&str], agent: Option<u32>) -> Waiting {
    let goal = Goal {
        any,
        states: states.iter().map(|s| (*s).to_owned()).collect(),
        checked: true,
    };
    Waiting::new(
        goal,
        [("session-abc234".parse().expect("a good id"), agent)],
    )
}

#[test]
fn all_waits_for_each_and_any_for_one() {
    let exited = AgentState::Exited { code: 0 };
    let half = status("session-abc234", &[exited, AgentState::Working]);
    let mut all = waiting(false, &["done", "exited"], None);
    assert_eq!(all.verdict(), None, "not heard of yet");
    all.heard(&half, false);
    assert_eq!(all.verdict(), None);
    all.heard(
        &status("session-abc234", &[exited, AgentState::Done]),
        false,
    );
    assert!(matches!(all.verdict(), Some(Verdict::There(a)) if a.len() == 2));
    let mut any = waiting(true, &["exited"], None);
    any.heard(&half, false);
    assert!(matches!(any.verdict(), Some(Verdict::There(a)) if a[0].agent == 1));
}

#[test]
fn one_that_cannot_be_heard_is_done_without_where_one_is_enough() {
    let goal = |any| Goal {
        any,
        states: vec!["exited".to_owned()],
        checked: true,
    };
    let id = |n: char| {
        format!("session-abc23{n}")
            .parse::<SessionId>()
            .expect("a good id")
    };
    let both = || [(id('4'), None), (id('5'), None)];
    assert!(!Waiting::new(goal(false), both()).goes_on_without(id('4')));
    let mut any = Waiting::new(goal(true), both());
    assert!(any.goes_on_without(id('4')));
    assert_eq!(any.verdict(), None);
    let exited = AgentState::Exited { code: 0 };
    any.heard(&status("session-abc235", &[exited]), false);
    assert!(matches!(any.verdict(), Some(Verdict::There(a)) if a.len() == 1));
    assert!(!any.goes_on_without(id('5')), "none is left");
}

#[test]
fn what_can_never_be_is_said_at_once() {
    let exited = AgentState::Exited { code: 3 };
    let mut blocked = waiting(false, &["blocked"], None);
    blocked.heard(
        &status("session-abc234", &[exited, AgentState::Working]),
        false,
    );
    assert!(matches!(blocked.verdict(), Some(Verdict::Never(a)) if a[0].agent == 1));
    let mut other = waiting(false, &["blocked"], Some(2));
    other.heard(
        &status("session-abc234", &[exited, AgentState::Working]),
        false,
    );
    assert_eq!(other.verdict(), None);
    other.heard(
        &status("session-abc234", &[exited, AgentState::Working]),
        true,
    );
    assert!(matches!(other.verdict(), Some(Verdict::Never(a)) if a[0].state == AgentState::Lost));
}

#[test]
fn an_agent_is_not_there_while_its_work_is_checked_unless_its_session_is_over() {
    let mut now = status("session-abc234", &[AgentState::Done]);
    now.agents[0].check = Some(Check {
        state: CheckState::Running,
        code: None,
        since: 1,
        took_ms: None,
        run: 1,
        message: None,
    });
    let mut all = waiting(false, &["done"], None);
    all.heard(&now, false);
    assert_eq!(all.verdict(), None);
    all.goal.checked = false;
    assert!(matches!(all.verdict(), Some(Verdict::There(_))));
    all.goal.checked = true;
    now.agents[0].check.as_mut().expect("it").state = CheckState::Failed;
    all.heard(&now, false);
    let there = all.verdict();
    assert!(matches!(there, Some(Verdict::There(a)) if a[0].check.is_some()));
}
