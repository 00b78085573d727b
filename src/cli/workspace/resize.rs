//! `remote workspace resize`.

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;

use super::progress::Progress;
use super::site::{self, Where};
use super::words::{about, gib, month};
use crate::cli::target::person;
use crate::cli::{Ctx, complete, confirm};
use crate::client::grow::grow;
use crate::error::{Error, Result};
use crate::model::SessionId;
use crate::workspace::{State, Workspace, WorkspaceError, find};

/// Make a workspace larger; it can never be made smaller again
///
/// What is on it stays. Its file system grows along on the machine that has it, or the next time that one mounts it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workspace
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::workspaces))]
    name: String,
    /// The new size, such as 200gb
    #[arg(value_name = "SIZE")]
    size: String,
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
    let size = gib(&args.size)?;
    let progress = Progress::new(ctx);
    let steps = |text: &str| progress.step(text);
    let site = site::open(ctx, &args.at, &progress).await?;
    let volumes = site.volumes.as_ref();
    let workspace = find(volumes, &args.name).await?;
    if size < workspace.gib {
        return Err(WorkspaceError::Smaller {
            name: workspace.name,
            gib: workspace.gib,
            wished: size,
        }
        .into());
    }
    if size == workspace.gib {
        ctx.ui
            .note(format!("{} has {size} GB already.", workspace.name));
    } else if !confirm(&ctx.ui, &question(&workspace, size), args.yes)? {
        return Err(Error::user("nothing was resized"));
    }
    let left = "a change that was begun goes on without us: `remote workspace list` shows the size";
    let resized = progress
        .run(volumes.resize(&workspace, size, &steps), left)
        .await?;
    site.look(ctx).await;
    match args.json {
        true => ctx.ui.json(&resized)?,
        false => ctx
            .ui
            .note(format!("{} is now {}.", resized.name, about(&resized))),
    }
    if resized.state == State::Attached
        && let Some(session) = &resized.session
    {
        tell_growth(ctx, session, &resized, &progress).await;
    }
    Ok(ExitCode::SUCCESS)
}

/// Has the file system grow where it is mounted; if it cannot, the next mount does it.
async fn tell_growth(ctx: &Ctx, session: &SessionId, resized: &Workspace, progress: &Progress) {
    // Of a directory a size is only a word.
    if resized.kind == "directory" {
        return;
    }
    let bytes = u64::from(resized.gib) << 30;
    progress.step(&format!("grow the file system of {session}"));
    let grown = async {
        let known = ctx.registry_of(session.as_str()).await?;
        grow(&known.resolve(session.as_str())?, bytes, person(ctx)).await
    };
    let left = "the file system grows when it is mounted the next time";
    match progress.run(grown, left).await {
        Ok(()) => ctx
            .ui
            .note(format!("The file system of {session} has grown with it.")),
        Err(e) => {
            let why = e
                .source
                .as_ref()
                .map_or(String::new(), |why| format!(": {why}"));
            ctx.ui.warn(format!("{left}, not now: {e}{why}"));
            e.hints.into_iter().for_each(|hint| ctx.ui.hint(hint));
        }
    }
}

fn question(workspace: &Workspace, size: u32) -> String {
    let now = workspace.microusd_per_month;
    let then = now
        .saturating_mul(size.into())
        .checked_div(workspace.gib.into())
        .unwrap_or(0);
    let cost = match then {
        0 => String::new(),
        some => format!(", from {} to {} a month", month(now), month(some)),
    };
    format!(
        "Resize {} from {} to {size} GB{cost}? It cannot be made smaller again.",
        workspace.name, workspace.gib
    )
}
