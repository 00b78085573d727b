//! What of ours is left, in any region, and what it costs; and taking it away.

use std::time::Duration;

use super::calls::{filter, from_tags, gone_is_good, tagged};
use super::errors::{AwsClass, AwsError};
use super::found::Of;
use super::tags::{Facts, GROUP, OWNER, SESSION};
use super::{Ec2, Storage};
use crate::model::{Millis, SessionId};
use crate::provision::{MachineState, ProvisionError};

/// A month as AWS counts it.
const HOURS: u64 = 730;
/// How long instances may take to be gone.
const GONE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_secs(1);

/// What kind of thing is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftoverKind {
    Instance,
    Volume,
    Snapshot,
    SecurityGroup,
}

/// A thing of ours that is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    pub kind: LeftoverKind,
    pub id: String,
    pub region: String,
    pub session: Option<SessionId>,
    /// The owner's ARN; a security group is everyone's.
    pub owner: String,
    /// Of disks.
    pub gib: u32,
    /// About what it costs in a month, in micro-dollars; nothing where prices are not known.
    pub microusd_per_month: u64,
    /// In use by a session's machine, which is not past its deadline.
    pub in_use: bool,
    pub deadline: Option<Millis>,
}

impl Ec2 {
    /// The regions that the account can use.
    ///
    /// # Errors
    /// What AWS says.
    pub async fn regions(&self) -> Result<Vec<String>, ProvisionError> {
        let returned = self.calls.ec2.describe_regions().send().await;
        let told = self.calls.told("ec2:DescribeRegions", returned).await?;
        let names = told.regions().iter().filter_map(|r| r.region_name());
        Ok(names.map(str::to_owned).collect())
    }

    /// All of ours in all regions, asked side by side; with each region that did not answer, why.
    ///
    /// # Errors
    /// The regions themselves cannot be listed.
    pub async fn leftovers_everywhere(
        &self,
        everyone: bool,
        now: Millis,
    ) -> Result<(Vec<Leftover>, Vec<(String, ProvisionError)>), ProvisionError> {
        let owner = self.owner().await?.to_owned();
        let mut asked = tokio::task::JoinSet::new();
        for region in self.regions().await? {
            let there = self.in_region(&region);
            let owner = owner.clone();
            asked.spawn(async move { (region, there.left(&owner, everyone, now).await) });
        }
        let (mut found, mut silent) = (Vec::new(), Vec::new());
        while let Some(Ok((region, answer))) = asked.join_next().await {
            match answer {
                Ok(some) => found.extend(some),
                Err(e) => silent.push((region, e.into())),
            }
        }
        found.sort_by(|a, b| (&a.region, a.kind, &a.id).cmp(&(&b.region, b.kind, &b.id)));
        silent.sort_by(|a, b| a.0.cmp(&b.0));
        Ok((found, silent))
    }

    /// All of ours in this region.
    ///
    /// # Errors
    /// What AWS says.
    pub async fn leftovers(
        &self,
        everyone: bool,
        now: Millis,
    ) -> Result<Vec<Leftover>, ProvisionError> {
        let owner = self.owner().await?;
        Ok(self.left(owner, everyone, now).await?)
    }

    async fn left(
        &self,
        owner: &str,
        everyone: bool,
        now: Millis,
    ) -> Result<Vec<Leftover>, AwsError> {
        let of = if everyone {
            Of::Everyone
        } else {
            Of::Owner(owner)
        };
        let (instances, volumes, snapshots, groups) = tokio::try_join!(
            self.calls.instances(of),
            self.calls.volumes(of),
            self.snapshots(owner, everyone),
            self.security_groups(),
        )?;
        let disks = !snapshots.is_empty() || volumes.iter().any(|v| !v.is_root());
        let storage = match &self.prices {
            Some(prices) if disks => prices.storage(&self.settings.region).await,
            _ => Storage::default(),
        };
        let snapshots = snapshots.into_iter().map(|s| Leftover {
            microusd_per_month: storage.snapshot.saturating_mul(s.gib.into()),
            ..s
        });
        let overdue = |f: &Facts| f.deadline.is_some_and(|d| d < now);
        let alive = |state| !matches!(state, MachineState::Gone);
        let live: Vec<String> = instances
            .iter()
            .filter(|i| alive(i.state) && !overdue(&i.facts))
            .map(|i| i.id.clone())
            .collect();
        let of_instances = instances
            .iter()
            .filter(|i| alive(i.state) || i.ending)
            .map(|i| {
                let monthly = i.facts.microusd_per_hour.saturating_mul(HOURS);
                Leftover {
                    in_use: live.contains(&i.id) || i.ending,
                    ..self.leftover(LeftoverKind::Instance, &i.id, &i.facts, 0, monthly)
                }
            });
        let of_volumes = volumes.iter().filter(|v| !v.is_root()).map(|v| {
            let monthly = storage.volume.saturating_mul(v.gib.into());
            Leftover {
                in_use: v.attached.as_ref().is_some_and(|i| live.contains(i)),
                ..self.leftover(LeftoverKind::Volume, &v.id, &v.facts, v.gib, monthly)
            }
        });
        let mut found: Vec<Leftover> = of_instances.chain(of_volumes).chain(snapshots).collect();
        let busy = instances.iter().any(|i| alive(i.state) || i.ending);
        found.extend(groups.into_iter().map(|id| Leftover {
            kind: LeftoverKind::SecurityGroup,
            id,
            region: self.settings.region.clone(),
            session: None,
            owner: String::new(),
            gib: 0,
            microusd_per_month: 0,
            in_use: busy,
            deadline: None,
        }));
        Ok(found)
    }

    fn leftover(
        &self,
        kind: LeftoverKind,
        id: &str,
        facts: &Facts,
        gib: u32,
        monthly: u64,
    ) -> Leftover {
        Leftover {
            kind,
            id: id.to_owned(),
            region: self.settings.region.clone(),
            session: Some(facts.session.clone()),
            owner: facts.owner.clone(),
            gib,
            microusd_per_month: monthly,
            in_use: false,
            deadline: facts.deadline,
        }
    }

    async fn snapshots(&self, owner: &str, everyone: bool) -> Result<Vec<Leftover>, AwsError> {
        let of = match everyone {
            true => filter("tag-key", &[SESSION]),
            false => tagged(OWNER, owner),
        };
        let call = self
            .calls
            .ec2
            .describe_snapshots()
            .owner_ids("self")
            .filters(of);
        let mut pages = call.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = self.calls.told("ec2:DescribeSnapshots", page).await?;
            found.extend(page.snapshots().iter().filter_map(|s| {
                let facts = Facts::from_tags(from_tags(s.tags()))?;
                let gib = s
                    .volume_size()
                    .and_then(|g| u32::try_from(g).ok())
                    .unwrap_or(0);
                Some(self.leftover(LeftoverKind::Snapshot, s.snapshot_id()?, &facts, gib, 0))
            }));
        }
        Ok(found)
    }

    async fn security_groups(&self) -> Result<Vec<String>, AwsError> {
        let call = self.calls.ec2.describe_security_groups();
        let mut pages = call
            .filters(filter("tag-key", &[GROUP]))
            .into_paginator()
            .send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = self.calls.told("ec2:DescribeSecurityGroups", page).await?;
            let ids = page.security_groups().iter().filter_map(|g| g.group_id());
            found.extend(ids.map(str::to_owned));
        }
        Ok(found)
    }

    /// Takes leftovers of this region away, instances first and what hangs on them after. A security group that
    /// somebody's machine still uses stays without being an error. Returns what could not be taken away.
    pub async fn delete(&self, leftovers: &[Leftover]) -> Vec<(Leftover, AwsError)> {
        let mut failed = Vec::new();
        let of = |kind| leftovers.iter().filter(move |l| l.kind == kind);
        for instance in of(LeftoverKind::Instance) {
            let id = std::slice::from_ref(&instance.id);
            if let Err(e) = self.insist(|| self.calls.terminate_instances(id)).await {
                failed.push((instance.clone(), e));
            }
        }
        for instance in of(LeftoverKind::Instance) {
            if !failed.iter().any(|(l, _)| l.id == instance.id)
                && let Err(e) = self.until_gone(instance).await
            {
                failed.push((instance.clone(), e));
            }
        }
        for volume in of(LeftoverKind::Volume) {
            if let Err(e) = self.insist(|| self.calls.delete_volume(&volume.id)).await {
                failed.push((volume.clone(), e));
            }
        }
        for snapshot in of(LeftoverKind::Snapshot) {
            if let Err(e) = self.delete_snapshot(&snapshot.id).await {
                failed.push((snapshot.clone(), e));
            }
        }
        for group in of(LeftoverKind::SecurityGroup) {
            match self.insist(|| self.delete_group(&group.id)).await {
                Err(e) if e.code != "DependencyViolation" => failed.push((group.clone(), e)),
                _ => {}
            }
        }
        failed
    }

    async fn until_gone(&self, instance: &Leftover) -> Result<(), AwsError> {
        let until = tokio::time::Instant::now() + GONE;
        let Some(session) = &instance.session else {
            return Ok(());
        };
        loop {
            let found = self
                .insist(|| self.calls.instances(Of::Session(session)))
                .await?;
            let there = found.iter().find(|f| f.id == instance.id);
            let there = there.is_some_and(|f| f.state != MachineState::Gone || f.ending);
            if !there {
                return Ok(());
            }
            if tokio::time::Instant::now() >= until {
                return Err(AwsError {
                    call: "ec2:TerminateInstances",
                    class: AwsClass::Other,
                    code: String::new(),
                    message: format!("it is not gone after {} s", GONE.as_secs()),
                    region: instance.region.clone(),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn delete_group(&self, id: &str) -> Result<(), AwsError> {
        let call = self.calls.ec2.delete_security_group().group_id(id);
        let done = self
            .calls
            .told("ec2:DeleteSecurityGroup", call.send().await)
            .await;
        gone_is_good(done.map(drop))
    }
}
