//! A volume that was there before its machine: attached to it as the device that nothing which gives a launch back ever
//! speaks of, and marked with who has it.

use std::time::Duration;

use aws_sdk_ec2::types::{InstanceStateName, Volume, VolumeAttachmentState};
use tokio::time::Instant;

use super::Ec2;
use super::calls::filter;
use super::errors::{AwsClass, AwsError};
use super::found::{FoundInstance, KEPT_DEVICE};
use super::tags::{BLANK, DEADLINE, HOLDER, USED_AT, rfc3339};
use crate::model::now_ms;
use crate::provision::{Existing, ProvisionError};

/// How long an ending machine may hold on to it, and a new one may take to have it.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_secs(1);
/// What EC2 says where a machine is not up yet, and where somebody else was quicker.
const NOT_YET: [&str; 3] = ["IncorrectState", "IncorrectInstanceState", "VolumeInUse"];

/// How an instance that has a volume lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs, or could be started again.
    Alive,
    /// It is being terminated.
    Ending,
    /// It is no more.
    Gone,
}

impl Ec2 {
    /// Gives `found` the volume. One that a live machine has is refused; one that hangs on a machine which is ending
    /// is waited for.
    pub(super) async fn attach(
        &self,
        found: &FoundInstance,
        volume: &Existing,
    ) -> Result<(), ProvisionError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let there = self.volume(&volume.id).await?.ok_or_else(|| {
                ProvisionError::NoVolume(volume.id.clone(), self.settings.region.clone())
            })?;
            let attachment = there.attachments().first();
            let held = attachment.and_then(|a| a.instance_id());
            match held {
                Some(id) if id == found.id => {
                    let state = attachment.and_then(|a| a.state());
                    if state == Some(&VolumeAttachmentState::Attached) {
                        break;
                    }
                }
                Some(other) => {
                    if self.life(other).await? == Life::Alive {
                        let held = (volume.id.clone(), other.to_owned());
                        return Err(ProvisionError::VolumeInUse(held.0, held.1));
                    }
                }
                None => match self.ask_to_attach(&found.id, &volume.id).await {
                    Err(e) if NOT_YET.contains(&e.code.as_str()) => {}
                    told => told?,
                },
            }
            if Instant::now() >= until {
                return Err(ProvisionError::Silent {
                    instance: found.id.clone(),
                    what: "did not get its work volume",
                    within: PATIENCE.as_secs(),
                });
            }
            tokio::time::sleep(LOOK).await;
        }
        let facts = &found.facts;
        let tags = match volume.workspace {
            Some(_) => vec![
                (HOLDER, facts.session.to_string()),
                (USED_AT, rfc3339(now_ms())),
            ],
            // The session's own, put back: it tells of the new machine's end.
            None => facts
                .deadline
                .map(|at| (DEADLINE, rfc3339(at)))
                .into_iter()
                .collect(),
        };
        let ids = std::slice::from_ref(&volume.id);
        Ok(self.insist(|| self.calls.tag(ids, &tags)).await?)
    }

    /// A file system was put on a workspace: nobody is to try that again.
    pub(super) async fn is_made(&self, volume: &Existing) -> Result<(), ProvisionError> {
        if !volume.blank || volume.workspace.is_none() {
            return Ok(());
        }
        let ids = std::slice::from_ref(&volume.id);
        let tags = [(BLANK, "no".to_owned())];
        Ok(self.insist(|| self.calls.tag(ids, &tags)).await?)
    }

    async fn ask_to_attach(&self, instance: &str, volume: &str) -> Result<(), AwsError> {
        let call = self.calls.ec2.attach_volume();
        let call = call
            .instance_id(instance)
            .volume_id(volume)
            .device(KEPT_DEVICE);
        self.calls
            .told("ec2:AttachVolume", call.send().await)
            .await
            .map(drop)
    }

    pub(super) async fn volume(&self, id: &str) -> Result<Option<Volume>, AwsError> {
        let call = self.calls.ec2.describe_volumes().volume_ids(id);
        match self
            .calls
            .told("ec2:DescribeVolumes", call.send().await)
            .await
        {
            Ok(told) => Ok(told.volumes().first().cloned()),
            Err(e) if e.class == AwsClass::Missing => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// How an instance lives.
    ///
    /// # Errors
    /// What AWS says.
    pub async fn life(&self, instance: &str) -> Result<Life, AwsError> {
        // A filter, since an id that is no more would be an error.
        let call = self.calls.ec2.describe_instances();
        let call = call.filters(filter("instance-id", &[instance]));
        let look = || async {
            let returned = call.clone().send().await;
            self.calls.told("ec2:DescribeInstances", returned).await
        };
        let told = match self.insist(look).await {
            Err(e) if e.class == AwsClass::Missing => return Ok(Life::Gone),
            told => told?,
        };
        let mut found = told.reservations().iter().flat_map(|r| r.instances());
        let state = found.find_map(|i| i.state().and_then(|s| s.name()));
        Ok(match state {
            None | Some(InstanceStateName::Terminated) => Life::Gone,
            Some(InstanceStateName::ShuttingDown) => Life::Ending,
            Some(_) => Life::Alive,
        })
    }
}
