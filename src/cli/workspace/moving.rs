//! `remote workspace move`.

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;

use super::create::name;
use super::progress::Progress;
use super::site::{self, Site, Where};
use super::words::{about, month};
use crate::cli::{Ctx, complete, confirm};
use crate::error::{Error, Result};
use crate::model::Money;
use crate::workspace::{Name, Workspace, WorkspaceError, find};

/// A month as AWS counts it.
const HOURS: u64 = 730;
/// GB a minute that a snapshot of new data makes, seldom less.
const GB_A_MINUTE: u64 = 5;

/// Move a workspace to another availability zone of its region, through a snapshot
///
/// Where its own zone has no machines left, say. No session may have it. If it is cut off, the workspace is where it
/// was or whole where it was to go; the same command again goes on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workspace
    #[arg(value_name = "NAME", value_parser = name)]
    #[arg(add = ArgValueCandidates::new(complete::workspaces))]
    name: Name,
    /// The zone to move to
    #[arg(long, value_name = "ZONE")]
    az: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let progress = Progress::new(ctx);
    let steps = |text: &str| progress.step(text);
    let ebs = site::ebs(ctx, &args.at).await?;
    match find(ebs.as_ref(), args.name.as_str()).await {
        Ok(workspace) => {
            if !confirm(&ctx.ui, &question(&workspace, &args.az), args.yes)? {
                return Err(Error::user("nothing was moved"));
            }
        }
        // A move that was cut off after the old one was deleted: it is paid for, and only its name is to be changed.
        Err(WorkspaceError::NoWorkspace(_)) => {}
        Err(e) => return Err(e.into()),
    }
    let again = format!("remote workspace move {} --az {}", args.name, args.az);
    let left = format!("nothing is lost; `{again}` goes on with it");
    let moved = progress
        .run(ebs.move_to(&args.name, &args.az, &steps), &left)
        .await;
    let site = Site {
        place: ebs.ec2().region().to_owned(),
        volumes: ebs,
    };
    site.look(ctx).await;
    let moved = moved.map_err(|e| match e.hints.is_empty() {
        true => e.hint(left),
        false => e,
    })?;
    for (snapshot, why) in &moved.stays {
        ctx.ui
            .warn(format!("the snapshot {} stays: {why}", snapshot.id));
        ctx.ui
            .hint(format!("run `remote workspace delete {}`", snapshot.id));
    }
    if args.json {
        ctx.ui.json(&moved.workspace)?;
        return Ok(ExitCode::SUCCESS);
    }
    ctx.ui.note(format!(
        "Moved {}: {}. What is read for the first time comes slowly, from where its snapshot was.",
        args.name,
        about(&moved.workspace)
    ));
    Ok(ExitCode::SUCCESS)
}

/// What it costs and how long it may take, before it begins.
fn question(workspace: &Workspace, zone: &str) -> String {
    let used = workspace
        .used
        .map_or(workspace.gib.into(), |b| b.div_ceil(1 << 30));
    let minutes = 2 + used.div_ceil(GB_A_MINUTE);
    // The copy, beside the old one; a snapshot costs less.
    let meanwhile = workspace.microusd_per_month.saturating_mul(minutes) / (HOURS * 60);
    let cost = match workspace.microusd_per_month {
        0 => String::new(),
        now => format!(
            " It costs at most ≈{} while it takes, then {} a month as now.",
            Money::micros(meanwhile.saturating_mul(2).max(10_000)),
            month(now)
        ),
    };
    format!(
        "Move {} ({} GB) from {} to {zone}? Its snapshot takes up to some {minutes} minutes, less where there are \
         earlier ones.{cost}",
        workspace.name, workspace.gib, workspace.place
    )
}
