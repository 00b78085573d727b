//! `remote workspace export`.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Instant;

use clap_complete::engine::ArgValueCandidates;
use tokio::sync::watch;

use super::progress::Progress;
use super::reading::{From, Reading, Stop, cost, from_top, waiting};
use super::words::bytes;
use crate::cli::{Ctx, complete, span};
use crate::error::Result;
use crate::workspace::export::{Exported, export, walk};
use crate::workspace::{Fetched, WorkspaceError, follow};

/// So many files that failed are named one by one.
const NAMED: usize = 20;

/// Copy files of a workspace here, with no machine running
///
/// Contents, modes, times and links; owners only as root. What was interrupted goes on where it was when it is run
/// again. Nothing that is there already is overwritten.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workspace
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::workspaces))]
    name: String,
    /// A directory, whose contents are copied, or one file, from the workspace's top; on a machine that is /work
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Where to: a directory that is empty or not there yet
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    from: From,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let begun = Instant::now();
    let progress = Progress::new(ctx);
    let reading = Reading::begin(ctx, &args.name, &args.from, &progress).await?;
    let copied = copy(&args, ctx, &reading, &progress);
    let left = "run it again: it goes on where it was";
    let outcome = progress.run(copied, left).await;
    let done = outcome.is_ok();
    let (exported, fetched) = reading.end(outcome, done).await?;
    tell(ctx, &args, &exported, fetched, begun);
    Ok(ExitCode::from(u8::from(!exported.failed.is_empty())))
}

async fn copy(
    args: &Args,
    ctx: &Ctx,
    reading: &Reading<'_>,
    progress: &Progress,
) -> Result<(Exported, Fetched)> {
    let mut files = reading.open(progress).await?;
    let (told, mut tell) = watch::channel(String::new());
    let stop = Stop::default();
    let path = from_top(args.path.as_deref());
    let show = told.clone();
    let found = waiting(move || {
        let path = follow(files.as_mut(), &path)?;
        let mut count = |n: u64| {
            show.send_replace(format!("look {n} files"));
        };
        let tree = walk(files.as_mut(), &path, &mut count)?;
        let missing = files.missing(&tree.contents())?;
        Ok::<_, WorkspaceError>((files, tree, missing))
    });
    let (mut files, tree, missing) = shown(found, &mut tell, progress).await??;
    let spent = files.fetched();
    let whole = Fetched {
        requests: spent.requests.saturating_add(missing.requests),
        bytes: spent.bytes.saturating_add(missing.bytes),
        microusd: spent.microusd.saturating_add(missing.microusd),
    };
    let sum = format!("{} in {} files", bytes(tree.bytes), tree.entries.len());
    match cost(whole) {
        Some(cost) => ctx
            .ui
            .note(format!("{sum}, from {}: {cost}.", reading.snapshot.id)),
        None => ctx.ui.note(format!("{sum}.")),
    }
    let source = format!("{} {}", args.name, tree.top.display());
    let (to, flag) = (args.output.clone(), stop.flag());
    let copied = waiting(move || {
        let mut count = |now: crate::workspace::export::Progress| {
            told.send_replace(format!("export {} of {}", bytes(now.bytes), bytes(now.of)));
            match flag.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let exported = export(files.as_mut(), &tree, &to, &source, &mut count)?;
        Ok::<_, WorkspaceError>((exported, files.fetched()))
    });
    Ok(shown(copied, &mut tell, progress).await??)
}

/// Awaits `work`, and shows meanwhile what it tells.
async fn shown<T>(
    work: impl Future<Output = T>,
    tell: &mut watch::Receiver<String>,
    progress: &Progress,
) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            Ok(()) = tell.changed() => progress.step(&tell.borrow_and_update()),
        }
    }
}

fn tell(ctx: &Ctx, args: &Args, exported: &Exported, fetched: Fetched, begun: Instant) {
    let mut sum = format!("{} files, {}", exported.files, bytes(exported.bytes));
    if exported.had > 0 {
        sum += &format!(" ({} were there already)", exported.had);
    }
    if let Some(cost) = cost(fetched) {
        sum += &format!("; {cost}");
    }
    ctx.ui.note(format!(
        "{} is in {}: {sum}, {}.",
        args.name,
        args.output.display(),
        span(begun.elapsed())
    ));
    if !exported.others.is_empty() {
        let count = exported.others.len();
        ctx.ui
            .note(format!("{count} sockets, pipes or devices were left out."));
    }
    for (path, why) in exported.failed.iter().take(NAMED) {
        ctx.ui
            .warn(format!("{} was not copied: {why}", path.display()));
    }
    if let Some(more) = exported.failed.len().checked_sub(NAMED).filter(|n| *n > 0) {
        ctx.ui.warn(format!("{more} more were not copied"));
    }
    if !exported.failed.is_empty() {
        ctx.ui
            .hint("read them from another snapshot: `remote workspace list --snapshots`");
    }
}
