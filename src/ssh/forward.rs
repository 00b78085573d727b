//! Ports of the other side whose connections come here (`tcpip-forward`).

use std::sync::Arc;

use tokio::sync::mpsc;

use super::channel::Channel;
use super::client::Incoming;
use super::connect::Inner;
use super::error::{SshError, SshErrorKind};

/// A port that the server listens on for us. Dropping it ends that.
pub struct RemoteForward {
    bind: String,
    port: u16,
    incoming: mpsc::UnboundedReceiver<Incoming>,
    inner: Arc<Inner>,
}

impl RemoteForward {
    /// Asks the server to listen on `bind:port`; with port 0 it chooses.
    pub(super) async fn open(inner: Arc<Inner>, bind: &str, port: u16) -> Result<Self, SshError> {
        let (sender, incoming) = mpsc::unbounded_channel();
        // Entered before asking: with port 0, a connection may come before its number does.
        inner.registry.forward(u32::from(port), sender.clone());
        let granted = inner.handle.tcpip_forward(bind, u32::from(port)).await;
        if port == 0 || granted.is_err() {
            inner.registry.unforward(u32::from(port));
        }
        let chosen = granted.map_err(|e| match SshError::from(e) {
            e if e.kind == SshErrorKind::Prohibited => SshError::new(
                e.kind,
                format!(
                    "{} does not forward {bind}:{port}: it is taken, or forwarding is off",
                    inner.place
                ),
            ),
            e => e,
        })?;
        let port = match u16::try_from(chosen) {
            Ok(chosen) if port == 0 && chosen > 0 => {
                inner.registry.forward(u32::from(chosen), sender);
                chosen
            }
            _ => port,
        };
        Ok(Self {
            bind: bind.to_owned(),
            port,
            incoming,
            inner,
        })
    }

    /// The port that the server listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next connection and who made it; `None` when the SSH connection is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<(Channel, String)> {
        let incoming = self.incoming.recv().await?;
        let channel = Channel::new(incoming.channel, Arc::clone(&self.inner));
        Some((channel, incoming.from))
    }
}

impl Drop for RemoteForward {
    fn drop(&mut self) {
        self.inner.registry.unforward(u32::from(self.port));
        let (inner, bind, port) = (
            Arc::clone(&self.inner),
            self.bind.clone(),
            u32::from(self.port),
        );
        self.inner.runtime.spawn(async move {
            let _ = inner.handle.cancel_tcpip_forward(bind, port).await;
        });
    }
}
