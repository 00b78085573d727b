//! `remote workspace create --from-dir`: a workspace that begins with a directory of this machine, with no machine
//! in the cloud to put it there.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::progress::Progress;
use super::reading::cost;
use super::site::{self, Where};
use super::words::bytes;
use crate::cli::Ctx;
use crate::cli::target::interrupted;
use crate::error::{Error, Kind, Result};
use crate::workspace::direct::Image;
use crate::workspace::{NewWorkspace, Snapshot, Volumes, Workspace, WorkspaceError};

/// Makes `new` with all that is in `dir`.
///
/// # Errors
/// The directory does not fit or cannot be read, no mke2fs is here, or what AWS says. Nothing is left then.
pub async fn create(
    ctx: &Ctx,
    at: &Where,
    dir: &Path,
    new: &NewWorkspace,
    progress: &Progress,
) -> Result<Workspace> {
    let ebs = site::ebs(ctx, at).await?;
    let steps = |text: &str| progress.step(text);
    let scratch = ctx.paths.cache.join("images");
    let image = async {
        // Before anything is made that would only be thrown away.
        if ebs.list().await?.iter().any(|w| w.name == new.name) {
            return Err(WorkspaceError::Exists(new.name.clone()));
        }
        steps(&format!("image {}", dir.display()));
        Image::of_dir(dir, new.gib, &scratch).await
    };
    let image = progress.run(image, "nothing was made").await?;
    let price = image.price();
    ctx.ui.note(format!(
        "{} files of {}, {} to put: {}.",
        image.files,
        dir.display(),
        bytes(price.bytes),
        cost(price).unwrap_or_default()
    ));
    let cut = AtomicBool::new(false);
    let until = async {
        interrupted().await;
        cut.store(true, Ordering::Relaxed);
    };
    let seeded = ebs.seed(&new.name, image, until, &steps).await;
    let snapshot = seeded.map_err(|e| match cut.load(Ordering::Relaxed) {
        true => Error::new(Kind::Interrupted, "interrupted: nothing is left of it"),
        false => e.into(),
    })?;
    let from = NewWorkspace {
        from: Some(snapshot.id.clone()),
        ..new.clone()
    };
    let made = ebs.create(&from, &steps);
    let made = progress.run(made, super::create::LEFT).await;
    // The volume has all of it, though it fetches it only when it is read.
    delete(ctx, ebs.as_ref(), &snapshot).await;
    made
}

async fn delete(ctx: &Ctx, volumes: &dyn Volumes, snapshot: &Snapshot) {
    if let Err(e) = volumes.delete_snapshot(snapshot).await {
        let id = &snapshot.id;
        ctx.ui
            .warn(format!("the snapshot {id} is still there: {e}"));
        ctx.ui
            .hint(format!("delete it: `remote workspace delete {id}`"));
    }
}
