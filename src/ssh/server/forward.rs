//! Ports that the server listens on for a client (`tcpip-forward`): loopback only, until the client
//! cancels or goes.

use std::io;

use russh::server::Handle;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::bridge;

/// Listens, and opens a channel to the client for each connection. Returns the port that was bound.
pub async fn listen(address: &str, port: u16, client: Handle) -> io::Result<(u16, AbortHandle)> {
    let host = match address {
        "" | "localhost" => "127.0.0.1",
        ip => ip,
    };
    let listener = TcpListener::bind((host, port)).await?;
    let bound = listener.local_addr()?.port();
    let asked = address.to_owned();
    let task = tokio::spawn(async move {
        loop {
            let Ok((stream, peer)) = listener.accept().await else {
                // Out of descriptors: wait for some to come back.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            let (client, asked) = (client.clone(), asked.clone());
            tokio::spawn(async move {
                let from = peer.ip().to_string();
                let opened = client
                    .channel_open_forwarded_tcpip(
                        asked,
                        u32::from(bound),
                        from,
                        u32::from(peer.port()),
                    )
                    .await;
                match opened {
                    Ok(channel) => bridge::join(channel, stream).await,
                    Err(e) => tracing::debug!("the client takes no forwarded connection: {e}"),
                }
            });
        }
    });
    Ok((bound, task.abort_handle()))
}
