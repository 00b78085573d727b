//! `remote logs`.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap_complete::engine::ArgValueCandidates;
use tokio::sync::mpsc;

use super::dispatch::Printer;
use super::target::{Target, interrupted, person};
use super::{Ctx, complete};
use crate::client::Registry;
use crate::client::follow::{Following, Form, Shown};
use crate::client::history::{Begin, History, Log, shown};
use crate::client::logs::Cast;
use crate::client::reach::Hosts;
use crate::client::status::newest;
use crate::error::{Context, Error, Kind, Result};
use crate::model::{AgentRef, now_ms};
use crate::mux::Plain;
use crate::ssh::Flow;

/// Show what agents wrote, of live and of ended sessions
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session, or one of its agents as SESSION/2 [default: the last session]
    #[arg(value_name = "SESSION[/AGENT]", add = ArgValueCandidates::new(complete::agents))]
    target: Option<AgentRef>,
    /// Go on until the agents end
    #[arg(long, short)]
    follow: bool,
    /// Print lines of text, without colours and cursor movements (this is the default)
    #[arg(long, conflicts_with_all = ["raw", "cast"])]
    plain: bool,
    /// Print one agent's bytes as they are
    #[arg(long, conflicts_with = "cast")]
    raw: bool,
    /// Write one agent's history as a recording for asciinema; `-` is stdout
    #[arg(long, value_name = "FILE")]
    cast: Option<PathBuf>,
    /// What the newest check of their work printed, or with `--check=2` the second one
    #[arg(long, value_name = "RUN", num_args = 0..=1, require_equals = true, conflicts_with = "cast")]
    check: Option<Option<u32>>,
    /// What setup printed, before the agents began
    #[arg(long, conflicts_with_all = ["check", "cast"])]
    setup: bool,
    /// Begin this many bytes before the end
    #[arg(long, value_name = "BYTES")]
    tail: Option<u64>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = ctx
        .registry(args.target.as_ref().map(|t| t.session.as_str()))
        .await?;
    let target = Target::find(&registry, args.target.as_ref())?;
    let begin = args.tail.map_or(Begin::Offset(0), Begin::Tail);
    let hosts = Arc::new(Hosts::new(person(ctx), Flow::Bulk));
    let work = async {
        let target = match target.agent {
            Some(_) => target,
            None => target.with_agents(&registry, &hosts).await,
        };
        let known = &target.known;
        let wanted = match (args.setup, args.check) {
            (true, _) => Some(vec![(0, Log::Setup)]),
            (false, Some(run)) => Some(checks(&registry, &hosts, &target, run).await?),
            (false, None) => None,
        };
        if args.cast.is_none() && !args.raw {
            let reading = Reading {
                ctx,
                registry: &registry,
                hosts: &hosts,
                target: &target,
                begin,
                follow: args.follow,
            };
            return match wanted {
                Some(logs) => reading.each(&logs).await,
                None => reading.agents().await,
            };
        }
        let (agent, log) = match wanted.as_deref() {
            Some([one]) => *one,
            Some(_) => return Err(several(&target)),
            None => {
                // Whoever is asked for the first one's says why there is nothing.
                let agent = target.one("logs")?.unwrap_or(1);
                (agent, Log::Agent(agent))
            }
        };
        let mut history = History::open(&registry, known, &hosts, log, begin, args.follow).await?;
        match &args.cast {
            Some(file) => cast(ctx, &mut history, file, &target, agent).await,
            None => raw(ctx, &mut history).await,
        }
    };
    tokio::select! {
        done = work => done.map(|()| ExitCode::SUCCESS),
        () = interrupted() => Ok(ExitCode::from(130)),
    }
}

async fn raw(ctx: &Ctx, history: &mut History) -> Result<()> {
    while let Some(record) = history.next().await? {
        if let Some(bytes) = shown(&record) {
            ctx.ui.raw(bytes)?;
        }
    }
    Ok(())
}

async fn cast(
    ctx: &Ctx,
    history: &mut History,
    file: &Path,
    target: &Target,
    agent: u32,
) -> Result<()> {
    let title = format!("{}/{agent}", target.known.id);
    let out: Box<dyn std::io::Write + Send> = if file == Path::new("-") {
        Box::new(BufWriter::new(std::io::stdout()))
    } else {
        let file =
            File::create(file).context(format!("cannot write the recording {}", file.display()))?;
        Box::new(BufWriter::new(file))
    };
    let mut cast = Cast::new(out, &title);
    while let Some(record) = history.next().await? {
        cast.record(&record)?;
    }
    cast.finish(now_ms())?;
    if file != Path::new("-") {
        ctx.ui.note(format!(
            "Wrote {}; play it with `asciinema play {}`.",
            file.display(),
            file.display()
        ));
    }
    Ok(())
}

/// The logs of their checks, the newest ones or of that run.
async fn checks(
    registry: &Registry,
    hosts: &Arc<Hosts>,
    target: &Target,
    run: Option<u32>,
) -> Result<Vec<(u32, Log)>> {
    let status = newest(registry, &target.known, hosts).await?;
    let asked = status.agents.iter();
    let asked = asked.filter(|a| target.agent.is_none_or(|n| n == a.number));
    let logs: Vec<_> = asked
        .filter_map(|a| {
            let newest = a.check.as_ref()?.run;
            let run = run.unwrap_or(newest);
            (1..=newest)
                .contains(&run)
                .then_some((a.number, Log::Check(a.number, run)))
        })
        .collect();
    let label = target.known.label();
    match (logs.is_empty(), run) {
        (false, _) => Ok(logs),
        (true, Some(run)) => Err(Error::user(format!("{label} has no check {run}"))
            .hint("`remote logs SESSION --check` shows the newest")),
        (true, None) => Err(
            Error::user(format!("no work was checked in {label} yet")).hint(
                "`remote dispatch --check 'make test'` has it checked whenever an agent is done",
            ),
        ),
    }
}

fn several(target: &Target) -> Error {
    let label = target.known.label();
    Error::user(format!("{label} has several agents that were checked")).hint(format!(
        "name one: `remote logs {}/1 --check --raw`",
        target.known.id
    ))
}

/// Logs on their way to lines.
struct Reading<'a> {
    ctx: &'a Ctx,
    registry: &'a Registry,
    hosts: &'a Arc<Hosts>,
    target: &'a Target,
    begin: Begin,
    follow: bool,
}

impl Reading<'_> {
    /// One agent's lines as they are, several agents' with their numbers.
    async fn agents(&self) -> Result<()> {
        let target = self.target;
        let agents = match target.agent {
            Some(one) => vec![one],
            None => match target.agents() {
                // Whoever is asked for the first one's says why there is nothing.
                none if none.is_empty() => vec![1],
                some => some,
            },
        };
        if !self.follow || (agents.len() <= 1 && !target.known.live) {
            let logs: Vec<_> = agents.iter().map(|n| (*n, Log::Agent(*n))).collect();
            return self.each(&logs).await;
        }
        let following = Following {
            registry: self.registry.clone(),
            known: target.known.clone(),
            hosts: self.hosts.clone(),
        };
        let mut printer = Printer::new(self.ctx.ui, &agents);
        let (send, mut shown) = mpsc::channel(64);
        let print = async {
            while let Some(next) = shown.recv().await {
                printer.print(&next)?;
            }
            Ok(())
        };
        let run = following.run(&agents, self.begin, Form::Lines, send);
        let (followed, printed) = tokio::join!(run, print);
        printed.and(followed)
    }

    /// One log after the other.
    async fn each(&self, logs: &[(u32, Log)]) -> Result<()> {
        let (ui, known) = (self.ctx.ui, &self.target.known);
        let numbers: Vec<u32> = logs.iter().map(|(n, _)| *n).collect();
        let mut printer = Printer::new(ui, &numbers);
        let alone = logs.len() <= 1;
        for (agent, log) in logs.iter().copied() {
            let (begin, follow) = (self.begin, self.follow);
            let opened = History::open(self.registry, known, self.hosts, log, begin, follow).await;
            let mut history = match opened {
                // An agent that never ran has no history; the others have.
                Err(e) if !alone && e.kind == Kind::User => continue,
                opened => opened?,
            };
            let mut plain = Plain::new();
            let mut lines = Vec::new();
            let mut print = |lines: &mut Vec<String>| {
                lines.drain(..).try_for_each(|text| match alone {
                    true => ui.line(text),
                    false => printer.print(&Shown::Line { agent, text }),
                })
            };
            loop {
                let record = match history.next().await {
                    Err(e) if !alone && e.kind == Kind::User => break,
                    Ok(None) => break,
                    next => next?,
                };
                if let Some(bytes) = record.as_ref().and_then(shown) {
                    plain.feed(bytes, &mut lines);
                    print(&mut lines)?;
                }
            }
            lines.extend(plain.finish());
            print(&mut lines)?;
            if plain.full_screen() && log == Log::Agent(agent) {
                let name = format!("{}/{agent}", known.id);
                ui.note(format!(
                    "{name} is a full-screen program: `remote attach {name}` or `remote replay {name}` shows it."
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args as _, FromArgMatches};

    fn parse(args: &[&str]) -> std::result::Result<Args, clap::Error> {
        let command = Args::augment_args(clap::Command::new("logs"));
        let all = std::iter::once("logs").chain(args.iter().copied());
        Args::from_arg_matches(&command.try_get_matches_from(all)?)
    }

    #[test]
    fn forms_exclude_each_other_and_agents_are_named_from_one() {
        assert!(parse(&["abc/2", "-f"]).is_ok());
        assert!(parse(&["--raw", "--cast", "x"]).is_err());
        assert!(parse(&["--plain", "--raw"]).is_err());
        assert!(parse(&["abc/0"]).is_err());
        assert!(parse(&["--check", "abc/2"]).is_ok() && parse(&["--check=2"]).is_ok());
        assert!(parse(&["--check", "--setup"]).is_err());
    }
}
