//! `remote compare`.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap_complete::engine::ArgValueCandidates;

use super::results::{Found, fetch, git, here};
use super::target::{Target, interrupted, person};
use super::words::{self, work};
use super::{Cell, Color, Ctx, Table, complete, span};
use crate::client::Known;
use crate::client::compare::{Row, rows};
use crate::client::reach::Hosts;
use crate::client::status::newest;
use crate::error::Result;
use crate::model::{AgentRef, Money, now_ms};
use crate::ssh::Flow;

/// Show a session's agents side by side: state, check, time, what each has made, and what it cost
///
/// What an agent has made is counted by git whenever it is done or has ended, work that it has not committed
/// included. TIME is from its start until then. COST is its share: the session's price times its time, divided by the
/// number of agents.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session [default: the last one]
    #[arg(value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
    session: Option<String>,
    /// Fetch their results into the repository here, and show each one's changes as git does
    #[arg(long, conflicts_with = "json")]
    diff: bool,
    /// Print JSON; amounts are in micro-dollars, times in milliseconds
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    tokio::select! {
        shown = show(&args, ctx) => shown,
        () = interrupted() => Ok(ExitCode::from(130)),
    }
}

async fn show(args: &Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = ctx.registry(args.session.as_deref()).await?;
    let typed = args.session.as_ref().map(|session| AgentRef {
        session: session.clone(),
        agent: None,
    });
    let known = Target::find(&registry, typed.as_ref())?.known;
    let hosts = Arc::new(Hosts::new(person(ctx), Flow::Bulk));
    let status = newest(&registry, &known, &hosts).await?;
    let now = match status.ended {
        Some(_) => now_ms(),
        None => status.now,
    };
    let rows = rows(&status, now);
    if args.json {
        ctx.ui.json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        ctx.ui.note(format!("{} has no agents.", known.label()));
        return Ok(ExitCode::SUCCESS);
    }
    table(&rows).print(&ctx.ui)?;
    match args.diff {
        true => diffs(ctx, &known, &rows).await,
        false => Ok(ExitCode::SUCCESS),
    }
}

fn table(rows: &[Row]) -> Table {
    let mut heads = vec!["AGENT", "STATE"];
    let checked = rows.iter().any(|r| r.check.is_some());
    let counted = rows.iter().any(|r| r.work.is_some());
    let costs = rows.iter().any(|r| r.cost_microusd.is_some());
    if checked {
        heads.push("CHECK");
    }
    heads.push("TIME");
    if counted {
        heads.extend(["COMMITS", "CHANGES"]);
    }
    if costs {
        heads.push("COST");
    }
    heads.push("TASK");
    let mut table = Table::new(&heads);
    for row in rows {
        let mut cells = vec![
            row.agent.to_string().into(),
            Cell::new(row.state.to_string()).color(words::color(row.state)),
        ];
        if checked {
            cells.push(row.check.as_ref().map_or_else(none, work::outcome));
        }
        cells.push(span(Duration::from_millis(row.took_ms)).into());
        match row.work {
            Some(made) => {
                cells.push(made.commits.to_string().into());
                cells.push(work::changes(&made).into());
            }
            None if counted => cells.extend([none(), none()]),
            None => {}
        }
        if costs {
            let cost = row.cost_microusd.map(|c| Money::micros(c).to_string());
            cells.push(cost.map_or_else(none, Cell::from));
        }
        let task = match row.task.lines().next() {
            Some(line) => line.to_owned(),
            // An agent that was told nothing.
            None => row.name.clone(),
        };
        cells.push(task.into());
        table.row(cells);
    }
    table
}

fn none() -> Cell {
    Cell::new("-").color(Color::Dim)
}

/// Each agent's changes, one after the other; the exit status is the first of git's that is not 0.
async fn diffs(ctx: &Ctx, known: &Known, rows: &[Row]) -> Result<ExitCode> {
    let repository = here().await?;
    let fetched = fetch(ctx, person(ctx), known, None, &repository, false).await?;
    fetched.wanted(known, &repository)?;
    let mut code = ExitCode::SUCCESS;
    for row in rows {
        let Some(found) = Found::look(&repository, known, row.agent).await? else {
            continue;
        };
        let label = ctx.ui.paint(&found.label(), Color::Bold);
        ctx.ui.line(format!("\n{label}"))?;
        let to = found.wip.as_ref().unwrap_or(&found.tip);
        // One pager for each would be in the way.
        let args = ["--no-pager", "diff", found.start.as_str(), to.as_str()];
        let end = git(args.map(OsString::from)).await?;
        if code == ExitCode::SUCCESS {
            code = end;
        }
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Ui;
    use crate::model::{AgentState, Check, CheckState, Work};

    #[test]
    fn only_columns_that_say_something_are_shown() {
        let mut row = Row {
            session: "session-abc234".parse().expect("a good id"),
            agent: 1,
            name: "claude".into(),
            state: AgentState::Done,
            check: None,
            work: None,
            took_ms: 61_000,
            cost_microusd: None,
            task: "fix it\nnow".into(),
        };
        assert_eq!(
            table(&[row.clone()]).lines(&Ui::plain()),
            ["AGENT  STATE  TIME   TASK", "1      done   1m01s  fix it"]
        );
        row.check = Some(Check {
            state: CheckState::Failed,
            code: Some(2),
            since: 0,
            took_ms: Some(1500),
            run: 1,
            message: None,
        });
        row.work = Some(Work {
            commits: 3,
            files: 2,
            insertions: 10,
            deletions: 4,
        });
        row.cost_microusd = Some(20_000);
        let other = Row {
            agent: 2,
            check: None,
            work: None,
            task: String::new(),
            ..row.clone()
        };
        assert_eq!(
            table(&[row, other]).lines(&Ui::plain()),
            [
                "AGENT  STATE  CHECK            TIME   COMMITS  CHANGES         COST   TASK",
                "1      done   failed(2) 1.5 s  1m01s  3        2 files +10 -4  $0.02  fix it",
                "2      done   -                1m01s  -        -               $0.02  claude",
            ]
        );
    }
}
