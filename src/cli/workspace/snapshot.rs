//! `remote workspace snapshot`.

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;

use serde::Serialize;

use super::diff::{self, Diff};
use super::progress::Progress;
use super::site::{self, Where};
use super::words::month;
use crate::cli::{Ctx, complete};
use crate::error::{Error, Result};
use crate::workspace::{NewSnapshot, Snapshot, State, find, wait_complete};

/// Make a snapshot: the workspace as it is now, kept until you delete it
///
/// One that a session has can be snapshot too: it is what a power cut would leave at that moment.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workspace
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::workspaces))]
    name: String,
    /// What to remember it by
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Return only once it is complete
    #[arg(long)]
    wait: bool,
    /// Wait for it, and say how much has changed since the snapshot before
    #[arg(long)]
    diff: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Made<'a> {
    #[serde(flatten)]
    snapshot: &'a Snapshot,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    diff: Option<Diff>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let progress = Progress::new(ctx);
    let steps = |text: &str| progress.step(text);
    let site = site::open(ctx, &args.at, &progress).await?;
    let volumes = site.volumes.as_ref();
    let made = async {
        let workspace = find(volumes, &args.name).await?;
        if workspace.blank {
            return Err(
                Error::user(format!("nothing was ever put on {}", workspace.name)).hint(format!(
                    "use it first: `remote dispatch --workspace {} ...`",
                    workspace.name
                )),
            );
        }
        let new = NewSnapshot {
            note: args.note.clone(),
            automatic: false,
        };
        steps(&format!("snapshot {}", workspace.name));
        let made = volumes.snapshot(&workspace, &new).await?;
        let made = match args.wait || args.diff {
            true => wait_complete(volumes, &made, &steps).await?,
            false => made,
        };
        Ok((workspace, made))
    };
    let left =
        "one that was begun completes without us: `remote workspace list --snapshots` shows it";
    let (workspace, made) = progress.run(made, left).await?;
    site.look(ctx).await;
    let differ = match args.diff {
        true => diff::diff(ctx, &args.at, &made, &progress).await?,
        false => None,
    };
    if args.json {
        ctx.ui.json(&Made {
            snapshot: &made,
            diff: differ,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    if !ctx.ui.out_is_terminal() {
        ctx.ui.line(&made.id)?;
    }
    let cost = match made.microusd_per_month {
        0 => String::new(),
        some => format!(", at most {} a month", month(some)),
    };
    let what = match made.complete {
        true => "is complete",
        false => "is being made; it needs no machine for that, nor this command",
    };
    ctx.ui
        .note(format!("{} of {} {what}{cost}.", made.id, workspace.name));
    if workspace.state == State::Attached {
        let whose = workspace
            .session
            .as_ref()
            .map_or("a machine", |s| s.as_str());
        ctx.ui.note(format!(
            "{whose} has the workspace: what it had not written to the disk yet is not in it."
        ));
    }
    if args.diff {
        diff::tell(ctx, differ.as_ref());
    }
    Ok(ExitCode::SUCCESS)
}
