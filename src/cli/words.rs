//! How states, ends and outcomes read; the same in every verb.

pub mod work;

use super::{Cell, Color, Table, Ui, age, span};
use crate::model::{AgentState, AgentStatus, End, EndKind, Millis, SessionStatus};
use std::time::Duration;

/// A state's colour: what waits for a person stands out.
pub fn color(state: AgentState) -> Color {
    match state {
        AgentState::Blocked { .. } => Color::Yellow,
        AgentState::Error | AgentState::Lost => Color::Red,
        AgentState::Exited { code } if code != 0 => Color::Red,
        AgentState::Working | AgentState::Starting => Color::Green,
        AgentState::Done | AgentState::Exited { .. } => Color::Cyan,
        AgentState::Idle | AgentState::Unknown => Color::Dim,
    }
}

/// The longest question that a line has room for, in characters.
const QUESTION: usize = 60;

/// `working 3m`, `blocked: "Allow npm install?" 40s`, `blocked(permission) 40s` where nobody says what for,
/// `done 3m, check passed`.
pub fn state(agent: &AgentStatus, now: Millis) -> String {
    let age = age(agent.since, now);
    match (question(agent), work::current(agent)) {
        (Some(asked), _) => format!("{}: \"{asked}\" {age}", agent.state.word()),
        (None, Some(check)) => format!("{} {age}, check {check}", agent.state),
        (None, None) => format!("{} {age}", agent.state),
    }
}

/// What an agent asks, in its own words, cut to a line's part.
fn question(agent: &AgentStatus) -> Option<String> {
    let blocked = matches!(agent.state, AgentState::Blocked { .. });
    let asked = agent.evidence.message.as_ref().filter(|_| blocked)?;
    if asked.chars().count() <= QUESTION {
        return Some(asked.clone());
    }
    let cut: String = asked.chars().take(QUESTION - 1).collect();
    Some(cut + "…")
}

/// One agent's state, or how many are in each: `working 3m`, `2 working, 1 blocked (3: "Which?" 40s)`.
pub fn agents(status: &SessionStatus, now: Millis) -> (String, Option<Color>) {
    match status.agents.as_slice() {
        [] => ("-".to_owned(), None),
        [one] => (state(one, now), Some(color(one.state))),
        many => {
            let mut counts: Vec<(&str, usize, AgentState)> = Vec::new();
            for agent in many {
                let word = agent.state.word();
                match counts.iter_mut().find(|(w, ..)| *w == word) {
                    Some((_, n, _)) => *n += 1,
                    None => counts.push((word, 1, agent.state)),
                }
            }
            let asks = many.iter().filter_map(|a| {
                let asked = question(a)?;
                Some(format!("{}: \"{asked}\" {}", a.number, age(a.since, now)))
            });
            let asks: Vec<String> = asks.collect();
            let text: Vec<String> = counts
                .iter()
                .map(|(w, n, state)| match state {
                    AgentState::Blocked { .. } if !asks.is_empty() => {
                        format!("{n} {w} ({})", asks.join(", "))
                    }
                    _ => format!("{n} {w}"),
                })
                .collect();
            let blocked = counts
                .iter()
                .find(|(_, _, s)| matches!(s, AgentState::Blocked { .. }));
            let worst = blocked.or(counts.first()).map(|(_, _, s)| color(*s));
            let text = text.join(", ");
            match work::counts(many) {
                Some(checks) => (format!("{text}; checks: {checks}"), worst),
                None => (text, worst),
            }
        }
    }
}

/// `3m ago`, `just now`.
pub fn ago(then: Millis, now: Millis) -> String {
    match age(then, now).as_str() {
        "now" => "just now".to_owned(),
        age => format!("{age} ago"),
    }
}

/// `TTL in 42m`.
pub fn end(end: &End, now: Millis) -> String {
    let left = Duration::from_millis(end.at.saturating_sub(now));
    if left.is_zero() {
        format!("{} now", kind(end.kind))
    } else {
        format!("{} in {}", kind(end.kind), short(left))
    }
}

/// Why a session ends, in a word or two.
pub fn kind(kind: EndKind) -> &'static str {
    match kind {
        EndKind::Exited => "all exited",
        EndKind::Over => "work over",
        EndKind::Idle => "idle",
        EndKind::Unanswered => "unanswered",
        EndKind::Ttl => "TTL",
        EndKind::Budget => "budget",
        EndKind::Terminated => "terminated",
        EndKind::Interrupted => "interrupted",
        EndKind::Lost => "host died",
        EndKind::Unknown => "ended",
    }
}

/// A time in two units at most, without fractions from a minute on.
pub fn short(time: Duration) -> String {
    span(time)
}

/// What a session costs per hour; `-` for what costs nothing.
pub fn cost(microusd_per_hour: u64, time: Duration) -> String {
    if microusd_per_hour == 0 {
        return "-".to_owned();
    }
    let dollars = microusd_per_hour as f64 / 1e6 * time.as_secs_f64() / 3600.0;
    format!("${dollars:.2}")
}

/// `user/me` of `arn:aws:iam::123456789012:user/me`
pub fn owner(arn: &str) -> &str {
    arn.rsplit_once(':').map_or(arn, |(_, who)| who)
}

/// The end of a dispatch: each agent's state, how long it ran, and what that cost.
pub fn summary(status: &SessionStatus, agents: &[u32], ui: &Ui, now: Millis) -> Vec<String> {
    let ran = |agent: &AgentStatus| {
        let until = agent.ended.unwrap_or(now);
        Duration::from_millis(until.saturating_sub(agent.started))
    };
    let asked = || status.agents.iter().filter(|a| agents.contains(&a.number));
    let checked = asked().any(|a| a.check.is_some());
    let mut heads = vec!["AGENT", "STATE", "TOOK", "COST"];
    if checked {
        heads.push("CHECK");
    }
    let mut table = Table::new(&heads);
    for agent in asked() {
        let mut row = vec![
            format!("{}/{}", status.spec.id, agent.number).into(),
            Cell::new(agent.state.to_string()).color(color(agent.state)),
            span(ran(agent)).into(),
            cost(status.spec.price_microusd_per_hour, ran(agent)).into(),
        ];
        if checked {
            row.push(agent.check.as_ref().map_or("-".into(), work::outcome));
        }
        table.row(row);
    }
    table.lines(ui)
}

#[cfg(test)]
mod tests;
