//! A workspace that some instance has: whether that is alive, and taking the volume from one that is not. AWS takes a
//! terminated instance's volumes away from it, sometimes late, and now and then never.

use std::time::Duration;

use super::read::Found;
use super::{Ebs, Result, insist, until};
use crate::provision::ec2::Life;
use crate::provision::ec2::calls::gone_is_good;
use crate::workspace::{Workspace, WorkspaceError};

/// How long an instance that ends may keep a volume; then it is taken by force.
const ENDING: Duration = Duration::from_secs(120);
/// How long a detachment may take.
const DETACHED: Duration = Duration::from_secs(180);

impl Ebs {
    /// The workspace, once no instance has it: waits for one that ends, and takes it from one that is no more, which
    /// AWS itself should have done.
    ///
    /// # Errors
    /// [`WorkspaceError::InUse`] where a live instance has it, a stopped one too; there is no such workspace; or what
    /// AWS says.
    pub async fn free(&self, workspace: &Workspace) -> Result<Workspace> {
        let mut found = self.there(workspace).await?;
        if let Some((instance, how)) = found.attached.clone() {
            let life = self.ec2.life(&instance).await?;
            match life {
                // It is being detached there: by its host, or by another of us.
                Life::Alive if how == "detaching" => {}
                Life::Alive => return Err(in_use(&found, instance)),
                Life::Ending => {
                    let waited = until("detach", ENDING, || self.detached(workspace)).await;
                    if !matches!(waited, Ok(_) | Err(WorkspaceError::Late(..))) {
                        waited?;
                    }
                    self.force(workspace).await?;
                }
                Life::Gone => self.force(workspace).await?,
            }
            let freed = until("detach", DETACHED, || self.detached(workspace)).await;
            found = match (freed, life) {
                (Err(WorkspaceError::Late(..)), Life::Alive) => {
                    return Err(in_use(&found, instance));
                }
                (other, _) => other?,
            };
        } else if found.said == "in-use" {
            // Between two instances, or so EC2 has it.
            found = until("detach", DETACHED, || self.detached(workspace)).await?;
        }
        Ok(self.told(found, self.storage().await))
    }

    async fn detached(&self, workspace: &Workspace) -> Result<Option<Found>> {
        let found = self.there(workspace).await?;
        Ok(Some(found).filter(|f| f.attached.is_none() && f.said != "in-use"))
    }

    /// Takes it from an instance of which it was looked up that it is no more.
    async fn force(&self, workspace: &Workspace) -> Result<()> {
        let Some((instance, _)) = self.there(workspace).await?.attached else {
            return Ok(());
        };
        if !matches!(self.ec2.life(&instance).await?, Life::Gone | Life::Ending) {
            return Err(in_use(&self.there(workspace).await?, instance));
        }
        let call = self
            .calls()
            .ec2
            .detach_volume()
            .volume_id(&workspace.id)
            .instance_id(&instance)
            .force(true);
        let taken = insist(|| async {
            let returned = call.clone().send().await;
            self.calls().told("ec2:DetachVolume", returned).await
        });
        match gone_is_good(taken.await.map(drop)) {
            // It was detached meanwhile.
            Err(e) if e.code == "IncorrectState" => Ok(()),
            other => other.map_err(Into::into),
        }
    }
}

fn in_use(found: &Found, instance: String) -> WorkspaceError {
    WorkspaceError::InUse {
        name: found.name.clone(),
        session: found.holder.clone(),
        instance,
    }
}
