//! Removing what is left of sessions that are over. A session that may still live is never touched.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

use super::dial::{dial, run};
use super::handover::is_gone;
use super::registry::{Known, Registry};
use super::repo::Way;
use super::repo::pull::collect;
use super::status::{PATIENCE, Presence, report};
use crate::config::{Paths, SessionDir};
use crate::error::{Context, Error, Result};
use crate::model::{HostEndpoint, Millis, SessionId};
use crate::provision::quote;
use crate::ssh::{Ask, Flow};

/// How long a host that has ended may take to be gone, and how often that is looked at.
const LAST_STREAMS: Duration = Duration::from_secs(4);
const LOOKS: u32 = 80;

/// One session that is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pruned {
    pub session: SessionId,
    pub name: Option<String>,
    /// Bytes on this machine's disk.
    pub freed: u64,
}

/// The sessions that are over and ended at least `older_than` ago.
///
/// # Errors
/// The registry cannot be read.
pub async fn candidates(
    paths: &Paths,
    registry: &Registry,
    older_than: Duration,
    now: Millis,
    ask: Arc<dyn Ask>,
) -> Result<Vec<Known>> {
    let age = u64::try_from(older_than.as_millis()).unwrap_or(u64::MAX);
    let mut found = Vec::new();
    for known in registry.all(true)? {
        if is_over(paths, registry, &known, &ask).await
            && now.saturating_sub(ended_at(&known)) >= age
        {
            found.push(known);
        }
    }
    Ok(found)
}

async fn is_over(paths: &Paths, registry: &Registry, known: &Known, ask: &Arc<dyn Ask>) -> bool {
    if !known.live || known.dir.is_some() {
        return !known.live;
    }
    // Elsewhere: `live` only says that its end was not seen from here.
    match report(registry, known, ask.clone(), PATIENCE)
        .await
        .presence
    {
        Presence::Live | Presence::Stopped | Presence::Launching | Presence::Foreign => false,
        Presence::Ended | Presence::Lost => true,
        Presence::Unreachable => {
            let asked = is_gone(paths, known, ask.clone());
            matches!(tokio::time::timeout(PATIENCE, asked).await, Ok(Ok(true)))
        }
    }
}

fn ended_at(known: &Known) -> Millis {
    let ended = known.last.as_ref().and_then(|l| l.ended.as_ref());
    ended.map_or(known.last_seen, |e| e.at)
}

/// Removes what is left of one session, here and on its machine.
///
/// # Errors
/// Its host has come back, its machine cannot be reached, its files cannot be removed, or, unless it is `force`d,
/// what agents left there cannot be kept; the record of it then stays.
pub async fn remove(
    registry: &Registry,
    known: &Known,
    ask: Arc<dyn Ask>,
    force: bool,
) -> Result<Pruned> {
    let mut freed = 0;
    if !force && has_trees(known) {
        keep_leftovers(known, ask.clone()).await?;
    }
    if let Some(dir) = &known.dir {
        freed = size(dir.path());
        let dir = dir.clone();
        tokio::task::spawn_blocking(move || remove_dir(&dir))
            .await
            .map_err(|e| Error::internal("removing failed").because(e))??;
    }
    if let Some(place) = &known.ssh {
        let command = remove_command(&known.id, &place.dir)?;
        let connection = dial(&place.destination, ask, Flow::Credited).await?;
        let ran = run(&connection, &command, tokio::io::empty()).await?;
        if ran.status != 0 {
            let said = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
            return Err(Error::user(format!(
                "cannot remove {} on {}",
                place.dir, place.destination
            ))
            .because(said));
        }
        registry.ledger().remove(&known.id)?;
    }
    Ok(Pruned {
        session: known.id.clone(),
        name: known.name.clone(),
        freed,
    })
}

/// The command that removes a session's directory on its machine; refused for anything that is not one.
///
/// # Errors
/// A directory that is no session's.
fn remove_command(id: &SessionId, dir: &str) -> Result<String> {
    if dir.starts_with('/') && dir.ends_with(&format!("/sessions/{id}")) {
        return Ok(format!("rm -rf -- {}", quote(dir)));
    }
    Err(Error::internal(format!(
        "`{dir}` is not the directory of {id}"
    )))
}

/// Whether agents may have left files that are nowhere else: on a rented machine they lie on its volume.
fn has_trees(known: &Known) -> bool {
    let here = |d: &SessionDir| d.work().exists();
    let agents = known.spec().is_some_and(|s| !s.agents.is_empty());
    agents && known.provider != "ec2" && known.dir.as_ref().is_none_or(here)
}

/// What agents have not committed lies in the directory: it goes into the store, which stays.
async fn keep_leftovers(known: &Known, ask: Arc<dyn Ask>) -> Result<()> {
    let id = &known.id;
    let way = Way::open(known, ask).await?;
    let why = match collect(&way, id, None).await {
        Ok(None) => return Ok(()),
        Ok(Some(kept)) if kept.warnings.is_empty() => return Ok(()),
        Ok(Some(kept)) => kept.warnings.join("; "),
        Err(e) => e.to_string(),
    };
    Err(
        Error::user(format!("not all that the agents of {id} left can be kept"))
            .because(why)
            .hint(format!(
                "fetch it with `remote cp -r {id}:. DIR`, then `remote prune {id} --force`"
            )),
    )
}

/// Takes the host's own lock first, so that none can start in what is being removed.
fn remove_dir(dir: &SessionDir) -> Result<()> {
    let held = File::open(dir.lock()).ok();
    let free = |lock: &File| flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok();
    // One that has just ended may be on its way out.
    let mut free = (0..LOOKS).map(|look| {
        if look > 0 {
            std::thread::sleep(LAST_STREAMS / LOOKS);
        }
        held.as_ref().is_none_or(free)
    });
    if !free.any(|free| free) {
        return Err(
            Error::user(format!("the host of {} runs", dir.path().display()))
                .hint("end it first with `remote terminate`"),
        );
    }
    // Sockets that a host which died left elsewhere; a clean end removes them.
    let endpoint = std::fs::read(dir.endpoint()).unwrap_or_default();
    if let Ok(endpoint) = serde_json::from_slice::<HostEndpoint>(&endpoint) {
        // The SSH agent, and the link for hooks, lie beside the agents' own.
        let beside = ["ssh.sock", "remote"].map(|name| endpoint.agent_socket.with_file_name(name));
        let [ssh_agent, link] = &beside;
        for socket in [&endpoint.socket, &endpoint.agent_socket, ssh_agent, link] {
            let _ = std::fs::remove_file(socket);
            if let Some(place) = socket.parent().filter(|p| *p != dir.path()) {
                let _ = std::fs::remove_dir(place);
            }
        }
    }
    std::fs::remove_dir_all(dir.path()).context(format!("cannot remove {}", dir.path().display()))
}

/// Bytes of all files under `path`; what cannot be read counts nothing.
fn size(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_a_host_holds_is_left_alone() -> Result<()> {
        let home = tempfile::tempdir()?;
        let dir = SessionDir::new(home.path().join("session-abc234"));
        std::fs::create_dir_all(dir.keys())?;
        std::fs::write(dir.spec(), "12345")?;
        let lock = File::create(dir.lock())?;
        flock(&lock, FlockOperation::LockExclusive).context("lock")?;
        assert!(remove_dir(&dir).is_err());
        assert_eq!(size(dir.path()), 5);
        drop(lock);
        remove_dir(&dir)?;
        assert!(!dir.path().exists());
        Ok(())
    }

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
