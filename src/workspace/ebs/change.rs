//! A larger volume, while it is used too: asked for once, and waited for until its new size can be used. AWS goes on
//! optimizing it for hours, and lets nobody change it again for six.

use std::time::Duration;

use aws_sdk_ec2::types::{VolumeModification, VolumeModificationState as Modification};

use super::{Ebs, Result, insist, until};
use crate::provision::Steps;
use crate::provision::ec2::{AwsClass, AwsError};
use crate::workspace::{Workspace, WorkspaceError};

/// How long until the new size can be used.
const USABLE: Duration = Duration::from_secs(900);

impl Ebs {
    pub(super) async fn resize_one(
        &self,
        workspace: &Workspace,
        gib: u32,
        steps: Steps<'_>,
    ) -> Result<Workspace> {
        let found = self.there(workspace).await?;
        if gib < found.gib {
            return Err(WorkspaceError::Smaller {
                name: found.name,
                gib: found.gib,
                wished: gib,
            });
        }
        if gib > found.gib {
            steps(&format!("resize from {} to {gib} GB", found.gib));
            self.modify(workspace, gib).await?;
            until("resize", USABLE, || self.is_larger(workspace, gib)).await?;
        }
        let found = self.there(workspace).await?;
        Ok(self.told(found, self.storage().await))
    }

    async fn modify(&self, workspace: &Workspace, gib: u32) -> Result<()> {
        let wished = i32::try_from(gib)
            .map_err(|_| WorkspaceError::Refused(format!("{gib} GB is too large")))?;
        let call = self.calls().ec2.modify_volume();
        let call = call.volume_id(&workspace.id).size(wished);
        let asked = insist(|| async {
            let returned = call.clone().send().await;
            match self.calls().told("ec2:ModifyVolume", returned).await {
                // Asked again it is the same for hours.
                Err(e) if too_soon(&e).is_some() => Ok(Err(e)),
                other => other.map(|_| Ok(())),
            }
        });
        let e = match asked.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(e)) | Err(e) => e,
        };
        // The first answer may have been lost, and the second is that it is under way.
        let under_way = self.modification(workspace).await.ok().flatten();
        if under_way.is_some_and(|m| m.target_size() == Some(wished)) {
            return Ok(());
        }
        Err(match too_soon(&e) {
            Some(why) => WorkspaceError::TooSoon {
                name: workspace.name.clone(),
                why,
            },
            None => e.into(),
        })
    }

    async fn is_larger(&self, workspace: &Workspace, gib: u32) -> Result<Option<()>> {
        let modification = self.modification(workspace).await?;
        let state = modification.as_ref().and_then(|m| m.modification_state());
        match state {
            Some(Modification::Failed) => {
                let said = modification.as_ref().and_then(|m| m.status_message());
                Err(WorkspaceError::Refused(format!(
                    "AWS could not resize {}: {}; it is as it was",
                    workspace.id,
                    said.unwrap_or("it does not say why")
                )))
            }
            Some(Modification::Optimizing | Modification::Completed) => {
                let large = self.there(workspace).await?.gib >= gib;
                Ok(large.then_some(()))
            }
            // Modifications long over are told of no more.
            None => Ok((self.there(workspace).await?.gib >= gib).then_some(())),
            Some(_) => Ok(None),
        }
    }

    /// The newest change of a volume, if there ever was one.
    async fn modification(&self, workspace: &Workspace) -> Result<Option<VolumeModification>> {
        let call = self.calls().ec2.describe_volumes_modifications();
        let returned = call.volume_ids(&workspace.id).send().await;
        let told = self
            .calls()
            .told("ec2:DescribeVolumesModifications", returned);
        match told.await {
            Ok(answer) => {
                let all = answer.volumes_modifications().iter();
                Ok(all
                    .max_by_key(|m| m.start_time().map(|t| t.as_nanos()))
                    .cloned())
            }
            Err(e) if e.class == AwsClass::Missing => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}

/// Why AWS refuses for now, in plain words.
fn too_soon(e: &AwsError) -> Option<String> {
    let why = match e.code.as_str() {
        "VolumeModificationRateExceeded" => "it was changed less than 6 hours ago",
        "IncorrectModificationState" => "AWS is still optimizing it after the last change",
        "IncorrectState" => "AWS is doing something else with it",
        _ => return None,
    };
    Some(format!("{why} ({})", e.code))
}
