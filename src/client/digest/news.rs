//! From a session's events to what a person wants to know of them. No clock and no I/O: all times are the host's.

use std::collections::BTreeMap;

use serde::Serialize;

use super::seen::Mark;
use crate::client::status::{Presence, Report};
use crate::cost::budget::Meter;
use crate::model::{
    AgentState, AgentStatus, Check, End, Ended, Millis, Money, Push, SessionEvent, SessionId,
    SessionSpec, What, Work,
};

/// From when on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Window {
    /// From the session's beginning.
    All,
    /// What was not shown.
    After(Mark),
    /// So many milliseconds back.
    Age(Millis),
}

/// One session's news: what `digest --json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct News {
    pub session: SessionId,
    pub name: Option<String>,
    pub provider: String,
    pub task: String,
    pub presence: Presence,
    pub unreachable_because: Option<String>,
    /// From when on, by its host's clock; null from its beginning.
    pub since: Option<Millis>,
    /// Up to when.
    pub now: Millis,
    /// Anything happened.
    pub new: bool,
    pub agents: Vec<AgentNews>,
    /// Who else was here.
    pub visits: Vec<Visit>,
    pub warnings: Vec<String>,
    /// The next end, where one nears.
    pub next_end: Option<End>,
    /// How it ended, if it did.
    pub ended: Option<Ended>,
    /// In micro-dollars; null where nothing costs.
    pub cost_microusd: Option<u64>,
    pub cost_since_microusd: Option<u64>,
    /// Not all that happened is known: it was too much to keep, or its host kept none.
    pub incomplete: bool,
}

/// One agent's.
#[derive(Debug, Clone, Serialize)]
pub struct AgentNews {
    pub agent: u32,
    pub name: String,
    #[serde(flatten)]
    pub state: AgentState,
    pub state_since: Millis,
    pub message: Option<String>,
    /// The states it came to, in order.
    pub changes: Vec<Change>,
    /// All that it has made.
    pub work: Option<Work>,
    /// Commits among it that are new.
    pub new_commits: u64,
    /// The newest.
    pub check: Option<Check>,
    /// The newest, of its branch.
    pub push: Option<Push>,
}

/// A state that an agent came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub at: Millis,
    #[serde(flatten)]
    pub state: AgentState,
    pub message: Option<String>,
}

/// Somebody's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Visit {
    pub who: String,
    /// When they came last.
    pub at: Millis,
    pub times: u32,
}

/// What `report` tells that is new to `me`.
pub fn news(report: Report, window: &Window, me: &str) -> News {
    let clock = report.status.as_ref().map_or(report.seen, |s| s.now);
    let (events, now) = match &report.happened {
        Some(happened) => (happened.events.as_slice(), happened.now.max(clock)),
        None => (&[][..], clock),
    };
    let since = match window {
        Window::All => None,
        Window::After(mark) => Some(mark.at),
        Window::Age(ms) => Some(now.saturating_sub(*ms)),
    };
    let is_new = |at: Millis| since.is_none_or(|since| at > since);
    let new: Vec<&SessionEvent> = events.iter().filter(|e| is_new(e.at)).collect();
    let told = report.happened.is_some();
    let status = report.status.as_ref();
    let agents = status.into_iter().flat_map(|s| &s.agents);
    let agents: Vec<AgentNews> = agents
        .map(|a| agent(a, events, window, told, &is_new))
        .collect();
    let visits = visits(&new, me);
    let ended = status.and_then(|s| s.ended.clone());
    let cut = |e: &&SessionEvent| matches!(e.what, What::Cut);
    let warnings = match told {
        true => warnings(&new),
        false => status.map(|s| s.warnings.clone()).unwrap_or_default(),
    };
    let changed = agents.iter().any(|a| {
        !a.changes.is_empty()
            || a.new_commits > 0
            || a.check
                .as_ref()
                .and_then(Check::ended)
                .is_some_and(|at| told && is_new(at))
            || a.push.as_ref().is_some_and(|p| told && is_new(p.at))
    });
    let over = matches!(report.presence, Presence::Ended | Presence::Lost)
        && match window {
            Window::All => true,
            Window::After(mark) => !mark.over,
            Window::Age(_) => is_new(ended.as_ref().map_or(now, |e| e.at)),
        };
    let anything = changed || over || !visits.is_empty() || (told && !warnings.is_empty());
    let until = ended.as_ref().map_or(now, |e| e.at);
    let cost = status.and_then(|s| cost(&s.spec, since, until));
    News {
        session: report.session,
        name: report.name,
        provider: report.provider,
        task: status.map(|s| s.spec.task.clone()).unwrap_or_default(),
        presence: report.presence,
        unreachable_because: report.unreachable_because,
        since,
        now: now.max(until),
        new: anything,
        agents,
        visits,
        warnings,
        next_end: status.and_then(|s| s.ends.first().cloned()),
        ended,
        cost_microusd: cost.map(|c| c.0.as_micros()),
        cost_since_microusd: cost.map(|c| c.1.as_micros()),
        incomplete: !told || new.iter().any(cut),
    }
}

fn agent(
    status: &AgentStatus,
    events: &[SessionEvent],
    window: &Window,
    told: bool,
    is_new: &impl Fn(Millis) -> bool,
) -> AgentNews {
    let own = events.iter().filter(|e| e.agent() == Some(status.number));
    let (mut changes, mut before) = (Vec::new(), None);
    for event in own {
        match &event.what {
            What::State { state, message, .. } if is_new(event.at) => changes.push(Change {
                at: event.at,
                state: *state,
                message: message.clone(),
            }),
            What::Work { work, .. } if !is_new(event.at) => before = Some(work.commits),
            _ => {}
        }
    }
    // A host that keeps no events still says when the state began.
    if !told && is_new(status.since) {
        changes.push(Change {
            at: status.since,
            state: status.state,
            message: status.evidence.message.clone(),
        });
    }
    if let Window::After(mark) = window {
        before = before.or_else(|| mark.commits.get(&status.number).copied());
    }
    let commits = status.work.map_or(0, |w| w.commits);
    AgentNews {
        agent: status.number,
        name: status.name.clone(),
        state: status.state,
        state_since: status.since,
        message: status.evidence.message.clone(),
        changes,
        work: status.work,
        new_commits: commits.saturating_sub(before.unwrap_or(0)),
        check: status.check.clone(),
        push: status.push.clone(),
    }
}

/// By others, each once.
fn visits(new: &[&SessionEvent], me: &str) -> Vec<Visit> {
    let mut found: BTreeMap<&str, Visit> = BTreeMap::new();
    for event in new {
        if let What::Attached { who, .. } = &event.what
            && who != me
        {
            let visit = found.entry(who).or_insert_with(|| Visit {
                who: who.clone(),
                at: event.at,
                times: 0,
            });
            visit.at = event.at;
            visit.times += 1;
        }
    }
    found.into_values().collect()
}

fn warnings(new: &[&SessionEvent]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for event in new {
        if let What::Warning { text } = &event.what
            && !all.contains(text)
        {
            all.push(text.clone());
        }
    }
    all
}

/// All that it has cost until then, and how much of it since.
fn cost(spec: &SessionSpec, since: Option<Millis>, until: Millis) -> Option<(Money, Money)> {
    let hour = Money::micros(spec.price_microusd_per_hour);
    if hour.is_zero() {
        return None;
    }
    let meter = Meter::new(spec.created, hour);
    let all = meter.spent(until);
    let before = since.map_or(Money::ZERO, |at| match at > spec.created {
        true => meter.spent(at.min(until)),
        false => Money::ZERO,
    });
    Some((all, all.minus(before)))
}

impl News {
    /// Agents that wait for a person.
    pub fn waiting(&self) -> impl Iterator<Item = &AgentNews> {
        let live = self.presence == Presence::Live;
        let blocked = |a: &&AgentNews| matches!(a.state, AgentState::Blocked { .. });
        self.agents.iter().filter(move |a| live && blocked(a))
    }
}

#[cfg(test)]
mod tests;
