//! Tests of what is news.

use super::*;
use crate::client::control::Happened;
use crate::client::status::tests::status;
use crate::model::{BlockedOn, EndKind, SessionStatus, Source};

const ASKS: AgentState = AgentState::Blocked {
    on: BlockedOn::Permission,
};

fn report(
    presence: Presence,
    status: SessionStatus,
    events: Option<Vec<(Millis, What)>>,
) -> Report {
    let events = events.map(|e| Happened {
        events: e
            .into_iter()
            .map(|(at, what)| SessionEvent { at, what })
            .collect(),
        now: status.now,
    });
    Report {
        session: status.spec.id.clone(),
        name: None,
        provider: "local".into(),
        owner: None,
        presence,
        unreachable_because: None,
        place: String::new(),
        seen: status.now,
        ttl_left_ms: None,
        status: Some(status),
        happened: events,
    }
}

fn state(agent: u32, state: AgentState) -> What {
    What::State {
        agent,
        state,
        source: Source::Report,
        message: None,
    }
}

fn work(agent: u32, commits: u64) -> What {
    let work = Work {
        commits,
        files: 3,
        insertions: 10,
        deletions: 2,
    };
    What::Work { agent, work }
}

fn attached(who: &str) -> What {
    let who = who.to_owned();
    What::Attached { agent: 1, who }
}

#[test]
fn what_was_shown_is_no_news_and_what_came_since_is() {
    let mut now = status("session-abc234", &[AgentState::Done, ASKS]);
    now.now = 100;
    now.spec.price_microusd_per_hour = 3_600_000_000;
    now.agents[0].work = Some(Work {
        commits: 5,
        ..Work::default()
    });
    let events = vec![
        (10, state(1, AgentState::Working)),
        (20, work(1, 2)),
        (30, state(1, ASKS)),
        (40, attached("me@laptop")),
        (41, attached("you@desk")),
        (42, attached("you@desk")),
        (50, state(1, AgentState::Done)),
        (60, work(1, 5)),
        (70, What::Warning { text: "w".into() }),
    ];
    let first = report(Presence::Live, now.clone(), Some(events.clone()));
    let first = news(first, &Window::All, "me@laptop");
    assert_eq!((first.new, first.agents[0].new_commits), (true, 5));
    assert_eq!(first.waiting().map(|a| a.agent).collect::<Vec<_>>(), [2]);

    let shown_at = |at, commits| {
        Window::After(Mark {
            at,
            commits: BTreeMap::from([(1, commits)]),
            over: false,
        })
    };
    // As the host sends it: what came later alone.
    let later = events.iter().filter(|e| e.0 > 30).cloned().collect();
    let then = report(Presence::Live, now.clone(), Some(later));
    let then = news(then, &shown_at(30, 2), "me@laptop");
    let words: Vec<_> = then.agents[0].changes.iter().map(|c| c.state).collect();
    assert_eq!(
        (words, then.agents[0].new_commits),
        (vec![AgentState::Done], 3)
    );
    let you = Visit {
        who: "you@desk".into(),
        at: 42,
        times: 2,
    };
    assert_eq!(
        (then.visits, then.warnings),
        (vec![you], vec!["w".to_owned()])
    );
    // A minute is paid for in any case.
    assert_eq!(
        (then.cost_microusd, then.cost_since_microusd),
        (Some(60_000_000), Some(0))
    );

    let nothing = report(Presence::Live, now.clone(), Some(Vec::new()));
    let nothing = news(nothing, &shown_at(100, 5), "me@laptop");
    assert!(!nothing.new && nothing.waiting().count() == 1 && !nothing.incomplete);

    let aged = report(Presence::Live, now, Some(events));
    let aged = news(aged, &Window::Age(60), "me@laptop");
    assert_eq!((aged.since, aged.agents[0].new_commits), (Some(40), 3));
}

#[test]
fn an_end_is_told_once_and_so_is_a_host_that_died() {
    let mut over = status("session-abc234", &[AgentState::Lost]);
    let mark = |over| {
        Window::After(Mark {
            at: 1000,
            commits: BTreeMap::new(),
            over,
        })
    };
    let told = |status: &SessionStatus, presence, window: &Window| {
        news(
            report(presence, status.clone(), Some(Vec::new())),
            window,
            "",
        )
        .new
    };
    assert!(told(&over, Presence::Lost, &mark(false)));
    assert!(!told(&over, Presence::Lost, &mark(true)));
    over.ended = Some(Ended {
        kind: EndKind::Ttl,
        at: 900,
        why: "time".into(),
    });
    assert!(told(&over, Presence::Ended, &mark(false)));
    assert!(!told(&over, Presence::Ended, &mark(true)));
    assert!(told(&over, Presence::Ended, &Window::All));
}

#[test]
fn an_older_host_is_told_of_by_its_status_and_a_cut_is_said() {
    let mut now = status("session-abc234", &[AgentState::Done]);
    now.now = 100;
    now.agents[0].since = 50;
    let mark = |at| {
        Window::After(Mark {
            at,
            ..Mark::default()
        })
    };
    let of = |window: &Window| news(report(Presence::Live, now.clone(), None), window, "");
    assert!(of(&mark(40)).new && of(&mark(40)).incomplete);
    assert!(!of(&mark(60)).new);
    let cut = vec![(45, What::Cut), (50, state(1, AgentState::Done))];
    let cut = report(Presence::Live, now.clone(), Some(cut));
    assert!(news(cut.clone(), &mark(40), "").incomplete);
    assert!(!news(cut, &mark(45), "").incomplete);
}
