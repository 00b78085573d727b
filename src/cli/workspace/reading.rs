//! What `ls`, `cat` and `export` share: the snapshot to read, a temporary one where none is as new as the workspace,
//! and its end, whatever comes between.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::progress::Progress;
use super::site::{self, Site, Where};
use crate::cli::Ctx;
use crate::error::{Error, Result};
use crate::model::Money;
use crate::workspace::{
    Fetched, Files, NewSnapshot, Snapshot, as_it_is, direct, find, find_snapshot, wait_complete,
};

/// How often deleting a temporary snapshot is tried.
const TRIES: usize = 3;

/// What to read.
#[derive(Debug, Clone, clap::Args)]
pub struct From {
    /// Read this snapshot, not the workspace as it is now
    #[arg(long, value_name = "SNAPSHOT")]
    snapshot: Option<String>,
    #[command(flatten)]
    at: Where,
}

/// A snapshot that is read.
pub struct Reading<'a> {
    ctx: &'a Ctx,
    site: Site,
    pub snapshot: Snapshot,
    temporary: bool,
}

impl<'a> Reading<'a> {
    /// Finds the snapshot: the named one; the newest of the workspace, where that was not used since; or a new one.
    ///
    /// # Errors
    /// There is no such workspace or snapshot, or nothing on it; or what AWS says.
    pub async fn begin(ctx: &'a Ctx, name: &str, from: &From, progress: &Progress) -> Result<Self> {
        let site = site::open(ctx, &from.at, progress).await?;
        let volumes = site.volumes.as_ref();
        if let Some(id) = &from.snapshot {
            let found = find_snapshot(volumes, id);
            let snapshot = progress.run(found, "nothing was made").await?;
            if snapshot.workspace.as_str() != name {
                return Err(
                    Error::user(format!("{id} is of workspace `{}`", snapshot.workspace))
                        .hint("see them all: `remote workspace list --snapshots`"),
                );
            }
            return Ok(Self {
                ctx,
                site,
                snapshot,
                temporary: false,
            });
        }
        let asked = async {
            let workspace = find(volumes, name).await?;
            Ok::<_, Error>((workspace, volumes.snapshots().await?))
        };
        let (workspace, all) = progress.run(asked, "nothing was made").await?;
        if workspace.blank {
            return Err(
                Error::user(format!("nothing was ever put on {name}")).hint(format!(
                    "use it first: `remote dispatch --workspace {name} ...`"
                )),
            );
        }
        if let Some(snapshot) = as_it_is(&workspace, &all).cloned() {
            return Ok(Self {
                ctx,
                site,
                snapshot,
                temporary: false,
            });
        }
        ctx.ui.note(format!(
            "No snapshot is known to be as {name} is now: a temporary one is made, and deleted afterwards."
        ));
        progress.step(&format!("snapshot {name}"));
        let new = NewSnapshot {
            note: "temporary, to read it without a machine".to_owned(),
            automatic: false,
        };
        // To its end, whatever is typed meanwhile: else nobody would know what to delete.
        let snapshot = volumes.snapshot(&workspace, &new).await?;
        Ok(Self {
            ctx,
            site,
            snapshot,
            temporary: true,
        })
    }

    /// Waits until it can be read, and opens it.
    ///
    /// # Errors
    /// It cannot be.
    pub async fn open(&self, progress: &Progress) -> Result<Box<dyn Files>> {
        let steps = |text: &str| progress.step(text);
        let volumes = self.site.volumes.as_ref();
        let complete = wait_complete(volumes, &self.snapshot, &steps).await?;
        Ok(volumes.open(&complete, &steps).await?)
    }

    /// Ends it: a temporary snapshot goes, and so does what was kept of one that is not to be read again.
    ///
    /// # Errors
    /// That of `outcome`.
    pub async fn end<T>(self, outcome: Result<T>, forget: bool) -> Result<T> {
        let id = &self.snapshot.id;
        if forget || self.temporary {
            // A cache that stays is swept later.
            let _ = direct::forget(&direct::cache_of(&self.ctx.paths), id);
        }
        if self.temporary {
            let mut deleted = self.site.volumes.delete_snapshot(&self.snapshot).await;
            for _ in 1..TRIES {
                if deleted.is_err() {
                    deleted = self.site.volumes.delete_snapshot(&self.snapshot).await;
                }
            }
            if let Err(e) = deleted {
                let ui = &self.ctx.ui;
                ui.warn(format!("the temporary snapshot {id} is still there: {e}"));
                ui.hint(format!("delete it: `remote workspace delete {id}`"));
            }
        }
        outcome
    }
}

/// A path as it was typed: from the workspace's top.
pub fn from_top(path: Option<&Path>) -> PathBuf {
    Path::new("/").join(path.unwrap_or(Path::new("")))
}

/// `2,100 blocks, $0.0063`; `None` where nothing costs.
pub fn cost(of: Fetched) -> Option<String> {
    let money = Money::micros(of.microusd);
    (of.microusd > 0).then(|| format!("{} requests, {}", of.requests, money.exact()))
}

/// Set once nobody waits any more for the work that holds the other end.
#[derive(Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs what may wait where waiting is allowed.
///
/// # Errors
/// The program is at its end.
pub async fn waiting<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Error::internal("the work was given up").because(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_from_the_top() {
        for (typed, path) in [("repo/src", "/repo/src"), ("/repo", "/repo"), ("", "/")] {
            assert_eq!(from_top(Some(Path::new(typed))), Path::new(path));
        }
        assert_eq!(from_top(None), Path::new("/"));
    }
}
