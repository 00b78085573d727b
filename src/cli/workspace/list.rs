//! `remote workspace list`.

use std::process::ExitCode;

use serde::Serialize;

use super::progress::Progress;
use super::site::{self, Where};
use super::words::{bytes, month, state};
use crate::cli::{Cell, Color, Ctx, Table, age};
use crate::error::Result;
use crate::model::now_ms;
use crate::workspace::{Seen, Sight, Snapshot, Workspace, newest};

/// List workspaces: their size, where they are, who has them, and what they cost a month
#[derive(Debug, clap::Args)]
#[command(visible_alias = "status")]
pub struct Args {
    /// List their snapshots instead, also those of workspaces that are no more
    #[arg(long)]
    snapshots: bool,
    /// Print JSON; amounts are in micro-dollars, times in milliseconds
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

/// What `--json` prints for each.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    workspace: &'a Workspace,
    /// How many there are, complete or not, and what they cost at most.
    snapshots: usize,
    snapshots_microusd_per_month: u64,
    newest_snapshot: Option<&'a Snapshot>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let progress = Progress::new(ctx);
    let site = site::open(ctx, &args.at, &progress).await?;
    let asked = async {
        let volumes = &site.volumes;
        tokio::try_join!(volumes.list(), volumes.snapshots())
    };
    let (workspaces, snapshots) = progress.run(asked, "nothing was changed").await?;
    let sight = Sight {
        at: now_ms(),
        workspaces,
        snapshots,
    };
    Seen::new(&ctx.paths).saw(&site.place, sight.clone());
    match (args.snapshots, args.json) {
        (true, true) => ctx.ui.json(&sight.snapshots)?,
        (true, false) => list_snapshots(ctx, &sight, &site.place)?,
        (false, true) => {
            let all: Vec<Listed> = sight.workspaces.iter().map(|w| listed(w, &sight)).collect();
            ctx.ui.json(&all)?;
        }
        (false, false) => list(ctx, &sight, &site.place)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn listed<'a>(workspace: &'a Workspace, sight: &'a Sight) -> Listed<'a> {
    let own = || {
        let all = sight.snapshots.iter();
        all.filter(|s| s.workspace == workspace.name)
    };
    Listed {
        workspace,
        snapshots: own().count(),
        snapshots_microusd_per_month: sum(own().map(|s| s.microusd_per_month)),
        newest_snapshot: newest(&sight.snapshots, &workspace.name),
    }
}

fn sum(amounts: impl Iterator<Item = u64>) -> u64 {
    amounts.fold(0, u64::saturating_add)
}

fn list(ctx: &Ctx, sight: &Sight, place: &str) -> Result<()> {
    if sight.workspaces.is_empty() {
        ctx.ui.note(format!("No workspaces of yours in {place}."));
        ctx.ui
            .hint("make one: `remote workspace create --name NAME --size 100gb`");
    } else {
        let mut table = Table::new(&[
            "NAME",
            "SIZE",
            "USED",
            "ZONE",
            "STATE",
            "ATTACHED TO",
            "LAST USED",
            "A MONTH",
            "SNAPSHOT",
        ]);
        for workspace in &sight.workspaces {
            table.row(row(&listed(workspace, sight), sight.at));
        }
        table.print(&ctx.ui)?;
    }
    twins(ctx, &sight.workspaces);
    let disks = sum(sight.workspaces.iter().map(|w| w.microusd_per_month));
    let snapshots = sum(sight.snapshots.iter().map(|s| s.microusd_per_month));
    if disks + snapshots > 0 {
        let mut told = format!("{} a month", month(disks));
        if snapshots > 0 {
            told += &format!(
                ", and for {} snapshots at most {}",
                sight.snapshots.len(),
                month(snapshots)
            );
        }
        ctx.ui.note(format!("{told}."));
    }
    Ok(())
}

fn row(listed: &Listed, now: u64) -> Vec<Cell> {
    let workspace = listed.workspace;
    let color = match state(workspace) {
        "attached" => Color::Green,
        "failed" => Color::Red,
        "creating" => Color::Yellow,
        _ => Color::Dim,
    };
    let attached = match state(workspace) {
        "attached" => workspace
            .session
            .as_ref()
            .map(|s| s.to_string())
            .or_else(|| workspace.instance.clone())
            .unwrap_or_default(),
        _ => String::new(),
    };
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        Cell::new(workspace.name.as_str()).color(Color::Bold),
        Cell::new(format!("{} GB", workspace.gib)),
        Cell::new(or_none(workspace.used.map(bytes))),
        Cell::new(&workspace.place),
        Cell::new(state(workspace)).color(color),
        Cell::new(attached),
        Cell::new(or_none(workspace.last_used.map(|at| age(at, now)))),
        Cell::new(month(workspace.microusd_per_month)),
        Cell::new(or_none(listed.newest_snapshot.map(|s| age(s.created, now)))),
    ]
}

/// Somebody made a second one of a name around us: said wherever it is seen.
fn twins(ctx: &Ctx, all: &[Workspace]) {
    let mut named: Vec<&Workspace> = Vec::new();
    for workspace in all {
        match named.iter().find(|w| w.name == workspace.name) {
            Some(first) => {
                ctx.ui.warn(format!(
                    "there are two workspaces `{}`: {} and {}",
                    workspace.name, first.id, workspace.id
                ));
                ctx.ui.hint(format!(
                    "name one by its id: `remote workspace delete {}`",
                    workspace.id
                ));
            }
            None => named.push(workspace),
        }
    }
}

fn list_snapshots(ctx: &Ctx, sight: &Sight, place: &str) -> Result<()> {
    if sight.snapshots.is_empty() {
        ctx.ui.note(format!("No snapshots of yours in {place}."));
        ctx.ui.hint("make one: `remote workspace snapshot NAME`");
        return Ok(());
    }
    let mut table = Table::new(&[
        "SNAPSHOT",
        "WORKSPACE",
        "SIZE",
        "MADE",
        "STATE",
        "BY",
        "AT MOST A MONTH",
        "NOTE",
    ]);
    for snapshot in &sight.snapshots {
        let state = match snapshot.complete {
            true => Cell::new("complete").color(Color::Dim),
            false => Cell::new(format!("{}%", snapshot.percent)).color(Color::Yellow),
        };
        let gone = !sight
            .workspaces
            .iter()
            .any(|w| w.name == snapshot.workspace);
        let of = match gone {
            true => format!("{} (deleted)", snapshot.workspace),
            false => snapshot.workspace.to_string(),
        };
        table.row(vec![
            Cell::new(&snapshot.id),
            Cell::new(of),
            Cell::new(format!("{} GB", snapshot.gib)),
            Cell::new(age(snapshot.created, sight.at)),
            state,
            Cell::new(if snapshot.automatic { "itself" } else { "hand" }),
            Cell::new(month(snapshot.microusd_per_month)),
            Cell::new(&snapshot.note),
        ]);
    }
    table.print(&ctx.ui)
}
