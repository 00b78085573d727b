//! Taking away what a launch has made, also where the answer that told of it was lost: by tag as well as by id.
//! What cannot be taken away is named.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Ec2;
use super::errors::AwsClass;
use super::found::{FoundVolume, Of, uncertain};
use super::journal::Begun;
use crate::model::SessionId;
use crate::provision::{MachineState, ProvisionError, Steps};

/// How often to look for a machine that may have been made: EC2 may not show it within the first second.
const LOOKS: usize = 4;
/// How often a call is tried that ends or deletes something.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// How long a volume may hang on its ending instance.
pub(super) const DETACHED: Duration = Duration::from_secs(120);

impl Ec2 {
    /// Ends a launch that this device has begun; what cannot be taken away is returned, and stays in the
    /// journal. For who interrupts [`Compute::launch`](crate::provision::Compute::launch) half-way.
    pub async fn abandon(&self, session: &SessionId, steps: Steps<'_>) -> Vec<String> {
        let Some(begun) = self.journal.read(session) else {
            return Vec::new();
        };
        let left = self.undo(&begun, None, steps).await;
        if left.is_empty() {
            self.journal.remove(session);
        }
        left
    }

    /// Takes away all of a launch that failed with `why`; what stays is returned.
    pub(super) async fn undo(
        &self,
        begun: &Begun,
        why: Option<&ProvisionError>,
        steps: Steps<'_>,
    ) -> Vec<String> {
        if begun.token.is_none() {
            return Vec::new();
        }
        let session = &begun.launch.spec.id;
        // A refusal in so many words made nothing; whether a lost answer did is worth more than one look.
        let refused = match why {
            Some(ProvisionError::Aws(e)) => begun.instance.is_none() && !uncertain(e),
            _ => false,
        };
        let looks = if refused { 1 } else { LOOKS };
        let mut left = Vec::new();
        let (instances, unseen) = self.made(session, begun.instance.as_deref(), looks).await;
        if let Some(why) = unseen
            && instances.is_empty()
        {
            let ends = "if one was made, it ends itself within 10 minutes of its boot";
            left.push(format!("perhaps a machine of {session} ({why}); {ends}"));
        }
        if !instances.is_empty() {
            steps("clean up");
        }
        let (mut volumes_go, mut patience) = (true, DETACHED);
        for instance in &instances {
            volumes_go &= self
                .insist(|| self.calls.set_delete_on_termination(instance, true))
                .await
                .is_ok();
            let id = std::slice::from_ref(instance);
            if let Err(e) = self.insist(|| self.calls.terminate_instances(id)).await {
                left.push(format!("instance {instance} ({e})"));
                // Its volume hangs on it for as long.
                patience = Duration::ZERO;
            }
        }
        if !volumes_go || (instances.is_empty() && !refused) {
            left.extend(self.delete_volumes(session, patience).await);
        }
        left
    }

    /// The instances of a session that are not gone, and why they could not be looked up.
    async fn made(
        &self,
        session: &SessionId,
        known: Option<&str>,
        looks: usize,
    ) -> (BTreeSet<String>, Option<String>) {
        let mut ids: BTreeSet<String> = known.map(str::to_owned).into_iter().collect();
        let mut unseen = None;
        for look in 0..looks {
            if look > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            match self.calls.instances(Of::Session(session)).await {
                Ok(found) => {
                    unseen = None;
                    let alive = found.into_iter().filter(|f| f.state != MachineState::Gone);
                    ids.extend(alive.map(|f| f.id));
                    if !ids.is_empty() {
                        break;
                    }
                }
                Err(e) => {
                    let hopeless =
                        matches!(e.class, AwsClass::Permission { .. } | AwsClass::Credentials);
                    unseen = Some(e.to_string());
                    if hopeless {
                        break;
                    }
                }
            }
        }
        (ids, unseen)
    }

    /// Deletes a session's volumes, once no instance has them; those that stay are returned.
    pub(super) async fn delete_volumes(
        &self,
        session: &SessionId,
        patience: Duration,
    ) -> Vec<String> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            let found = self
                .insist(|| self.calls.volumes(Of::Session(session)))
                .await;
            let volumes: Vec<FoundVolume> = match found {
                Ok(volumes) => volumes,
                Err(e) => return vec![format!("perhaps volumes of {session} ({e})")],
            };
            let (attached, free): (Vec<_>, Vec<_>) =
                volumes.into_iter().partition(|v| v.attached.is_some());
            let mut left = Vec::new();
            for volume in free {
                if let Err(e) = self.insist(|| self.calls.delete_volume(&volume.id)).await {
                    left.push(format!("volume {}, {} GB ({e})", volume.id, volume.gib));
                }
            }
            let waiting: Vec<_> = attached.into_iter().filter(|v| !v.goes_with_it).collect();
            if waiting.is_empty() {
                return left;
            }
            if tokio::time::Instant::now() >= until {
                left.extend(
                    waiting
                        .iter()
                        .map(|v| format!("volume {}, {} GB (still attached)", v.id, v.gib)),
                );
                return left;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Tries a call again that has no reason to be refused.
    pub(super) async fn insist<T, F>(&self, call: impl Fn() -> F) -> Result<T, super::AwsError>
    where
        F: Future<Output = Result<T, super::AwsError>>,
    {
        let mut tries = 1;
        loop {
            match call().await {
                Err(e) if tries < TRIES && (uncertain(&e) || e.class == AwsClass::Missing) => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                told => return told,
            }
        }
    }
}
