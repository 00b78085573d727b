//! What happened in a session, as its host tells it or has left it written on this machine.

use super::reach::Hosts;
use super::registry::Known;
use crate::model::SessionEvent;

/// All events that can be had at once; none where there are none, or nobody can be asked.
pub async fn events(known: &Known, hosts: &Hosts) -> Vec<SessionEvent> {
    if known.live {
        let asked = async { hosts.reach(known).await?.control().await?.events(0).await };
        if let Ok(Some(happened)) = asked.await {
            return happened.events;
        }
    }
    let written = known.dir.as_ref().map(|dir| std::fs::read(dir.events()));
    let written = written.and_then(std::io::Result::ok).unwrap_or_default();
    SessionEvent::read_all(&written)
}
