//! When and why a session ends by itself, without a clock of its own: what may come, what is due now, and
//! who is warned before.

use std::collections::BTreeSet;

use crate::cost::budget::Meter;
use crate::model::{AgentState, End, EndKind, Ended, Ends, Millis, Money};

const MINUTE: Millis = 60_000;
/// A session without agents waits for what its creator brings, a repository over a slow line say, but not for good.
const NOTHING: Millis = 60 * MINUTE;
/// How long before a deadline people are told.
const WARNINGS: [Millis; 2] = [10 * MINUTE, 2 * MINUTE];

/// One agent, as far as the ends care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentFacts {
    pub number: u32,
    pub state: AgentState,
    pub since: Millis,
    /// Its last output, CPU use or input.
    pub activity: Millis,
    /// Its work is being checked, or is about to be.
    pub checking: bool,
    /// When its last check was over.
    pub checked: Option<Millis>,
}

/// What a session may cost. Spend is counted from the session's creation, by time, a minute at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub microusd: u64,
    pub microusd_per_hour: u64,
    pub created: Millis,
}

impl Budget {
    /// When it is used up; never where nothing costs.
    pub fn used_up(self) -> Option<Millis> {
        let meter = Meter::new(self.created, Money::micros(self.microusd_per_hour));
        (self.microusd_per_hour > 0).then_some(())?;
        let at = meter
            .used_up(Money::micros(self.microusd))
            .unwrap_or(Millis::MAX);
        // The first minute is paid for whatever comes after.
        let lasts = at.saturating_sub(self.created);
        Some(if lasts < MINUTE { self.created } else { at })
    }
}

/// All that decides about a session's ends.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub now: Millis,
    pub ends: Ends,
    pub budget: Option<Budget>,
    pub started: Millis,
    pub agents: &'a [AgentFacts],
    /// When the last client left (the host's start, if none came); `None` while one is attached.
    pub detached: Option<Millis>,
    /// The session is over once all agents have exited (`local`, `ssh`).
    pub ends_with_agents: bool,
    /// Not before this for that reason alone: agents of a dead host may be started again.
    pub not_before: Millis,
}

/// The ends to come, the next one first.
pub fn coming(f: &Facts<'_>) -> Vec<End> {
    let mut ends = Vec::new();
    let mut add = |kind, at: Millis, why: String| ends.push(End { kind, at, why });
    if let Some(deadline) = f.ends.deadline {
        add(EndKind::Ttl, deadline, "its time (TTL) is up".to_owned());
    }
    if let Some(at) = f.budget.and_then(Budget::used_up) {
        add(EndKind::Budget, at, "its budget is used up".to_owned());
    }
    if !f.ends.keep && f.agents.is_empty() {
        let at = f.started.saturating_add(NOTHING);
        add(
            EndKind::Idle,
            at,
            "no agent was ever started in it".to_owned(),
        );
    }
    if !f.ends.keep && !f.agents.is_empty() {
        let over = f.agents.iter().all(|a| a.state.is_over());
        // The work is not over while it is checked.
        let checking = f.agents.iter().any(|a| a.checking);
        let checked = f.agents.iter().filter_map(|a| a.checked).max().unwrap_or(0);
        let last_change = f.agents.iter().map(|a| a.since).max().unwrap_or(f.started);
        let last_change = last_change.max(checked);
        if over && f.ends_with_agents && !checking {
            let why = match f.agents {
                [only] => format!("its agent has {}", phrase(only.state)),
                _ => "all its agents have exited".to_owned(),
            };
            add(EndKind::Exited, last_change.max(f.not_before), why);
        }
        let at_rest =
            |s: AgentState| s.is_over() || matches!(s, AgentState::Done | AgentState::Error);
        if let (Some(linger), Some(detached)) = (f.ends.linger_ms, f.detached)
            && f.agents.iter().all(|a| at_rest(a.state))
            && !checking
        {
            add(
                EndKind::Over,
                last_change.max(detached).saturating_add(linger),
                "the work is over and nobody is attached".to_owned(),
            );
        }
        let quiet =
            |s: AgentState| at_rest(s) || matches!(s, AgentState::Idle | AgentState::Unknown);
        if let (Some(idle), Some(detached)) = (f.ends.idle_ms, f.detached)
            && f.agents.iter().all(|a| quiet(a.state))
            && !checking
        {
            let activity = f.agents.iter().map(|a| a.activity).max().unwrap_or(0);
            let activity = activity.max(checked);
            add(
                EndKind::Idle,
                activity.max(detached).max(f.started).saturating_add(idle),
                "nothing happens and nobody is attached".to_owned(),
            );
        }
        let longest = f
            .agents
            .iter()
            .filter(|a| matches!(a.state, AgentState::Blocked { .. }))
            .min_by_key(|a| a.since);
        if let (Some(limit), Some(agent)) = (f.ends.wait_limit_ms, longest) {
            add(
                EndKind::Unanswered,
                agent.since.saturating_add(limit),
                format!(
                    "agent {} waits for an answer that does not come",
                    agent.number
                ),
            );
        }
    }
    ends.sort_by_key(|e| (e.at, e.kind));
    ends
}

fn phrase(state: AgentState) -> String {
    match state {
        AgentState::Exited { code: 0 } => "exited".to_owned(),
        AgentState::Exited { code } => format!("exited with status {code}"),
        other => format!("been {other}"),
    }
}

/// What is to be done about the ends now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell whoever is attached, and the agents' hooks; `news`, if it is more than a question says by itself.
    Warn {
        text: String,
        news: bool,
    },
    End(Ended),
}

/// Remembers which warnings were given.
#[derive(Debug, Default)]
pub struct Watch {
    /// Ends (by kind and time) and how long before them a warning was given.
    warned: BTreeSet<(EndKind, Millis, Millis)>,
}

impl Watch {
    /// What is due at `f.now`. A warning whose time was missed (a short TTL) is left out but for the latest.
    pub fn due(&mut self, f: &Facts<'_>) -> Vec<Effect> {
        let ends = coming(f);
        if let Some(end) = ends.first().filter(|e| e.at <= f.now) {
            return vec![Effect::End(Ended {
                kind: end.kind,
                at: f.now,
                why: end.why.clone(),
            })];
        }
        let mut effects = Vec::new();
        let mut current = BTreeSet::new();
        for end in &ends {
            let marks = marks(end, f);
            let reached = |m: &&Millis| end.at.saturating_sub(**m) <= f.now;
            let Some(nearest) = marks.iter().filter(reached).min().copied() else {
                continue;
            };
            let key = (end.kind, end.at, nearest);
            if !self.warned.contains(&key) {
                effects.push(Effect::Warn {
                    text: format!(
                        "this session ends in {}: {}",
                        roughly(end.at.saturating_sub(f.now)),
                        end.why
                    ),
                    news: end.kind != EndKind::Unanswered || marks.iter().any(|m| *m > nearest),
                });
            }
            current.insert(key);
        }
        // An end that was moved or has gone away is warned of anew when it nears again.
        self.warned = current;
        effects
    }

    /// When to look again if nothing happens before.
    pub fn next(&self, f: &Facts<'_>) -> Option<Millis> {
        coming(f)
            .iter()
            .flat_map(|end| {
                let before: Vec<Millis> = marks(end, f)
                    .iter()
                    .map(|m| end.at.saturating_sub(*m))
                    .collect();
                before.into_iter().chain([end.at])
            })
            .filter(|at| *at > f.now)
            .min()
    }
}

/// How long before an end to warn of it. A question is told of at once and at half time.
fn marks(end: &End, f: &Facts<'_>) -> Vec<Millis> {
    match (end.kind, f.ends.wait_limit_ms) {
        (EndKind::Ttl | EndKind::Budget, _) => WARNINGS
            .into_iter()
            .filter(|w| end.at.saturating_sub(*w) > f.started)
            .collect(),
        (EndKind::Unanswered, Some(limit)) => vec![limit, limit / 2],
        _ => Vec::new(),
    }
}

/// `10m`, `1h 5m`, `40s`: for people.
fn roughly(ms: Millis) -> String {
    let seconds = ms.div_ceil(1000);
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, 0) => format!("{m}m"),
        (0, m, s) => format!("{m}m {s}s"),
        (h, 0, _) => format!("{h}h"),
        (h, m, _) => format!("{h}h {m}m"),
    }
}

#[cfg(test)]
mod tests;
