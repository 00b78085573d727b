//! What a provider is asked about a session that is known: where its machine is now, to let this device in, to
//! bring its dead host back or to end it.

use std::sync::Arc;

use super::cloud;
use super::place::{Cloud, Place, Provider, Way};
use super::registry::{Known, Registry};
use crate::config::{Config, Paths};
use crate::error::{Context, Error, Result};
use crate::provision::{Binaries, Login, MachineState, PinnedLogin, ProvisionError, Steps};
use crate::ssh::Ask;

/// The provider that a known session is with.
async fn open(paths: &Paths, known: &Known, ask: Arc<dyn Ask>) -> Result<(Provider, Way)> {
    place_of(paths, known)?.open(paths, ask, &|_| {}).await
}

/// Where a known session is, in a provider's words. The account of a rented machine and the binaries of other systems
/// are the configuration's.
pub(super) fn place_of(paths: &Paths, known: &Known) -> Result<Place> {
    let Some(ssh) = &known.ssh else {
        return Ok(Place::Local);
    };
    let config = here(paths)?;
    let binaries = Binaries {
        by_system: config.host_binaries().clone(),
        ..Binaries::default()
    };
    Ok(match known.provider.as_str() {
        "ec2" => Place::Ec2(Box::new(Cloud {
            config,
            region: known.rented.as_ref().map(|r| r.region.clone()),
            binaries,
        })),
        _ => Place::Ssh {
            destination: ssh.destination.clone(),
            binaries,
        },
    })
}

/// Starts the host of a dead or ended session again, on the directory it left. Its agents are not started.
///
/// # Errors
/// It cannot be started.
pub async fn revive(
    paths: &Paths,
    registry: &Registry,
    known: &Known,
    ask: Arc<dyn Ask>,
    steps: Steps<'_>,
) -> Result<Known> {
    steps("revive");
    let (provider, _) = open(paths, known, ask).await?;
    let endpoint = provider.compute().start(&known.id).await?;
    // A session of this machine has no entry: its directory tells.
    if let Some(mut entry) = registry.ledger().get(&known.id) {
        if let Login::Pinned(login) = &endpoint.login {
            entry.ssh.destination = format!("{}@{}", login.user, login.address);
            entry.ssh.login = Some(login.clone());
        }
        if let Some(rented) = &mut entry.rented {
            rented.stopped = false;
        }
        entry.ssh.socket = endpoint.socket;
        entry.ssh.binary = endpoint.binary;
        entry.lost = false;
        if let Some(last) = &mut entry.last {
            last.ended = None;
        }
        registry.ledger().put(&entry)?;
    }
    registry.known(&known.id)
}

/// Has a rented machine take this device's key.
///
/// # Errors
/// It is gone, or AWS does not permit it.
pub async fn admit(known: &Known, ask: Arc<dyn Ask>) -> Result<PinnedLogin> {
    let paths = Paths::from_env()?;
    let config = here(&paths)?;
    let region = known.rented.as_ref().map(|r| r.region.as_str());
    let ec2 = cloud::open(&paths, &config, region, &Binaries::default(), ask).await?;
    Ok(ec2.admit(&known.id).await?)
}

/// The configuration for the current directory.
fn here(paths: &Paths) -> Result<Config> {
    let cwd = std::env::current_dir().context("the current directory cannot be read")?;
    Config::load(paths, &cwd)
}

/// Asks the provider of a rented machine where it is now, and writes it down.
///
/// # Errors
/// It is gone (a person's error), or its provider cannot be asked.
pub async fn refresh(registry: &Registry, known: &Known, ask: Arc<dyn Ask>) -> Result<Known> {
    let paths = Paths::from_env()?;
    let (provider, _) = open(&paths, known, ask).await?;
    let endpoint = match provider.compute().endpoint(&known.id).await {
        Err(e @ ProvisionError::Stopped(_)) => return Err(e.into()),
        Err(e @ (ProvisionError::NoSession(_) | ProvisionError::NotRunning(_))) => {
            registry.ledger().lost(&known.id);
            return Err(Error::user(e.to_string())
                .hint(format!("run `remote logs {}` for its output", known.id)));
        }
        endpoint => endpoint?,
    };
    if let (Some(mut entry), Login::Pinned(login)) =
        (registry.ledger().get(&known.id), endpoint.login)
    {
        entry.ssh.destination = format!("{}@{}", login.user, login.address);
        entry.ssh.login = Some(login);
        if let Some(rented) = &mut entry.rented {
            rented.stopped = false;
        }
        registry.ledger().put(&entry)?;
    }
    registry.known(&known.id)
}

/// Ends a session whose host does not answer over the wire.
///
/// # Errors
/// Its machine cannot be reached, or its process does not end.
pub async fn put_down(paths: &Paths, known: &Known, ask: Arc<dyn Ask>) -> Result<()> {
    let (provider, _) = open(paths, known, ask).await?;
    Ok(provider.compute().terminate(&known.id).await?)
}

/// Whether a session's machine says that its host is gone.
///
/// # Errors
/// Its machine cannot be reached.
pub async fn is_gone(paths: &Paths, known: &Known, ask: Arc<dyn Ask>) -> Result<bool> {
    let (provider, _) = open(paths, known, ask).await?;
    let machine = provider.compute().describe(&known.id).await?;
    Ok(machine.state == MachineState::Gone)
}
