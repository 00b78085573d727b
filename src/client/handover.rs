//! What lies between "the machine is there" and "the session is yours": writing down where it is, and
//! bringing a dead session's host back.

use std::sync::Arc;

use super::cloud;
use super::dispatch::{Cloud, Place};
use super::ledger::{Entry, SshPlace};
use super::reach::{OverSsh, dial};
use super::registry::{Known, Registry};
use crate::config::{Config, Paths};
use crate::error::{Context, Error, Result};
use crate::model::{SessionId, SessionSpec, SessionStatus, now_ms};
use crate::provision::{
    Binaries, Compute, Endpoint, Local, Login, MachineState, PinnedLogin, ProvisionError, Rented,
    SshHost, Steps, quote,
};
use crate::ssh::{Ask, Connection, Flow};

/// The provider for a place, with the connection it works over.
///
/// # Errors
/// The machine cannot be reached.
pub async fn provider(
    paths: &Paths,
    place: &Place,
    ask: Arc<dyn Ask>,
) -> Result<(Box<dyn Compute>, Option<Connection>)> {
    match place {
        Place::Local => Ok((Box::new(Local::new(paths.sessions())), None)),
        Place::Ssh {
            destination,
            binaries,
        } => {
            let connection = dial(destination, ask, Flow::Credited).await?;
            let remote = Arc::new(OverSsh::new(destination, connection.clone()));
            let host = SshHost::new(remote, binaries.clone());
            Ok((Box::new(host), Some(connection)))
        }
        Place::Ec2(place) => {
            let region = place.region.as_deref();
            let ec2 = cloud::open(paths, &place.config, region, &place.binaries, ask).await?;
            Ok((Box::new(ec2), None))
        }
    }
}

fn entry(spec: &SessionSpec, ssh: SshPlace) -> Entry {
    Entry {
        id: spec.id.clone(),
        name: spec.name.clone(),
        provider: spec.provider.clone(),
        ssh,
        last: Some(SessionStatus {
            spec: spec.clone(),
            agents: Vec::new(),
            attached: Vec::new(),
            ends: Vec::new(),
            ended: None,
            warnings: Vec::new(),
            now: spec.created,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }),
        last_seen: now_ms(),
        lost: false,
        rented: None,
    }
}

/// Writes down where a launched session is, so that every verb finds it.
///
/// # Errors
/// The ledger cannot be written: the session runs, and the error says where.
pub fn record(
    registry: &Registry,
    spec: &SessionSpec,
    endpoint: &Endpoint,
    rented: Option<Rented>,
) -> Result<()> {
    let (destination, login) = match &endpoint.login {
        Login::Ssh { destination } => (destination.clone(), None),
        Login::Pinned(_) if spec.provider == "local" => return Ok(()), // Its directory is its record.
        Login::Pinned(login) => (
            format!("{}@{}", login.user, login.address),
            Some(login.clone()),
        ),
    };
    if destination.is_empty() {
        return Ok(());
    }
    let place = SshPlace {
        destination,
        dir: endpoint.dir.clone(),
        socket: endpoint.socket.clone(),
        binary: endpoint.binary.clone(),
        login,
    };
    registry.ledger().put(&Entry {
        rented,
        ..entry(spec, place)
    })
}

/// Where a known session is, in a provider's words. The binary there is the one it was started with.
///
/// # Errors
/// The configuration cannot be read, which a rented machine's account is taken from.
pub fn place_of(paths: &Paths, known: &Known) -> Result<Place> {
    Ok(match &known.ssh {
        Some(_) if known.provider == "ec2" => Place::Ec2(Box::new(Cloud {
            config: here(paths)?,
            region: known.rented.as_ref().map(|r| r.region.clone()),
            binaries: Binaries::default(),
        })),
        Some(ssh) => Place::Ssh {
            destination: ssh.destination.clone(),
            binaries: Binaries::default(),
        },
        None => Place::Local,
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
    let (compute, _connection) = provider(paths, &place_of(paths, known)?, ask).await?;
    let endpoint = compute.start(&known.id).await?;
    if let (Some(mut entry), Login::Ssh { .. }) =
        (registry.ledger().get(&known.id), &endpoint.login)
    {
        entry.ssh.socket = endpoint.socket;
        entry.ssh.binary = endpoint.binary;
        entry.lost = false;
        if let Some(last) = &mut entry.last {
            last.ended = None;
        }
        registry.ledger().put(&entry)?;
    }
    registry.resolve(known.id.as_str())
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
    let (compute, _) = provider(&paths, &place_of(&paths, known)?, ask).await?;
    let endpoint = match compute.endpoint(&known.id).await {
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
        registry.ledger().put(&entry)?;
    }
    registry.resolve(known.id.as_str())
}

/// Ends a session whose host does not answer over the wire.
///
/// # Errors
/// Its machine cannot be reached, or its process does not end.
pub async fn put_down(paths: &Paths, known: &Known, ask: Arc<dyn Ask>) -> Result<()> {
    let (compute, _connection) = provider(paths, &place_of(paths, known)?, ask).await?;
    Ok(compute.terminate(&known.id).await?)
}

/// Whether a session's machine says that its host is gone.
///
/// # Errors
/// Its machine cannot be reached.
pub async fn is_gone(paths: &Paths, known: &Known, ask: Arc<dyn Ask>) -> Result<bool> {
    let (compute, _connection) = provider(paths, &place_of(paths, known)?, ask).await?;
    Ok(compute.describe(&known.id).await?.state == MachineState::Gone)
}

/// The command that removes a session's directory on its machine; refused for anything that is not one.
///
/// # Errors
/// A directory that is no session's.
pub fn remove_command(id: &SessionId, dir: &str) -> Result<String> {
    if dir.starts_with('/') && dir.ends_with(&format!("/sessions/{id}")) {
        return Ok(format!("rm -rf -- {}", quote(dir)));
    }
    Err(Error::internal(format!(
        "`{dir}` is not the directory of {id}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sessions_own_directory_is_removed() -> Result<()> {
        let id: SessionId = "session-abc234".parse().expect("a good id");
        let good = remove_command(&id, "/home/me/.local/state/remote/sessions/session-abc234")?;
        assert!(good.starts_with("rm -rf -- /home/me"));
        for bad in [
            "/",
            "",
            "/home/me",
            "/sessions/session-abc235",
            "sessions/session-abc234",
        ] {
            assert!(remove_command(&id, bad).is_err(), "{bad}");
        }
        Ok(())
    }
}
