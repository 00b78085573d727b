//! What is said of many sessions: the plan with its sum before they are started, an object for each, and
//! what came of them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Ctx;
use super::from::Job;
use super::machine::{Told, ceiling};
use crate::cli::ui::clean;
use crate::cli::{Color, Table};
use crate::client::Known;
use crate::error::{Error, Result};
use crate::model::{Certainty, Money, SessionId};

/// What came of one.
pub(super) struct Ended {
    pub job: Job,
    pub end: End,
}

pub(super) enum End {
    Runs(Box<Known>),
    Failed(Error),
    TakenBack,
    NotBegun,
}

impl Ended {
    /// What an hour of it costs, if it runs: that of the machine which was got.
    fn hour(&self) -> Option<Money> {
        let End::Runs(known) = &self.end else {
            return None;
        };
        let plan = self.job.prepared.plan.as_ref()?;
        let got = known.rented.as_ref().map(|r| r.microusd_per_hour);
        let got = got.filter(|m| *m > 0).map(Money::micros);
        Some(got.unwrap_or_else(|| plan.rate.hour()))
    }
}

/// What `--json` prints of each.
#[derive(Debug, Serialize)]
struct One<'a> {
    line: usize,
    task: &'a str,
    state: &'static str,
    /// Of one that runs.
    session: Option<&'a SessionId>,
    name: Option<&'a str>,
    provider: &'a str,
    agents: Vec<u32>,
    microusd_per_hour: Option<Money>,
    error: Option<String>,
    hints: &'a [String],
}

/// The object of one, on one line.
pub(super) fn one_line(ended: &Ended) -> Result<String> {
    let (state, error) = match &ended.end {
        End::Runs(_) => ("runs", None),
        End::Failed(e) => ("failed", Some(e)),
        End::TakenBack => ("taken_back", None),
        End::NotBegun => ("not_begun", None),
    };
    let job = &ended.job;
    let one = One {
        line: job.task.line,
        task: &job.task.text,
        state,
        session: matches!(ended.end, End::Runs(_)).then_some(&job.id),
        name: job.name.as_deref(),
        provider: job.prepared.place.provider(),
        agents: job.prepared.numbers(),
        microusd_per_hour: ended.hour(),
        error: error.map(why),
        hints: error.map_or(&[], |e| &e.hints),
    };
    serde_json::to_string(&one)
        .map_err(|e| Error::internal("a session cannot be written as JSON").because(e))
}

/// What `--dry-run --json` prints.
#[derive(Debug, Serialize)]
struct Rehearsal<'a> {
    tasks: Vec<RehearsedTask<'a>>,
    microusd_per_hour: Money,
    microusd_at_most: Option<Money>,
}

#[derive(Debug, Serialize)]
struct RehearsedTask<'a> {
    line: usize,
    task: &'a str,
    #[serde(flatten)]
    told: Told<'a>,
}

/// The plan of all, which is not carried out.
pub(super) fn rehearsal(ctx: &Ctx, jobs: &[Job], json: bool) -> Result<()> {
    let sum = Sum::of(jobs);
    if json {
        let tasks = jobs.iter().filter_map(|job| {
            let p = &job.prepared;
            Some(RehearsedTask {
                line: job.task.line,
                task: &job.task.text,
                told: Told::of(p.plan.as_ref()?, p.clocks.ttl, p.agents.len()),
            })
        });
        return ctx.ui.json(&Rehearsal {
            tasks: tasks.collect(),
            microusd_per_hour: sum.hour,
            microusd_at_most: sum.at_most,
        });
    }
    let mut table = Table::new(&["LINE", "MACHINE", "PER HOUR", "WHY", "TASK"]);
    for job in jobs {
        if let Some(plan) = &job.prepared.plan {
            table.row(vec![
                job.task.line.to_string().into(),
                plan.shape.name.clone().into(),
                plan.rate.certainty.of(plan.rate.hour()).into(),
                plan.why.clone().into(),
                job.task.text.clone().into(),
            ]);
        }
    }
    table.print(&ctx.ui)?;
    for line in whole(jobs) {
        ctx.ui.line(line.trim_start())?;
    }
    ctx.ui
        .line(format!("not in it: {}", crate::cost::NOT_COUNTED))?;
    ctx.ui.line("Nothing was rented.")
}

/// What all machines cost together.
struct Sum {
    hour: Money,
    at_most: Option<Money>,
    certainty: Certainty,
}

impl Sum {
    fn of(jobs: &[Job]) -> Self {
        let none = Self {
            hour: Money::ZERO,
            at_most: Some(Money::ZERO),
            certainty: Certainty::Exact,
        };
        jobs.iter().fold(none, |sum, job| {
            let Some(plan) = &job.prepared.plan else {
                return sum;
            };
            let one = job.prepared.clocks.ttl.map(|ttl| ceiling(plan, ttl));
            Self {
                hour: sum.hour.plus(plan.rate.hour()),
                at_most: sum.at_most.zip(one).map(|(all, one)| all.plus(one)),
                certainty: sum.certainty.and(plan.rate.certainty),
            }
        })
    }
}

/// What will be rented in all; nothing where nothing is.
pub(super) fn whole(jobs: &[Job]) -> Vec<String> {
    let mut types: BTreeMap<String, usize> = BTreeMap::new();
    for plan in jobs.iter().filter_map(|j| j.prepared.plan.as_ref()) {
        let market = if plan.wish.spot { " spot" } else { "" };
        *types
            .entry(format!("{}{market}", plan.shape.name))
            .or_default() += 1;
    }
    let Some(first) = jobs.first().filter(|_| !types.is_empty()) else {
        return Vec::new();
    };
    let each: Vec<String> = types.iter().map(|(t, n)| format!("{n} × {t}")).collect();
    let sum = Sum::of(jobs);
    let mut line = format!(
        "  sizing    {}: {}  {}/h together",
        count(jobs.len(), "machine"),
        each.join(", "),
        sum.certainty.of(sum.hour)
    );
    if let (Some(at_most), Some(ttl)) = (sum.at_most, first.prepared.clocks.ttl) {
        line.push_str(&format!(
            ", at most {} with TTL {}",
            sum.certainty.of(at_most),
            humantime::format_duration(ttl)
        ));
    }
    let mut lines = vec![line];
    if let Some(budget) = first.prepared.budget_microusd {
        let all = (0..jobs.len()).fold(Money::ZERO, |sum, _| sum.plus(Money::micros(budget)));
        lines.push(format!(
            "  budget    {} each, {all} together",
            Money::micros(budget)
        ));
    }
    lines
}

/// What came of all, for a person.
pub(super) fn summary(ctx: &Ctx, ended: &[Ended], interrupted: bool) -> Vec<String> {
    let of = |is: fn(&End) -> bool| ended.iter().filter(move |e| is(&e.end));
    let runs: Vec<&Ended> = of(|e| matches!(e, End::Runs(_))).collect();
    let mut lines = Vec::new();
    let verb = match (runs.len(), interrupted) {
        (1, false) => "runs",
        (_, false) => "run",
        (1, true) => "runs on",
        (_, true) => "run on",
    };
    let mut line = format!("{} {verb}", count(runs.len(), "session"));
    let hour = runs.iter().filter_map(|e| e.hour());
    if let Some(hour) = hour.reduce(Money::plus) {
        let sure = runs.iter().filter_map(|e| e.job.prepared.plan.as_ref());
        let sure = sure.fold(Certainty::Exact, |c, p| c.and(p.rate.certainty));
        line.push_str(&format!(", {}/h together", sure.of(hour)));
    }
    lines.push(line);
    let named = |lines: &mut Vec<String>, what: &str, those: Vec<&Ended>| {
        if !those.is_empty() {
            lines.push(format!("{} {what}:", those.len()));
            let told = those
                .iter()
                .map(|e| format!("  line {}  {}", e.job.task.line, said(e)));
            lines.extend(told);
        }
    };
    let failed: Vec<&Ended> = of(|e| matches!(e, End::Failed(_))).collect();
    let mut hints: Vec<&String> = Vec::new();
    for hint in failed.iter().flat_map(|e| match &e.end {
        End::Failed(error) => error.hints.iter(),
        _ => [].iter(),
    }) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    let taken: Vec<&Ended> = of(|e| matches!(e, End::TakenBack)).collect();
    let rest: Vec<&Ended> = of(|e| matches!(e, End::NotBegun)).collect();
    if interrupted {
        lines.extend(
            runs.iter()
                .map(|e| format!("  line {}  {}", e.job.task.line, e.job.id)),
        );
    }
    named(&mut lines, "failed", failed);
    named(&mut lines, "taken back", taken);
    named(&mut lines, "not begun", rest);
    for hint in hints {
        lines.push(format!("{} {hint}", ctx.ui.err("Hint:", Color::Cyan)));
    }
    if let Some(first) = runs.first() {
        let short = first.job.id.short();
        lines.push(format!(
            "Look: `remote status`, wait: `remote wait --any`, go there: `remote attach {short}`"
        ));
    }
    lines
}

fn said(ended: &Ended) -> String {
    match &ended.end {
        End::Failed(error) => why(error),
        _ => ended.job.task.text.clone(),
    }
}

/// An error and its causes on one line.
pub(super) fn why(error: &Error) -> String {
    let mut text = error.message.clone();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    clean(&lines.join("; "))
}

fn count(n: usize, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {what}{s}")
}
