//! Ends agents with all they started: SIGHUP as from a closed terminal, SIGTERM at half the grace, SIGKILL
//! at its end. Found by process session, by the marks in the environment and, where there is one, by the
//! agent's cgroup, so that a daemon that left the terminal ends too.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::time::Instant;

use super::hub::Hub;
use super::processes::{self, Process};

/// Between asking an agent to end and forcing it.
pub const GRACE: Duration = Duration::from_secs(5);
/// How long to wait for the kernel to take away what was killed.
const AFTER_KILL: Duration = Duration::from_secs(3);

/// An agent that is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    pub agent: u32,
    /// Its first process, which leads its session; none when that is over and only what it left behind is to end.
    pub pid: Option<u32>,
}

/// Which processes belong to the targets; `marks` reads a process's environment.
fn members(
    targets: &[Target],
    session: &str,
    all: &[Process],
    marks: impl Fn(u32) -> Option<(String, u32)>,
) -> Vec<u32> {
    let ours = std::process::id();
    let by_session: BTreeMap<u32, u32> = targets
        .iter()
        .filter_map(|t| Some((t.pid?, t.agent)))
        .collect();
    all.iter()
        .filter(|p| !p.zombie && p.pid != ours && p.pid > 1)
        .filter(|p| {
            by_session.contains_key(&p.session)
                || marks(p.pid)
                    .is_some_and(|(s, n)| s == session && targets.iter().any(|t| t.agent == n))
        })
        .map(|p| p.pid)
        .collect()
}

fn signal(pids: &[u32], signal: Signal) {
    for pid in pids {
        if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// Ends the targets; returns the processes that could not be ended (another user's, stuck in the kernel).
/// Reaping is left to whoever owns the agents.
pub async fn end(hub: &Hub, targets: &[Target], grace: Duration) -> Vec<u32> {
    if targets.is_empty() {
        return Vec::new();
    }
    let cgroups = hub.rented.as_ref().and_then(|r| r.cgroups());
    let find = || {
        let all = processes::all();
        let mut found = members(targets, hub.id.as_str(), &all, processes::marks);
        if let Some(cgroups) = cgroups {
            found.extend(targets.iter().flat_map(|t| cgroups.pids(t.agent)));
            found.sort_unstable();
            found.dedup();
        }
        found
    };
    // Where there is no /proc at least their process groups are reached.
    for target in targets {
        let pid = target.pid.and_then(|p| i32::try_from(p).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, Signal::HUP);
        }
    }
    let first = find();
    signal(&first, Signal::HUP);
    // One that is stopped gets its signals only when it goes on.
    signal(&first, Signal::CONT);
    let start = Instant::now();
    let mut termed = false;
    let mut pause = Duration::from_millis(5);
    loop {
        let left = find();
        if left.is_empty() {
            return left;
        }
        if start.elapsed() >= grace {
            break;
        }
        if !termed && start.elapsed() >= grace / 2 {
            signal(&left, Signal::TERM);
            termed = true;
        }
        tokio::time::sleep(pause.min(grace)).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
    let killed = Instant::now();
    loop {
        let left = find();
        if left.is_empty() || killed.elapsed() >= AFTER_KILL {
            return left;
        }
        // Anew each time: what forks while it is killed is killed too.
        signal(&left, Signal::KILL);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
mod tests;
