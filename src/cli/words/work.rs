//! How checks and what agents have made read.

use std::time::Duration;

use crate::cli::{Cell, Color, span};
use crate::model::{AgentState, AgentStatus, Check, CheckState, Work};

/// The longest reason that a cell has room for.
const REASON: usize = 60;

/// The check of what the agent is at rest with now: none that was of earlier work.
pub fn current(agent: &AgentStatus) -> Option<&Check> {
    let at_work = matches!(
        agent.state,
        AgentState::Starting | AgentState::Working | AgentState::Blocked { .. }
    );
    let check = agent.check.as_ref();
    check.filter(|c| !at_work || c.is_running())
}

/// Its colour: what is not good stands out.
pub fn color(state: CheckState) -> Color {
    match state {
        CheckState::Passed => Color::Green,
        CheckState::Failed => Color::Red,
        CheckState::Broken | CheckState::Unknown => Color::Yellow,
        CheckState::Running => Color::Cyan,
    }
}

/// `passed 12s`, `failed(2) 3s`, `broken: it took longer than 30m`.
pub fn outcome(check: &Check) -> Cell {
    let text = match (&check.message, check.took_ms) {
        (Some(why), _) => {
            let mut why: String = why.chars().filter(|c| !c.is_control()).collect();
            if let Some((at, _)) = why.char_indices().nth(REASON) {
                why.truncate(at);
                why.push('…');
            }
            format!("{check}: {why}")
        }
        (None, Some(took)) => format!("{check} {}", span(Duration::from_millis(took))),
        (None, None) => check.to_string(),
    };
    Cell::new(text).color(color(check.state))
}

/// How the checks of several stand: `2 passed, 1 failed`.
pub fn counts<'a>(agents: impl IntoIterator<Item = &'a AgentStatus>) -> Option<String> {
    let mut counts: Vec<(CheckState, usize)> = Vec::new();
    for check in agents.into_iter().filter_map(current) {
        match counts.iter_mut().find(|(s, _)| *s == check.state) {
            Some((_, n)) => *n += 1,
            None => counts.push((check.state, 1)),
        }
    }
    let text: Vec<String> = counts
        .iter()
        .map(|(state, n)| format!("{n} {}", state.word()))
        .collect();
    (!text.is_empty()).then(|| text.join(", "))
}

/// `3 files +120 -8`; nothing where nothing changed.
pub fn changes(work: &Work) -> String {
    if *work
        == (Work {
            commits: work.commits,
            ..Work::default()
        })
    {
        return "none".to_owned();
    }
    let files = match work.files {
        1 => "1 file".to_owned(),
        n => format!("{n} files"),
    };
    format!("{files} +{} -{}", work.insertions, work.deletions)
}

/// `2 commits, 3 files +120 -8`.
pub fn made(work: &Work) -> String {
    let commits = match work.commits {
        1 => "1 commit".to_owned(),
        n => format!("{n} commits"),
    };
    format!("{commits}, {}", changes(work))
}
