//! A snapshot of a session's work volume that is made to be read and then deleted. It has the session's tag: where whoever
//! made it is cut off, `remote gc` lists it.

use std::time::Duration;

use aws_sdk_ec2::config::Config;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::types::{ResourceType, SnapshotState, TagSpecification, Volume, VolumeState};
use tokio::time::Instant;

use super::Ec2;
use super::calls::{gone_is_good, tagged, to_tags};
use super::errors::{AwsClass, AwsError};
use super::tags::{AUTOMATIC, MADE_BY, OWNER, SESSION, clean};
use crate::model::SessionId;
use crate::provision::{ProvisionError, Steps};

const LOOK: Duration = Duration::from_secs(1);
/// The first snapshot of a large volume takes its time.
const PATIENCE: Duration = Duration::from_secs(3 * 3600);

/// How often one volume may be photographed is limited: once in about 15 s.
const TOO_SOON: &str = "SnapshotCreationPerVolumeRateExceeded";
const AGAIN: Duration = Duration::from_secs(5);
const AGAIN_FOR: Duration = Duration::from_secs(60);
/// How often it is asked for, where it is not known whether it was made.
const TRIES: usize = 3;

/// Whether a machine has a volume: its instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    Free,
    /// One that is ending, or is no more.
    Ending(String),
    /// One that runs, or could be started again.
    Alive(String),
}

impl Ec2 {
    /// Which machine has the volume now.
    ///
    /// # Errors
    /// [`ProvisionError::NoVolume`], or what AWS says.
    pub async fn hold(&self, volume: &str) -> Result<Hold, ProvisionError> {
        let there = self.insist(|| self.volume(volume)).await?;
        let goes = |v: &Volume| {
            matches!(
                v.state(),
                Some(VolumeState::Deleting | VolumeState::Deleted)
            )
        };
        let there = there.filter(|v| !goes(v)).ok_or_else(|| {
            ProvisionError::NoVolume(volume.to_owned(), self.settings.region.clone())
        })?;
        let holder = there.attachments().first().and_then(|a| a.instance_id());
        Ok(match holder {
            None => Hold::Free,
            Some(id) if self.lives(id).await? => Hold::Alive(id.to_owned()),
            Some(id) => Hold::Ending(id.to_owned()),
        })
    }

    /// Begins one; the snapshot's id. AWS takes no client token for it: a tag is, and what a call made whose answer was
    /// lost is found by that and deleted. Where one was made a moment ago it is asked for again, until `cut` says that
    /// nobody wants it any more.
    ///
    /// # Errors
    /// What AWS says.
    pub async fn photograph(
        &self,
        session: &SessionId,
        volume: &str,
        cut: impl Fn() -> bool,
    ) -> Result<String, ProvisionError> {
        let mut token = [0; 16];
        getrandom::fill(&mut token).map_err(|e| self.failed(volume, &e.to_string()))?;
        let made_by: String = token.iter().map(|b| format!("{b:02x}")).collect();
        let tags = [
            ("Name", clean(&format!("remote {session}, to be read"))),
            (SESSION, session.to_string()),
            (OWNER, clean(self.owner().await?)),
            (AUTOMATIC, "yes".to_owned()),
            (MADE_BY, made_by.clone()),
        ];
        let specification = TagSpecification::builder()
            .resource_type(ResourceType::Snapshot)
            .set_tags(Some(to_tags(&tags)))
            .build();
        let call = self.calls.ec2.create_snapshot();
        let call = call
            .volume_id(volume)
            .description(format!("{session}, to be read"))
            .tag_specifications(specification);
        // The SDK would ask again by itself, and make two.
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let until = Instant::now() + AGAIN_FOR;
        let mut doubts = 0;
        loop {
            let asked = call.clone().customize().config_override(once.clone());
            let made = self.calls.told("ec2:CreateSnapshot", asked.send().await);
            let why = match made.await {
                Ok(made) => {
                    let id = made.snapshot_id().unwrap_or_default().to_owned();
                    if doubts > 0 {
                        self.burn(&made_by, Some(&id)).await;
                    }
                    return Ok(id);
                }
                Err(e) => e,
            };
            if why.class == AwsClass::Missing {
                let region = self.settings.region.clone();
                return Err(ProvisionError::NoVolume(volume.to_owned(), region));
            }
            if why.code == TOO_SOON {
                if cut() || Instant::now() >= until {
                    return Err(why.into());
                }
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            if !why.is_uncertain() {
                return Err(why.into());
            }
            doubts += 1;
            // EC2 may not show it within the first second.
            for _ in 0..2 {
                tokio::time::sleep(LOOK).await;
                self.burn(&made_by, None).await;
            }
            if doubts == TRIES || cut() {
                return Err(why.into());
            }
        }
    }

    /// Deletes what calls of this token have made, but for one. What stays is listed by `remote gc`.
    async fn burn(&self, made_by: &str, but: Option<&str>) {
        let look = || async {
            let call = self.calls.ec2.describe_snapshots().owner_ids("self");
            let call = call.filters(tagged(MADE_BY, made_by));
            self.calls
                .told("ec2:DescribeSnapshots", call.send().await)
                .await
        };
        let found = match self.insist(look).await {
            Ok(found) => found,
            Err(e) => {
                tracing::warn!(%e, "whether a second snapshot was made is not known");
                return;
            }
        };
        let ids = found.snapshots().iter().filter_map(|s| s.snapshot_id());
        for id in ids.filter(|id| Some(*id) != but) {
            if let Err(e) = self.shred(id).await {
                tracing::warn!(id, %e, "a second snapshot stays");
            }
        }
    }

    /// Waits until it can be read, or `cut` says that nobody wants it any more.
    ///
    /// # Errors
    /// It failed, it takes for ever, or what AWS says.
    pub async fn developed(
        &self,
        id: &str,
        cut: impl Fn() -> bool,
        steps: Steps<'_>,
    ) -> Result<(), ProvisionError> {
        let until = Instant::now() + PATIENCE;
        while !cut() {
            let call = self.calls.ec2.describe_snapshots().snapshot_ids(id);
            let told = self.calls.told("ec2:DescribeSnapshots", call.send().await);
            let told = match told.await {
                // Not to be seen yet.
                Err(e) if e.class == AwsClass::Missing => None,
                told => told?.snapshots().first().cloned(),
            };
            match told.as_ref().and_then(|s| s.state()) {
                Some(SnapshotState::Completed) => return Ok(()),
                Some(SnapshotState::Error) => return Err(self.failed(id, "AWS could not make it")),
                _ => {}
            }
            let percent = told.as_ref().and_then(|s| s.progress()).unwrap_or("");
            steps(&format!("snapshot {id} {percent}"));
            if Instant::now() >= until {
                return Err(self.failed(id, "it is not complete after 3 h"));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    fn failed(&self, id: &str, why: &str) -> ProvisionError {
        ProvisionError::Aws(AwsError {
            call: "ec2:CreateSnapshot",
            class: AwsClass::Other,
            code: String::new(),
            message: format!("{id}: {why}"),
            region: self.settings.region.clone(),
        })
    }

    /// Deletes it; one that is gone already is no error.
    ///
    /// # Errors
    /// What AWS says.
    pub async fn shred(&self, id: &str) -> Result<(), ProvisionError> {
        let delete = || async {
            let call = self.calls.ec2.delete_snapshot().snapshot_id(id);
            let done = self.calls.told("ec2:DeleteSnapshot", call.send().await);
            gone_is_good(done.await.map(drop))
        };
        Ok(self.insist(delete).await?)
    }
}
