//! Snapshots of workspaces. AWS takes no client token for making one: a tag is, and before asking again it is looked
//! whether the first call has made it after all.

use aws_sdk_ec2::config::Config;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::types::{ResourceType, TagSpecification};

use super::read::FoundSnapshot;
use super::{Ebs, PAUSE, Result, TRIES, insist};
use crate::provision::ec2::calls::{filter, gone_is_good, tagged, to_tags};
use crate::provision::ec2::tags::{
    AUTOMATIC, HOLDER, MADE_BY, NOTE, OWNER, USED_AT, WORKSPACE, clean, rfc3339,
};
use crate::provision::ec2::{AwsClass, AwsError, Storage};
use crate::workspace::token;
use crate::workspace::{NewSnapshot, Snapshot, Workspace, WorkspaceError};

impl Ebs {
    pub(super) async fn snapshot_one(
        &self,
        workspace: &Workspace,
        new: &NewSnapshot,
    ) -> Result<Snapshot> {
        let found = self.there(workspace).await?;
        let made_by = token()?;
        let note = clean(&new.note);
        let mut tags = vec![
            ("Name", format!("remote workspace {}", found.name)),
            (WORKSPACE, found.name.to_string()),
            (OWNER, self.owner().await?),
            (MADE_BY, made_by.clone()),
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
        let storage = self.storage().await;
        let (made, tries) = self
            .ask_for_one(&found.id, &tags, &made_by, storage)
            .await?;
        // What an earlier call made after all, seen only now.
        if tries > 1 {
            let mut twins = self.made_by(&made_by, storage).await.unwrap_or_default();
            twins.retain(|t| t.id != made.id);
            for twin in twins {
                if let Err(e) = self.remove_snapshot(&twin.id).await {
                    tracing::warn!(twin.id, %e, "a second snapshot stays");
                }
            }
        }
        if found.attached.is_some() || found.said == "in-use" {
            // Whoever has it goes on writing: no later look may take it for newer than the last use.
            let used_at = found.used_at.max(Some(made.created.saturating_add(1000)));
            let tags = [(USED_AT, rfc3339(used_at.unwrap_or_default()))];
            let ids = [found.id.clone()];
            if let Err(why) = insist(|| self.calls().tag(&ids, &tags)).await {
                let why = WorkspaceError::from(why);
                return Err(match self.remove_snapshot(&made.id).await {
                    Ok(()) => why,
                    Err(e) => why.leaving(vec![format!("snapshot {} ({e})", made.id)]),
                });
            }
        }
        Ok(made)
    }

    /// The snapshot, and how many calls it took.
    async fn ask_for_one(
        &self,
        volume: &str,
        tags: &[(&str, String)],
        made_by: &str,
        storage: Storage,
    ) -> Result<(Snapshot, usize)> {
        let spec = TagSpecification::builder()
            .resource_type(ResourceType::Snapshot)
            .set_tags(Some(to_tags(tags)))
            .build();
        // The SDK would ask again by itself, and make two.
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let mut tries = 1;
        loop {
            let call = self.calls().ec2.create_snapshot();
            let call = call.volume_id(volume).tag_specifications(spec.clone());
            let returned = call.customize().config_override(once.clone()).send().await;
            let told = self.calls().told("ec2:CreateSnapshot", returned).await;
            let why = match told {
                Ok(made) => {
                    let state = made.state().map_or("", |s| s.as_str());
                    let progress = made.progress().unwrap_or_default();
                    let found = FoundSnapshot::of(
                        made.snapshot_id().unwrap_or_default(),
                        (made.volume_size(), made.start_time()),
                        (state, progress),
                        &to_tags(tags),
                        (self.ec2.region(), storage),
                    );
                    let unread = || WorkspaceError::NoSnapshot(volume.to_owned());
                    return Ok((found.ok_or_else(unread)?.told, tries));
                }
                Err(e) => e,
            };
            let doubt = why.is_uncertain();
            for _ in 0..if doubt { 2 } else { 1 } {
                tokio::time::sleep(PAUSE).await;
                match self.made_by(made_by, storage).await {
                    Ok(mut made) => {
                        if let Some(made) = made.pop() {
                            return Ok((made, tries));
                        }
                    }
                    // Not to know is no reason to make a second one.
                    Err(_) => return Err(why.into()),
                }
            }
            if tries == TRIES || !doubt {
                return Err(why.into());
            }
            tries += 1;
        }
    }

    /// What the call of this token made: at most one, the oldest last.
    async fn made_by(&self, made_by: &str, storage: Storage) -> Result<Vec<Snapshot>> {
        let found = insist(|| self.read_snapshots(tagged(MADE_BY, made_by), storage)).await?;
        let mut made: Vec<Snapshot> = found
            .into_iter()
            .filter(|f| f.made_by == made_by)
            .map(|f| f.told)
            .collect();
        made.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        Ok(made)
    }

    pub(super) async fn all_snapshots(&self) -> Result<Vec<Snapshot>> {
        let (owner, storage) = tokio::join!(self.owner(), self.storage());
        let found = self.read_snapshots(tagged(OWNER, &owner?), storage).await?;
        let mut all: Vec<Snapshot> = found.into_iter().map(|f| f.told).collect();
        all.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        Ok(all)
    }

    async fn read_snapshots(
        &self,
        of: aws_sdk_ec2::types::Filter,
        storage: Storage,
    ) -> Result<Vec<FoundSnapshot>, AwsError> {
        let call = self.calls().ec2.describe_snapshots().owner_ids("self");
        let call = call.filters(of).filters(filter("tag-key", &[WORKSPACE]));
        let mut pages = call.into_paginator().send();
        let mut found = Vec::new();
        let region = self.ec2.region();
        while let Some(page) = pages.next().await {
            let page = self.calls().told("ec2:DescribeSnapshots", page).await?;
            let some = page.snapshots().iter();
            found.extend(some.filter_map(|s| FoundSnapshot::read(s, region, storage)));
        }
        Ok(found)
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
            .filter_map(|s| FoundSnapshot::read(s, region, Storage::default()));
        let is_it = |f: &FoundSnapshot| {
            f.told.id == snapshot.id
                && f.told.owner == owner
                && f.told.workspace == snapshot.workspace
        };
        if !found.any(|f| is_it(&f)) {
            return Err(WorkspaceError::NoSnapshot(snapshot.id.clone()));
        }
        Ok(self.remove_snapshot(&snapshot.id).await?)
    }

    /// Deletes a snapshot that is known to be ours; one that is gone already is no error.
    pub(super) async fn remove_snapshot(&self, id: &str) -> Result<(), AwsError> {
        let call = self.calls().ec2.delete_snapshot().snapshot_id(id);
        let gone = insist(|| async {
            let returned = call.clone().send().await;
            self.calls().told("ec2:DeleteSnapshot", returned).await
        });
        gone_is_good(gone.await.map(drop))
    }
}
