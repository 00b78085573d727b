//! What becomes news and when somebody is told of it, in virtual time.

use super::*;
use crate::model::{
    AgentState, AgentStatus, BlockedOn, EndKind, Ended, Ends, Evidence, Millis, News, NewsKind,
    SessionSpec, SessionStatus, Source,
};

const ASKS: AgentState = AgentState::Blocked {
    on: BlockedOn::Permission,
};

fn agent(number: u32, state: AgentState, since: Millis) -> AgentStatus {
    AgentStatus {
        since,
        evidence: Evidence {
            source: Source::Hook,
            at: since,
            message: Some("Allow make?".into()),
            progress: None,
        },
        ..AgentStatus::sample(number, state)
    }
}

/// A session's desk and what its host says.
#[derive(Default)]
struct Session {
    desk: Desk,
    agents: Vec<AgentStatus>,
    ended: Option<Ended>,
}

impl Session {
    fn becomes(&mut self, number: u32, state: AgentState, now: Millis) {
        self.agents.retain(|a| a.number != number);
        let agent = agent(number, state, now);
        self.desk.saw(&agent, now);
        self.agents.push(agent);
    }

    fn status(&mut self, now: Millis) -> SessionStatus {
        self.desk.look(now);
        SessionStatus {
            spec: SessionSpec {
                id: "session-abc234".parse().expect("a name"),
                name: Some("auth".into()),
                task: String::new(),
                provider: "ec2".into(),
                owner: String::new(),
                created: 0,
                ends: Ends::default(),
                agents: Vec::new(),
                price_microusd_per_hour: 0,
                budget_microusd: None,
                workspace: None,
            },
            agents: self.agents.clone(),
            attached: Vec::new(),
            ends: Vec::new(),
            ended: self.ended.clone(),
            warnings: Vec::new(),
            news: self.desk.news(),
            volume: None,
            load: None,
            now,
            version: "0".into(),
        }
    }

    fn news(&mut self, now: Millis) -> Vec<(u64, Option<u32>, NewsKind)> {
        let news = self.status(now).news;
        news.iter().map(|n| (n.number, n.agent, n.event)).collect()
    }
}

fn rule(on: &[NewsKind], after: Millis) -> Due {
    Due::new(vec![Wanted {
        on: on.to_vec(),
        after,
    }])
}

/// When `due` tells of `session`, by its own clock, up to `until`.
fn told(due: &mut Due, session: &mut Session, from: Millis, until: Millis) -> Vec<Millis> {
    let mut now = from;
    let mut told = Vec::new();
    while now <= until {
        told.extend(due.look(&session.status(now), now).iter().map(|_| now));
        now += 100;
    }
    told
}

#[test]
fn what_holds_for_a_moment_is_news_once() {
    let mut s = Session::default();
    s.becomes(1, ASKS, 1_000);
    assert_eq!(s.news(1_900), []);
    assert_eq!(s.desk.next(), Some(2_000));
    assert_eq!(s.news(2_000), [(1, Some(1), NewsKind::Blocked)]);
    assert_eq!(s.news(9_000).len(), 1);
    assert_eq!(s.desk.next(), None);
    // Better known, and still the same.
    let unclear = AgentState::Blocked {
        on: BlockedOn::Unknown,
    };
    s.becomes(2, unclear, 10_000);
    s.becomes(2, ASKS, 12_000);
    assert_eq!(s.news(20_000).len(), 2);
    // Another question.
    s.becomes(1, AgentState::Working, 21_000);
    s.becomes(1, ASKS, 22_000);
    assert_eq!(
        s.news(30_000).last(),
        Some(&(3, Some(1), NewsKind::Blocked))
    );
}

#[test]
fn a_blink_is_none_and_an_exit_needs_no_time() {
    let mut s = Session::default();
    s.becomes(1, ASKS, 0);
    s.becomes(1, AgentState::Working, 900);
    s.becomes(2, AgentState::Done, 0);
    assert_eq!(s.news(5_000), [(1, Some(2), NewsKind::Done)]);
    s.becomes(2, AgentState::Exited { code: 0 }, 6_000);
    assert_eq!(s.news(9_000).len(), 1, "it had said so");
    s.becomes(1, AgentState::Exited { code: 3 }, 9_000);
    assert_eq!(s.news(9_000).last(), Some(&(2, Some(1), NewsKind::Error)));
}

#[test]
fn a_host_goes_on_where_the_one_before_was() {
    let mut s = Session::default();
    s.becomes(1, ASKS, 0);
    let news = s.status(5_000).news;
    let mut next = Session::default();
    next.desk.go_on(&news);
    next.agents = vec![agent(1, ASKS, 0)];
    next.desk.saw(&agent(1, ASKS, 0), 10_000);
    assert_eq!(next.news(20_000), [(1, Some(1), NewsKind::Blocked)]);
    next.desk
        .say(NewsKind::Ended, "it is over", Some(380_000), 30_000);
    assert_eq!(next.news(30_000).last(), Some(&(2, None, NewsKind::Ended)));
    assert_eq!(next.desk.before(), 1);
}

#[test]
fn only_so_much_is_kept() {
    let mut desk = Desk::default();
    for n in 0..100 {
        desk.say(NewsKind::Ending, "soon", None, n);
    }
    let news = desk.news();
    assert_eq!(news.len(), 16);
    assert_eq!(news.last().map(|n| n.number), Some(100));
}

#[test]
fn a_rule_waits_for_as_long_as_it_says_and_tells_once() {
    let mut s = Session::default();
    s.becomes(1, ASKS, 0);
    let mut due = rule(&[NewsKind::Blocked], 30_000);
    assert!(told(&mut due, &mut s, 1_000, 29_000).is_empty());
    assert_eq!(due.next(), Some(30_000));
    assert_eq!(told(&mut due, &mut s, 29_500, 200_000), [30_000]);
    // Better known meanwhile.
    let unclear = AgentState::Blocked {
        on: BlockedOn::Unknown,
    };
    s.becomes(2, unclear, 190_000);
    assert!(told(&mut due, &mut s, 190_000, 191_500).is_empty());
    s.becomes(2, ASKS, 192_000);
    assert_eq!(told(&mut due, &mut s, 192_000, 230_000), [220_000]);
    s.becomes(2, AgentState::Working, 230_000);
    // Answered before.
    s.becomes(1, AgentState::Working, 300_000);
    s.becomes(1, ASKS, 301_000);
    assert!(told(&mut due, &mut s, 303_000, 320_000).is_empty());
    s.becomes(1, AgentState::Working, 321_000);
    assert!(told(&mut due, &mut s, 321_000, 500_000).is_empty());
    // Not asked for.
    let mut other = rule(&[NewsKind::Done], 0);
    assert!(told(&mut other, &mut s, 0, 1_000).is_empty());
}

#[test]
fn a_flapping_state_makes_no_storm_and_is_not_forgotten() {
    let mut s = Session::default();
    let mut due = rule(&[NewsKind::Blocked], 1_000);
    let mut all = Vec::new();
    // It asks for 4 s and works for 2 s, for five minutes, and then it asks for good.
    for round in 0..50 {
        let at = round * 6_000;
        s.becomes(1, ASKS, at);
        all.extend(told(&mut due, &mut s, at, at + 3_900));
        s.becomes(1, AgentState::Working, at + 4_000);
        all.extend(told(&mut due, &mut s, at + 4_000, at + 5_900));
    }
    s.becomes(1, ASKS, 300_000);
    all.extend(told(&mut due, &mut s, 300_000, 400_000));
    assert!((5..=6).contains(&all.len()), "{all:?}");
    assert!(all.windows(2).all(|w| w[1] - w[0] >= 60_000), "{all:?}");
    assert!(all.last().is_some_and(|last| *last >= 300_000), "{all:?}");
    // Another agent has its own minute.
    s.becomes(2, ASKS, 400_000);
    assert_eq!(told(&mut due, &mut s, 400_000, 410_000), [401_000]);
}

#[test]
fn at_the_end_nothing_waits_and_old_news_is_passed_over() {
    let mut s = Session::default();
    s.becomes(1, ASKS, 0);
    let mut due = rule(&NewsKind::ALL, 600_000);
    due.pass_over(&s.status(5_000));
    assert!(told(&mut due, &mut s, 5_000, 700_000).is_empty());
    s.becomes(2, AgentState::Exited { code: 1 }, 700_000);
    assert!(told(&mut due, &mut s, 700_000, 700_500).is_empty());
    s.desk.say(NewsKind::Ended, "terminated", None, 701_000);
    s.ended = Some(Ended {
        kind: EndKind::Terminated,
        at: 701_000,
        why: String::new(),
    });
    assert_eq!(told(&mut due, &mut s, 701_000, 701_000), [701_000, 701_000]);
}

#[test]
fn words_are_for_people_and_harmless_where_they_go() {
    let mut s = Session::default();
    let status = s.status(0);
    let mut news = News {
        number: 7,
        event: NewsKind::Blocked,
        agent: Some(2),
        state: Some("blocked(permission)".into()),
        message: Some("<!channel> a & b\u{1b}]".into()),
        since: 0,
        at: 1_000,
        passed: false,
        total_microusd: None,
    };
    assert_eq!(
        text(&status, &news),
        "auth/2 is blocked(permission): <!channel> a & b]"
    );
    let json = payload(&status, &news);
    assert_eq!(
        json["text"],
        "auth/2 is blocked(permission): &lt;!channel&gt; a &amp; b]"
    );
    assert_eq!(json["message"], "<!channel> a & b]");
    assert_eq!(json["at"], "1970-01-01T00:00:01.000Z");
    assert!(json.get("total").is_none());
    news = News {
        event: NewsKind::Ended,
        agent: None,
        state: None,
        message: Some("its time (TTL) is up".into()),
        total_microusd: Some(380_000),
        ..news
    };
    let said = "auth has ended: its time (TTL) is up; total $0.38";
    assert_eq!(text(&status, &news), said);
    assert_eq!(payload(&status, &news)["total"], "$0.38");
    news.event = NewsKind::Ending;
    news.total_microusd = None;
    news.message = Some("this session ends in 2m: its time (TTL) is up".into());
    assert_eq!(
        text(&status, &news),
        "auth ends in 2m: its time (TTL) is up"
    );
    let env = environment(&status, &news);
    let find = |name: &str| env.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(find("REMOTE_NOTICE_EVENT"), Some("ending"));
    assert_eq!(find("REMOTE_NOTICE_SESSION"), Some("session-abc234"));
}
