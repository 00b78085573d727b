//! ssh.sock: the SSH agent that a session's programs see. It has the same path for as long as the session lives, and
//! behind it is whichever client lends its own at that moment.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

use super::hub::Hub;
use super::server::{closed, speaker};

/// As OpenSSH's own agent has it; a length beyond it ends the connection.
const LONGEST: usize = 256 << 10;
/// Connections at a time; more wait.
const CONNECTIONS: usize = 64;
/// SSH_AGENT_FAILURE.
const REFUSAL: &[u8] = &[5];

/// Serves until `closing`.
pub async fn accept(listener: UnixListener, hub: Arc<Hub>, mut closing: watch::Receiver<bool>) {
    let user = match &hub.rented {
        Some(rented) => rented.users().1,
        None => rustix::process::getuid().as_raw(),
    };
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(e) => {
                    tracing::warn!("a connection to the SSH agent could not be accepted: {e}");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = closed(&mut closing) => return,
        };
        let Ok(peer) = stream.peer_cred() else {
            continue;
        };
        if peer.uid() != user && peer.uid() != 0 {
            continue;
        }
        let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
        let agent = pid.and_then(|pid| speaker(&hub, pid)).unwrap_or(0);
        let (hub, mut closing) = (hub.clone(), closing.clone());
        tokio::spawn(async move {
            let conn = hub.lenders.connection();
            tokio::select! {
                ended = serve(stream, &hub, conn, agent) => if let Err(e) = ended {
                    tracing::debug!("a program's connection to the SSH agent ended: {e}");
                },
                () = closed(&mut closing) => {}
            }
            hub.lenders.closed(conn);
            drop(permit);
        });
    }
}

/// One question at a time, as the protocol has it.
async fn serve(mut stream: UnixStream, hub: &Hub, conn: u64, agent: u32) -> io::Result<()> {
    loop {
        let length = match stream.read_u32().await {
            Ok(length) => length as usize,
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(e) => return Err(e),
        };
        if !(1..=LONGEST).contains(&length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut message = vec![0; length];
        stream.read_exact(&mut message).await?;
        let answer = hub.lenders.ask(conn, agent, &message).await;
        let answer = answer.filter(|a| (1..=LONGEST).contains(&a.len()));
        let answer = answer.as_deref().unwrap_or(REFUSAL);
        let length = u32::try_from(answer.len()).unwrap_or(0);
        stream.write_all(&length.to_be_bytes()).await?;
        stream.write_all(answer).await?;
    }
}
