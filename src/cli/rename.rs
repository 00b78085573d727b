//! `remote rename`.

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;

use super::target::person;
use super::{Ctx, complete};
use crate::client::dispatch::check_name;
use crate::client::reach;
use crate::error::Result;
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
    let registry = ctx.registry(Some(&args.session)).await?;
    let known = registry.resolve(&args.session)?;
    if known.name.as_deref().unwrap_or("") == args.name {
        return Ok(ExitCode::SUCCESS);
    }
    if !args.name.is_empty() {
        check_name(&registry, &args.name)?;
    }
    if known.live {
        let host = reach(&known, person(ctx)).await?;
        let name = args.name.clone();
        host.control().await?.ask(Op::Rename { name }).await?;
    }
    registry.renamed(&known, &args.name)?;
    Ok(ExitCode::SUCCESS)
}
