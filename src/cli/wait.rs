//! `remote wait`.

use std::process::ExitCode;
use std::time::Duration;

use clap::ArgAction;
use clap::builder::PossibleValuesParser;
use clap_complete::engine::ArgValueCandidates;

use super::target::{interrupted, person, time};
use super::{Ctx, complete};
use crate::client::waiting::{Goal, wait};
use crate::client::{Known, Registry};
use crate::error::Result;
use crate::model::AgentRef;

pub const STATES: [&str; 9] = [
    "starting", "working", "blocked", "done", "idle", "error", "exited", "lost", "unknown",
];
/// Nothing more comes without a person.
const OVER: [&str; 4] = ["done", "error", "exited", "lost"];

/// Wait until agents are done, or in another state
///
/// Without --state it waits until nothing more comes by itself: `done`, `error`, `exited` or `lost`, and no check of
/// the work runs. The agents that arrived are printed with their states and checks. Exits with 124 when the timeout ran out, and with 1
/// when an agent has ended that can never get there.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Sessions or agents [default: all live sessions]
    #[arg(value_name = "SESSION[/AGENT]", add = ArgValueCandidates::new(complete::agents))]
    targets: Vec<AgentRef>,
    /// Wait for the first of them
    #[arg(long, conflicts_with = "all")]
    any: bool,
    /// Wait for all of them (this is the default)
    #[arg(long)]
    all: bool,
    /// The state to wait for; may be repeated, or several with commas
    #[arg(long, value_name = "STATE", action = ArgAction::Append, value_delimiter = ',')]
    #[arg(value_parser = PossibleValuesParser::new(STATES))]
    state: Vec<String>,
    /// With --state: wait for the checks of their work too
    #[arg(long)]
    checked: bool,
    /// Give up after this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    timeout: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = Registry::open(&ctx.paths)?;
    let targets = targets(ctx, &args.targets).await?;
    if targets.is_empty() {
        if args.json {
            ctx.ui.json(&[(); 0])?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let checked = args.checked || args.state.is_empty();
    let states = if args.state.is_empty() {
        OVER.map(str::to_owned).to_vec()
    } else {
        args.state
    };
    let goal = Goal {
        any: args.any,
        states,
        checked,
    };
    let arrived = tokio::select! {
        arrived = wait(&registry, targets, goal, args.timeout, person(ctx)) => arrived?,
        () = interrupted() => return Ok(ExitCode::from(130)),
    };
    if args.json {
        ctx.ui.json(&arrived)?;
    } else {
        for a in arrived {
            let check = a.check.map_or_else(String::new, |c| format!(", check {c}"));
            ctx.ui
                .line(format!("{}/{}  {}{check}", a.session, a.agent, a.state))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What was typed, or all live sessions.
///
/// # Errors
/// Something that there is not, or more than one answers to it.
pub async fn targets(ctx: &Ctx, typed: &[AgentRef]) -> Result<Vec<(Known, Option<u32>)>> {
    let Some(first) = typed.first() else {
        let registry = Registry::open(&ctx.paths)?;
        let live = registry.all(false)?;
        return Ok(live.into_iter().map(|known| (known, None)).collect());
    };
    let registry = ctx.registry(Some(&first.session)).await?;
    let known = registry.resolve_all(typed.iter().map(|t| t.session.as_str()))?;
    let agents = typed.iter().map(|t| t.agent);
    Ok(known.into_iter().zip(agents).collect())
}
