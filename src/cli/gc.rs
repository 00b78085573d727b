//! `remote gc`: what of ours is left on AWS, and what it costs.

use std::process::ExitCode;

use serde::Serialize;

use super::target::person;
use super::{Cell, Table};
use super::{Ctx, confirm};
use crate::client::cloud;
use crate::error::{Error, Result};
use crate::model::{Money, now_ms};
use crate::provision::Binaries;
use crate::provision::ec2::{Leftover, LeftoverKind};

/// List what of yours is left on AWS, in any region, and what it costs a month
///
/// Machines, volumes, snapshots and security groups that `remote` made. What a live session uses is marked and
/// never deleted; nor are work volumes, which may hold results, unless --volumes says so.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Delete what no live session uses
    #[arg(long)]
    delete: bool,
    /// With --delete, work volumes and snapshots too: what is on them is gone for ever
    #[arg(long, requires = "delete")]
    volumes: bool,
    /// Look in the configured region only
    #[arg(long)]
    here: bool,
    /// Others' too; they are listed and never deleted
    #[arg(long, conflicts_with = "delete")]
    everyone: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints for each.
#[derive(Debug, Serialize)]
struct Found<'a> {
    kind: &'static str,
    id: &'a str,
    region: &'a str,
    session: Option<&'a str>,
    owner: &'a str,
    gib: u32,
    microusd_per_month: u64,
    in_use: bool,
    deleted: bool,
    error: Option<String>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let binaries = Binaries::default();
    let ec2 = cloud::open(&ctx.paths, &ctx.config, None, &binaries, person(ctx)).await?;
    let (found, silent) = if args.here {
        (ec2.leftovers(args.everyone, now_ms()).await?, Vec::new())
    } else {
        ec2.leftovers_everywhere(args.everyone, now_ms()).await?
    };
    for (region, why) in &silent {
        ctx.ui.warn(format!("{region} did not answer: {why}"));
    }
    let doomed: Vec<Leftover> = found
        .iter()
        .filter(|l| args.delete && !l.in_use && (args.volumes || !holds_work(l.kind)))
        .cloned()
        .collect();
    if !args.json {
        tell(ctx, &found)?;
    }
    let mut failed = Vec::new();
    if !doomed.is_empty() {
        let names: Vec<&str> = doomed.iter().map(|l| l.id.as_str()).collect();
        let question = format!("Delete {}?", list(&names));
        if !confirm(&ctx.ui, &question, args.yes)? {
            return Err(Error::user("nothing was deleted"));
        }
        let mut regions: Vec<&str> = doomed.iter().map(|l| l.region.as_str()).collect();
        regions.dedup();
        for region in regions {
            let there: Vec<Leftover> = doomed
                .iter()
                .filter(|l| l.region == region)
                .cloned()
                .collect();
            failed.extend(ec2.in_region(region).delete(&there).await);
        }
    }
    let error = |l: &Leftover| {
        failed
            .iter()
            .find(|(f, _)| f.id == l.id)
            .map(|(_, e)| e.to_string())
    };
    if args.json {
        let told: Vec<Found> = found
            .iter()
            .map(|l| Found {
                kind: kind(l.kind),
                id: &l.id,
                region: &l.region,
                session: l.session.as_ref().map(|s| s.as_str()),
                owner: &l.owner,
                gib: l.gib,
                microusd_per_month: l.microusd_per_month,
                in_use: l.in_use,
                deleted: doomed.contains(l) && error(l).is_none(),
                error: error(l),
            })
            .collect();
        ctx.ui.json(&told)?;
    } else if !doomed.is_empty() {
        ctx.ui.note(format!(
            "Deleted {} of {}.",
            doomed.len() - failed.len(),
            doomed.len()
        ));
    }
    for (leftover, why) in &failed {
        ctx.ui.warn(format!("{} stays: {why}", leftover.id));
    }
    let all_well = failed.is_empty() && silent.is_empty();
    Ok(ExitCode::from(u8::from(!all_well)))
}

/// Its content may be somebody's work.
fn holds_work(kind: LeftoverKind) -> bool {
    matches!(kind, LeftoverKind::Volume | LeftoverKind::Snapshot)
}

fn kind(kind: LeftoverKind) -> &'static str {
    match kind {
        LeftoverKind::Instance => "instance",
        LeftoverKind::Volume => "volume",
        LeftoverKind::Snapshot => "snapshot",
        LeftoverKind::SecurityGroup => "security group",
    }
}

fn tell(ctx: &Ctx, found: &[Leftover]) -> Result<()> {
    if found.is_empty() {
        ctx.ui.note("Nothing of yours is left on AWS.");
        return Ok(());
    }
    let mut table = Table::new(&["KIND", "ID", "REGION", "SESSION", "SIZE", "A MONTH", ""]);
    for l in found {
        let size = if l.gib == 0 {
            String::new()
        } else {
            format!("{} GB", l.gib)
        };
        table.row(vec![
            Cell::new(kind(l.kind)),
            Cell::new(&l.id),
            Cell::new(&l.region),
            Cell::new(l.session.as_ref().map_or("", |s| s.as_str())),
            Cell::new(&size),
            Cell::new(format!("≈{}", Money::micros(l.microusd_per_month))),
            Cell::new(if l.in_use { "in use" } else { "" }),
        ]);
    }
    table.print(&ctx.ui)?;
    let idle: Money = found
        .iter()
        .filter(|l| !l.in_use)
        .map(|l| Money::micros(l.microusd_per_month))
        .sum();
    if !idle.is_zero() {
        ctx.ui.note(format!(
            "≈{idle} a month for what no live session uses; `remote gc --delete` takes away what holds no work."
        ));
    }
    Ok(())
}

fn list(names: &[&str]) -> String {
    const MOST: usize = 8;
    match names.get(..MOST) {
        Some(first) if names.len() > MOST => {
            format!("{} and {} more", first.join(", "), names.len() - MOST)
        }
        _ => names.join(", "),
    }
}
