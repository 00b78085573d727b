//! From agents' states to news, at a session's host: what has held for a moment is news once.

use std::collections::{BTreeMap, VecDeque};

use crate::model::{AgentState, AgentStatus, BlockedOn, Millis, News, NewsKind};

/// What does not last so long is none. A process that is over is so at once.
const HOLD_MS: Millis = 1_000;
/// So much of it is kept for those who ask: each asks much more often.
const KEPT: usize = 16;

/// A session's news.
#[derive(Debug, Default)]
pub struct Desk {
    /// The last number given.
    last: u64,
    before: u64,
    kept: VecDeque<News>,
    agents: BTreeMap<u32, Standing>,
}

/// How an agent is, as far as that may be news.
#[derive(Debug)]
struct Standing {
    kind: NewsKind,
    state: AgentState,
    message: Option<String>,
    since: Millis,
    /// The number it has as news.
    told: Option<u64>,
}

impl Standing {
    fn due(&self) -> Millis {
        let hold = if self.state.is_over() { 0 } else { HOLD_MS };
        self.since.saturating_add(hold)
    }

    /// The same as before, though perhaps better known by now.
    fn goes_on(&self, state: AgentState, since: Millis) -> bool {
        let unclear = |s| {
            matches!(
                s,
                AgentState::Blocked {
                    on: BlockedOn::Unknown
                }
            )
        };
        NewsKind::of(state) == Some(self.kind)
            && (self.since == since
                || unclear(self.state)
                || unclear(state)
                // It said so, and then it has gone.
                || state.is_over())
    }
}

impl Desk {
    /// What an earlier host of this session told goes on from there.
    pub fn go_on(&mut self, news: &[News]) {
        self.last = news.iter().map(|n| n.number).max().unwrap_or(0);
        self.before = self.last;
        self.kept = news.iter().cloned().collect();
    }

    /// An agent's state, at each change of it.
    pub fn saw(&mut self, agent: &AgentStatus, now: Millis) {
        let message = || agent.evidence.message.clone();
        let Some(kind) = NewsKind::of(agent.state) else {
            self.passes(agent.number);
            return;
        };
        match self.agents.get_mut(&agent.number) {
            Some(standing) if standing.goes_on(agent.state, agent.since) => {
                standing.state = agent.state;
                standing.message = message();
            }
            _ => {
                self.passes(agent.number);
                // By the host before this one.
                let mut earlier = self.kept.iter().filter(|n| !n.passed);
                let told = earlier.find(|n| {
                    n.agent == Some(agent.number) && n.event == kind && n.at >= agent.since
                });
                let told = told.map(|n| n.number);
                let standing = Standing {
                    kind,
                    state: agent.state,
                    message: message(),
                    since: agent.since,
                    told,
                };
                self.agents.insert(agent.number, standing);
            }
        }
        self.look(now);
    }

    /// It is not so any more.
    fn passes(&mut self, agent: u32) {
        let told = self.agents.remove(&agent).and_then(|s| s.told);
        if let Some(news) = self.kept.iter_mut().find(|n| Some(n.number) == told) {
            news.passed = true;
        }
    }

    /// Makes news of what has held for long enough; whether there is any.
    pub fn look(&mut self, now: Millis) -> bool {
        let mut new = Vec::new();
        for (number, standing) in &mut self.agents {
            if standing.told.is_none() && standing.due() <= now {
                self.last = self.last.saturating_add(1);
                standing.told = Some(self.last);
                new.push(News {
                    number: self.last,
                    event: standing.kind,
                    agent: Some(*number),
                    state: Some(standing.state.to_string()),
                    message: standing.message.clone(),
                    since: standing.since,
                    at: now,
                    passed: false,
                    total_microusd: None,
                });
            }
        }
        let any = !new.is_empty();
        new.into_iter().for_each(|news| self.put(news));
        any
    }

    /// When to look again.
    pub fn next(&self) -> Option<Millis> {
        let waits = self.agents.values().filter(|s| s.told.is_none());
        waits.map(Standing::due).min()
    }

    /// Something about the session as a whole.
    pub fn say(
        &mut self,
        event: NewsKind,
        message: &str,
        total_microusd: Option<u64>,
        now: Millis,
    ) {
        self.last = self.last.saturating_add(1);
        self.put(News {
            number: self.last,
            event,
            agent: None,
            state: None,
            message: Some(message.to_owned()).filter(|m| !m.is_empty()),
            since: now,
            at: now,
            passed: false,
            total_microusd,
        });
    }

    fn put(&mut self, news: News) {
        self.kept.push_back(news);
        while self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// The last number there is.
    pub fn newest(&self) -> u64 {
        self.last
    }

    /// The last number that a host before this one gave.
    pub fn before(&self) -> u64 {
        self.before
    }

    /// The newest, in order.
    pub fn news(&self) -> Vec<News> {
        self.kept.iter().cloned().collect()
    }
}
