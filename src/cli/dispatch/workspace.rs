//! `--workspace`: the volume that a session works on is there already, and decides where its machine is.

use std::sync::Arc;

use super::Ctx;
use super::machine::MachineArgs;
use crate::cli::target::person;
use crate::client::cloud;
use crate::client::place::{Place, Provider};
use crate::error::{Error, Result};
use crate::model::{OnWorkspace, SessionId};
use crate::provision::Existing;
use crate::workspace::dirs::Dirs;
use crate::workspace::ebs::Ebs;
use crate::workspace::{Name, State, Volumes, Workspace, WorkspaceError, keep_snapshots};

/// The machine's flags with the workspace among them. One that hangs on a machine which is no more is freed first.
///
/// # Errors
/// There is no such workspace, a live machine has it, or the flags say another place.
pub async fn on_workspace(
    ctx: &Ctx,
    name: &Name,
    machine: &MachineArgs,
    cloud: &crate::client::dispatch::Cloud,
) -> Result<MachineArgs> {
    let region = cloud.region.as_deref();
    let ec2 = cloud::open(
        &ctx.paths,
        &ctx.config,
        region,
        &cloud.binaries,
        person(ctx),
    )
    .await?;
    let region = ec2.region().to_owned();
    let volumes = Ebs::new(Arc::new(ec2));
    let found = find(&volumes.list().await?, name)?;
    let found = match found.state {
        State::Free => found,
        State::Attached => volumes.free(&found).await?,
        State::Creating => {
            return Err(
                Error::user(format!("workspace `{name}` is still being made"))
                    .hint("`remote workspace list` shows when it can be used"),
            );
        }
        State::Failed => {
            return Err(
                Error::user(format!("AWS says that workspace `{name}` is damaged")).hint(format!(
                    "restore it from a snapshot: `remote workspace restore {name} --name NEW`"
                )),
            );
        }
    };
    // What the last session left, before the next one changes it.
    if let Err(e) = keep_snapshots(&volumes, &found).await {
        ctx.ui
            .warn(format!("no snapshot was made of workspace `{name}`: {e}"));
    }
    if let Some(zone) = machine.az.as_ref().filter(|z| **z != found.place) {
        return Err(Error::user(format!(
            "workspace `{name}` is in {}, and `--az {zone}` is elsewhere",
            found.place
        ))
        .hint(format!(
            "leave `--az` out, or take the workspace there: `remote workspace move {name} --az {zone}`"
        )));
    }
    Ok(MachineArgs {
        region: Some(region),
        az: Some(found.place),
        volume_gib: Some(found.gib),
        volume: Some(Existing {
            id: found.id,
            workspace: Some(found.name.to_string()),
            blank: found.blank,
        }),
        ..machine.clone()
    })
}

/// A workspace that is a directory, given to the session that is to begin; `None` where a rented machine has it, or there
/// is none.
///
/// # Errors
/// There is no such workspace, another live session has it, or its machine cannot be reached.
pub(super) async fn on_directory(
    ctx: &Ctx,
    name: Option<&Name>,
    place: &Place,
    session: &SessionId,
) -> Result<Option<Held>> {
    let Some(name) = name else { return Ok(None) };
    let dirs = match place {
        Place::Ec2(_) => return Ok(None),
        Place::Local => Dirs::here(&ctx.paths),
        Place::Ssh { destination, .. } => {
            let (provider, _) = place.open(&ctx.paths, person(ctx), &|_| {}).await?;
            let Provider::Ssh(host) = provider else {
                return Err(Error::internal("provider `ssh` is none of ssh"));
            };
            Dirs::there(Arc::from(host), destination)
        }
    };
    let dir = dirs.hold(name, session).await?;
    Ok(Some(Held {
        on: OnWorkspace {
            name: name.to_string(),
            dir,
        },
        dirs,
        name: name.clone(),
        session: session.clone(),
    }))
}

/// A workspace that a session is to have.
pub(super) struct Held {
    pub on: OnWorkspace,
    dirs: Dirs,
    name: Name,
    session: SessionId,
}

impl Held {
    /// The session has not begun.
    pub async fn give_back(&self) {
        // Its holder is dead: the next one may have it in any case.
        let _ = self.dirs.release(&self.name, &self.session).await;
    }
}

fn find(all: &[Workspace], name: &Name) -> Result<Workspace> {
    let mut named = all.iter().filter(|w| w.name == *name);
    match (named.next(), named.next()) {
        (Some(one), None) => Ok(one.clone()),
        (Some(one), Some(other)) => {
            let ids = [one, other].into_iter().chain(named);
            Err(WorkspaceError::Ambiguous {
                name: name.clone(),
                ids: ids.map(|w| w.id.clone()).collect(),
            }
            .into())
        }
        (None, _) => Err(WorkspaceError::NoWorkspace(name.to_string()).into()),
    }
}
