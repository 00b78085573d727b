//! Sessions in sentences: what there is, and what has changed since it was said.

use std::collections::BTreeMap;

use crate::client::status::{Presence, Report};
use crate::cost::Lately;
use crate::model::{AgentState, AgentStatus, BlockedOn, Millis, Money, SessionId};
use crate::tui::heard::{Heard, SOON, share};
use crate::tui::home::{AgentKey, Home, Row};

/// What was said, and of whom.
pub struct Speaker {
    pub(super) home: Home,
    heard: Heard,
    /// Agents by their numbers, from 1; one keeps its own for as long as we run.
    pub(super) numbers: Vec<AgentKey>,
    /// What was said last of each.
    said: BTreeMap<AgentKey, String>,
    listed: bool,
    /// A task of one word, for which a yes is waited for.
    pub(super) doubted: Option<String>,
}

impl Speaker {
    pub fn new(began: Millis, daily: Option<Money>) -> Self {
        let mut home = Home::new();
        home.daily = daily;
        Self {
            home,
            heard: Heard::new(began),
            numbers: Vec::new(),
            said: BTreeMap::new(),
            listed: false,
            doubted: None,
        }
    }

    /// Whether a session has been heard of.
    pub fn knows(&self, session: &SessionId) -> bool {
        self.home.report(session).is_some()
    }

    /// A session's host has spoken: what is new.
    pub fn see(&mut self, report: Report, spent: Option<Money>) -> Vec<String> {
        let items = self.heard.see(&report);
        let soon = self.heard.soon(&report);
        let session = report.session.clone();
        self.home.see(report, spent);
        let mut lines = self.changes(&session);
        // The state was said with the agent.
        let more = items.into_iter().filter(|i| !i.is_state).chain(soon);
        lines.extend(more.map(|i| i.text));
        lines
    }

    /// Time has passed.
    pub fn pass(&mut self, now: Millis) -> Vec<String> {
        self.home.pass(now);
        let soon = self.home.reports().filter_map(|r| self.heard.soon(r));
        soon.map(|i| i.text).collect()
    }

    /// The record of what was spent was read.
    pub fn learn(&mut self, lately: Option<Lately>) -> Vec<String> {
        let told = lately.as_ref();
        let told = told.and_then(|l| self.heard.spent(l, self.home.daily));
        self.home.learn(lately);
        told.into_iter().map(|i| i.text).collect()
    }

    /// Of agents whose state is another than was said. Of those that cannot be asked nothing is new.
    fn changes(&mut self, session: &SessionId) -> Vec<String> {
        let Some(report) = self.home.report(session) else {
            return Vec::new();
        };
        let agents = report.status.iter().flat_map(|s| &s.agents);
        let keys: Vec<AgentKey> = agents.map(|a| (session.clone(), a.number)).collect();
        let silent = report.presence == Presence::Unreachable;
        let mut lines = Vec::new();
        for key in keys {
            let known = self.said.contains_key(&key);
            let Some(state) = self.spoken(&key).filter(|_| !silent || !known) else {
                continue;
            };
            if self.said.get(&key) == Some(&state) {
                continue;
            }
            let who = self.who(&key);
            self.said.insert(key.clone(), state.clone());
            let number = self.number(&key);
            lines.push(format!("{number}: {who}, {state}"));
        }
        lines
    }

    fn number(&mut self, key: &AgentKey) -> usize {
        if let Some(at) = self.numbers.iter().position(|k| k == key) {
            return at + 1;
        }
        self.numbers.push(key.clone());
        self.numbers.len()
    }

    /// `session k3x7qd auth, agent 1 claude`
    fn who(&self, key: &AgentKey) -> String {
        let (session, number) = key;
        let name = self.home.report(session).and_then(|r| r.name.as_deref());
        let name = name.map(|n| format!(" {n}")).unwrap_or_default();
        let agent = self.home.agent(key).map_or("", |a| a.name.as_str());
        format!("session {}{name}, agent {number} {agent}", session.short())
    }

    fn spoken(&self, key: &AgentKey) -> Option<String> {
        Some(spoken(self.home.agent(key)?, self.home.state(key)?))
    }

    /// All agents, those that wait for a person first, and what today has cost.
    pub fn list(&mut self, now: Millis) -> Vec<String> {
        let rows = self.home.rows();
        let keys: Vec<AgentKey> = rows
            .into_iter()
            .filter_map(|row| match row {
                Row::Agent(key) => Some(key),
                Row::Session(_) => None,
            })
            .collect();
        if !std::mem::replace(&mut self.listed, true) {
            // The first time the numbers go down the list.
            self.numbers.clone_from(&keys);
        }
        let all = self.numbers.len();
        let mut lines = Vec::new();
        for key in keys {
            let number = self.number(&key);
            let (Some(agent), Some(state)) = (self.home.agent(&key), self.spoken(&key)) else {
                continue;
            };
            let report = self.home.report(&key.0);
            let clock = report
                .and_then(|r| r.status.as_ref())
                .map_or(now, |s| s.now.max(now));
            let for_ = time(clock.saturating_sub(agent.since));
            let end = match report.and_then(|r| r.ttl_left_ms) {
                Some(left) if left < SOON => format!(", ends in {}", time(left)),
                _ => String::new(),
            };
            let who = self.who(&key);
            lines.push(format!("{number} of {all}: {who}, {state}, {for_}{end}"));
        }
        if lines.is_empty() {
            lines.push("No live sessions.".to_owned());
        }
        lines.extend(self.cost());
        lines
    }

    fn cost(&self) -> Option<String> {
        let lately = self.home.lately.as_ref()?;
        let spent = lately.certainty.of(lately.today);
        Some(match self.home.daily {
            Some(daily) => {
                let percent = share(lately.today, daily);
                format!("Today has cost {spent} of {daily}, {percent} percent.")
            }
            None => format!("Today has cost {spent}."),
        })
    }
}

/// What an agent is doing, in words that can be spoken.
pub fn spoken(agent: &AgentStatus, state: AgentState) -> String {
    let asked = agent.evidence.message.as_deref().filter(|m| !m.is_empty());
    match state {
        AgentState::Blocked { on } => match (asked, on) {
            (Some(asked), _) => format!("blocked: {asked}"),
            (None, BlockedOn::Permission) => "blocked, it asks for a permission".to_owned(),
            (None, BlockedOn::Question) => "blocked, it has a question".to_owned(),
            (None, BlockedOn::Auth) => "blocked, it wants to be logged in".to_owned(),
            (None, BlockedOn::Unknown) => "blocked".to_owned(),
        },
        AgentState::Exited { code: 0 } => "exited".to_owned(),
        AgentState::Exited { code } => format!("exited with status {code}"),
        other => other.word().to_owned(),
    }
}

/// `40 seconds`, `1 hour 5 minutes`, `2 days`.
pub fn time(ms: Millis) -> String {
    let count = |n: u64, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let seconds = ms / 1000;
    match seconds {
        0..60 => count(seconds, "second"),
        60..3600 => count(seconds / 60, "minute"),
        3600..86_400 => match seconds / 60 % 60 {
            0 => count(seconds / 3600, "hour"),
            minutes => format!(
                "{} {}",
                count(seconds / 3600, "hour"),
                count(minutes, "minute")
            ),
        },
        _ => count(seconds / 86_400, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::home::tests::report;

    fn blocked(id: &str, states: &[AgentState]) -> Report {
        let mut report = report(id, 5, states);
        for agent in report.status.iter_mut().flat_map(|s| &mut s.agents) {
            if matches!(agent.state, AgentState::Blocked { .. }) {
                agent.evidence.message = Some("Allow npm install?".into());
            }
        }
        report
    }

    #[test]
    fn the_list_is_said_once_and_then_what_changes_with_the_same_numbers() {
        let asks = AgentState::Blocked {
            on: BlockedOn::Permission,
        };
        let mut speaker = Speaker::new(10, None);
        let first = [AgentState::Working, asks];
        speaker.see(blocked("session-aaaaaa", &first), None);
        assert_eq!(
            speaker.list(40_000),
            [
                "1 of 2: session aaaaaa, agent 2 sh, blocked: Allow npm install?, 40 seconds",
                "2 of 2: session aaaaaa, agent 1 sh, working, 40 seconds",
            ]
        );
        assert!(
            speaker
                .see(blocked("session-aaaaaa", &first), None)
                .is_empty()
        );
        let done = [AgentState::Done, asks];
        let lines = speaker.see(blocked("session-aaaaaa", &done), None);
        assert_eq!(lines, ["2: session aaaaaa, agent 1 sh, done"]);
        let lines = speaker.see(blocked("session-bbbbbb", &[AgentState::Idle]), None);
        assert_eq!(lines, ["3: session bbbbbb, agent 1 sh, idle"]);
        // One that cannot be asked says that, and no states.
        let mut silent = blocked("session-bbbbbb", &[AgentState::Idle]);
        silent.presence = Presence::Unreachable;
        let told = "session-bbbbbb: connection lost: no answer";
        assert_eq!(speaker.see(silent, None), [told]);
        let back = blocked("session-bbbbbb", &[AgentState::Idle]);
        assert_eq!(speaker.see(back, None), ["session-bbbbbb answers again"]);
    }

    #[test]
    fn ends_and_costs_are_said() {
        let mut speaker = Speaker::new(0, Some(Money::micros(5_000_000)));
        assert_eq!(speaker.list(0), ["No live sessions."]);
        let mut soon = report("session-aaaaaa", 5, &[AgentState::Exited { code: 3 }]);
        soon.ttl_left_ms = Some(200_000);
        soon.status.as_mut().expect("one").spec.ends.deadline = Some(200_000);
        let lines = speaker.see(soon, None);
        assert_eq!(
            lines[0],
            "1: session aaaaaa, agent 1 sh, exited with status 3"
        );
        assert_eq!(lines[1], "session-aaaaaa ends in 3m: its time (TTL) is up");
        speaker.learn(Some(Lately {
            today: Money::micros(1_000_000),
            certainty: crate::model::Certainty::About,
            hours: Vec::new(),
            sessions: BTreeMap::new(),
        }));
        let list = speaker.list(60_000);
        assert!(
            list[0].ends_with("status 3, 1 minute, ends in 3 minutes"),
            "{list:?}"
        );
        assert_eq!(list[1], "Today has cost ≈$1.00 of $5.00, 20 percent.");
    }

    #[test]
    fn times_are_words() {
        let told = [1, 59, 60, 3600, 3660, 7320, 172_800].map(|s| time(s * 1000));
        let hours = ["1 hour", "1 hour 1 minute", "2 hours 2 minutes"];
        assert_eq!(told[..3], ["1 second", "59 seconds", "1 minute"]);
        assert_eq!(told[3..6], hours);
        assert_eq!(told[6], "2 days");
    }
}
