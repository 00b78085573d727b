//! Making and deleting a snapshot. AWS takes no client token for making one: a tag is, and before it is asked for again it
//! is looked whether a call whose answer was lost has made it after all; a second one that shows up late is deleted.

use std::time::Duration;

use aws_sdk_ec2::config::Config;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::operation::create_snapshot::CreateSnapshotOutput;
use aws_sdk_ec2::types::{ResourceType, Snapshot, Tag, TagSpecification};
use tokio::time::Instant;

use super::Ec2;
use super::calls::{gone_is_good, tagged, to_tags};
use super::errors::{AwsClass, AwsError};
use super::tags::MADE_BY;
use crate::provision::token;

/// EC2 may not show a new one within the first second.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS: usize = 2;
/// How often it is asked for, where it is not known whether it was made.
const TRIES: usize = 3;

/// How often one volume may be photographed is limited: once in about 15 s.
const TOO_SOON: &str = "SnapshotCreationPerVolumeRateExceeded";
const AGAIN: Duration = Duration::from_secs(5);
const AGAIN_FOR: Duration = Duration::from_secs(60);

impl Ec2 {
    /// Begins one of `volume`, with `tags`: as AWS tells of it. Where another one was made a moment ago it is asked for
    /// again, until `cut` says that nobody wants it any more.
    ///
    /// # Errors
    /// What AWS says. Where that leaves open whether it was made, it may be there, with its tags.
    pub async fn snapshot(
        &self,
        volume: &str,
        tags: &[(&str, String)],
        cut: impl Fn() -> bool,
    ) -> Result<Snapshot, AwsError> {
        let made_by = token().map_err(|e| self.no_snapshot(volume, &e.to_string()))?;
        let mut tags = to_tags(tags);
        tags.extend(to_tags(&[(MADE_BY, made_by.clone())]));
        let specification = TagSpecification::builder()
            .resource_type(ResourceType::Snapshot)
            .set_tags(Some(tags.clone()))
            .build();
        let call = self.calls.ec2.create_snapshot();
        let call = call.volume_id(volume).tag_specifications(specification);
        // The SDK would ask again by itself, and make two.
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let until = Instant::now() + AGAIN_FOR;
        let mut doubts = 0;
        loop {
            let asked = call.clone().customize().config_override(once.clone());
            let made = self.calls.told("ec2:CreateSnapshot", asked.send().await);
            let why = match made.await {
                Ok(made) => {
                    let made = as_described(made, tags);
                    if doubts > 0 {
                        match self.made_by(&made_by).await {
                            Ok(mut twins) => {
                                twins.retain(|t| t.snapshot_id() != made.snapshot_id());
                                self.delete_twins(twins).await;
                            }
                            Err(e) => {
                                tracing::warn!(%e, "whether a second snapshot was made is not known");
                            }
                        }
                    }
                    return Ok(made);
                }
                Err(e) => e,
            };
            let (too_soon, doubt) = (why.code == TOO_SOON, why.is_uncertain());
            let looks = match (too_soon, doubt) {
                // It may be our own one that it is too soon after.
                (true, _) => usize::from(doubts > 0),
                (false, true) => LOOKS,
                // A plain refusal is believed, once it was looked.
                (false, false) => 1,
            };
            for _ in 0..looks {
                tokio::time::sleep(LOOK).await;
                match self.made_by(&made_by).await {
                    Ok(mut made) => {
                        if let Some(one) = made.pop() {
                            self.delete_twins(made).await;
                            return Ok(one);
                        }
                    }
                    // Not to know is no reason to make a second one.
                    Err(_) => return Err(why),
                }
            }
            if too_soon && !cut() && Instant::now() < until {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            doubts += 1;
            if too_soon || !doubt || doubts == TRIES || cut() {
                return Err(why);
            }
        }
    }

    /// What the calls of this token have made.
    async fn made_by(&self, made_by: &str) -> Result<Vec<Snapshot>, AwsError> {
        let look = || async {
            let call = self.calls.ec2.describe_snapshots().owner_ids("self");
            let call = call.filters(tagged(MADE_BY, made_by));
            self.calls
                .told("ec2:DescribeSnapshots", call.send().await)
                .await
        };
        let told = self.insist(look).await?;
        Ok(told.snapshots.unwrap_or_default())
    }

    /// What earlier calls made after all. What stays is listed by `remote gc`.
    async fn delete_twins(&self, twins: Vec<Snapshot>) {
        for id in twins.iter().filter_map(|s| s.snapshot_id()) {
            if let Err(e) = self.delete_snapshot(id).await {
                tracing::warn!(id, %e, "a second snapshot stays");
            }
        }
    }

    /// Deletes one; that it is gone already is no error.
    ///
    /// # Errors
    /// What AWS says.
    pub async fn delete_snapshot(&self, id: &str) -> Result<(), AwsError> {
        let delete = || async {
            let call = self.calls.ec2.delete_snapshot().snapshot_id(id);
            let done = self.calls.told("ec2:DeleteSnapshot", call.send().await);
            gone_is_good(done.await.map(drop))
        };
        self.insist(delete).await
    }

    pub(super) fn no_snapshot(&self, id: &str, why: &str) -> AwsError {
        AwsError {
            call: "ec2:CreateSnapshot",
            class: AwsClass::Other,
            code: String::new(),
            message: format!("{id}: {why}"),
            region: self.settings.region.clone(),
        }
    }
}

/// The answer to its making says the same as a later one, in a type of its own.
fn as_described(made: CreateSnapshotOutput, tags: Vec<Tag>) -> Snapshot {
    Snapshot::builder()
        .set_snapshot_id(made.snapshot_id)
        .set_volume_id(made.volume_id)
        .set_volume_size(made.volume_size)
        .set_start_time(made.start_time)
        .set_state(made.state)
        .set_progress(made.progress)
        .set_tags(Some(tags))
        .build()
}
