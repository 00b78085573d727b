//! Making a workspace's volume: once, however often an answer is lost; the only one of its name, whoever else makes
//! one at this moment; and nothing of it left where any call fails.

use std::time::Duration;

use aws_sdk_ec2::types::{ResourceType, TagSpecification, VolumeType};

use super::read::Found;
use super::{Ebs, PAUSE, Result, insist, until};
use crate::provision::ProvisionError;
use crate::provision::Steps;
use crate::provision::ec2::AwsError;
use crate::provision::ec2::calls::{filter, tagged, to_tags};
use crate::provision::ec2::tags::{BLANK, KEEP, MADE_BY, OWNER, WORKSPACE, clean};
use crate::workspace::token;
use crate::workspace::{NewWorkspace, State, Workspace, WorkspaceError};

/// How long a volume may take to be there.
const READY: Duration = Duration::from_secs(300);
/// How often to look for others of the name, and for what a lost answer may have made: EC2 may not show a thing
/// within its first second.
const LOOKS: usize = 2;

impl Ebs {
    /// With more tags of one's own.
    pub(super) async fn create_one(
        &self,
        new: &NewWorkspace,
        more: &[(&'static str, String)],
        steps: Steps<'_>,
    ) -> Result<Workspace> {
        let wished = i32::try_from(new.gib)
            .map_err(|_| WorkspaceError::Refused(format!("{} GB is too large", new.gib)))?;
        if self.found().await?.iter().any(|f| f.name == new.name) {
            return Err(WorkspaceError::Exists(new.name.clone()));
        }
        let zone = self.zone(new.zone.as_deref()).await?;
        let made_by = token()?;
        steps(&format!("create {} GB in {zone}", new.gib));
        let id = match self.request(new, more, (wished, &zone), &made_by).await {
            Ok(id) => id,
            Err(e) => {
                // One whose answer was lost may come late; what was refused is looked for all the same.
                let looks = if e.is_uncertain() { LOOKS + 1 } else { 1 };
                return Err(self.take_back(e.into(), Err(looks), &made_by).await);
            }
        };
        match self.settle(new, &id, steps).await {
            Ok(found) => Ok(self.told(found, self.storage().await)),
            Err(why) => Err(self.take_back(why, Ok(id), &made_by).await),
        }
    }

    /// The zone that is named, or the first.
    async fn zone(&self, named: Option<&str>) -> Result<String> {
        let zones = self.ec2.zones().await?;
        let found = match named {
            Some(zone) => zones.iter().find(|z| *z == zone),
            None => zones.first(),
        };
        found.cloned().ok_or_else(|| {
            let there = zones.join(", ");
            WorkspaceError::Refused(match named {
                Some(zone) => {
                    format!("no machine could use it in `{zone}`; zones with a subnet: {there}")
                }
                None => "this region has no subnet in which a machine could use it".to_owned(),
            })
        })
    }

    /// Asks for the volume; again with the same token where the answer was lost. Returns its id.
    async fn request(
        &self,
        new: &NewWorkspace,
        more: &[(&'static str, String)],
        (gib, zone): (i32, &str),
        made_by: &str,
    ) -> Result<String, AwsError> {
        let owner = match self.ec2.owner().await {
            Ok(owner) => clean(owner),
            Err(ProvisionError::Aws(e)) => return Err(e),
            Err(_) => String::new(),
        };
        let mut tags = vec![
            ("Name", format!("remote workspace {}", new.name)),
            (WORKSPACE, new.name.to_string()),
            (OWNER, owner),
            (MADE_BY, made_by.to_owned()),
        ];
        if new.from.is_none() {
            tags.push((BLANK, "yes".to_owned()));
        }
        if new.keep > 0 {
            tags.push((KEEP, new.keep.to_string()));
        }
        tags.extend_from_slice(more);
        let tags = TagSpecification::builder()
            .resource_type(ResourceType::Volume)
            .set_tags(Some(to_tags(&tags)))
            .build();
        let number = |n: Option<u32>| n.and_then(|n| i32::try_from(n).ok());
        let call = self
            .calls()
            .ec2
            .create_volume()
            .client_token(made_by)
            .availability_zone(zone)
            .size(gib)
            .volume_type(VolumeType::from(new.kind.as_deref().unwrap_or("gp3")))
            .set_iops(number(new.iops))
            .set_throughput(number(new.throughput))
            .set_snapshot_id(new.from.clone())
            .encrypted(true)
            .tag_specifications(tags);
        let made = insist(|| async {
            let returned = call.clone().send().await;
            self.calls().told("ec2:CreateVolume", returned).await
        });
        Ok(made.await?.volume_id().unwrap_or_default().to_owned())
    }

    /// Waits until it can be attached, and until it is sure that it is the only one of its name.
    async fn settle(&self, new: &NewWorkspace, id: &str, steps: Steps<'_>) -> Result<Found> {
        let found = until("create", READY, || self.usable(id)).await?;
        steps(&format!("check that no other is called {}", new.name));
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let all = until("create", READY, || async { self.found().await.map(Some) }).await?;
            let first = all
                .iter()
                .filter(|f| f.name == new.name)
                .min_by_key(|f| (f.created, f.id.clone()));
            if first.is_some_and(|f| f.id != id && (f.created, &f.id) < (found.created, &found.id))
            {
                return Err(WorkspaceError::Exists(new.name.clone()));
            }
        }
        Ok(found)
    }

    async fn usable(&self, id: &str) -> Result<Option<Found>> {
        match self.fresh(id).await? {
            Some(found) if found.state == State::Failed => Err(WorkspaceError::Refused(format!(
                "AWS could not make {id}: its state is `{}`",
                found.said
            ))),
            Some(found) if found.state == State::Creating => Ok(None),
            other => Ok(other),
        }
    }

    /// Deletes what was just made, which nobody can have used; what cannot be deleted is named. Without an id it is
    /// looked for, so many times.
    async fn take_back(
        &self,
        why: WorkspaceError,
        known: std::result::Result<String, usize>,
        made_by: &str,
    ) -> WorkspaceError {
        let ids = match known {
            Ok(id) => vec![id],
            Err(looks) => match self.made(made_by, looks).await {
                Ok(ids) => ids,
                Err(_) if looks == 1 => return why,
                Err(e) => return why.leaving(vec![format!("perhaps a volume ({e})")]),
            },
        };
        let mut stays = Vec::new();
        for id in ids {
            if let Err(e) = self.delete_volume(&id).await {
                stays.push(format!("volume {id} ({e})"));
            }
        }
        why.leaving(stays)
    }

    /// The volumes that a call has made whose answer was lost.
    async fn made(&self, made_by: &str, looks: usize) -> Result<Vec<String>, AwsError> {
        for look in 0..looks {
            if look > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let answer = insist(|| async {
                let call = self.calls().ec2.describe_volumes();
                let call = call.filters(tagged(MADE_BY, made_by));
                let call = call.filters(filter("tag-key", &[WORKSPACE]));
                self.calls()
                    .told("ec2:DescribeVolumes", call.send().await)
                    .await
            });
            let answer = answer.await?;
            let ids = answer.volumes().iter().filter_map(|v| v.volume_id());
            let ids: Vec<String> = ids.map(str::to_owned).collect();
            if !ids.is_empty() {
                return Ok(ids);
            }
        }
        Ok(Vec::new())
    }
}
