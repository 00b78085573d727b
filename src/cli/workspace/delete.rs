//! `remote workspace delete`.

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;
use serde::Serialize;

use super::progress::Progress;
use super::site::{self, Site, Where};
use super::words::{bytes, month};
use crate::cli::{Ctx, age, complete, prompt};
use crate::cost::Ledger;
use crate::error::{Error, Result};
use crate::model::now_ms;
use crate::workspace::{Snapshot, State, Workspace, WorkspaceError, find, find_snapshot};

/// Snapshots that are named one by one.
const NAMED: usize = 8;

/// Delete a workspace, or one snapshot: what is on it is gone for ever
///
/// A workspace's snapshots stay, and cost, until each is deleted by its id. What a session's machine has is never
/// deleted.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workspace, or a snapshot's id
    #[arg(value_name = "NAME|SNAPSHOT")]
    #[arg(add = ArgValueCandidates::new(complete::workspaces_and_snapshots))]
    what: String,
    /// Do not ask: the same name once more
    #[arg(long, short, value_name = "NAME|SNAPSHOT")]
    yes: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Deleted<'a> {
    deleted: &'a str,
    id: &'a str,
    /// Those of a workspace that stay.
    snapshots: Vec<&'a str>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    if args.yes.as_ref().is_some_and(|y| *y != args.what) {
        return Err(Error::user(format!(
            "`--yes {}` names something else than `{}`: nothing was deleted",
            args.yes.as_deref().unwrap_or_default(),
            args.what
        ))
        .hint(format!("say `--yes {}` if that is meant", args.what)));
    }
    let progress = Progress::new(ctx);
    let site = site::open(ctx, &args.at, &progress).await?;
    match args.what.starts_with("snap-") {
        true => snapshot(&args, ctx, &site, &progress).await,
        false => workspace(&args, ctx, &site, &progress).await,
    }
}

async fn workspace(args: &Args, ctx: &Ctx, site: &Site, progress: &Progress) -> Result<ExitCode> {
    let volumes = site.volumes.as_ref();
    let workspace = find(volumes, &args.what).await?;
    let mut snapshots = volumes.snapshots().await?;
    snapshots.retain(|s| s.workspace == workspace.name);
    if !args.json {
        tell(ctx, &workspace, &snapshots);
    }
    if workspace.state == State::Creating {
        return Err(Error::user(format!("{} is being made", workspace.name))
            .hint("run it again in a minute"));
    }
    ask(ctx, args)?;
    progress.step(&format!("delete {}", workspace.id));
    let left = "`remote workspace list` shows whether it is still there";
    let deleted = progress.run(volumes.delete(&workspace), left).await;
    site.look(ctx).await;
    deleted?;
    if args.json {
        ctx.ui.json(&Deleted {
            deleted: workspace.name.as_str(),
            id: &workspace.id,
            snapshots: snapshots.iter().map(|s| s.id.as_str()).collect(),
        })?;
    } else {
        ctx.ui.note(format!("Deleted {}.", workspace.name));
    }
    Ok(ExitCode::SUCCESS)
}

async fn snapshot(args: &Args, ctx: &Ctx, site: &Site, progress: &Progress) -> Result<ExitCode> {
    let volumes = site.volumes.as_ref();
    let snapshot = find_snapshot(volumes, &args.what).await?;
    if !args.json {
        let note = match snapshot.note.as_str() {
            "" => String::new(),
            note => format!(", \"{note}\""),
        };
        let there = find(volumes, snapshot.workspace.as_str()).await;
        let others = match there {
            Err(WorkspaceError::NoWorkspace(_)) => "the workspace itself is no more",
            _ => "the workspace itself stays",
        };
        ctx.ui.note(format!(
            "{} of {}, made {} ago{note}: {} GB; {others}.",
            snapshot.id,
            snapshot.workspace,
            age(snapshot.created, now_ms()),
            snapshot.gib
        ));
    }
    ask(ctx, args)?;
    progress.step(&format!("delete {}", snapshot.id));
    let left = "`remote workspace list --snapshots` shows whether it is still there";
    let deleted = progress.run(volumes.delete_snapshot(&snapshot), left).await;
    site.look(ctx).await;
    deleted?;
    if args.json {
        ctx.ui.json(&Deleted {
            deleted: &snapshot.id,
            id: &snapshot.id,
            snapshots: Vec::new(),
        })?;
    } else {
        ctx.ui.note(format!("Deleted {}.", snapshot.id));
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what is on it, as far as that is known, and what stays.
fn tell(ctx: &Ctx, workspace: &Workspace, snapshots: &[Snapshot]) {
    let now = now_ms();
    let mut about = vec![match (workspace.used, workspace.blank) {
        (_, true) => format!("{} GB, on which nothing was ever put", workspace.gib),
        (Some(used), _) => format!("{} of {} GB used", bytes(used), workspace.gib),
        (None, _) => format!("{} GB", workspace.gib),
    }];
    let session = workspace.session.as_ref();
    match (session, workspace.last_used) {
        (Some(session), Some(at)) => {
            about.push(format!("last used by {session}, {} ago", age(at, now)));
        }
        (Some(session), None) => about.push(format!("last used by {session}")),
        (None, Some(at)) => about.push(format!("last used {} ago", age(at, now))),
        (None, None) => {}
    }
    let repositories = repositories(ctx, workspace);
    if !repositories.is_empty() {
        about.push(format!("with {}", repositories.join(", ")));
    }
    ctx.ui.note(format!(
        "{} ({}): {}. It will be gone for ever.",
        workspace.name,
        workspace.id,
        about.join("; ")
    ));
    if snapshots.is_empty() {
        ctx.ui.note("It has no snapshots.");
        return;
    }
    let cost = snapshots
        .iter()
        .fold(0, |sum: u64, s| sum.saturating_add(s.microusd_per_month));
    let named: Vec<String> = snapshots
        .iter()
        .take(NAMED)
        .map(|s| format!("{} ({} old)", s.id, age(s.created, now)))
        .collect();
    let more = match snapshots.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let month = match cost {
        0 => String::new(),
        some => format!(", for at most {} a month", month(some)),
    };
    ctx.ui.note(format!(
        "These snapshots stay{month}: {}{more}.",
        named.join(", ")
    ));
}

/// The repositories that this device has brought to it.
fn repositories(ctx: &Ctx, workspace: &Workspace) -> Vec<String> {
    let records = Ledger::new(&ctx.paths).all().map(|l| l.records);
    let mut all: Vec<String> = records
        .unwrap_or_default()
        .into_iter()
        .filter(|r| r.workspace.as_deref() == Some(workspace.name.as_str()))
        .filter(|r| r.region == workspace.region)
        .filter_map(|r| r.repository)
        .collect();
    all.sort();
    all.dedup();
    all
}

/// Asks to type the name: a yes is typed too fast.
fn ask(ctx: &Ctx, args: &Args) -> Result<()> {
    if args.yes.is_some() {
        return Ok(());
    }
    let nobody = || {
        Error::user("nobody can be asked here, and nothing was deleted").hint(format!(
            "say the name again to go on without being asked: `--yes {}`",
            args.what
        ))
    };
    if !ctx.ui.in_is_terminal() {
        return Err(nobody());
    }
    let question = format!("Type {} to delete it: ", args.what);
    let answer = prompt(&question, true).ok_or_else(nobody)?;
    match answer.trim() == args.what {
        true => Ok(()),
        false => Err(Error::user("that is not its name: nothing was deleted")),
    }
}
