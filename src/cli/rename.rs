//! `remote rename`.

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;

use super::target::person;
use super::{Ctx, complete};
use crate::client::dispatch::check_name;
use crate::client::{cloud, reach};
use crate::error::Result;
use crate::proto::Op;
use crate::provision::Binaries;

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
    if known.provider == "ec2" && known.live {
        let region = known.rented.as_ref().map(|r| r.region.as_str());
        let binaries = Binaries::default();
        let ec2 = cloud::open(&ctx.paths, &ctx.config, region, &binaries, person(ctx)).await?;
        // By the tag other devices know it.
        ec2.rename(&known.id, &args.name).await?;
    }
    if known.live {
        let host = reach(&known, person(ctx)).await?;
        let name = args.name.clone();
        host.control().await?.ask(Op::Rename { name }).await?;
    }
    registry.renamed(&known, &args.name)?;
    Ok(ExitCode::SUCCESS)
}
