//! A digest as text: who waits, then a part for each session with news, then those that do not answer.

use crate::cli::ui::{clean, cut};
use crate::cli::{Cell, Color, Table, Ui, age, words};
use crate::client::digest::{AgentNews, News, Wanted};
use crate::client::status::Presence;
use crate::model::{AgentState, Check, CheckState, Millis, Money, PushState, Work};

/// The longest question or message that a line has room for.
const LONGEST: usize = 72;
/// States of an agent that are named, the newest.
const NAMED: usize = 5;

/// Everything there is to say; with `quiet` of sessions without news too.
pub fn lines(news: &[News], quiet: bool, ui: &Ui, now: Millis) -> Vec<String> {
    let mut parts = Vec::new();
    let waiting: Vec<String> = news
        .iter()
        .flat_map(|n| n.waiting().map(|a| waits(n, a, ui)))
        .collect();
    if !waiting.is_empty() {
        let head = ui.paint("Waiting for you", Color::Bold);
        parts.push(std::iter::once(head).chain(waiting).collect());
    }
    let silent = |n: &&News| n.presence == Presence::Unreachable;
    for one in news.iter().filter(|n| !silent(n) && (n.new || quiet)) {
        parts.push(session(one, ui, now));
    }
    let silent: Vec<String> = news
        .iter()
        .filter(silent)
        .map(|n| unreachable(n, ui, now))
        .collect();
    if !silent.is_empty() {
        parts.push(silent);
    }
    parts.join(&String::new())
}

/// What is said of so many sessions without news, where anything is to be said of them.
pub fn nothing(sessions: usize, alone: bool, wanted: &Wanted, now: Millis) -> Option<String> {
    if !alone {
        return None;
    }
    let since = match (wanted.since, wanted.seen.at) {
        (Some(at), _) => format!(" since {}", words::ago(at, now)),
        (None, Some(at)) => format!(" since you looked {}", words::ago(at, now)),
        (None, None) => String::new(),
    };
    Some(match sessions {
        0 => format!("Nothing new{since}: no session is live, and none has ended."),
        1 => format!("Nothing new{since} in 1 session."),
        n => format!("Nothing new{since} in {n} sessions."),
    })
}

/// `  session-abc123/2 (auth)  "Allow npm install?" 40s  remote answer abc123/2`
fn waits(news: &News, agent: &AgentNews, ui: &Ui) -> String {
    let name = named(&format!("{}/{}", news.session, agent.agent), news);
    let asked = match &agent.message {
        Some(asked) => format!("\"{}\"", plain(asked)),
        None => agent.state.to_string(),
    };
    let asked = ui.paint(&asked, words::color(agent.state));
    let (short, since) = (news.session.short(), age(agent.state_since, news.now));
    let how = ui.paint(
        &format!("remote answer {short}/{}", agent.agent),
        Color::Dim,
    );
    format!("  {name}  {asked} {since}  {how}")
}

fn named(id: &str, news: &News) -> String {
    match &news.name {
        Some(name) => format!("{id} ({})", plain(name)),
        None => id.to_owned(),
    }
}

fn session(news: &News, ui: &Ui, now: Millis) -> Vec<String> {
    let name = ui.paint(&named(news.session.as_str(), news), Color::Bold);
    let task = plain(&news.task);
    let mut out = vec![format!("{name}  {task}").trim_end().to_owned()];
    out.extend(table(news).lines(ui).iter().map(|l| format!("  {l}")));
    let mut field = |name: &str, text: &str, color: Option<Color>| {
        let text = color.map_or_else(|| text.to_owned(), |c| ui.paint(text, c));
        let name = ui.paint(&format!("{name:<8}"), Color::Dim);
        out.push(format!("  {name}  {text}"));
    };
    for agent in &news.agents {
        let failed = matches!(agent.state, AgentState::Error | AgentState::Lost);
        if let Some(why) = agent.message.as_ref().filter(|_| failed) {
            let text = format!("agent {}: {}", agent.agent, plain(why));
            field("error", &text, Some(Color::Red));
        }
        if let Some(push) = &agent.push {
            let color = (push.state == PushState::Failed).then_some(Color::Red);
            let text = format!("of agent {}: {}", agent.agent, plain(&push.to_string()));
            field("push", &text, color);
        }
        let broken = agent.check.as_ref().and_then(|c| c.message.as_ref());
        if let Some(why) = broken {
            let text = format!("of agent {}: {}", agent.agent, plain(why));
            field("check", &text, Some(Color::Yellow));
        }
    }
    for warning in &news.warnings {
        field("warning", &plain(warning), Some(Color::Yellow));
    }
    for visit in &news.visits {
        let times = match visit.times {
            1 => String::new(),
            n => format!("{n} times, "),
        };
        let text = format!(
            "by {}, {times}{}",
            visit.who,
            words::ago(visit.at, news.now)
        );
        field("visited", &plain(&text), None);
    }
    if let Some(text) = cost(news) {
        field("cost", &text, None);
    }
    match (news.presence, &news.ended, &news.next_end) {
        (_, Some(ended), _) => {
            let (kind, at) = (words::kind(ended.kind), words::ago(ended.at, now));
            let text = format!("{at}: {kind}: {}", plain(&ended.why));
            field("ended", &text, None);
        }
        (Presence::Lost, ..) => {
            let id = news.session.short();
            let text = format!("its host died; `remote restart {id}` starts its agents again");
            field("lost", &text, Some(Color::Red));
        }
        (Presence::Live, None, Some(end)) => {
            field("next end", &words::end(end, news.now), None);
        }
        _ => {}
    }
    if let Some(why) = &news.unreachable_because {
        field("why", &plain(why), Some(Color::Yellow));
    }
    if news.incomplete {
        let text = "not all that happened is known: it was too much to keep, or was not kept";
        field("", text, Some(Color::Dim));
    }
    out
}

/// A line for each agent; columns that say nothing of any of them are left out.
fn table(news: &News) -> Table {
    let made = news.agents.iter().any(|a| a.work.is_some());
    let checked = news.agents.iter().any(|a| a.check.is_some());
    let mut head = vec!["AGENT", "STATE", "FOR"];
    if made {
        head.extend(["NEW", "IN ALL"]);
    }
    if checked {
        head.push("CHECK");
    }
    head.push("SINCE THEN");
    let mut table = Table::new(&head);
    for agent in &news.agents {
        let mut row = vec![
            agent.agent.to_string().into(),
            Cell::new(agent.state.to_string()).color(words::color(agent.state)),
            age(agent.state_since, news.now).into(),
        ];
        if made {
            row.push(commits(agent.new_commits).into());
            row.push(agent.work.map_or_else(|| "-".to_owned(), all).into());
        }
        if checked {
            row.push(agent.check.as_ref().map_or_else(|| "-".into(), check));
        }
        row.push(changes(agent).into());
        table.row(row);
    }
    table
}

fn commits(n: u64) -> String {
    match n {
        0 => "-".to_owned(),
        1 => "1 commit".to_owned(),
        n => format!("{n} commits"),
    }
}

/// `5 commits, 3 files +120 -8`
fn all(work: Work) -> String {
    if work == Work::default() {
        return "nothing".to_owned();
    }
    let files = match work.files {
        1 => "1 file".to_owned(),
        n => format!("{n} files"),
    };
    let of = match work.commits {
        0 => "uncommitted".to_owned(),
        n => commits(n),
    };
    format!("{of}, {files} +{} -{}", work.insertions, work.deletions)
}

fn check(check: &Check) -> Cell {
    let color = match check.state {
        CheckState::Passed => Color::Green,
        CheckState::Failed => Color::Red,
        CheckState::Broken => Color::Yellow,
        CheckState::Running | CheckState::Unknown => Color::Dim,
    };
    Cell::new(check.to_string()).color(color)
}

/// `working → blocked → done`, the newest of them.
fn changes(agent: &AgentNews) -> String {
    let mut words: Vec<&str> = agent.changes.iter().map(|c| c.state.word()).collect();
    words.dedup();
    if words.is_empty() {
        return "as it was".to_owned();
    }
    let earlier = words.len().saturating_sub(NAMED);
    let text = words.split_off(earlier).join(" → ");
    match earlier {
        0 => text,
        _ => format!("… → {text}"),
    }
}

fn cost(news: &News) -> Option<String> {
    let all = Money::micros(news.cost_microusd?);
    let since = Money::micros(news.cost_since_microusd?);
    Some(match news.since {
        None => format!("{all}"),
        Some(_) => format!("{since} since then, {all} in all"),
    })
}

fn unreachable(news: &News, ui: &Ui, now: Millis) -> String {
    let name = ui.paint(&named(news.session.as_str(), news), Color::Bold);
    let seen = format!("unreachable, seen {}", words::ago(news.now, now));
    let seen = ui.paint(&seen, Color::Yellow);
    match &news.unreachable_because {
        Some(why) => format!("{name}  {seen}: {}", plain(why)),
        None => format!("{name}  {seen}"),
    }
}

/// The first line of what others say, on one line's part, without control characters.
fn plain(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    cut(clean(line), LONGEST)
}

#[cfg(test)]
mod tests;
