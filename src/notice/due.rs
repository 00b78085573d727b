//! Which rule is to be followed for which news, and when: a state must have held for as long as the rule says, and of
//! one agent and one kind a rule tells at most once a minute, so that a flapping state makes no storm.

use std::collections::BTreeMap;

use crate::model::{Millis, News, NewsKind, SessionStatus};

/// Between two of one agent, one kind and one rule.
const APART_MS: Millis = 60_000;

/// What a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub on: Vec<NewsKind>,
    pub after: Millis,
}

/// One session's news against some rules, told by their places.
#[derive(Debug, Default)]
pub struct Due {
    rules: Vec<Wanted>,
    /// The last number that was looked at.
    seen: u64,
    waiting: Vec<(usize, News)>,
    told: BTreeMap<(usize, u32, NewsKind), Millis>,
}

impl Due {
    pub fn new(rules: Vec<Wanted>) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// What there is now is old.
    pub fn pass_over(&mut self, status: &SessionStatus) {
        let newest = status.news.iter().map(|n| n.number).max();
        self.pass_over_to(newest.unwrap_or(0));
    }

    /// What has that number, or a lower one, is old.
    pub fn pass_over_to(&mut self, number: u64) {
        self.seen = self.seen.max(number);
    }

    /// What is to be told now, by the session's clock. At a session's end nothing waits any longer.
    pub fn look(&mut self, status: &SessionStatus, now: Millis) -> Vec<(usize, News)> {
        for news in status.news.iter().filter(|n| n.number > self.seen) {
            for (rule, wanted) in self.rules.iter().enumerate() {
                if wanted.on.contains(&news.event) {
                    self.waiting.push((rule, news.clone()));
                }
            }
        }
        self.pass_over(status);
        let over = status.ended.is_some();
        let waiting = std::mem::take(&mut self.waiting);
        let mut now_due = Vec::new();
        for (rule, news) in waiting {
            if !still(&news, status) {
                continue;
            }
            if over || self.at(rule, &news) <= now {
                if let Some(agent) = news.agent {
                    self.told.insert((rule, agent, news.event), now);
                }
                now_due.push((rule, news));
            } else {
                self.waiting.push((rule, news));
            }
        }
        now_due
    }

    /// When to look again, by the session's clock.
    pub fn next(&self) -> Option<Millis> {
        self.waiting.iter().map(|(rule, n)| self.at(*rule, n)).min()
    }

    fn at(&self, rule: usize, news: &News) -> Millis {
        let Some(agent) = news.agent else {
            return news.at;
        };
        let after = self.rules.get(rule).map_or(0, |r| r.after);
        let held = news.since.saturating_add(after);
        match self.told.get(&(rule, agent, news.event)) {
            Some(last) => held.max(last.saturating_add(APART_MS)),
            None => held,
        }
    }
}

/// Whether it is so still. What a session as a whole has come to stays so.
fn still(news: &News, status: &SessionStatus) -> bool {
    let Some(number) = news.agent else {
        return true;
    };
    let told = status.news.iter().find(|n| n.number == news.number);
    let agent = status.agents.iter().find(|a| a.number == number);
    told.is_none_or(|n| !n.passed)
        && agent.is_some_and(|a| NewsKind::of(a.state) == Some(news.event))
}
