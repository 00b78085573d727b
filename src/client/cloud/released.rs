//! Workspaces whose sessions have ended: once no machine has one, the automatic snapshots that it keeps are made and
//! the oldest go. A machine ends itself and has no credentials; so whoever looks next does it.

use std::sync::Arc;

use crate::client::ledger::{Entry, Ledger};
use crate::error::Result;
use crate::model::now_ms;
use crate::provision::ec2::Ec2;
use crate::provision::ec2::tags::{USED, USED_AT, rfc3339};
use crate::workspace::ebs::Ebs;
use crate::workspace::{State, Volumes, Workspace, keep_snapshots};

/// Sees to the workspaces of all sessions that are over and were not seen to yet.
///
/// # Errors
/// The ledger cannot be written. What AWS refuses is logged, and tried again by who looks next.
pub(super) async fn see_to(ec2: &Arc<Ec2>, ledger: &Ledger, regions: &[String]) -> Result<()> {
    let due: Vec<Entry> = ledger.all().into_iter().filter(is_due).collect();
    for region in regions {
        let there = |e: &&Entry| e.rented.as_ref().is_some_and(|r| r.region == *region);
        let due: Vec<&Entry> = due.iter().filter(there).collect();
        if due.is_empty() {
            continue;
        }
        let ec2 = match ec2.region() == region {
            true => ec2.clone(),
            false => Arc::new(ec2.in_region(region)),
        };
        let volumes = Ebs::new(ec2);
        let all = match volumes.list().await {
            Ok(all) => all,
            Err(e) => {
                tracing::warn!("workspaces in {region} were not looked at: {e}");
                continue;
            }
        };
        for entry in due {
            if seen_to(&volumes, &all, entry).await {
                let mut entry = entry.clone();
                entry.released = true;
                ledger.note(&entry)?;
            }
        }
    }
    Ok(())
}

fn is_due(entry: &Entry) -> bool {
    let over = entry.lost || entry.last.as_ref().is_some_and(|l| l.ended.is_some());
    let has = entry.rented.as_ref().is_some_and(|r| r.workspace.is_some());
    over && has && !entry.released
}

/// False where it is to be looked at again.
async fn seen_to(volumes: &Ebs, all: &[Workspace], entry: &Entry) -> bool {
    let volume = entry.rented.as_ref().and_then(|r| r.volume.as_deref());
    let Some(workspace) = all.iter().find(|w| Some(w.id.as_str()) == volume) else {
        // It was deleted.
        return true;
    };
    let mut workspace = workspace.clone();
    if workspace.session.as_ref() == Some(&entry.id) && workspace.state == State::Free {
        let ended = entry.last.as_ref().and_then(|l| l.ended.as_ref());
        let at = ended.map_or_else(now_ms, |e| e.at);
        // Never an earlier time: a snapshot made meanwhile would be taken for newer than the last use.
        let at = workspace.last_used.map_or(at, |used| used.max(at));
        workspace.last_used = Some(at);
        let mut tags = vec![(USED_AT, rfc3339(at))];
        // How full it is only its machine knew.
        let full = entry.last.as_ref().and_then(|l| l.volume);
        tags.extend(full.map(|full| (USED, full.used.to_string())));
        let ids = [workspace.id.clone()];
        if let Err(e) = volumes.ec2().calls().tag(&ids, &tags).await {
            tracing::warn!("workspace {}: {e}", workspace.name);
        }
    }
    match workspace.state {
        State::Free => match keep_snapshots(volumes, &workspace).await {
            Ok(_) => true,
            Err(e) => {
                tracing::warn!("no snapshot of workspace {}: {e}", workspace.name);
                false
            }
        },
        // Its machine is on its way out; or another session has it, which is seen to when that ends.
        State::Attached => workspace.session.as_ref() != Some(&entry.id),
        State::Creating => false,
        State::Failed => true,
    }
}
