//! A snapshot of a session's work volume that is made to be read and then deleted. It has the session's tag: where whoever
//! made it is cut off, `remote gc` lists it.

use std::time::Duration;

use aws_sdk_ec2::types::{SnapshotState, Volume, VolumeState};
use tokio::time::Instant;

use super::Ec2;
use super::attach::Life;
use super::errors::AwsClass;
use super::tags::{AUTOMATIC, OWNER, SESSION, clean};
use crate::model::SessionId;
use crate::provision::{ProvisionError, Steps};

const LOOK: Duration = Duration::from_secs(1);
/// The first snapshot of a large volume takes its time.
const PATIENCE: Duration = Duration::from_secs(3 * 3600);

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
            Some(id) if self.life(id).await? == Life::Alive => Hold::Alive(id.to_owned()),
            Some(id) => Hold::Ending(id.to_owned()),
        })
    }

    /// Begins one; the snapshot's id. `cut` says that nobody wants it any more.
    ///
    /// # Errors
    /// [`ProvisionError::NoVolume`], or what AWS says.
    pub async fn photograph(
        &self,
        session: &SessionId,
        volume: &str,
        cut: impl Fn() -> bool,
    ) -> Result<String, ProvisionError> {
        let tags = [
            ("Name", clean(&format!("remote {session}, to be read"))),
            (SESSION, session.to_string()),
            (OWNER, clean(self.owner().await?)),
            (AUTOMATIC, "yes".to_owned()),
        ];
        match self.snapshot(volume, &tags, cut).await {
            Ok(made) => Ok(made.snapshot_id.unwrap_or_default()),
            Err(e) if e.class == AwsClass::Missing => {
                let region = self.settings.region.clone();
                Err(ProvisionError::NoVolume(volume.to_owned(), region))
            }
            Err(e) => Err(e.into()),
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
                Some(SnapshotState::Error) => {
                    return Err(self.no_snapshot(id, "AWS could not make it").into());
                }
                _ => {}
            }
            let percent = told.as_ref().and_then(|s| s.progress()).unwrap_or("");
            steps(&format!("snapshot {id} {percent}"));
            if Instant::now() >= until {
                return Err(self.no_snapshot(id, "it is not complete after 3 h").into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}
