//! Tests of `wrapup`.

use super::*;

#[test]
fn members_are_found_by_session_and_by_marks_and_nothing_else_is() {
    let process = |pid, session| Process {
        pid,
        parent: 1,
        session,
        zombie: false,
        ticks: 0,
    };
    let mut dead = process(12, 10);
    dead.zombie = true;
    let all = [
        process(10, 10),
        process(11, 10),
        dead,
        process(20, 20),
        process(21, 21),
        process(22, 22),
        process(std::process::id(), 10),
    ];
    let targets = [Target {
        agent: 2,
        pid: Some(10),
    }];
    let marks = |pid| match pid {
        20 => Some(("session-aaaaaa".to_owned(), 2)),
        21 => Some(("session-aaaaaa".to_owned(), 1)),
        22 => Some(("session-bbbbbb".to_owned(), 2)),
        _ => None,
    };
    assert_eq!(
        members(&targets, "session-aaaaaa", &all, marks),
        [10, 11, 20]
    );
}
