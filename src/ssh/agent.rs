//! The user's ssh-agent: what it holds, and signatures by it.

use std::path::PathBuf;
use std::time::Duration;

use russh::keys::agent::client::AgentClient;
use russh::keys::agent::{AgentIdentity, AgentSessionBinding};
use tokio::net::UnixStream;

use super::resolve::AgentSocket;

pub type Agent = AgentClient<UnixStream>;

/// An agent answers a list at once; one that is stuck must not hold up a login by keys on disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// The message that binds a connection to the agent to an SSH connection over which the agent is forwarded
/// (session-bind@openssh.com).
pub fn forwarded(binding: &AgentSessionBinding) -> Vec<u8> {
    const EXTENSION: u8 = 27;
    let mut message = vec![EXTENSION];
    let parts: [&[u8]; 4] = [
        b"session-bind@openssh.com",
        binding.host_key(),
        binding.session_id(),
        binding.signature(),
    ];
    for part in parts {
        message.extend(u32::try_from(part.len()).unwrap_or(0).to_be_bytes());
        message.extend_from_slice(part);
    }
    message.push(1);
    message
}

/// Connects to the agent and lists what it holds. `None` where there is none, or none that answers.
pub async fn open(
    socket: &AgentSocket,
    binding: Option<&AgentSessionBinding>,
) -> Option<(Agent, Vec<AgentIdentity>)> {
    let path = match socket {
        AgentSocket::Disabled => return None,
        AgentSocket::Path(path) => path.clone(),
        AgentSocket::Environment => {
            let path = std::env::var_os("SSH_AUTH_SOCK").filter(|p| !p.is_empty())?;
            PathBuf::from(path)
        }
    };
    let listing = async {
        let mut agent = AgentClient::connect_uds(&path).await?;
        if let Some(binding) = binding {
            // Only agents with keys bound to destinations need it, and old ones do not know it.
            let _ = agent.bind_session(binding, false).await;
        }
        let identities = agent.request_identities().await?;
        Ok::<_, russh::keys::Error>((agent, identities))
    };
    match tokio::time::timeout(PATIENCE, listing).await {
        Ok(Ok(found)) => Some(found),
        Ok(Err(e)) => {
            tracing::debug!("the ssh-agent at {} is no help: {e}", path.display());
            None
        }
        Err(_) => {
            tracing::warn!("the ssh-agent at {} does not answer", path.display());
            None
        }
    }
}
