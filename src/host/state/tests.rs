//! Tests of `state`.

use super::*;
use crate::model::BlockedOn;

const BLOCKED: AgentState = AgentState::Blocked {
    on: BlockedOn::Permission,
};

fn state(belief: &mut Belief, now: Millis) -> (AgentState, Source) {
    let (state, _, evidence) = belief.conclude(now);
    (state, evidence.source)
}

fn said(state: AgentState, at: Millis) -> Said {
    Said {
        state,
        message: None,
        progress: None,
        at,
    }
}

#[test]
fn without_any_protocol_quiet_is_unknown() {
    let mut b = Belief::default();
    b.spawned(1000);
    assert_eq!(state(&mut b, 1001).0, AgentState::Starting);
    b.output(2000);
    assert_eq!(state(&mut b, 2001), (AgentState::Working, Source::Activity));
    assert_eq!(b.next_change(2001), Some(4000));
    assert_eq!(state(&mut b, 5001).0, AgentState::Unknown);
    b.cpu(9000);
    assert_eq!(state(&mut b, 9001).0, AgentState::Working);
    assert_eq!(state(&mut b, 60_000).0, AgentState::Unknown);
}

#[test]
fn echo_is_no_work_and_a_silent_start_ends_as_unknown() {
    let mut b = Belief::default();
    b.spawned(0);
    b.typed(10_000);
    b.output(10_001);
    assert_eq!(state(&mut b, 10_002).0, AgentState::Unknown);
    b.output(11_500);
    assert_eq!(state(&mut b, 11_501).0, AgentState::Working);
}

#[test]
fn the_best_evidence_wins_and_the_process_has_the_last_word() {
    let mut b = Belief::default();
    b.spawned(0);
    b.output(10);
    b.notification("look\x1b[31m here", 20);
    let (s, _, evidence) = b.conclude(21);
    assert_eq!(s, AgentState::Unknown);
    assert_eq!(evidence.message.as_deref(), Some("look [31m here"));
    b.hook(BLOCKED, None, None, 30);
    assert_eq!(state(&mut b, 31), (BLOCKED, Source::Hook));
    b.report(Some(said(AgentState::Done, 40)));
    assert_eq!(state(&mut b, 41), (AgentState::Done, Source::Report));
    b.report(None);
    assert_eq!(state(&mut b, 42), (BLOCKED, Source::Hook));
    b.hook(AgentState::Exited { code: 0 }, None, None, 50);
    assert_eq!(state(&mut b, 51).0, BLOCKED);
    b.over(AgentState::Exited { code: 3 }, None, 60);
    assert_eq!(
        state(&mut b, 61),
        (AgentState::Exited { code: 3 }, Source::Process)
    );
}

#[test]
fn a_notification_is_over_once_it_works_on_or_was_answered() {
    let mut b = Belief::default();
    b.spawned(0);
    b.bell(10_000);
    assert_eq!(state(&mut b, 10_001), (AgentState::Unknown, Source::Bell));
    b.output(11_000);
    assert_eq!(state(&mut b, 11_001).0, AgentState::Working);
    b.notification("done?", 12_000);
    assert_eq!(state(&mut b, 99_000).1, Source::Notification);
    b.typed(99_001);
    assert_eq!(state(&mut b, 99_002).1, Source::Activity);
}

#[test]
fn since_is_when_it_entered_the_state() {
    let mut b = Belief::default();
    b.spawned(0);
    b.hook(AgentState::Working, None, None, 100);
    assert_eq!(b.conclude(150).1, 100);
    b.hook(AgentState::Working, Some("still"), None, 200);
    assert_eq!(b.conclude(250).1, 100);
    b.progress(1, Some(250), 300);
    b.hook(AgentState::Done, None, Some(250), 400);
    let (_, since, evidence) = b.conclude(450);
    assert_eq!((since, evidence.progress), (400, Some(100)));
}

#[test]
fn text_is_bounded_and_clean() {
    assert_eq!(clean("\u{202e}\x07\n"), None);
    assert!(clean(&"é".repeat(500)).is_some_and(|s| s.len() <= MESSAGE_MAX));
}
