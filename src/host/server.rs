//! The two sockets: who may connect, and where a stream goes by its first frame.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};

use super::agent::Command;
use super::control;
use super::hub::Hub;
use super::processes;
use super::scrollback;
use crate::model::now_ms;
use crate::proto::{Attach, Conn, FrameError, Notice, ToClient, ToHost};

/// For the hellos and the first request.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// Streams at a time; more are closed at once.
const MAX_STREAMS: usize = 2048;

/// What a socket's users may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// host.sock: everything.
    Owner,
    /// agent.sock: an agent speaks of itself; which one, where that is known.
    Agent(Option<u32>),
}

/// Which agent of this session the process at the other end belongs to, as far as that can be told: by the
/// process session it is in, which its own agent leads, or else by the marks it was started with.
pub(super) fn speaker(hub: &Hub, pid: u32) -> Option<u32> {
    let led = processes::session_of(pid).and_then(|session| hub.led_by(session));
    led.or_else(|| {
        let (session, agent) = processes::marks(pid)?;
        (session == hub.id.as_str()).then_some(agent)
    })
}

/// Binds a socket that only this user can open; a stale one is replaced.
///
/// # Errors
/// The directory is not writable, the path too long.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Resolves when the host is closing.
pub async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|c| *c).await;
}

/// Accepts streams until `closing`. Every stream holds a clone of `alive` until it has ended.
pub async fn accept(
    listener: UnixListener,
    hub: Arc<Hub>,
    access: Access,
    closing: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
) {
    let user = match (&hub.rented, access) {
        (Some(rented), Access::Owner) => rented.users().0,
        (Some(rented), Access::Agent(_)) => rented.users().1,
        (None, _) => rustix::process::getuid().as_raw(),
    };
    let streams = Arc::new(());
    let mut stop = closing.clone();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(e) => {
                    // Out of descriptors, most likely: give the others time to end.
                    tracing::warn!("a connection could not be accepted: {e}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = closed(&mut stop) => return,
        };
        let Ok(peer) = stream.peer_cred() else {
            continue;
        };
        let allowed = peer.uid() == user || peer.uid() == 0;
        if !allowed || Arc::strong_count(&streams) > MAX_STREAMS {
            continue;
        }
        // Now: a hook that does not wait for the answer is gone a moment later.
        let access = match access {
            Access::Owner => Access::Owner,
            Access::Agent(_) => {
                let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
                Access::Agent(pid.and_then(|pid| speaker(&hub, pid)))
            }
        };
        let (hub, closing) = (hub.clone(), closing.clone());
        let counted = (alive.clone(), streams.clone());
        tokio::spawn(async move {
            if let Err(e) = serve(stream, hub, access, closing).await {
                tracing::debug!("a client's stream ended: {e}");
            }
            drop(counted);
        });
    }
}

async fn serve(
    stream: UnixStream,
    hub: Arc<Hub>,
    access: Access,
    closing: watch::Receiver<bool>,
) -> Result<(), FrameError> {
    let late = |_| FrameError::Io(io::ErrorKind::TimedOut.into());
    let mut conn = tokio::time::timeout(FIRST_WORD, Conn::host(stream, hub.id.as_str()))
        .await
        .map_err(late)??;
    loop {
        let first = tokio::time::timeout(FIRST_WORD, conn.receiver.next())
            .await
            .map_err(late)??;
        match first {
            None => return Ok(()),
            Some(ToHost::Attach(attach)) => return attached(&hub, access, conn, attach).await,
            Some(ToHost::Ping(nonce)) => conn.sender.send(&ToClient::Pong(nonce)).await?,
            Some(first @ ToHost::Request(_)) => {
                return control::serve(hub, access, conn, first, closing).await;
            }
            Some(_) => {}
        }
    }
}

/// Hands the stream to its agent, which owns it from here on.
async fn attached(
    hub: &Arc<Hub>,
    access: Access,
    mut conn: Conn<UnixStream, ToHost, ToClient>,
    mut attach: Attach,
) -> Result<(), FrameError> {
    if attach.agent == 0
        && let Some(agent) = hub.status(now_ms()).most_wanted()
    {
        attach.agent = agent;
    }
    let agent = match (access, hub.agent(attach.agent)) {
        (Access::Agent(_), _) => Err("an agent cannot attach to another".to_owned()),
        (Access::Owner, Err(e)) => Err(match e.hint {
            Some(hint) => format!("{} ({hint})", e.message),
            None => e.message,
        }),
        (Access::Owner, Ok(agent)) => Ok(agent),
    };
    let agent = match agent {
        Ok(agent) => agent,
        Err(text) => {
            let notice = Notice { text, fatal: true };
            conn.sender.send(&ToClient::Notice(notice)).await?;
            return conn.sender.shutdown().await;
        }
    };
    hub.seen();
    let scrollback = if attach.scrollback == 0 {
        Bytes::new()
    } else {
        scrollback::lines(hub.dir.agent(attach.agent), attach.scrollback).await
    };
    let (gone, wait) = tokio::sync::oneshot::channel();
    let command = Command::Attach {
        conn: Box::new(conn),
        attach: Box::new(attach),
        scrollback,
        gone,
    };
    if agent.send(command).await.is_ok() {
        // Counted as a stream until its agent lets go of it.
        let _ = wait.await;
    }
    Ok(())
}
