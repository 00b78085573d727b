//! What is new in what sessions' hosts say: their own news, checks, ends that near, connections that are lost. It is
//! all in the reports that the list is made of; here it becomes sentences, each once.

use std::collections::BTreeMap;

use super::home::{AgentKey, age};
use super::toasts::Tone;
use crate::client::status::{Presence, Report};
use crate::cost::Lately;
use crate::model::{CheckState, Millis, Money, NewsKind, SessionId, SessionStatus};
use crate::notice;

/// An end that is nearer than this is soon.
pub const SOON: Millis = 5 * 60_000;
/// Percent of a day's budget at which it is told of.
const MARKS: [u64; 2] = [80, 100];

/// Something new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub tone: Tone,
    /// Whose, where it is one agent's.
    pub agent: Option<AgentKey>,
    /// It says no more than the agent's state does.
    pub is_state: bool,
    pub text: String,
}

/// What was heard already.
#[derive(Debug)]
pub struct Heard {
    /// What was before is old.
    began: Millis,
    sessions: BTreeMap<SessionId, Before>,
    /// Percent of the day's budget that were told of, once any were seen.
    spent: Option<u64>,
}

#[derive(Debug)]
struct Before {
    /// The number of its last news.
    news: u64,
    presence: Presence,
    /// Each agent's newest check: its run and what came of it.
    checks: BTreeMap<u32, (u32, CheckState)>,
    /// The deadline that was said to be near.
    soon: Option<Millis>,
}

impl Heard {
    pub fn new(began: Millis) -> Self {
        Self {
            began,
            sessions: BTreeMap::new(),
            spent: None,
        }
    }

    /// What a report says that none before it said. Of a session that was there before us, the first one is old.
    pub fn see(&mut self, report: &Report) -> Vec<Item> {
        let status = report.status.as_ref();
        let began = status.is_some_and(|s| s.spec.created >= self.began);
        let known = self.sessions.contains_key(&report.session);
        let before = self
            .sessions
            .entry(report.session.clone())
            .or_insert_with(|| Before {
                news: 0,
                presence: report.presence,
                checks: BTreeMap::new(),
                soon: None,
            });
        let mut items = Vec::new();
        let said = |tone, text: String| Item {
            tone,
            agent: None,
            is_state: false,
            text,
        };
        if let Some(status) = status {
            items.extend(news(status, before.news));
            items.extend(checks(status, &mut before.checks));
            before.news = status
                .news
                .iter()
                .map(|n| n.number)
                .fold(before.news, u64::max);
        }
        let name = name(report);
        let was = std::mem::replace(&mut before.presence, report.presence);
        match (was, report.presence) {
            (Presence::Live, Presence::Unreachable) => {
                let why = report.unreachable_because.as_deref().unwrap_or("no answer");
                items.push(said(Tone::Bad, format!("{name}: connection lost: {why}")));
            }
            (Presence::Unreachable, Presence::Live) => {
                items.push(said(Tone::Good, format!("{name} answers again")));
            }
            (was, Presence::Lost) if was != Presence::Lost => {
                items.push(said(Tone::Bad, format!("{name}: its host died")));
            }
            _ => {}
        }
        if known || began { items } else { Vec::new() }
    }

    /// Says once of each deadline that it is near, by [`Report::ttl_left_ms`].
    pub fn soon(&mut self, report: &Report) -> Option<Item> {
        let before = self.sessions.get_mut(&report.session)?;
        let left = report.ttl_left_ms.filter(|left| *left < SOON)?;
        let deadline = report.status.as_ref()?.spec.ends.deadline;
        if deadline.is_none() || before.soon == deadline {
            return None;
        }
        before.soon = deadline;
        Some(Item {
            tone: Tone::Wanted,
            agent: None,
            is_state: false,
            text: format!(
                "{} ends in {}: its time (TTL) is up",
                name(report),
                age(0, left)
            ),
        })
    }

    /// Whether the day's budget has come to one of its marks.
    pub fn spent(&mut self, lately: &Lately, daily: Option<Money>) -> Option<Item> {
        let daily = daily?;
        let percent = share(lately.today, daily);
        let mark = MARKS
            .into_iter()
            .filter(|m| *m <= percent)
            .max()
            .unwrap_or(0);
        let before = self.spent.replace(mark);
        // What was so before we came is seen in the list; a new day begins below.
        let told = before.is_some_and(|before| mark > before);
        told.then(|| Item {
            tone: if mark >= 100 { Tone::Bad } else { Tone::Wanted },
            agent: None,
            is_state: false,
            text: format!(
                "today has cost {} of {daily} ({percent}%)",
                lately.certainty.of(lately.today)
            ),
        })
    }
}

/// `part` of `whole` in percent; 100 where there is no whole.
pub fn share(part: Money, whole: Money) -> u64 {
    let percent = u128::from(part.as_micros()) * 100;
    percent
        .checked_div(u128::from(whole.as_micros()))
        .map_or(100, |p| u64::try_from(p).unwrap_or(u64::MAX))
}

/// What a session is called.
fn name(report: &Report) -> &str {
    report.name.as_deref().unwrap_or(report.session.as_str())
}

fn news(status: &SessionStatus, after: u64) -> Vec<Item> {
    let session = &status.spec.id;
    let new = status.news.iter().filter(|n| n.number > after && !n.passed);
    new.map(|n| Item {
        tone: match n.event {
            NewsKind::Blocked | NewsKind::Ending => Tone::Wanted,
            NewsKind::Done => Tone::Good,
            NewsKind::Error | NewsKind::Interrupted => Tone::Bad,
            NewsKind::Ended | NewsKind::Unknown => Tone::Plain,
        },
        agent: n.agent.map(|number| (session.clone(), number)),
        is_state: n.agent.is_some(),
        text: notice::text(status, n),
    })
    .collect()
}

fn checks(status: &SessionStatus, before: &mut BTreeMap<u32, (u32, CheckState)>) -> Vec<Item> {
    let spec = &status.spec;
    let name = spec.name.as_deref().unwrap_or(spec.id.as_str());
    let mut items = Vec::new();
    for agent in &status.agents {
        let Some(check) = &agent.check else {
            continue;
        };
        let now = (check.run, check.state);
        if before.insert(agent.number, now) == Some(now) {
            continue;
        }
        let tone = match check.state {
            CheckState::Passed => Tone::Good,
            CheckState::Failed | CheckState::Broken => Tone::Bad,
            CheckState::Running | CheckState::Unknown => continue,
        };
        items.push(Item {
            tone,
            agent: Some((spec.id.clone(), agent.number)),
            is_state: false,
            text: format!("{name}/{}: check {check}", agent.number),
        });
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AgentState, Certainty, Check, News};
    use crate::tui::home::tests::report;

    fn texts(items: Vec<Item>) -> Vec<String> {
        items.into_iter().map(|i| i.text).collect()
    }

    fn with_news(mut report: Report, number: u64) -> Report {
        let status = report.status.as_mut().expect("a status");
        status.news.push(News {
            number,
            event: NewsKind::Blocked,
            agent: Some(1),
            state: Some("blocked".into()),
            message: Some(format!("Question {number}?")),
            since: 0,
            at: 0,
            passed: false,
            total_microusd: None,
        });
        report
    }

    #[test]
    fn news_is_told_once_and_what_was_before_us_not_at_all() {
        let plain = || report("session-aaaaaa", 5, &[AgentState::Working]);
        let mut heard = Heard::new(10);
        assert!(heard.see(&with_news(plain(), 1)).is_empty());
        let two = with_news(with_news(plain(), 1), 2);
        assert_eq!(
            texts(heard.see(&two)),
            ["session-aaaaaa/1 is blocked: Question 2?"]
        );
        assert!(heard.see(&two).is_empty());
        // A session that began after us has nothing old.
        let mut heard = Heard::new(5);
        let items = heard.see(&with_news(plain(), 1));
        assert!(items[0].is_state && items[0].tone == Tone::Wanted);
        assert_eq!(items[0].agent.as_ref().map(|a| a.1), Some(1));
    }

    #[test]
    fn checks_ends_that_near_and_lost_connections_are_told() {
        let checked = |run, state| {
            let mut report = report("session-aaaaaa", 0, &[AgentState::Done]);
            report.name = Some("auth".into());
            let status = report.status.as_mut().expect("a status");
            status.spec.name.clone_from(&report.name);
            status.agents[0].check = Some(Check {
                state,
                code: Some(2),
                since: 0,
                took_ms: None,
                run,
                message: None,
            });
            report
        };
        let mut heard = Heard::new(10);
        let running = checked(1, CheckState::Running);
        assert!(heard.see(&running).is_empty());
        let failed = checked(1, CheckState::Failed);
        assert_eq!(texts(heard.see(&failed)), ["auth/1: check failed(2)"]);
        assert!(heard.see(&failed).is_empty());
        let again = checked(2, CheckState::Passed);
        assert_eq!(texts(heard.see(&again)), ["auth/1: check passed"]);
        let mut lost = again.clone();
        lost.presence = Presence::Unreachable;
        lost.unreachable_because = Some("no answer in 2 s".into());
        let told = "auth: connection lost: no answer in 2 s";
        assert_eq!(texts(heard.see(&lost)), [told]);
        assert_eq!(texts(heard.see(&again)), ["auth answers again"]);
        let mut soon = again.clone();
        soon.ttl_left_ms = Some(4 * 60_000);
        soon.status.as_mut().expect("one").spec.ends.deadline = Some(77);
        let told = "auth ends in 4m: its time (TTL) is up";
        assert!(heard.soon(&again).is_none());
        assert_eq!(heard.soon(&soon).map(|i| i.text).as_deref(), Some(told));
        assert!(heard.soon(&soon).is_none());
        lost.presence = Presence::Lost;
        assert_eq!(texts(heard.see(&lost)), ["auth: its host died"]);
    }

    #[test]
    fn a_day_s_budget_is_told_of_at_its_marks() {
        let spent = |cents: u64| Lately {
            today: Money::micros(cents * 10_000),
            certainty: Certainty::About,
            hours: Vec::new(),
            sessions: BTreeMap::new(),
        };
        let daily = Some(Money::micros(5_000_000));
        let mut heard = Heard::new(0);
        let mut at = |cents| heard.spent(&spent(cents), daily).map(|i| i.text);
        assert_eq!((at(100), at(399)), (None, None));
        let told = "today has cost ≈$4.10 of $5.00 (82%)";
        assert_eq!(at(410).as_deref(), Some(told));
        assert_eq!(at(411), None);
        assert!(at(600).is_some() && at(700).is_none());
        // The next day.
        assert!(at(1).is_none() && at(400).is_some());
        assert_eq!(heard.spent(&spent(900), None), None);
        assert_eq!(share(Money::micros(1), Money::ZERO), 100);
    }
}
