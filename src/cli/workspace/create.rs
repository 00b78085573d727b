//! `remote workspace create`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;

use super::progress::Progress;
use super::site::{self, Site, Where};
use super::words::{about, gib};
use crate::cli::{Ctx, complete};
use crate::error::{Error, Result};
use crate::provision::Steps;
use crate::workspace::{
    BadName, Name, NewSnapshot, NewWorkspace, Snapshot, Workspace, WorkspaceError, as_it_is, find,
    find_snapshot, wait_complete,
};

/// Make a workspace, blank or from what another one has
///
/// On EC2 it is an encrypted EBS volume; its zone is where machines that use it run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name: letters, digits and `._-`
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Name,
    /// Its size, such as 100gb; from a snapshot, that one's if not named
    #[arg(long, value_name = "SIZE", required_unless_present = "from")]
    size: Option<String>,
    /// The kind of EBS volume [default: gp3]
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// I/O operations a second, where the kind takes them
    #[arg(long, value_name = "N")]
    iops: Option<u32>,
    /// MiB a second, where the kind takes them
    #[arg(long, value_name = "N")]
    throughput: Option<u32>,
    /// The availability zone; the region's first with a subnet if not named
    #[arg(long, value_name = "ZONE")]
    az: Option<String>,
    /// Begin with what is on this snapshot, or on this workspace as it is now
    #[arg(long, value_name = "SNAPSHOT|WORKSPACE")]
    #[arg(add = ArgValueCandidates::new(complete::workspaces_and_snapshots))]
    from: Option<String>,
    /// Begin with all that is in this directory here, all of it the agents' own
    #[arg(long, value_name = "DIR", conflicts_with = "from", requires = "size")]
    from_dir: Option<PathBuf>,
    /// Keep so many automatic snapshots, one made whenever a session is done with it
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

/// A name for clap.
pub fn name(text: &str) -> std::result::Result<Name, BadName> {
    text.parse()
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let size = args.size.as_deref().map(gib).transpose()?;
    let progress = Progress::new(ctx);
    let steps = |text: &str| progress.step(text);
    let site = site::open(ctx, &args.at, &progress).await?;
    if let Some(dir) = &args.from_dir {
        let new = wished(&args, enough(size, None)?, None);
        let made = super::from_dir::create(ctx, &args.at, dir, &new, &progress).await?;
        site.look(ctx).await;
        return told(ctx, &made, args.json);
    }
    let made = async {
        let from = match &args.from {
            Some(from) => Some(source(&site, &args.name, from, &steps).await?),
            None => None,
        };
        let new = wished(&args, enough(size, from.as_ref())?, from.map(|s| s.id));
        Ok::<_, Error>(site.volumes.create(&new, &steps).await?)
    };
    let made = progress.run(made, LEFT).await?;
    site.look(ctx).await;
    told(ctx, &made, args.json)
}

fn wished(args: &Args, gib: u32, from: Option<String>) -> NewWorkspace {
    NewWorkspace {
        name: args.name.clone(),
        gib,
        kind: args.kind.clone(),
        iops: args.iops,
        throughput: args.throughput,
        zone: args.az.clone(),
        from,
        keep: args.keep,
    }
}

/// What Ctrl-C may leave.
pub const LEFT: &str = "`remote workspace list` shows whether it was made; `remote workspace delete NAME` takes it away";

/// Says what was made.
pub fn told(ctx: &Ctx, made: &Workspace, json: bool) -> Result<ExitCode> {
    if json {
        ctx.ui.json(made)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !ctx.ui.out_is_terminal() {
        ctx.ui.line(made.name.as_str())?;
    }
    ctx.ui
        .note(format!("Created {}: {}.", made.name, about(made)));
    ctx.ui.hint(format!(
        "use it: `remote dispatch --workspace {} ...`",
        made.name
    ));
    Ok(ExitCode::SUCCESS)
}

/// The size that was named, or the snapshot's; never less than that.
pub fn enough(size: Option<u32>, from: Option<&Snapshot>) -> Result<u32> {
    match (size, from) {
        (Some(size), Some(from)) if size < from.gib => Err(Error::user(format!(
            "{} has {} GB, and {size} GB cannot hold them",
            from.id, from.gib
        ))
        .hint(format!(
            "say `--size {}gb` or more, or leave it out",
            from.gib
        ))),
        (Some(size), _) => Ok(size),
        (None, Some(from)) => Ok(from.gib),
        (None, None) => Err(Error::user("a workspace needs a size").hint("say `--size 100gb`")),
    }
}

/// The snapshot that is meant, complete: it itself, or one of the workspace as it is now, made where the newest is
/// older than its last use.
async fn source(site: &Site, name: &Name, from: &str, steps: Steps<'_>) -> Result<Snapshot> {
    let volumes = site.volumes.as_ref();
    if from.starts_with("snap-") {
        let snapshot = find_snapshot(volumes, from).await?;
        return Ok(wait_complete(volumes, &snapshot, steps).await?);
    }
    let workspace = find(volumes, from).await?;
    // Before anything is made that would only be thrown away.
    if volumes.list().await?.iter().any(|w| w.name == *name) {
        return Err(WorkspaceError::Exists(name.clone()).into());
    }
    if workspace.blank {
        return Err(
            Error::user(format!("nothing was ever put on {from}")).hint(format!(
                "make a blank one: `remote workspace create --name {name} --size {}gb`",
                workspace.gib
            )),
        );
    }
    let all = volumes.snapshots().await?;
    if let Some(newest) = as_it_is(&workspace, &all) {
        return Ok(newest.clone());
    }
    let new = NewSnapshot {
        note: format!("for {name}"),
        automatic: false,
    };
    steps(&format!("snapshot {from}"));
    let snapshot = volumes.snapshot(&workspace, &new).await?;
    Ok(wait_complete(volumes, &snapshot, steps).await?)
}
