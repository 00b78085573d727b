//! One session in detail.

use std::time::Duration;

use crate::cli::words::work;
use crate::cli::{Cell, Color, Table, Ui, age, words};
use crate::client::status::{Presence, Report};
use crate::model::{AgentStatus, AttachedClient, End, EndKind, Millis, SessionStatus};

/// All there is to say about a session.
pub fn lines(report: &Report, ui: &Ui, now: Millis) -> Vec<String> {
    let mut out = vec![head(report, ui, now)];
    let mut field = |name: &str, text: &str| {
        if !text.is_empty() {
            let text = text
                .lines()
                .next()
                .unwrap_or("")
                .replace(char::is_control, "\u{fffd}");
            out.push(format!(
                "  {} {text}",
                ui.paint(&format!("{name:<9}"), Color::Dim)
            ));
        }
    };
    let status = report.status.as_ref();
    if let Some(status) = status {
        let spec = &status.spec;
        field("task", &spec.task);
        field(
            "started",
            &format!("{} by {}", words::ago(spec.created, now), spec.owner),
        );
    }
    field("place", &report.place);
    if let Some(why) = &report.unreachable_because {
        field("why", why);
    }
    if let Some(status) = status {
        ends(status, report, &mut field);
        let live = report.presence == Presence::Live;
        if let Some(load) = status.load.filter(|_| live) {
            field("machine", &load.to_string());
        }
        let on = status.spec.workspace.as_ref().map(|w| w.name.as_str());
        match (on, status.volume) {
            (Some(name), Some(volume)) => field("workspace", &format!("{name}, {volume}")),
            (Some(name), None) => field("workspace", name),
            (None, Some(volume)) => field("volume", &volume.to_string()),
            (None, None) => {}
        }
        for warning in &status.warnings {
            field("warning", warning);
        }
    }
    let agents_of = status.into_iter().flat_map(|s| &s.agents);
    for (number, push) in agents_of.filter_map(|a| Some((a.number, a.push.as_ref()?))) {
        field("push", &format!("of agent {number}: {push}"));
    }
    if let Some(status) = status {
        let clock = match report.presence {
            Presence::Live => status.now,
            _ => now,
        };
        if !status.agents.is_empty() {
            out.push(String::new());
            out.extend(agents(status, clock).lines(ui));
        }
        if report.presence == Presence::Live && !status.attached.is_empty() {
            out.push(String::new());
            out.extend(attached(&status.attached, clock).lines(ui));
        }
    }
    out
}

fn head(report: &Report, ui: &Ui, now: Millis) -> String {
    let mut head = ui.paint(report.session.as_str(), Color::Bold);
    if let Some(name) = &report.name {
        head += &format!(" ({name})");
    }
    let (word, color) = match report.presence {
        Presence::Live => ("live".to_owned(), Color::Green),
        Presence::Ended => ("ended".to_owned(), Color::Dim),
        Presence::Lost => ("lost: its host died".to_owned(), Color::Red),
        Presence::Foreign => ("another owner's".to_owned(), Color::Dim),
        Presence::Stopped => ("machine stopped".to_owned(), Color::Yellow),
        Presence::Launching => ("launching".to_owned(), Color::Yellow),
        Presence::Unreachable => {
            let seen = age(report.seen, now);
            (
                format!("unreachable; what follows is {seen} old"),
                Color::Yellow,
            )
        }
    };
    format!("{head}  {}", ui.paint(&word, color))
}

fn ends(status: &SessionStatus, report: &Report, field: &mut impl FnMut(&str, &str)) {
    if let Some(ended) = &status.ended {
        field(
            "ended",
            &format!("{}: {}", words::kind(ended.kind), ended.why),
        );
        return;
    }
    if report.presence != Presence::Live {
        return;
    }
    match status.ends.split_first() {
        Some((next, others)) => {
            let told = |end: &End| {
                let when = words::end(end, status.now);
                match end.kind {
                    // The word says why already.
                    EndKind::Ttl => when,
                    _ => format!("{when} ({})", end.why),
                }
            };
            field("next end", &told(next));
            for end in others {
                field("", &told(end));
            }
        }
        None => field(
            "next end",
            "none by time; it ends when all agents have exited",
        ),
    }
    if let Some(left) = report.ttl_left_ms {
        field("TTL left", &words::short(Duration::from_millis(left)));
    }
}

fn agents(status: &SessionStatus, now: Millis) -> Table {
    let all = &status.agents;
    let checked = all.iter().any(|a| a.check.is_some());
    let counted = all.iter().any(|a| a.work.is_some());
    // One that all have is told above.
    let tasks = all.iter().any(|a| a.task != status.spec.task) && all.len() > 1;
    let mut heads = vec!["AGENT", "NAME", "STATE", "FOR", "KNOWN BY"];
    heads.extend(checked.then_some("CHECK"));
    heads.extend(counted.then_some("MADE"));
    heads.extend(tasks.then_some("TASK"));
    heads.push("SAYS");
    let mut table = Table::new(&heads);
    for agent in all {
        let mut row: Vec<Cell> = vec![
            agent.number.to_string().into(),
            agent.name.clone().into(),
            Cell::new(agent.state.to_string()).color(words::color(agent.state)),
            age(agent.since, now).into(),
            evidence(agent, now).into(),
        ];
        if checked {
            row.push(check(agent));
        }
        if counted {
            row.push(agent.work.map_or("-".into(), |w| work::made(&w).into()));
        }
        if tasks {
            row.push(super::shortened(&agent.task, 40).into());
        }
        row.push(says(agent).into());
        table.row(row);
    }
    table
}

/// The newest check; dim where the agent has worked since.
fn check(agent: &AgentStatus) -> Cell {
    match (&agent.check, work::current(agent)) {
        (None, _) => "-".into(),
        (Some(check), Some(_)) => work::outcome(check),
        (Some(check), None) => Cell::new(format!("{check}, then worked")).color(Color::Dim),
    }
}

fn evidence(agent: &AgentStatus, now: Millis) -> String {
    let source = agent.evidence.source.word();
    format!("{source} {}", words::ago(agent.evidence.at, now))
}

fn says(agent: &AgentStatus) -> String {
    let progress = agent.evidence.progress.map(|p| format!("{p}%"));
    let text = agent.evidence.message.clone();
    let title = Some(agent.title.clone()).filter(|t| !t.is_empty());
    let parts: Vec<String> = [progress, text.or(title)].into_iter().flatten().collect();
    super::shortened(&parts.join(" "), 60)
}

fn attached(clients: &[AttachedClient], now: Millis) -> Table {
    let mut table = Table::new(&["ATTACHED", "AGENT", "SIZE", "FOR"]);
    for client in clients {
        let who = match client.read_only {
            true => format!("{} (read-only)", client.who),
            false => client.who.clone(),
        };
        table.row(vec![
            who.into(),
            client.agent.to_string().into(),
            format!("{}x{}", client.size.cols, client.size.rows).into(),
            age(client.since, now).into(),
        ]);
    }
    table
}
