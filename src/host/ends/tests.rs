//! Which end comes when, and who is told before.

use super::*;
use crate::model::BlockedOn;

fn agent(state: AgentState, since: Millis) -> AgentFacts {
    AgentFacts {
        number: 1,
        state,
        since,
        activity: since,
        checking: false,
        checked: None,
    }
}

fn facts(now: Millis, ends: Ends, agents: &[AgentFacts]) -> Facts<'_> {
    Facts {
        now,
        ends,
        budget: None,
        started: 0,
        agents,
        detached: Some(0),
        ends_with_agents: true,
        not_before: 0,
    }
}

fn kinds(f: &Facts<'_>) -> Vec<(EndKind, Millis)> {
    coming(f).iter().map(|e| (e.kind, e.at)).collect()
}

const EXITED: AgentState = AgentState::Exited { code: 0 };
const ASKS: AgentState = AgentState::Blocked {
    on: BlockedOn::Question,
};

#[test]
fn a_plain_session_ends_with_its_agents_and_only_then() {
    let one = [agent(EXITED, 50), agent(AgentState::Working, 10)];
    assert!(kinds(&facts(99, Ends::default(), &one)).is_empty());
    let all = [agent(EXITED, 50), agent(AgentState::Exited { code: 2 }, 60)];
    let f = facts(99, Ends::default(), &all);
    assert_eq!(kinds(&f), [(EndKind::Exited, 60)]);
    assert!(matches!(Watch::default().due(&f)[..], [Effect::End(_)]));
    let keep = Ends {
        keep: true,
        ..Ends::default()
    };
    assert!(kinds(&facts(99, keep, &all)).is_empty());
    // Its creator may be bringing a repository over a slow line, and may have gone for good.
    let nobody = facts(99, Ends::default(), &[]);
    assert_eq!(kinds(&nobody), [(EndKind::Idle, 60 * MINUTE)]);
    assert!(kinds(&facts(99, keep, &[])).is_empty());
}

#[test]
fn idle_and_linger_count_from_the_last_of_everything() {
    let ends = Ends {
        linger_ms: Some(100),
        idle_ms: Some(1000),
        ..Ends::default()
    };
    let agents = [agent(AgentState::Done, 50), agent(AgentState::Error, 70)];
    let mut f = facts(80, ends, &agents);
    f.ends_with_agents = false;
    assert_eq!(kinds(&f), [(EndKind::Over, 170), (EndKind::Idle, 1070)]);
    f.detached = Some(75);
    assert_eq!(kinds(&f)[0], (EndKind::Over, 175));
    f.detached = None;
    assert!(kinds(&f).is_empty());
    let agents = [agent(AgentState::Unknown, 50), agent(AgentState::Done, 70)];
    assert_eq!(kinds(&facts(80, ends, &agents)), [(EndKind::Idle, 1070)]);
    let agents = [agent(AgentState::Working, 50), agent(ASKS, 70)];
    assert!(kinds(&facts(80, ends, &agents)).is_empty());
}

#[test]
fn the_work_is_not_over_while_it_is_checked_and_lingers_from_then_on() {
    let ends = Ends {
        linger_ms: Some(100),
        idle_ms: Some(1000),
        wait_limit_ms: Some(500),
        deadline: Some(9000),
        ..Ends::default()
    };
    let mut agents = [agent(EXITED, 50), agent(AgentState::Done, 60)];
    agents[0].checking = true;
    // Only what nothing holds up.
    assert_eq!(kinds(&facts(80, ends, &agents)), [(EndKind::Ttl, 9000)]);
    let asks = [agents[0], agent(ASKS, 60)];
    assert_eq!(
        kinds(&facts(80, ends, &asks))[0],
        (EndKind::Unanswered, 560)
    );
    agents[0].checking = false;
    agents[0].checked = Some(300);
    let found = kinds(&facts(300, ends, &agents));
    assert_eq!(found[..2], [(EndKind::Over, 400), (EndKind::Idle, 1300)]);
    let over = [agents[0]];
    assert_eq!(
        kinds(&facts(300, Ends::default(), &over)),
        [(EndKind::Exited, 300)]
    );
}

#[test]
fn a_question_is_told_of_at_once_and_at_half() {
    let ends = Ends {
        wait_limit_ms: Some(10_000),
        ..Ends::default()
    };
    let agents = [agent(ASKS, 1000)];
    let mut watch = Watch::default();
    assert!(matches!(
        watch.due(&facts(1000, ends, &agents))[..],
        [Effect::Warn { news: false, .. }]
    ));
    assert!(watch.due(&facts(2000, ends, &agents)).is_empty());
    assert_eq!(watch.next(&facts(2000, ends, &agents)), Some(6000));
    assert!(matches!(
        watch.due(&facts(6000, ends, &agents))[..],
        [Effect::Warn { news: true, .. }]
    ));
    assert!(matches!(
        watch.due(&facts(11_000, ends, &agents))[..],
        [Effect::End(_)]
    ));
}

#[test]
fn a_deadline_is_warned_of_twice_and_again_when_it_was_moved() {
    let at = |deadline| Ends {
        deadline: Some(deadline),
        keep: true,
        ..Ends::default()
    };
    let hour = 60 * MINUTE;
    let mut watch = Watch::default();
    assert!(watch.due(&facts(1, at(hour), &[])).is_empty());
    assert_eq!(watch.next(&facts(1, at(hour), &[])), Some(50 * MINUTE));
    let told = watch.due(&facts(50 * MINUTE, at(hour), &[]));
    let [Effect::Warn { text, news: true }] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(text.contains("10m") && text.contains("TTL"), "{text}");
    assert_eq!(watch.due(&facts(58 * MINUTE, at(hour), &[])).len(), 1);
    assert!(watch.due(&facts(59 * MINUTE, at(hour), &[])).is_empty());
    assert!(watch.due(&facts(59 * MINUTE, at(2 * hour), &[])).is_empty());
    assert_eq!(watch.due(&facts(110 * MINUTE, at(2 * hour), &[])).len(), 1);
    // A deadline so near that its warnings lie before the start has none.
    assert!(Watch::default().due(&facts(1, at(MINUTE), &[])).is_empty());
}

#[test]
fn extreme_times_do_not_overflow() {
    let ends = Ends {
        resume: false,
        resume_max_microusd: None,
        resume_on_demand: false,
        deadline: Some(u64::MAX),
        idle_ms: Some(u64::MAX),
        linger_ms: Some(u64::MAX),
        wait_limit_ms: Some(u64::MAX),
        keep: false,
    };
    let agents = [agent(AgentState::Done, u64::MAX)];
    let mut watch = Watch::default();
    assert!(watch.due(&facts(5, ends, &agents)).is_empty());
    let zero = Ends {
        deadline: Some(0),
        ..Ends::default()
    };
    assert!(matches!(
        watch.due(&facts(5, zero, &[]))[..],
        [Effect::End(_)]
    ));
}

fn spending(now: Millis, budget: Budget) -> Facts<'static> {
    // By nothing else than what it costs.
    let keep = Ends {
        keep: true,
        ..Ends::default()
    };
    let mut f = facts(now, keep, &[]);
    f.budget = Some(budget);
    f
}

#[test]
fn a_budget_lasts_as_long_as_its_price_says_and_is_warned_of_like_a_deadline() {
    let budget = Budget {
        microusd: 500_000,
        microusd_per_hour: 1_000_000,
        created: 1000,
    };
    let end = 1000 + 30 * MINUTE;
    let f = spending(5000, budget);
    assert_eq!(kinds(&f), [(EndKind::Budget, end)]);
    let mut watch = Watch::default();
    assert!(watch.due(&f).is_empty());
    assert_eq!(watch.next(&f), Some(end - 10 * MINUTE));
    for before in [10, 2] {
        let told = watch.due(&spending(end - before * MINUTE, budget));
        let [Effect::Warn { text, news: true }] = &told[..] else {
            panic!("{told:?}");
        };
        assert!(text.contains("budget"), "{text}");
    }
    let ended = watch.due(&spending(end, budget));
    assert!(matches!(&ended[..], [Effect::End(e)] if e.kind == EndKind::Budget));
    // More money: the end moves, and is warned of anew.
    let more = Budget {
        microusd: 1_000_000,
        ..budget
    };
    assert!(watch.due(&spending(end, more)).is_empty());
    assert_eq!(watch.due(&spending(1000 + 50 * MINUTE, more)).len(), 1);
    // It counts beside `keep`, and the sooner of it and the deadline comes.
    let mut f = spending(5000, budget);
    f.ends.keep = true;
    f.ends.deadline = Some(end - 1);
    assert_eq!(kinds(&f)[0], (EndKind::Ttl, end - 1));
    assert_eq!(kinds(&f)[1], (EndKind::Budget, end));
}

#[test]
fn a_budget_of_less_than_a_minute_is_used_up_at_once_and_nothing_costs_nothing() {
    let at = |microusd, microusd_per_hour| {
        let created = 7;
        Budget {
            microusd,
            microusd_per_hour,
            created,
        }
        .used_up()
    };
    assert_eq!(at(0, 1), Some(7));
    assert_eq!(at(999, 60_000), Some(7));
    assert_eq!(at(1000, 60_000), Some(7 + MINUTE));
    assert_eq!(at(5, 0), None);
    assert_eq!(at(u64::MAX, 1), Some(u64::MAX));
    assert_eq!(at(u64::MAX, u64::MAX), Some(7 + 60 * MINUTE));
}
