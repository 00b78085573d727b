//! Snapshots of workspaces: made, listed, and deleted where they are what they were taken for.

use super::read;
use super::{Ebs, Result, insist};
use crate::provision::ec2::calls::{filter, tagged};
use crate::provision::ec2::tags::{
    AUTOMATIC, HOLDER, NOTE, OWNER, USED_AT, WORKSPACE, clean, rfc3339,
};
use crate::provision::ec2::{AwsClass, Storage};
use crate::workspace::{NewSnapshot, Snapshot, Workspace, WorkspaceError};

impl Ebs {
    pub(super) async fn snapshot_one(
        &self,
        workspace: &Workspace,
        new: &NewSnapshot,
    ) -> Result<Snapshot> {
        let found = self.there(workspace).await?;
        let note = clean(&new.note);
        let mut tags = vec![
            ("Name", format!("remote workspace {}", found.name)),
            (WORKSPACE, found.name.to_string()),
            (OWNER, self.owner().await?),
        ];
        if let Some(session) = &found.holder {
            tags.push((HOLDER, session.to_string()));
        }
        if new.automatic {
            tags.push((AUTOMATIC, "yes".to_owned()));
        }
        if !note.is_empty() {
            tags.push((NOTE, note));
        }
        let made = self.ec2.snapshot(&found.id, &tags, || false).await?;
        let storage = self.storage().await;
        let made = read::snapshot(&made, self.ec2.region(), storage)
            .ok_or_else(|| WorkspaceError::NoSnapshot(found.id.clone()))?;
        if found.attached.is_some() || found.said == "in-use" {
            // Whoever has it goes on writing: no later look may take it for newer than the last use.
            let used_at = found.used_at.max(Some(made.created.saturating_add(1000)));
            let tags = [(USED_AT, rfc3339(used_at.unwrap_or_default()))];
            let ids = [found.id.clone()];
            if let Err(why) = insist(|| self.calls().tag(&ids, &tags)).await {
                let why = WorkspaceError::from(why);
                return Err(match self.ec2.delete_snapshot(&made.id).await {
                    Ok(()) => why,
                    Err(e) => why.leaving(vec![format!("snapshot {} ({e})", made.id)]),
                });
            }
        }
        Ok(made)
    }

    pub(super) async fn all_snapshots(&self) -> Result<Vec<Snapshot>> {
        let (owner, storage) = tokio::join!(self.owner(), self.storage());
        let call = self.calls().ec2.describe_snapshots().owner_ids("self");
        let call = call.filters(tagged(OWNER, &owner?));
        let call = call.filters(filter("tag-key", &[WORKSPACE]));
        let mut pages = call.into_paginator().send();
        let mut all = Vec::new();
        let region = self.ec2.region();
        while let Some(page) = pages.next().await {
            let page = self.calls().told("ec2:DescribeSnapshots", page).await?;
            let some = page.snapshots().iter();
            all.extend(some.filter_map(|s| read::snapshot(s, region, storage)));
        }
        all.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        Ok(all)
    }

    pub(super) async fn delete_one_snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        // Once more: whether it is what it was taken for.
        let owner = self.owner().await?;
        let call = self.calls().ec2.describe_snapshots();
        let returned = call.snapshot_ids(&snapshot.id).send().await;
        let told = self.calls().told("ec2:DescribeSnapshots", returned).await;
        let answer = match told {
            Err(e) if e.class == AwsClass::Missing => {
                return Err(WorkspaceError::NoSnapshot(snapshot.id.clone()));
            }
            other => other?,
        };
        let region = self.ec2.region();
        let mut found = answer
            .snapshots()
            .iter()
            .filter_map(|s| read::snapshot(s, region, Storage::default()));
        let is_it = |f: &Snapshot| {
            f.id == snapshot.id && f.owner == owner && f.workspace == snapshot.workspace
        };
        if !found.any(|f| is_it(&f)) {
            return Err(WorkspaceError::NoSnapshot(snapshot.id.clone()));
        }
        Ok(self.ec2.delete_snapshot(&snapshot.id).await?)
    }
}
