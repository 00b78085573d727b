//! A session deleted with its files, and nothing else: its machine if it has one, its own work volume, its records. A
//! workspace has no session's tag, and is never among them.

use std::sync::Arc;

use super::cloud;
use super::handover::{place_of, put_down};
use super::place::Provider;
use super::prune::remove;
use super::registry::{Known, Registry};
use crate::config::Paths;
use crate::error::Result;
use crate::model::now_ms;
use crate::provision::ProvisionError;
use crate::ssh::Ask;
use crate::workspace::WorkspaceError;
use crate::workspace::dirs::Dirs;

/// Deletes it.
///
/// # Errors
/// Its provider says why something stays; what is gone is gone.
pub async fn discard(
    paths: &Paths,
    registry: &Registry,
    known: &Known,
    ask: Arc<dyn Ask>,
) -> Result<()> {
    if known.provider != "ec2" {
        if known.live {
            put_down(paths, known, ask.clone()).await?;
        }
        // Before its directory is gone, which says that it has ended.
        release(paths, known, ask.clone()).await?;
        return remove(registry, known, ask, true).await.map(drop);
    }
    let (provider, _) = place_of(paths, known)?.open(paths, ask, &|_| {}).await?;
    if let Provider::Ec2(ec2) = &provider {
        match ec2.terminate_machine(&known.id, true).await {
            // Somebody else was quicker.
            Ok(_) | Err(ProvisionError::NoSession(_)) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let now = now_ms();
    cloud::ended(paths, &known.id, now, now)?;
    cloud::deleted(paths, &[&known.id], now)?;
    registry.ledger().remove(&known.id)
}

/// Gives back the directory that it works on, where it does.
async fn release(paths: &Paths, known: &Known, ask: Arc<dyn Ask>) -> Result<()> {
    let on = known.spec().and_then(|s| s.workspace);
    let Some(Ok(name)) = on.map(|on| on.name.parse()) else {
        return Ok(());
    };
    let (provider, _) = place_of(paths, known)?.open(paths, ask, &|_| {}).await?;
    let dirs = match provider {
        Provider::Local(_) => Dirs::here(paths),
        Provider::Ssh(host) => {
            let place = known.ssh.as_ref().map_or("", |s| &s.destination);
            Dirs::there(Arc::from(host), place)
        }
        Provider::Ec2(_) => return Ok(()),
    };
    match dirs.release(&name, &known.id).await {
        Ok(_) | Err(WorkspaceError::NoWorkspace(_)) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
