//! `remote rename`.

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;

use super::target::person;
use super::{Ctx, complete};
use crate::client::dispatch::check_name;
use crate::client::{Registry, reach};
use crate::error::Result;
use crate::model::now_ms;
use crate::proto::Op;

/// Give a session another name; an empty one takes its name away
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session
    #[arg(value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
    session: String,
    /// The new name
    #[arg(value_name = "NAME")]
    name: String,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = Registry::open(&ctx.paths)?;
    let known = registry.resolve(&args.session)?;
    if known.name.as_deref().unwrap_or("") == args.name {
        return Ok(ExitCode::SUCCESS);
    }
    if !args.name.is_empty() {
        check_name(&registry, &args.name)?;
    }
    let host = reach(&known, person(ctx)).await?;
    let mut control = host.control().await?;
    control.ask(Op::Rename { name: args.name }).await?;
    registry.ledger().saw(&control.status().await?, now_ms());
    Ok(ExitCode::SUCCESS)
}
