//! What a workspace begins with, from a directory of this machine.

use std::time::Duration;

use super::{Ebs, Result};
use crate::provision::Steps;
use crate::provision::ec2::tags::{NOTE, OWNER, WORKSPACE};
use crate::workspace::direct::Image;
use crate::workspace::{Name, Snapshot, WorkspaceError, find_snapshot};

/// How long EC2 may take to list a snapshot that is complete.
const SHOWN: Duration = Duration::from_secs(60);

impl Ebs {
    /// Puts an image into a snapshot of a workspace that is still to be made. `until` ends it early.
    ///
    /// # Errors
    /// What AWS says; nothing is left then, or it is named.
    pub async fn seed(
        &self,
        name: &Name,
        image: Image,
        until: impl Future<Output = ()>,
        steps: Steps<'_>,
    ) -> Result<Snapshot> {
        let called = format!("remote workspace {name}");
        let tags = [
            ("Name", called.clone()),
            (WORKSPACE, name.to_string()),
            (OWNER, self.owner().await?),
            (NOTE, "temporary, what it begins with".to_owned()),
        ];
        let seeded = image.put(self.ec2(), &tags, &called, until, steps).await?;
        let id = &seeded.snapshot;
        // EC2 may not show it at once.
        let found = super::until("list the snapshot", SHOWN, || async {
            match find_snapshot(self, id).await {
                Ok(found) => Ok(Some(found)),
                Err(WorkspaceError::NoSnapshot(_)) => Ok(None),
                Err(e) => Err(e),
            }
        });
        match found.await {
            Ok(found) => Ok(found),
            Err(why) => Err(match self.ec2.delete_snapshot(id).await {
                Ok(()) => why,
                Err(e) => why.leaving(vec![format!("snapshot {id} ({e})")]),
            }),
        }
    }
}
