//! `remote kill`.

use std::process::ExitCode;
use std::time::Duration;

use clap_complete::engine::ArgValueCandidates;

use super::target::{Target, person, time};
use super::{Ctx, complete};
use crate::client::reach;
use crate::error::Result;
use crate::model::AgentRef;
use crate::proto::Op;

/// End one agent; the others and the session go on
///
/// The agent's process group gets SIGHUP and, if that was not enough, SIGKILL.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent, as SESSION/2; the session alone where it has one agent
    #[arg(value_name = "SESSION[/AGENT]", add = ArgValueCandidates::new(complete::agents))]
    target: AgentRef,
    /// How long it may take to end by itself
    #[arg(long, value_name = "TIME", value_parser = time)]
    grace: Option<Duration>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = ctx.registry(Some(&args.target.session)).await?;
    let target = Target::find(&registry, Some(&args.target))?;
    let host = reach(&target.known, person(ctx)).await?;
    let mut control = host.control().await?;
    let agent = target.one_live("kill", &mut control).await?;
    let grace_ms = args
        .grace
        .map(|g| u64::try_from(g.as_millis()).unwrap_or(u64::MAX));
    let op = Op::Kill { agent, grace_ms };
    control.ask(op).await?;
    ctx.ui.note(format!("Ended {}/{agent}.", target.known.id));
    Ok(ExitCode::SUCCESS)
}
