//! Taking away what a launch has made, also where the answer that told of it was lost: by tag as well as by id.
//! What cannot be taken away is named.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Ec2;
use super::errors::AwsClass;
use super::found::{FoundInstance, FoundVolume, Of, WORK_DEVICE};
use super::journal::{Begun, Stage};
use super::tags::clean;
use crate::model::{Millis, SessionId, now_ms};
use crate::provision::{MachineState, ProvisionError, Steps};

/// How often to look for a machine that may have been made: EC2 may not show it within the first second.
const LOOKS: usize = 4;
/// How often a call is tried that ends or deletes something.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// A request whose answer was lost may take effect this late; until then it is looked for again.
const DOUBT: Millis = 15 * 60_000;
/// How long a volume may hang on its ending instance.
pub(super) const DETACHED: Duration = Duration::from_secs(120);

/// What came of taking a launch back.
pub(super) struct Undone {
    /// What stays.
    pub left: Vec<String>,
    /// Nothing can come after: no request is on its way whose answer was lost.
    pub sure: bool,
}

/// When it was launched, or put back.
fn launched(begun: &Begun) -> Millis {
    begun.launch.again.unwrap_or(begun.launch.spec.created)
}

impl Ec2 {
    /// Ends a launch that this device has begun; what cannot be taken away is returned, and stays in the
    /// journal. For who interrupts [`Compute::launch`](crate::provision::Compute::launch) half-way.
    pub async fn abandon(&self, session: &SessionId, steps: Steps<'_>) -> Vec<String> {
        // Whoever holds it sees to it.
        let Ok(Some(_held)) = self.journal.hold(session) else {
            return Vec::new();
        };
        let Some(begun) = self.journal.read(session) else {
            self.journal.remove(session);
            return Vec::new();
        };
        let undone = self.undo(&begun, None, steps).await;
        let old = now_ms().saturating_sub(launched(&begun)) > DOUBT;
        if undone.left.is_empty() && (undone.sure || old) {
            self.journal.remove(session);
        }
        undone.left
    }

    /// Takes away all of a launch that failed with `why`.
    pub(super) async fn undo(
        &self,
        begun: &Begun,
        why: Option<&ProvisionError>,
        steps: Steps<'_>,
    ) -> Undone {
        if begun.token.is_none() {
            return Undone {
                left: Vec::new(),
                sure: true,
            };
        }
        let session = &begun.launch.spec.id;
        // A refusal in so many words made nothing; whether a lost answer did is worth more than one look.
        let refused = match why {
            Some(ProvisionError::Aws(e)) => begun.instance.is_none() && !e.is_uncertain(),
            _ => false,
        };
        let looks = if refused { 1 } else { LOOKS };
        let mut left = Vec::new();
        let (instances, unseen) = self.made(begun, looks).await;
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
        // A volume that was there before is nobody's to take back.
        let made = begun
            .launch
            .wish
            .as_ref()
            .is_none_or(|w| w.volume.is_none());
        for instance in &instances {
            if made {
                let goes = || {
                    self.calls
                        .set_delete_on_termination(instance, WORK_DEVICE, true)
                };
                volumes_go &= self.insist(goes).await.is_ok();
            }
            let id = std::slice::from_ref(instance);
            if let Err(e) = self.insist(|| self.calls.terminate_instances(id)).await {
                left.push(format!("instance {instance} ({e})"));
                // Its volume hangs on it for as long.
                patience = Duration::ZERO;
            }
        }
        if made && (!volumes_go || (instances.is_empty() && !refused)) {
            left.extend(self.delete_volumes(session, patience).await);
        }
        Undone {
            sure: refused || !instances.is_empty() || begun.stage > Stage::Asked,
            left,
        }
    }

    /// The instances that a launch has made and that are not gone, and why they could not be looked up. Another one of
    /// the same session is another device's: it was quicker.
    async fn made(&self, begun: &Begun, looks: usize) -> (BTreeSet<String>, Option<String>) {
        let session = &begun.launch.spec.id;
        let known = begun.instance.as_deref();
        let mut ids: BTreeSet<String> = known.map(str::to_owned).into_iter().collect();
        // Tags have seconds.
        let (at, device) = (launched(begun) / 1000, clean(&self.settings.device.name));
        let ours = |f: &FoundInstance| {
            let made_then = f.facts.launched.map(|l| l / 1000) == Some(at);
            known.map_or(made_then && f.facts.device == device, |id| id == f.id)
        };
        let mut unseen = None;
        for look in 0..looks {
            if look > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            match self.calls.instances(Of::Session(session)).await {
                Ok(found) => {
                    unseen = None;
                    let alive = found
                        .into_iter()
                        .filter(|f| f.state != MachineState::Gone && ours(f));
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
                Err(e) if tries < TRIES && (e.is_uncertain() || e.class == AwsClass::Missing) => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                told => return told,
            }
        }
    }
}
