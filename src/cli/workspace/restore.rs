//! `remote workspace restore`.

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;

use super::create::{LEFT, enough, name, told};
use super::progress::Progress;
use super::site::{self, Where};
use super::words::gib;
use crate::cli::{Ctx, complete};
use crate::error::{Error, Result};
use crate::workspace::{Name, NewWorkspace, find_snapshot, newest, wait_complete};

/// Make a new workspace of a snapshot; the old one stays as it is
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The snapshot, or a workspace for its newest one; it need not be there any more
    #[arg(value_name = "SNAPSHOT|NAME")]
    #[arg(add = ArgValueCandidates::new(complete::workspaces_and_snapshots))]
    from: String,
    /// The new workspace's name
    #[arg(long, value_name = "NEW", value_parser = name)]
    name: Name,
    /// Its size, if it is to be larger
    #[arg(long, value_name = "SIZE")]
    size: Option<String>,
    /// The availability zone; the region's first with a subnet if not named
    #[arg(long, value_name = "ZONE")]
    az: Option<String>,
    /// Keep so many automatic snapshots of the new one
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let size = args.size.as_deref().map(gib).transpose()?;
    let progress = Progress::new(ctx);
    let steps = |text: &str| progress.step(text);
    let site = site::open(ctx, &args.at, &progress).await?;
    let volumes = site.volumes.as_ref();
    let made = async {
        let snapshot = match args.from.parse::<Name>() {
            Ok(of) => {
                let all = volumes.snapshots().await?;
                newest(&all, &of).cloned().ok_or_else(|| {
                    Error::user(format!("there is no complete snapshot of `{of}`"))
                        .hint(format!("make one: `remote workspace snapshot {of} --wait`"))
                        .hint("run `remote workspace list --snapshots` for those there are")
                })?
            }
            Err(_) => {
                let snapshot = find_snapshot(volumes, &args.from).await?;
                wait_complete(volumes, &snapshot, &steps).await?
            }
        };
        let new = NewWorkspace {
            name: args.name.clone(),
            gib: enough(size, Some(&snapshot))?,
            kind: None,
            iops: None,
            throughput: None,
            zone: args.az.clone(),
            from: Some(snapshot.id),
            keep: args.keep,
        };
        Ok::<_, Error>(volumes.create(&new, &steps).await?)
    };
    let made = progress.run(made, LEFT).await?;
    site.look(ctx).await;
    told(ctx, &made, args.json)
}
