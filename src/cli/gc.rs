//! `remote gc`: what of ours is left on AWS, and what it costs.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use super::target::{person, time};
use super::{Cell, Ctx, Table, confirm, waiting};
use crate::client::repo::Pulls;
use crate::client::unpulled::Waiting;
use crate::client::{Registry, cloud};
use crate::error::{Error, Result};
use crate::model::{Money, SessionId, now_ms};
use crate::provision::ec2::{Leftover, LeftoverKind};
use crate::provision::{Binaries, ProvisionError};

/// List what of yours is left on AWS, in any region, and what it costs a month
///
/// Machines, volumes, snapshots and security groups that `remote` made. What a live session uses is marked and
/// never deleted; nor are work volumes, which may hold results, unless --volumes says so.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Delete what no live session uses
    #[arg(long)]
    delete: bool,
    /// With --delete, work volumes and snapshots too, but for those on which results wait
    #[arg(long, requires = "delete")]
    volumes: bool,
    /// With --volumes, those too on which results wait: work that is nowhere else is gone for ever
    #[arg(long, requires = "volumes")]
    results: bool,
    /// Only the work volumes of sessions that have ended, whose results were not pulled here
    #[arg(long, conflicts_with_all = ["delete", "everyone"])]
    unpulled: bool,
    /// With --unpulled, only those that ended at least this long ago, such as 30days
    #[arg(long, value_name = "TIME", value_parser = time, requires = "unpulled")]
    older_than: Option<Duration>,
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
    if args.unpulled {
        return unpulled(&args, ctx).await;
    }
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
    let known = Known::here(ctx)?;
    let waits = |l: &Leftover| known.waits(l);
    let goes = |l: &&Leftover| {
        let work = args.volumes && (args.results || !waits(l));
        args.delete && !l.in_use && (work || !holds_work(l.kind))
    };
    let doomed: Vec<Leftover> = found.iter().filter(goes).cloned().collect();
    if !args.json {
        tell(ctx, &found, &known)?;
    }
    let spared = found
        .iter()
        .filter(|l| args.volumes && !args.results && waits(l));
    if let Some(one) = spared.filter_map(|l| l.session.as_ref()).next() {
        ctx.ui.hint(format!(
            "results wait on volumes, which stay: `remote discard {one}` deletes one, `--results` all"
        ));
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
        let stays = |l: &Leftover| failed.iter().any(|(f, _)| f.id == l.id);
        let gone = doomed
            .iter()
            .filter(|l| l.kind == LeftoverKind::Volume && !stays(l));
        let sessions: Vec<&SessionId> = gone.filter_map(|l| l.session.as_ref()).collect();
        // A record must not stop what it is a record of.
        if let Err(e) = cloud::deleted(&ctx.paths, &sessions, now_ms()) {
            ctx.ui
                .warn(format!("that they cost no more is not written down: {e}"));
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
    let mut hints: Vec<String> = Vec::new();
    let silent_why = silent.iter().filter_map(|(_, why)| match why {
        ProvisionError::Aws(why) => Some(why),
        _ => None,
    });
    for why in failed.iter().map(|(_, why)| why).chain(silent_why) {
        hints.extend(Error::from(ProvisionError::Aws(why.clone())).hints);
    }
    hints.sort();
    hints.dedup();
    hints.into_iter().for_each(|hint| ctx.ui.hint(hint));
    let all_well = failed.is_empty() && silent.is_empty();
    Ok(ExitCode::from(u8::from(!all_well)))
}

/// One whose results wait, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Unpulled<'a> {
    session: &'a SessionId,
    name: Option<&'a str>,
    volume: Option<&'a str>,
    region: &'a str,
    gib: u32,
    microusd_per_month: Money,
    since: u64,
}

/// Lists what is no garbage and costs all the same.
async fn unpulled(args: &Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = ctx.whole_registry().await?;
    let now = now_ms();
    let age = args
        .older_than
        .map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
    let mut all = waiting::all(ctx, &registry)?;
    all.retain(|w| age.is_none_or(|age| now.saturating_sub(w.since) >= age));
    if args.json {
        let rows = all.iter().map(|w| Unpulled {
            session: &w.known.id,
            name: w.known.name.as_deref(),
            volume: w.known.rented.as_ref().and_then(|r| r.volume.as_deref()),
            region: w.known.rented.as_ref().map_or("", |r| &r.region),
            gib: w.gib,
            microusd_per_month: w.month,
            since: w.since,
        });
        let rows: Vec<_> = rows.collect();
        ctx.ui.json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        ctx.ui.note("No results wait on volumes.");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["SESSION", "NAME", "VOLUME", "SIZE", "A MONTH", "FOR"]);
    for w in &all {
        let rented = w.known.rented.as_ref();
        table.row(vec![
            Cell::new(w.known.id.as_str()),
            Cell::new(w.known.name.as_deref().unwrap_or("")),
            Cell::new(rented.and_then(|r| r.volume.as_deref()).unwrap_or("")),
            Cell::new(format!("{} GB", w.gib)),
            Cell::new(format!("≈{}", w.month)),
            Cell::new(super::age(w.since, now)),
        ]);
    }
    table.print(&ctx.ui)?;
    ctx.ui.hint(
        "`remote pull SESSION` in its repository brings the results, `remote discard SESSION` deletes them, \
         `remote resume SESSION` goes on with it",
    );
    Ok(ExitCode::SUCCESS)
}

/// What this device knows of sessions' results.
struct Known {
    waiting: Vec<Waiting>,
    registry: Registry,
    pulls: Pulls,
}

impl Known {
    fn here(ctx: &Ctx) -> Result<Self> {
        let registry = Registry::open(&ctx.paths)?;
        Ok(Self {
            waiting: waiting::all(ctx, &registry)?,
            registry,
            pulls: Pulls::new(&ctx.paths),
        })
    }

    /// It may be the only place of a session's results: those of a session that is not known here are not known to be
    /// anywhere else.
    fn waits(&self, leftover: &Leftover) -> bool {
        let Some(session) = leftover.session.as_ref() else {
            return false;
        };
        let waiting = self.waiting.iter().any(|w| w.known.id == *session);
        let stranger = || {
            let safe = self
                .pulls
                .get(session)
                .is_some_and(|s| s.safe && s.over.is_some());
            self.registry.get(session).is_none() && !safe
        };
        leftover.kind == LeftoverKind::Volume && (waiting || stranger())
    }
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

fn tell(ctx: &Ctx, found: &[Leftover], known: &Known) -> Result<()> {
    if found.is_empty() {
        ctx.ui.note("Nothing of yours is left on AWS.");
        return Ok(());
    }
    // No garbage, whatever they cost.
    let waits = |l: &Leftover| known.waits(l);
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
            Cell::new(match (l.in_use, waits(l)) {
                (true, _) => "in use",
                (false, true) => "results wait",
                (false, false) => "",
            }),
        ]);
    }
    table.print(&ctx.ui)?;
    let idle: Money = found
        .iter()
        .filter(|l| !l.in_use && !waits(l))
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
