//! What the earlier binary of an upgraded host had started and this one knows nothing of: the commands of
//! logins that the upgrade cut off. They are children of this very process, so nobody else can reap them.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::Instant;

use super::hub::Hub;
use super::processes;
use crate::mux::reap;

/// From SIGHUP to SIGKILL, as for a login whose connection is gone.
const GRACE: Duration = Duration::from_secs(2);

/// The children of this process that are none of `agents`. Right after an exec: all of them are strays.
pub fn find(agents: &[u32]) -> Vec<u32> {
    let me = std::process::id();
    processes::all()
        .iter()
        .filter(|p| p.parent == me && !agents.contains(&p.pid))
        .map(|p| p.pid)
        .collect()
}

/// Hangs them up, kills those that stay, and reaps them all.
pub async fn end(hub: Arc<Hub>, mut strays: Vec<u32>) {
    let mut children = hub.children();
    signal(&strays, Signal::HUP);
    let kill = tokio::time::sleep_until(Instant::now() + GRACE);
    tokio::pin!(kill);
    let mut killed = false;
    loop {
        children.borrow_and_update();
        strays.retain(|pid| reap(*pid).is_none());
        if strays.is_empty() {
            return;
        }
        tokio::select! {
            changed = children.changed() => if changed.is_err() { return },
            () = &mut kill, if !killed => {
                killed = true;
                signal(&strays, Signal::KILL);
            }
        }
    }
}

/// Each was started as the leader of a group of its own; none was reaped yet, so the number is still its own.
fn signal(pids: &[u32], signal: Signal) {
    for pid in pids {
        if let Some(group) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, signal);
        }
    }
}
