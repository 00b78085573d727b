//! What a session's agents need before they begin: shell commands of the repository's and of the agents' own, run at
//! their dispatch's word, which sees what they print. And the logs of what is no agent, theirs and the checks'.

use std::path::PathBuf;

use tokio::sync::{mpsc, watch};

use super::hub::{Hub, Written};
use super::logs::{self, Range};
use super::shell::{Ran, Shell};
use crate::model::AgentSpec;
use crate::mux::{History, HistoryLimits};
use crate::proto::{ErrorCode, ToClient, WireError};

/// Runs `command` as `agent` would be run, and sends what it prints. Dropped, it ends it.
///
/// # Errors
/// It cannot be started, or does not exit with 0.
pub async fn run(
    hub: &Hub,
    agent: &AgentSpec,
    command: &str,
    request: u32,
    out: &mpsc::Sender<ToClient>,
) -> Result<(), WireError> {
    let dir = hub.dir.setup();
    // One after the other into one log, of which this one's part begins where the last one's ended.
    let _turn = hub.setting_up.lock().await;
    tracing::info!("setup in {}: {command}", agent.cwd.display());
    let before = History::open(&dir, HistoryLimits::default());
    let end = before
        .map_err(|e| WireError::new(ErrorCode::Io, e.to_string()))?
        .offset();
    let (written, log) = watch::channel(Written::default());
    let shell = Shell {
        hub,
        agent,
        line: command,
        limit: None,
        alone: false,
    };
    let range = Range {
        offset: end,
        tail: None,
        follow: true,
    };
    let told = logs::stream(dir.clone(), range, request, log, out);
    let (ran, told) = tokio::join!(shell.run(&dir, &written), told);
    tracing::info!("setup: {ran:?}");
    told?;
    let failed = |why: String| Err(WireError::new(ErrorCode::Spawn, why));
    match ran {
        Ran::Exited(0) => Ok(()),
        Ran::Exited(code) => failed(format!("setup failed: it exited with {code}")),
        Ran::NotStarted(why) => failed(format!("setup cannot be started: {why}")),
        Ran::Ending | Ran::TooLong => Err(WireError::new(
            ErrorCode::Ending,
            "the session ended before setup was over",
        )),
    }
}

/// Where a log lies, and how far it has got: an agent's own, of agent 0 setup's, or one of an agent's checks'.
///
/// # Errors
/// There is none.
pub fn log(
    hub: &Hub,
    agent: u32,
    check: Option<u32>,
) -> Result<(PathBuf, watch::Receiver<Written>), WireError> {
    let none = |what: String| Err(WireError::new(ErrorCode::NoSuchAgent, what));
    match check {
        None if agent == 0 => match hub.dir.setup() {
            dir if dir.is_dir() => Ok((dir, watch::channel(Written { end: 0, over: true }).1)),
            _ => none(format!("no setup was run in {}", hub.id)),
        },
        None => match hub.written(agent) {
            Some(written) => Ok((hub.dir.agent(agent), written)),
            None => {
                hub.agent(agent)?;
                none(format!("{} has no agent {agent}", hub.id))
            }
        },
        Some(run) => {
            hub.agent(agent)?;
            match hub.dir.check(agent, run) {
                dir if dir.is_dir() => Ok((dir, hub.check_written(agent, run))),
                _ => none(format!("{}/{agent} has no check {run}", hub.id)),
            }
        }
    }
}
