//! `remote status`.

mod detail;
mod keys;
mod live;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap_complete::engine::ArgValueCandidates;
use tokio::sync::mpsc::UnboundedReceiver;

use super::target::person;
use super::{Cell, Color, Ctx, Table, Ui, complete, waiting, words};
use crate::client::cloud;
use crate::client::status::{PATIENCE, Presence, Report, ask_all, report_one};
use crate::error::Result;
use crate::model::{AgentRef, Millis, now_ms};
use crate::provision::{Machine, MachineState};
use crate::ssh::{Ask, Nobody};

/// Show sessions and what their agents are doing
///
/// All hosts are asked side by side, a hundred at a time. One that is silent is waited for two seconds (all of
/// them together at most six), and shown with what it said last, and when. Where this device has moved, rented
/// machines let it in anew and are asked once more; one that is named is followed to where it is now. On a
/// terminal what is known is there at once, and each answer as it comes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One session in detail; an agent's name, as SESSION/2, means its session
    #[arg(value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
    session: Option<AgentRef>,
    /// Ended sessions too
    #[arg(long, short)]
    all: bool,
    /// Stay, and show changes as they come; `q` leaves
    #[arg(long, short)]
    watch: bool,
    /// Others' sessions on EC2 too, in the configured region, as their tags tell of them
    #[arg(long, conflicts_with_all = ["session", "watch"])]
    everyone: bool,
    /// Print JSON; with --watch one object a line, at each change
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = match &args.session {
        Some(typed) => ctx.registry_of(&typed.session).await?,
        None => ctx.whole_registry().await?,
    };
    let (known, one) = match &args.session {
        Some(typed) => (vec![registry.resolve(&typed.session)?], true),
        None => (registry.all(args.all)?, false),
    };
    if args.watch {
        return live::watch(ctx, registry, known, one, args.json).await;
    }
    let ui = &ctx.ui;
    // Nobody is asked for a password by a status.
    let ask = Arc::new(Nobody);
    if one && let Some(known) = known.first() {
        let stage = known.ssh.is_some().then(|| ui.stage("status"));
        let report = report_one(&registry, known, ask, PATIENCE).await;
        drop(stage);
        if args.json {
            ui.json(&report)?;
        } else {
            detail::lines(&report, ui, now_ms())
                .iter()
                .try_for_each(|l| ui.line(l))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let others = match args.everyone {
        true => cloud::others(&ctx.paths, &ctx.config, person(ctx)).await?,
        false => Vec::new(),
    };
    let there = |m: &&Machine| args.all || m.state != MachineState::Gone;
    let others: Vec<Report> = others
        .iter()
        .filter(there)
        .filter_map(Report::of_another)
        .collect();
    let ask: Arc<dyn Ask> = ask;
    let asked = ask_all(&registry, &known, &ask, PATIENCE);
    let reports = known.iter().map(Report::remembered).collect();
    let answers = Answers {
        reports,
        ended_too: args.all,
    };
    if !args.json && !args.everyone && !answers.reports.is_empty() && ui.redraws_out() {
        live::answers(*ui, answers, asked).await?;
        waiting::say(ctx, &registry)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut reports = answers.complete(asked).await;
    reports.extend(others);
    if args.json {
        ui.json(&reports)?;
    } else if reports.is_empty() {
        ui.note(nothing(args.all));
    } else {
        table(&reports, now_ms()).print(ui)?;
    }
    if !args.json {
        waiting::say(ctx, &registry)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is known of sessions, and what they answer.
struct Answers {
    reports: Vec<Report>,
    ended_too: bool,
}

impl Answers {
    fn put(&mut self, (index, report): (usize, Report)) {
        if let Some(before) = self.reports.get_mut(index) {
            *before = report;
        }
    }

    /// Those that are to be shown: one may end while it is asked.
    fn shown(&self) -> Vec<Report> {
        let shown = |r: &&Report| self.ended_too || r.presence != Presence::Ended;
        self.reports.iter().filter(shown).cloned().collect()
    }

    async fn complete(mut self, mut asked: UnboundedReceiver<(usize, Report)>) -> Vec<Report> {
        while let Some(answer) = asked.recv().await {
            self.put(answer);
        }
        self.shown()
    }
}

fn nothing(all: bool) -> &'static str {
    if all {
        "No sessions. Start one with `remote dispatch`."
    } else {
        "No live sessions. `remote status --all` shows ended ones; `remote dispatch` starts one."
    }
}

/// A line for each session.
fn table(reports: &[Report], now: Millis) -> Table {
    let named = reports.iter().any(|r| r.name.is_some());
    let mut head = vec!["SESSION"];
    if named {
        head.push("NAME");
    }
    let foreign = reports.iter().any(|r| r.owner.is_some());
    if foreign {
        head.push("OWNER");
    }
    head.extend(["WHERE", "AGENTS", "NEXT END"]);
    let visited = reports.iter().any(|r| !attached(r).is_empty());
    if visited {
        head.push("ATTACHED");
    }
    head.push("TASK");
    let mut table = Table::new(&head);
    for report in reports {
        let mut row = vec![Cell::new(report.session.as_str()).color(Color::Bold)];
        if named {
            row.push(report.name.as_deref().unwrap_or("").into());
        }
        if foreign {
            row.push(report.owner.as_deref().map_or("you", words::owner).into());
        }
        row.push(place(report).into());
        row.push(agents(report, now));
        row.push(next_end(report, now));
        if visited {
            row.push(attached(report).into());
        }
        row.push(task(report).into());
        table.row(row);
    }
    table
}

fn place(report: &Report) -> String {
    // The directory there is an absolute path; `ssh://box:2222` has colons of its own.
    match report.place.rsplit_once(":/") {
        Some((destination, _)) if report.provider == "ssh" => destination.to_owned(),
        _ => report.provider.clone(),
    }
}

fn agents(report: &Report, now: Millis) -> Cell {
    let Some(status) = &report.status else {
        return "-".into();
    };
    // A host's clock may differ from ours; its ages are by its own.
    let by_its_clock = match report.presence {
        Presence::Live => status.now,
        _ => now,
    };
    let (text, color) = words::agents(status, by_its_clock);
    match color {
        Some(color) if report.presence == Presence::Live => Cell::new(text).color(color),
        _ => Cell::new(text).color(Color::Dim),
    }
}

fn next_end(report: &Report, now: Millis) -> Cell {
    let status = report.status.as_ref();
    match report.presence {
        Presence::Live => status
            .and_then(|s| s.ends.first().map(|e| words::end(e, s.now)))
            .unwrap_or_else(|| "-".to_owned())
            .into(),
        Presence::Foreign => match report.ttl_left_ms {
            Some(left) => format!("TTL in {}", words::short(Duration::from_millis(left))).into(),
            None => "-".into(),
        },
        Presence::Ended => {
            let ended = status.and_then(|s| s.ended.as_ref());
            let text = ended.map_or_else(
                || "ended".to_owned(),
                |e| format!("ended {}: {}", words::ago(e.at, now), words::kind(e.kind)),
            );
            Cell::new(text).color(Color::Dim)
        }
        Presence::Lost => Cell::new("host died").color(Color::Red),
        // Each that was asked has a reason.
        Presence::Unreachable if report.unreachable_because.is_none() => {
            Cell::new("asking …").color(Color::Dim)
        }
        Presence::Stopped => Cell::new("machine stopped").color(Color::Yellow),
        Presence::Launching => Cell::new("launching").color(Color::Yellow),
        Presence::Unreachable => Cell::new(format!(
            "unreachable, seen {}",
            words::ago(report.seen, now)
        ))
        .color(Color::Yellow),
    }
}

fn attached(report: &Report) -> String {
    let live = report.presence == Presence::Live;
    match report.status.as_ref().map_or(0, |s| s.attached.len()) {
        0 => String::new(),
        _ if !live => String::new(),
        n => n.to_string(),
    }
}

fn task(report: &Report) -> String {
    let Some(spec) = report.status.as_ref().map(|s| &s.spec) else {
        return String::new();
    };
    match (spec.task.as_str(), spec.agents.first()) {
        // An agent that was told nothing yet.
        ("", Some(agent)) => agent.name.clone(),
        (task, _) => shortened(task, 40),
    }
}

/// The first line, at most so many characters of it.
fn shortened(text: &str, most: usize) -> String {
    let line = text.lines().next().unwrap_or("");
    if line.chars().count() <= most {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// The lines of a table or of one session, for `--watch`.
fn rendered(reports: &[Report], one: bool, ui: &Ui) -> Vec<String> {
    match reports {
        [] => vec![nothing(false).to_owned()],
        [report] if one => detail::lines(report, ui, now_ms()),
        many => table(many, now_ms()).lines(ui),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(presence: Presence) -> Report {
        Report {
            session: "session-abc234".parse().expect("a good id"),
            name: None,
            provider: "ssh".into(),
            owner: None,
            presence,
            unreachable_because: None,
            place: "me@box:/home/me/x".into(),
            seen: 1000,
            ttl_left_ms: None,
            status: None,
            happened: None,
        }
    }

    #[test]
    fn a_session_that_cannot_be_asked_says_so_with_its_age() {
        let mut silent = report(Presence::Unreachable);
        silent.unreachable_because = Some("no answer in 2 s".into());
        let asked = report(Presence::Unreachable);
        let lines = table(&[silent, report(Presence::Lost), asked], 181_000).lines(&Ui::plain());
        assert!(lines[3].contains("asking"));
        assert!(lines[1].contains("me@box") && lines[1].contains("unreachable, seen 3m ago"));
        assert!(lines[2].contains("host died"));
        assert!(!lines[0].contains("NAME"));
    }

    #[test]
    fn a_machine_is_shown_as_it_was_typed() {
        let mut there = report(Presence::Lost);
        assert_eq!(place(&there), "me@box");
        there.place = "ssh://me@box:2222:/home/me/x".into();
        assert_eq!(place(&there), "ssh://me@box:2222");
        there.provider = "local".into();
        assert_eq!(place(&there), "local");
    }

    #[test]
    fn tasks_are_cut_to_a_line() {
        assert_eq!(shortened("one\ntwo", 40), "one");
        assert_eq!(shortened("abcdef", 4), "abc…");
    }
}
