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
use crate::client::history::{Begin, History, shown};
use crate::client::logs::Cast;
use crate::client::reach::Hosts;
use crate::error::{Context, Kind, Result};
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
        if args.cast.is_none() && !args.raw {
            return lines(ctx, &registry, &hosts, &target, begin, args.follow).await;
        }
        let agent = target.one("logs")?;
        let known = &target.known;
        let mut history =
            History::open(&registry, known, &hosts, agent, begin, args.follow).await?;
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

/// One agent's lines as they are, several agents' with their numbers.
async fn lines(
    ctx: &Ctx,
    registry: &Registry,
    hosts: &Arc<Hosts>,
    target: &Target,
    begin: Begin,
    follow: bool,
) -> Result<()> {
    let agents = match target.agent {
        Some(one) => vec![one],
        None => target.agents(),
    };
    let mut printer = Printer::new(ctx.ui, &agents);
    if follow && (agents.len() > 1 || target.known.live) {
        let following = Following {
            registry: registry.clone(),
            known: target.known.clone(),
            hosts: hosts.clone(),
        };
        let (send, mut shown) = mpsc::channel(64);
        let print = async {
            while let Some(next) = shown.recv().await {
                printer.print(&next)?;
            }
            Ok(())
        };
        let (followed, printed) =
            tokio::join!(following.run(&agents, begin, Form::Lines, send), print);
        return printed.and(followed);
    }
    let alone = agents.len() <= 1;
    for agent in agents {
        let known = &target.known;
        let opened = History::open(registry, known, hosts, agent, begin, follow).await;
        let mut history = match opened {
            // An agent that never ran has no history; the others have.
            Err(e) if !alone && e.kind == Kind::User => continue,
            opened => opened?,
        };
        let mut plain = Plain::new();
        let mut lines = Vec::new();
        let mut print = |lines: &mut Vec<String>| {
            lines.drain(..).try_for_each(|text| match alone {
                true => ctx.ui.line(text),
                false => printer.print(&Shown::Line { agent, text }),
            })
        };
        while let Some(record) = history.next().await? {
            if let Some(bytes) = shown(&record) {
                plain.feed(bytes, &mut lines);
                print(&mut lines)?;
            }
        }
        lines.extend(plain.finish());
        print(&mut lines)?;
        if plain.full_screen() {
            let name = format!("{}/{agent}", known.id);
            ctx.ui.note(format!(
                "{name} is a full-screen program: `remote attach {name}` or `remote replay {name}` shows it."
            ));
        }
    }
    Ok(())
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
    }
}
