//! Tests of a digest as text.

use super::*;
use crate::client::digest::{Change, Visit};
use crate::model::{BlockedOn, EndKind, Ended, Push};

const MINUTE: Millis = 60_000;
const NOW: Millis = 1_800_000_000_000;

fn agent(number: u32, state: AgentState, came: &[AgentState]) -> AgentNews {
    let change = |state: &AgentState| Change {
        at: NOW,
        state: *state,
        message: None,
    };
    AgentNews {
        agent: number,
        name: "claude".into(),
        state,
        state_since: NOW - 3 * MINUTE,
        message: None,
        changes: came.iter().map(change).collect(),
        work: None,
        new_commits: 0,
        check: None,
        push: None,
    }
}

fn news(id: &str, agents: Vec<AgentNews>) -> News {
    News {
        session: id.parse().expect("a good id"),
        name: Some("auth".into()),
        provider: "ec2".into(),
        task: "add rate limit\nto api endpoints".into(),
        presence: Presence::Live,
        unreachable_because: None,
        since: Some(NOW - 60 * MINUTE),
        now: NOW,
        new: true,
        agents,
        visits: Vec::new(),
        warnings: Vec::new(),
        next_end: None,
        ended: None,
        cost_microusd: None,
        cost_since_microusd: None,
        incomplete: false,
    }
}

#[test]
fn who_waits_comes_first_then_what_was_made_and_who_is_silent_last() {
    use AgentState::{Done, Working};
    let asks = AgentState::Blocked {
        on: BlockedOn::Permission,
    };
    let mut one = agent(1, Done, &[Working, asks, Working, asks, Working, Done]);
    one.work = Some(Work {
        commits: 5,
        files: 1,
        insertions: 12,
        deletions: 3,
    });
    one.new_commits = 2;
    one.push = Some(Push {
        state: PushState::Failed,
        at: NOW,
        commit: None,
        message: Some("Permission denied".into()),
    });
    let mut two = agent(2, asks, &[]);
    two.message = Some("Allow it?\x1b[2J".into());
    let mut live = news("session-aaaaaa", vec![one, two]);
    live.visits = vec![Visit {
        who: "you@desk".into(),
        at: NOW - 40 * MINUTE,
        times: 2,
    }];
    (live.cost_microusd, live.cost_since_microusd) = (Some(210_000), Some(80_000));
    let mut silent = news("session-bbbbbb", Vec::new());
    silent.presence = Presence::Unreachable;
    silent.unreachable_because = Some("no answer in 2 s".into());
    let mut quiet = news("session-cccccc", Vec::new());
    quiet.new = false;
    let told = lines(&[live, silent, quiet], false, &Ui::plain(), NOW);
    assert_eq!(
        told,
        [
            "Waiting for you",
            "  session-aaaaaa/2 (auth)  \"Allow it?\u{fffd}[2J\" 3m  remote answer aaaaaa/2",
            "",
            "session-aaaaaa (auth)  add rate limit",
            "  AGENT  STATE                FOR  NEW        IN ALL                    SINCE THEN",
            "  1      done                 3m   2 commits  5 commits, 1 file +12 -3  … → blocked → working → blocked → \
             working → done",
            "  2      blocked(permission)  3m   -          -                         as it was",
            "  push      of agent 1: failed: Permission denied",
            "  visited   by you@desk, 2 times, 40m ago",
            "  cost      $0.08 since then, $0.21 in all",
            "",
            "session-bbbbbb (auth)  unreachable, seen just now: no answer in 2 s",
        ]
    );
}

#[test]
fn an_end_says_why_and_nothing_is_said_in_a_line() {
    let mut over = news("session-aaaaaa", vec![agent(1, AgentState::Lost, &[])]);
    over.presence = Presence::Ended;
    over.ended = Some(Ended {
        kind: EndKind::Ttl,
        at: NOW - 2 * MINUTE,
        why: "its time (TTL) is up".into(),
    });
    let told = lines(std::slice::from_ref(&over), false, &Ui::plain(), NOW);
    let last = told.last().expect("lines");
    assert_eq!(last, "  ended     2m ago: TTL: its time (TTL) is up");
    let wanted = Wanted {
        seen: crate::client::digest::Seen {
            at: Some(NOW - 8 * MINUTE),
            ..Default::default()
        },
        since: None,
        now: NOW,
        who: String::new(),
    };
    let line = nothing(3, true, &wanted, NOW).expect("a line");
    assert_eq!(line, "Nothing new since you looked 8m ago in 3 sessions.");
    assert_eq!(nothing(3, false, &wanted, NOW), None);
}
