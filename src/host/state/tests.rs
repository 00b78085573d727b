//! Tests of `state`.

use super::rules::{Seen, Word};
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

fn screen(state: Word) -> Option<Seen> {
    Some(Seen {
        state,
        on: None,
        message: Some("Go on?".to_owned()),
        rule: "a rule",
    })
}

#[test]
fn what_contradicts_the_best_evidence_for_long_makes_it_unknown() {
    let mut b = Belief::default();
    b.spawned(0);
    b.report(Some(said(AgentState::Working, 10_000)));
    b.seen(screen(Word::Blocked), None, 11_000);
    assert_eq!(state(&mut b, 13_900).0, AgentState::Working);
    assert_eq!(b.next_change(13_900), Some(14_000));
    let (s, since, evidence) = b.conclude(14_000);
    assert_eq!((s, since), (AgentState::Unknown, 11_000));
    assert_eq!(
        evidence.message.as_deref(),
        Some("its report says working, its screen says blocked")
    );
    // A hook is of its moment: what is reported later has overtaken it.
    b.seen(None, None, 15_000);
    b.hook(AgentState::Done, None, None, 15_000);
    assert_eq!(state(&mut b, 19_000).0, AgentState::Unknown);
    b.report(Some(said(AgentState::Working, 20_000)));
    assert_eq!(state(&mut b, 60_000), (AgentState::Working, Source::Report));
}

#[test]
fn a_screen_must_hold_still_and_at_rest_is_done_only_after_work() {
    let mut b = Belief::default();
    b.spawned(0);
    b.seen(screen(Word::Rest), None, 5000);
    assert_eq!(state(&mut b, 5500).1, Source::None);
    assert_eq!(state(&mut b, 6000), (AgentState::Idle, Source::Screen));
    b.seen(screen(Word::Working), None, 7000);
    assert_eq!(state(&mut b, 8000).0, AgentState::Working);
    b.seen(screen(Word::Rest), None, 9000);
    b.seen(screen(Word::Rest), None, 9900);
    assert_eq!(state(&mut b, 10_000), (AgentState::Done, Source::Screen));
}

#[test]
fn a_turn_that_ends_with_a_question_is_not_done() {
    let asks = AgentState::Blocked {
        on: BlockedOn::Question,
    };
    let mut b = Belief::default();
    b.spawned(0);
    b.report(Some(said(AgentState::Done, 1000)));
    b.hook(asks, Some("Shall I?"), None, 900);
    b.seen(screen(Word::Rest), None, 1000);
    let (s, _, evidence) = b.conclude(60_000);
    assert_eq!((s, evidence.source), (asks, Source::Hook));
    assert_eq!(evidence.message.as_deref(), Some("Shall I?"));
    b.typed(61_000);
    assert_eq!(state(&mut b, 61_001).0, AgentState::Done);
}

#[test]
fn done_is_doubted_while_its_processes_work_on() {
    let mut b = Belief::default();
    b.spawned(0);
    b.hook(AgentState::Done, None, None, 10_000);
    b.cpu(12_000);
    assert_eq!(state(&mut b, 12_001).0, AgentState::Done);
    b.cpu(30_000);
    assert_eq!(state(&mut b, 30_001).0, AgentState::Unknown);
    // Its end counts from when it is believed again.
    assert_eq!(b.conclude(38_000).1, 38_000);
    assert_eq!(state(&mut b, 38_001).0, AgentState::Done);
    // Typing costs its program some work too.
    b.typed(49_000);
    b.cpu(50_000);
    assert_eq!(state(&mut b, 50_001).0, AgentState::Done);
}

#[test]
fn a_person_may_have_stopped_what_its_hook_says_it_does() {
    let mut b = Belief::default();
    b.spawned(0);
    b.hook(AgentState::Working, None, None, 10_000);
    assert_eq!(state(&mut b, 60_000).0, AgentState::Working);
    b.typed(61_000);
    // It draws on: what was typed waits for its turn.
    b.output(63_000);
    assert_eq!(state(&mut b, 64_500).0, AgentState::Working);
    assert_eq!(
        state(&mut b, 66_000),
        (AgentState::Unknown, Source::Activity)
    );
}

#[test]
fn worse_evidence_completes_better() {
    let mut b = Belief::default();
    b.spawned(0);
    let on = BlockedOn::Unknown;
    b.report(Some(said(AgentState::Blocked { on }, 1000)));
    b.hook(BLOCKED, Some("Allow make?"), None, 900);
    let (s, _, evidence) = b.conclude(5000);
    assert_eq!((s, evidence.source), (BLOCKED, Source::Report));
    assert_eq!(evidence.message.as_deref(), Some("Allow make?"));
    b.typed(6000);
    assert_eq!(state(&mut b, 6001).0, AgentState::Blocked { on });
}
