//! When and why a session ends by itself, without a clock of its own: what may come, what is due now, and
//! who is warned before.

use std::collections::BTreeSet;

use crate::model::{AgentState, End, EndKind, Ended, Ends, Millis};

const MINUTE: Millis = 60_000;
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
}

/// All that decides about a session's ends.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub now: Millis,
    pub ends: Ends,
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
    if !f.ends.keep && !f.agents.is_empty() {
        let over = f.agents.iter().all(|a| a.state.is_over());
        let last_change = f.agents.iter().map(|a| a.since).max().unwrap_or(f.started);
        if over && f.ends_with_agents {
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
        {
            let activity = f.agents.iter().map(|a| a.activity).max().unwrap_or(0);
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
    /// Tell whoever is attached, and the agents' hooks.
    Warn(String),
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
                effects.push(Effect::Warn(format!(
                    "this session ends in {}: {}",
                    roughly(end.at.saturating_sub(f.now)),
                    end.why
                )));
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
        (EndKind::Ttl, _) => WARNINGS
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
mod tests {
    use super::*;
    use crate::model::BlockedOn;

    fn agent(state: AgentState, since: Millis) -> AgentFacts {
        AgentFacts {
            number: 1,
            state,
            since,
            activity: since,
        }
    }

    fn facts(now: Millis, ends: Ends, agents: &[AgentFacts]) -> Facts<'_> {
        Facts {
            now,
            ends,
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
        assert!(kinds(&facts(99, Ends::default(), &[])).is_empty());
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
    fn a_question_is_told_of_at_once_and_at_half() {
        let ends = Ends {
            wait_limit_ms: Some(10_000),
            ..Ends::default()
        };
        let agents = [agent(ASKS, 1000)];
        let mut watch = Watch::default();
        assert!(matches!(
            watch.due(&facts(1000, ends, &agents))[..],
            [Effect::Warn(_)]
        ));
        assert!(watch.due(&facts(2000, ends, &agents)).is_empty());
        assert_eq!(watch.next(&facts(2000, ends, &agents)), Some(6000));
        assert!(matches!(
            watch.due(&facts(6000, ends, &agents))[..],
            [Effect::Warn(_)]
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
        let [Effect::Warn(text)] = &told[..] else {
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
}
