//! `remote cost`.

use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;

use super::target::{person, time};
use super::workspace::{held, held_line};
use super::{Cell, Color, Ctx, Table, span};
use crate::client::cloud;
use crate::cost::{BreakEven, By, Group, Ledger, Report, date, report};
use crate::error::Result;
use crate::model::{Money, now_ms};

/// Show what was spent, the pace of it, and what that comes to in a month
///
/// From what this device has seen of machines that cost, by the second, with volumes and public addresses.
/// `≈` is reckoned from a dated table of prices; `≤` is at most that: the end was not seen. Days are UTC. What
/// workspaces and their snapshots cost a month is told beside it, as `remote workspace` has last seen them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only what was spent within this time
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "30d")]
    since: Duration,
    /// What sums are made by
    #[arg(long, value_enum, value_name = "WHAT", default_value_t)]
    by: ByArg,
    /// Say when a machine of your own at this price would have paid
    #[arg(long, value_name = "USD")]
    hardware: Option<Money>,
    /// Also machines that only the tags on AWS tell of: other devices' and other owners', in the configured region
    #[arg(long)]
    everyone: bool,
    /// Print JSON; amounts are in micro-dollars, times in milliseconds
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ByArg {
    #[default]
    Session,
    Workspace,
    Repository,
    Day,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let by = match args.by {
        ByArg::Session => By::Session,
        ByArg::Workspace => By::Workspace,
        ByArg::Repository => By::Repository,
        ByArg::Day => By::Day,
    };
    let recorded = Ledger::new(&ctx.paths).all()?;
    let now = now_ms();
    let since = u64::try_from(args.since.as_millis()).unwrap_or(u64::MAX);
    let window = (now.saturating_sub(since), now);
    let records = match args.everyone {
        false => recorded.records,
        true => {
            let ec2 = cloud::look(&ctx.paths, &ctx.config, None, person(ctx)).await?;
            let machines = ec2.machines(true).await?;
            // What was seen here by the second is better than what a tag tells.
            let mut told = cloud::from_tags(&machines, now);
            told.retain(|t| !recorded.records.iter().any(|r| r.session == t.session));
            recorded.records.into_iter().chain(told).collect()
        }
    };
    let mut report = report(&records, recorded.damaged, window, by, args.hardware);
    report.workspaces = held(ctx);
    if args.json {
        ctx.ui.json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = !report.groups.is_empty() || (by == By::Workspace && !report.workspaces.is_empty());
    if report.groups.is_empty() {
        ctx.ui
            .note(format!("Nothing was spent since {}.", date(report.from)));
    }
    if rows {
        table(&report).print(&ctx.ui)?;
        ctx.ui.line("")?;
    }
    if !report.groups.is_empty() {
        for line in summary(&report) {
            ctx.ui.line(line)?;
        }
    }
    // Whether a machine was rented or not.
    if let Some(line) = held_line(&report.workspaces, now) {
        ctx.ui.line(line)?;
    }
    for what in &report.unknown {
        ctx.ui.note(ctx.ui.err(what, Color::Dim));
    }
    Ok(ExitCode::SUCCESS)
}

fn table(report: &Report) -> Table {
    let (head, last) = match report.by {
        By::Session => ("SESSION", "TASK"),
        By::Workspace => ("WORKSPACE", ""),
        By::Repository => ("REPOSITORY", ""),
        By::Day => ("DAY", ""),
    };
    let saved = !report.saved.is_zero();
    let mut heads = vec![head, "MACHINE TIME", "COST"];
    if saved {
        heads.push("SAVED BY SPOT");
    }
    heads.push(if last.is_empty() { "SESSIONS" } else { last });
    let by_workspace = report.by == By::Workspace;
    if by_workspace {
        heads.extend(["KEPT, A MONTH", "SNAPSHOTS, AT MOST"]);
    }
    let mut table = Table::new(&heads);
    let kept = |key: &str| -> [Cell; 2] {
        let of = || report.workspaces.iter().filter(|h| h.name == key);
        let told = |amount: Money| match amount {
            Money::ZERO => Cell::new("-"),
            some => Cell::new(format!("≈{some}")),
        };
        [
            told(of().map(|h| h.month).sum()),
            told(of().map(|h| h.snapshots_month).sum()),
        ]
    };
    for group in &report.groups {
        let mut row = vec![
            name(group),
            span(Duration::from_millis(group.machine_ms)).into(),
            group.spend.told().into(),
        ];
        if saved {
            row.push(match group.saved {
                Money::ZERO => "-".into(),
                saved => saved.to_string().into(),
            });
        }
        row.push(match last {
            "" => group.sessions.to_string().into(),
            _ => group.about.as_str().into(),
        });
        if by_workspace {
            row.extend(kept(&group.key));
        }
        table.row(row);
    }
    // Those that no machine has used in this time cost too.
    let mut idle: Vec<&str> = match by_workspace {
        true => report.workspaces.iter().map(|h| h.name.as_str()).collect(),
        false => Vec::new(),
    };
    idle.retain(|name| !report.groups.iter().any(|g| g.key == *name));
    idle.sort_unstable();
    idle.dedup();
    for name in idle {
        let mut row: Vec<Cell> = vec![name.into(), "-".into(), "-".into()];
        if saved {
            row.push("-".into());
        }
        row.push("0".into());
        row.extend(kept(name));
        table.row(row);
    }
    table
}

fn name(group: &Group) -> Cell {
    match group.key.as_str() {
        "" => Cell::new("none").color(Color::Dim),
        key => key.into(),
    }
}

fn summary(report: &Report) -> Vec<String> {
    let machines = span(Duration::from_millis(report.machine_ms));
    let sessions = match report.sessions {
        1 => "1 session".to_owned(),
        n => format!("{n} sessions"),
    };
    let total = report.certainty.of(report.total);
    let mut lines = vec![format!(
        "{total} for {machines} of machines, {sessions}, since {}",
        date(report.from)
    )];
    if !report.saved.is_zero() {
        lines.push(format!("{} less than on demand", report.saved));
    }
    if let Some(month) = report.month {
        let a_day = span(Duration::from_millis(report.machine_ms_a_day));
        lines.push(format!(
            "≈{month} a month at this pace, {a_day} of machines a day"
        ));
    }
    lines.extend(report.hardware.as_ref().map(break_even));
    lines
}

fn break_even(even: &BreakEven) -> String {
    let price = even.price;
    match (even.days, even.machine_hours) {
        (Some(days), Some(hours)) => {
            let when = match days {
                0..=90 => format!("{days} days"),
                91..=1095 => format!("{} months", days * 10 / 304),
                _ => format!("{:.1} years", days as f64 / 365.25),
            };
            format!(
                "hardware for {price} pays after {when} at this pace, or {hours} machine hours; power and care not counted"
            )
        }
        _ => format!("hardware for {price} never pays at this pace"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_is_told_in_days_months_or_years() {
        let of = |days| {
            break_even(&BreakEven {
                price: Money::micros(2_500_000_000),
                days: Some(days),
                machine_hours: Some(7),
            })
        };
        assert!(of(90).starts_with("hardware for $2500.00 pays after 90 days at this pace"));
        assert!(of(304).contains("after 10 months"));
        assert!(of(3653).contains("after 10.0 years"));
    }
}
