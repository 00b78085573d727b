//! `remote workspace snapshot --diff`: how much is not as it was in the snapshot before.

use serde::Serialize;

use super::progress::Progress;
use super::site::{self, Where};
use super::words::bytes;
use crate::cli::{Ctx, age};
use crate::error::Result;
use crate::model::now_ms;
use crate::workspace::direct::{BLOCK, changed};
use crate::workspace::{Snapshot, Volumes, newest};

/// What has changed since an earlier snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct Diff {
    since: String,
    since_created: u64,
    changed_blocks: u64,
    /// At most: a block with one byte changed counts whole.
    changed_bytes: u64,
}

/// Compares a complete snapshot with the newest one before it; `None` where there is none.
///
/// # Errors
/// The workspace is no volume of EC2, or what AWS says.
pub async fn diff(
    ctx: &Ctx,
    at: &Where,
    snapshot: &Snapshot,
    progress: &Progress,
) -> Result<Option<Diff>> {
    let ebs = site::ebs(ctx, at).await?;
    let mut all = ebs.snapshots().await?;
    all.retain(|s| s.id != snapshot.id && s.created <= snapshot.created);
    let Some(before) = newest(&all, &snapshot.workspace) else {
        return Ok(None);
    };
    progress.step(&format!("compare {}", before.id));
    let compared = changed(ebs.ec2(), &before.id, &snapshot.id);
    let found = progress.run(compared, "the snapshot stays").await?;
    Ok(Some(Diff {
        since: before.id.clone(),
        since_created: before.created,
        changed_blocks: found.blocks,
        changed_bytes: found.bytes(),
    }))
}

/// Says it.
pub fn tell(ctx: &Ctx, diff: Option<&Diff>) {
    ctx.ui.note(match diff {
        Some(diff) => format!(
            "Since {} ({}): at most {} changed, {} blocks of {}.",
            diff.since,
            age(diff.since_created, now_ms()),
            bytes(diff.changed_bytes),
            diff.changed_blocks,
            bytes(BLOCK)
        ),
        None => "There is no snapshot before it to compare it with.".to_owned(),
    });
}
