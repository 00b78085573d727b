//! SSH to the machine of a session that is known. A rented machine that is not where it was is asked for once: it or
//! this device may have another address by now.

use std::sync::Arc;

use super::dial::dial_within;
use super::handover::{admit, refresh};
use super::limits::Limits;
use super::registry::{Known, Registry};
use crate::config::Paths;
use crate::error::{Error, Kind, Result};
use crate::provision::{PinnedLogin, live_endpoint};
use crate::ssh::{Ask, Connection, Flow, HostTrust, Overrides, SshError, SshErrorKind, resolve};

/// Opens an SSH connection to a session's machine, with the pinned key where it is this one.
///
/// # Errors
/// What SSH says; for this machine also that the session's host is not running.
pub async fn connect(known: &Known, ask: Arc<dyn Ask>) -> Result<Connection> {
    connect_with(known, ask, Flow::Credited, Limits::default()).await
}

/// As [`connect`], for who does not wait longer than that for an answer.
///
/// # Errors
/// As [`connect`].
pub async fn connect_within(
    known: &Known,
    ask: Arc<dyn Ask>,
    limits: Limits,
) -> Result<Connection> {
    connect_with(known, ask, Flow::Credited, limits).await
}

/// As [`connect`], for transfers: one that is not read makes the others on this connection wait.
///
/// # Errors
/// As [`connect`].
pub async fn connect_bulk(known: &Known, ask: Arc<dyn Ask>) -> Result<Connection> {
    connect_with(known, ask, Flow::Bulk, Limits::default()).await
}

pub(super) async fn connect_with(
    known: &Known,
    ask: Arc<dyn Ask>,
    flow: Flow,
    limits: Limits,
) -> Result<Connection> {
    if known.provider == "ec2" && !known.live {
        // Whoever has its address now is somebody else.
        return Err(
            Error::connection(format!("the machine of {} is gone", known.label()))
                .hint("its work volume is kept until it is deleted: `remote gc` lists it"),
        );
    }
    match (pinned(known)?, &known.ssh) {
        (Some(login), _) => match dial_within(&login, ask.clone(), flow, limits).await {
            // A rented machine that another device made: EC2 lets this one in too.
            Err(e) if e.kind == SshErrorKind::Auth && known.provider == "ec2" => {
                let login = admit(known, ask.clone()).await?;
                Ok(dial_within(&login, ask, flow, limits).await?)
            }
            // Its port is open to where this device was last, or its address is another by now.
            Err(e) if known.provider == "ec2" && !limits.as_known && may_have_moved(known, &e) => {
                match Box::pin(moved(known, ask.clone())).await {
                    Ok(Some(login)) => Ok(dial_within(&login, ask, flow, limits).await?),
                    // It is gone, or AWS does not permit what would let us in.
                    Err(why) if why.kind == Kind::User => Err(why),
                    _ => Err(e.hint(format!("run `remote doctor {}`", known.id)).into()),
                }
            }
            dialled => Ok(dialled?),
        },
        (None, Some(place)) => {
            let mut resolved = resolve(&place.destination, &Overrides::default()).await?;
            limits.put(&mut resolved);
            let trust = HostTrust::KnownHosts;
            Ok(Connection::open_with(&resolved, &trust, ask, flow).await?)
        }
        (None, None) => Err(Error::internal(format!("{} is nowhere", known.id))),
    }
}

/// Whether asking AWS for a machine anew may help. Another key than the one that is pinned is not for AWS to
/// explain, unless the pinned one was good for the first connection alone.
fn may_have_moved(known: &Known, why: &SshError) -> bool {
    use SshErrorKind::{Busy, HostKeyChanged, Lost, Refused, Timeout, Unreachable};
    let provisional = known.rented.as_ref().is_some_and(|r| r.provisional);
    match why.kind {
        // One that nobody has taken over yet is its own device's to wait for.
        Unreachable | Refused | Timeout | Busy | Lost => !provisional,
        HostKeyChanged => provisional,
        _ => false,
    }
}

/// How to log in to a rented machine as AWS tells it now, this device let in.
async fn moved(known: &Known, ask: Arc<dyn Ask>) -> Result<Option<PinnedLogin>> {
    let registry = Registry::open(&Paths::from_env()?)?;
    pinned(&refresh(&registry, known, ask).await?)
}

/// How to log in to a session's machine where its server is known by its key alone; `None` where ssh's own
/// configuration says how.
///
/// # Errors
/// For this machine: the session's host is not running, or has no SSH server.
pub fn pinned(known: &Known) -> Result<Option<PinnedLogin>> {
    if let Some(place) = &known.ssh {
        return Ok(place.login.clone());
    }
    let Some(dir) = &known.dir else {
        return Ok(None);
    };
    let Some(endpoint) = live_endpoint(dir) else {
        let mut dead = known.clone();
        dead.live = false;
        return Err(dead
            .must_live()
            .err()
            .unwrap_or_else(|| Error::internal("a dead host lives")));
    };
    let (Some(port), Some(host_key), Some(user)) =
        (endpoint.port, endpoint.host_key, endpoint.user)
    else {
        return Err(Error::connection(format!(
            "the host of {} has no SSH server of its own",
            known.label()
        ))
        .hint(format!(
            "{} started it on this machine, which is where you are",
            known
                .spec()
                .map_or_else(|| "somebody".to_owned(), |s| s.owner)
        )));
    };
    Ok(Some(PinnedLogin {
        address: "127.0.0.1".to_owned(),
        address6: None,
        port,
        user,
        host_key,
        identity: dir.client_key(),
    }))
}
