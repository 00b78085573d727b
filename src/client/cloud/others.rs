//! Other owners' sessions: shown where they are asked for, never brought into the ledger, so that no verb takes one
//! for this person's own.

use std::sync::Arc;

use super::fleet::fresh;
use crate::client::registry::Known;
use crate::config::{Config, Paths};
use crate::error::Result;
use crate::model::{SessionId, now_ms};
use crate::provision::ec2::Ec2;
use crate::provision::{Compute, Machine, MachineState, ProvisionError};
use crate::ssh::Ask;

/// The machines of everybody but this person, in the configured region; ended ones too, as long as the tags tell
/// of them.
///
/// # Errors
/// What AWS says.
pub async fn others(paths: &Paths, config: &Config, ask: Arc<dyn Ask>) -> Result<Vec<Machine>> {
    let ec2 = super::look(paths, config, None, ask).await?;
    let mut all = ec2.machines(true).await?;
    let owner = ec2.owner().await?;
    all.retain(|m| is_anothers(m, owner));
    Ok(all)
}

/// The live session of another owner that has this whole name, and the provider that can end it.
///
/// # Errors
/// What AWS says.
pub async fn other(
    paths: &Paths,
    config: &Config,
    typed: &str,
    ask: Arc<dyn Ask>,
) -> Result<Option<(Known, Ec2)>> {
    // In full: a beginning may be that of somebody else's next session.
    let Some(id) = typed
        .starts_with("session-")
        .then(|| typed.parse::<SessionId>().ok())
    else {
        return Ok(None);
    };
    let (Some(id), "ec2") = (id, config.provider()) else {
        return Ok(None);
    };
    let ec2 = super::look(paths, config, None, ask).await?;
    let machine = match ec2.describe(&id).await {
        Err(ProvisionError::NoSession(_)) => return Ok(None),
        told => told?,
    };
    let anothers = is_anothers(&machine, ec2.owner().await?);
    let known = known(&machine).filter(|_| anothers && machine.state != MachineState::Gone);
    Ok(known.map(|known| (known, ec2)))
}

fn is_anothers(machine: &Machine, owner: &str) -> bool {
    machine.rented.as_ref().is_some_and(|r| r.owner != owner)
}

/// As the registry would know it.
pub fn known(machine: &Machine) -> Option<Known> {
    let rented = machine.rented.as_ref()?;
    let mut entry = fresh(machine, rented, now_ms());
    entry.rented = Some(rented.clone());
    entry.lost = machine.state == MachineState::Gone;
    if let Some(login) = &rented.login {
        entry.ssh.destination = format!("{}@{}", login.user, login.address);
        entry.ssh.login = Some(login.clone());
    }
    Some(entry.into())
}
