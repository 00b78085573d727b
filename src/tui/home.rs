//! The list of sessions and their agents: what `status --watch` tells, those first that wait for a person.

pub mod draw;
mod session;
pub mod spend;

use std::collections::BTreeMap;

use super::line::Line;
use crate::client::status::{Presence, Report};
use crate::cost::Lately;
use crate::model::{AgentState, AgentStatus, Millis, Money, SessionId};
use crate::mux::layout::PaneId;

/// Where keys go in this view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The line that a task is typed into.
    Task,
    /// The list: letters are commands.
    List,
}

/// An agent of the list.
pub type AgentKey = (SessionId, u32);

/// What stands in one line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    Session(SessionId),
    Agent(AgentKey),
}

/// The list, and what is chosen in it.
pub struct Home {
    reports: BTreeMap<SessionId, Report>,
    spent: BTreeMap<SessionId, Money>,
    chosen: Option<AgentKey>,
    /// A person chose it; else it is whoever comes first.
    picked: bool,
    pub focus: Focus,
    pub task: Line,
    /// The pane that shows the chosen agent.
    pub preview: Option<(AgentKey, PaneId)>,
    /// Whether anything has been heard at all.
    pub heard: bool,
    /// What this device's record tells of the last hours; `None` where it tells nothing.
    pub lately: Option<Lately>,
    /// What a day may cost, where the person has said.
    pub daily: Option<Money>,
}

/// Those that wait for a person come first, those that are over last; the others stay where they are, whatever
/// they do.
fn rank(state: AgentState) -> u8 {
    match state {
        AgentState::Blocked { .. } => 0,
        AgentState::Error | AgentState::Lost => 1,
        AgentState::Exited { .. } => 3,
        _ => 2,
    }
}

impl Home {
    pub fn new() -> Self {
        Self {
            reports: BTreeMap::new(),
            spent: BTreeMap::new(),
            chosen: None,
            picked: false,
            focus: Focus::Task,
            task: Line::default(),
            preview: None,
            heard: false,
            lately: None,
            daily: None,
        }
    }

    /// A session's newest report, and what it has cost.
    pub fn see(&mut self, mut report: Report, spent: Option<Money>) {
        self.heard = true;
        let session = report.session.clone();
        // What was heard before stays, and what is chosen of it.
        if report.status.is_none() {
            let before = self.reports.remove(&session);
            report.status = before.and_then(|before| before.status);
        }
        match spent {
            Some(spent) => self.spent.insert(session.clone(), spent),
            None => self.spent.remove(&session),
        };
        self.reports.insert(session, report);
        self.keep_choice();
    }

    /// The record was read again.
    pub fn learn(&mut self, lately: Option<Lately>) {
        for (session, spent) in lately.iter().flat_map(|l| &l.sessions) {
            if self.reports.contains_key(session) {
                self.spent.insert(session.clone(), *spent);
            }
        }
        self.lately = lately;
    }

    /// Time has passed: deadlines are nearer.
    pub fn pass(&mut self, now: Millis) {
        for report in self.reports.values_mut() {
            let deadline = report.status.as_ref().and_then(|s| s.spec.ends.deadline);
            if report.presence == Presence::Live && deadline.is_some() {
                report.ttl_left_ms = deadline.map(|d| d.saturating_sub(now));
            }
        }
    }

    pub fn reports(&self) -> impl Iterator<Item = &Report> {
        self.reports.values()
    }

    pub fn report(&self, session: &SessionId) -> Option<&Report> {
        self.reports.get(session)
    }

    pub fn spent(&self, session: &SessionId) -> Option<Money> {
        self.spent.get(session).copied()
    }

    /// What all sessions in the list have cost.
    pub fn spent_in_all(&self) -> Option<Money> {
        let all = self.spent.values().copied();
        all.reduce(Money::plus)
    }

    pub fn agent(&self, (session, number): &AgentKey) -> Option<&AgentStatus> {
        let status = self.reports.get(session)?.status.as_ref()?;
        status.agents.iter().find(|a| a.number == *number)
    }

    /// A session's agents as they are to be believed: of one that cannot be asked, nothing is known now.
    pub fn state(&self, key: &AgentKey) -> Option<AgentState> {
        let live = self.reports.get(&key.0)?.presence == Presence::Live;
        let state = self.agent(key)?.state;
        Some(if live || state.is_over() {
            state
        } else {
            AgentState::Unknown
        })
    }

    /// The list, in order.
    pub fn rows(&self) -> Vec<Row> {
        let urgency = |report: &Report| {
            let agents = report.status.iter().flat_map(|s| &s.agents);
            let states = agents.filter_map(|a| self.state(&(report.session.clone(), a.number)));
            states.map(rank).min().unwrap_or(3)
        };
        let over = |r: &Report| matches!(r.presence, Presence::Ended | Presence::Lost);
        let created = |r: &Report| r.status.as_ref().map_or(0, |s| s.spec.created);
        let mut sessions: Vec<&Report> = self.reports.values().collect();
        sessions.sort_by_key(|r| (over(r), urgency(r), std::cmp::Reverse(created(r))));
        let mut rows = Vec::new();
        for report in sessions {
            let id = &report.session;
            rows.push(Row::Session(id.clone()));
            let agents = report.status.iter().flat_map(|s| &s.agents);
            let mut keys: Vec<AgentKey> = agents.map(|a| (id.clone(), a.number)).collect();
            keys.sort_by_key(|key| (self.state(key).map_or(3, rank), key.1));
            rows.extend(keys.into_iter().map(Row::Agent));
        }
        rows
    }

    fn agents(&self) -> Vec<AgentKey> {
        let agents = self.rows().into_iter().filter_map(|row| match row {
            Row::Agent(key) => Some(key),
            Row::Session(_) => None,
        });
        agents.collect()
    }

    pub fn chosen(&self) -> Option<&AgentKey> {
        self.chosen.as_ref()
    }

    pub fn choose(&mut self, key: AgentKey) {
        self.chosen = Some(key);
        self.picked = true;
        self.keep_choice();
    }

    /// Goes up or down in the list.
    pub fn go(&mut self, by: isize) {
        let agents = self.agents();
        let at = self
            .chosen
            .as_ref()
            .and_then(|c| agents.iter().position(|a| a == c));
        let to = at.map_or(0, |at| at.saturating_add_signed(by));
        self.chosen = agents.get(to.min(agents.len().saturating_sub(1))).cloned();
        self.picked = true;
    }

    fn keep_choice(&mut self) {
        let there = self
            .chosen
            .as_ref()
            .is_some_and(|key| self.agent(key).is_some());
        if !there || !self.picked {
            self.chosen = self.agents().into_iter().next();
        }
    }

    /// How many agents are in which state, those that wait first.
    pub fn counts(&self) -> Vec<(AgentState, usize)> {
        let mut counts: Vec<(AgentState, usize)> = Vec::new();
        for state in self.agents().iter().filter_map(|key| self.state(key)) {
            match counts.iter_mut().find(|(s, _)| s.word() == state.word()) {
                Some((_, n)) => *n += 1,
                None => counts.push((state, 1)),
            }
        }
        let weight = |state: AgentState| match state {
            AgentState::Working | AgentState::Starting => 0,
            AgentState::Done => 1,
            AgentState::Idle => 2,
            _ => 3,
        };
        counts.sort_by_key(|(state, _)| (rank(*state), weight(*state)));
        counts
    }
}

/// `now`, `12s`, `3m`, `2h`, `4d`.
pub fn age(since: Millis, now: Millis) -> String {
    let seconds = now.saturating_sub(since) / 1000;
    match seconds {
        0 => "now".to_owned(),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h{:02}", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{BlockedOn, SessionStatus};

    pub fn report(id: &str, created: Millis, states: &[AgentState]) -> Report {
        let spec = serde_json::json!({
            "id": id, "provider": "local", "created": created, "ends": {}, "agents": [],
        });
        let agents = (1u32..)
            .zip(states)
            .map(|(n, s)| AgentStatus::sample(n, *s));
        let status = SessionStatus {
            spec: serde_json::from_value(spec).expect("a spec"),
            agents: agents.collect(),
            attached: Vec::new(),
            ends: Vec::new(),
            ended: None,
            warnings: Vec::new(),
            news: Vec::new(),
            volume: None,
            load: None,
            now: created,
            version: "0.1.0".into(),
        };
        Report {
            session: id.parse().expect("an id"),
            name: None,
            provider: "local".into(),
            owner: None,
            presence: Presence::Live,
            unreachable_because: None,
            place: String::new(),
            seen: 0,
            ttl_left_ms: None,
            status: Some(status),
            happened: None,
        }
    }

    #[test]
    fn who_waits_comes_first_and_the_choice_stays_with_its_agent() {
        let blocked = AgentState::Blocked {
            on: BlockedOn::Question,
        };
        let mut home = Home::new();
        home.see(report("session-aaaaaa", 5, &[AgentState::Working]), None);
        let a = ("session-aaaaaa".parse::<SessionId>().expect("an id"), 1);
        assert_eq!(home.chosen(), Some(&a));
        home.choose(a.clone());
        home.see(
            report("session-bbbbbb", 1, &[AgentState::Idle, blocked]),
            None,
        );
        assert_eq!(home.chosen(), Some(&a));
        let b = a.0.clone();
        let b = |n| ("session-bbbbbb".parse().unwrap_or(b.clone()), n);
        let rows = home.rows();
        assert_eq!(rows[1..3], [Row::Agent(b(2)), Row::Agent(b(1))]);
        home.go(-9);
        assert_eq!(home.chosen(), Some(&b(2)));
        home.go(1);
        assert_eq!(home.chosen(), Some(&b(1)));
        home.go(9);
        assert_eq!(home.chosen(), Some(&a));
        assert_eq!(home.counts()[0], (blocked, 1));
        let mut lost = report("session-bbbbbb", 1, &[AgentState::Idle, blocked]);
        lost.presence = Presence::Unreachable;
        home.see(lost, None);
        assert_eq!(home.state(&b(2)), Some(AgentState::Unknown));
    }

    #[test]
    fn ages() {
        let at = |s: u64| age(0, s * 1000);
        assert_eq!(
            [at(0), at(59), at(61), at(3661), at(90_000)],
            ["now", "59s", "1m", "1h01", "1d"]
        );
    }
}
