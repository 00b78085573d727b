//! When an agent is checked, in a time of its own.

use super::*;
use crate::model::BlockedOn;

const EXITED: AgentState = AgentState::Exited { code: 0 };
const ASKS: AgentState = AgentState::Blocked {
    on: BlockedOn::Permission,
};

fn turns() -> Turns {
    let mut turns = Turns::new(true, false);
    turns.saw(AgentState::Starting, 0);
    turns.saw(AgentState::Working, 10);
    turns
}

fn state(turns: &Turns) -> Option<(CheckState, u32)> {
    turns.check().map(|c| (c.state, c.run))
}

#[test]
fn a_turn_that_is_over_is_checked_once_it_has_settled_and_only_once() {
    let mut t = turns();
    assert_eq!((state(&t), t.is_checking(), t.next()), (None, false, None));
    t.saw(AgentState::Done, 100);
    // Known at once: a session must not end in between.
    assert_eq!(state(&t), Some((CheckState::Running, 1)));
    assert!(t.is_checking());
    assert_eq!((t.start(1099), t.next()), (None, Some(1100)));
    let job = t.start(1100).expect("due");
    assert_eq!((job.run, t.start(9999)), (Some(1), None));
    t.over(Some(Outcome::Exited(0)), 1500);
    let check = t.check().expect("it");
    assert_eq!(
        (check.to_string().as_str(), check.took_ms),
        ("passed", Some(400))
    );
    assert_eq!((check.ended(), t.checked_at()), (Some(1500), Some(1500)));
    // Told of again, doubted for a while, and ended: it has not worked.
    for seen in [
        AgentState::Done,
        AgentState::Unknown,
        AgentState::Done,
        EXITED,
    ] {
        t.saw(seen, 2000);
        assert_eq!((t.next(), t.is_checking()), (None, false), "{seen}");
    }
    assert_eq!(state(&t), Some((CheckState::Passed, 1)));
}

#[test]
fn work_calls_off_what_has_not_begun_and_is_checked_anew_after_what_runs() {
    let mut t = turns();
    t.saw(AgentState::Done, 100);
    t.saw(AgentState::Working, 200);
    assert_eq!((t.start(5000), state(&t)), (None, None));
    // A program that has told of its turn's end may rest at once.
    t.saw(AgentState::Done, 6000);
    t.saw(AgentState::Idle, 6500);
    assert!(t.start(7000).is_some());
    t.saw(ASKS, 7100);
    t.saw(AgentState::Done, 7200);
    // One at a time.
    assert_eq!((t.start(9000), t.next()), (None, None));
    t.over(Some(Outcome::Exited(3)), 9100);
    assert_eq!(state(&t), Some((CheckState::Running, 2)));
    let job = t.start(9100).expect("the next");
    assert_eq!(job.run, Some(2));
    t.over(Some(Outcome::Exited(3)), 9300);
    assert_eq!(t.check().expect("it").to_string(), "failed(3)");
    // While it works on, the old result stays to be seen.
    t.saw(AgentState::Working, 9400);
    assert_eq!(state(&t), Some((CheckState::Failed, 2)));
    assert!(!t.is_checking() && t.would_check());
}

#[test]
fn what_exits_well_is_checked_at_once_and_what_fails_is_only_counted() {
    let mut t = turns();
    t.saw(EXITED, 100);
    assert_eq!(t.start(100).expect("due").run, Some(1));
    for over in [
        AgentState::Exited { code: 1 },
        AgentState::Error,
        AgentState::Lost,
    ] {
        let mut t = turns();
        t.saw(over, 100);
        assert!(!t.is_checking(), "{over}");
        assert_eq!(t.start(100).expect("counted").run, None);
        t.counted(Some(Work {
            commits: 2,
            ..Work::default()
        }));
        t.over(None, 150);
        assert_eq!((t.check(), t.work().map(|w| w.commits)), (None, Some(2)));
        t.saw(over, 100);
        assert_eq!(t.next(), None);
    }
    // One that fails within the moment in which its turn was over is not good.
    let mut t = turns();
    t.saw(AgentState::Done, 100);
    t.saw(AgentState::Exited { code: 1 }, 200);
    assert_eq!(
        (t.is_checking(), t.start(200).expect("counted").run),
        (false, None)
    );
    // Without a command nothing is checked, and all is counted.
    let mut t = Turns::new(false, false);
    t.saw(AgentState::Working, 1);
    t.saw(EXITED, 100);
    assert_eq!(t.start(100).expect("counted").run, None);
    assert!(!t.would_check());
}

#[test]
fn the_end_of_a_session_starts_nothing_and_breaks_what_runs() {
    let mut t = turns();
    t.saw(AgentState::Done, 100);
    t.end(200);
    assert_eq!((t.start(9999), t.check()), (None, None));
    let mut t = turns();
    t.saw(EXITED, 100);
    assert!(t.start(100).is_some());
    t.end(400);
    let check = t.check().expect("it");
    assert_eq!(
        (check.state, check.took_ms),
        (CheckState::Broken, Some(300))
    );
    // The process's own end comes too late.
    t.over(Some(Outcome::Exited(0)), 500);
    assert_eq!(t.check(), Some(check));
}

#[test]
fn a_new_binary_runs_again_what_the_old_one_ran_and_a_new_host_does_not() {
    let mut t = turns();
    t.saw(EXITED, 100);
    assert!(t.start(100).is_some());
    let text = serde_json::to_string(&t).expect("JSON");
    let mut next: Turns = serde_json::from_str(&text).expect("it again");
    next.resume(700);
    next.saw(EXITED, 100);
    assert!(next.is_checking());
    assert_eq!(next.start(700).expect("again").run, Some(2));

    let mut revived = Turns::new(true, true);
    revived.recall(t.check(), None, 900);
    revived.saw(EXITED, 100);
    assert_eq!(revived.next(), None);
    let check = revived.check().expect("it");
    assert_eq!(
        (check.state, check.message.as_deref()),
        (CheckState::Broken, Some("its host died"))
    );
    revived.saw(AgentState::Starting, 1000);
    revived.saw(EXITED, 1100);
    assert_eq!(revived.start(1100).expect("it ran").run, Some(2));
}

#[test]
fn extreme_times_do_not_overflow() {
    let mut t = turns();
    t.saw(AgentState::Done, u64::MAX);
    assert!(t.start(u64::MAX).is_some());
    t.over(Some(Outcome::Exited(1)), 0);
    assert_eq!(t.check().and_then(|c| c.took_ms), Some(0));
}
