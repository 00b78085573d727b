//! A command of the person's own that the host runs when an end of the session nears, for agents whose hooks
//! ask the host nothing by themselves: a `remote host notify` hears of it only the next time it is run.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::host::environment;
use crate::host::hub::Hub;
use crate::model::{AgentSpec, ON_WARNING, WARNING};

/// One that takes longer is killed.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs the agent's command, if it has one: in its directory and environment, with the warning in
/// `REMOTE_WARNING`. What it prints goes nowhere.
pub(super) fn tell(hub: &Hub, spec: &AgentSpec, warning: &str) {
    let Some(line) = spec.env.get(ON_WARNING).filter(|line| !line.is_empty()) else {
        return;
    };
    if let Err(e) = start(hub, spec, line, warning) {
        tracing::warn!("agent {}: `{line}` cannot be run: {e}", spec.number);
    }
}

fn start(hub: &Hub, spec: &AgentSpec, line: &str, warning: &str) -> io::Result<()> {
    let mut env = environment::agent(&hub.env, &spec.env, &hub.id, spec.number, &hub.agent_socket);
    env.insert(WARNING.to_owned(), warning.to_owned());
    let mut command = tokio::process::Command::new("/bin/sh");
    command
        .args(["-c", line])
        .env_clear()
        .envs(env)
        .current_dir(&spec.cwd)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let mut child = hub.gate.pass(|| command.spawn())?;
    let group = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    tokio::spawn(async move {
        if tokio::time::timeout(LIMIT, child.wait()).await.is_err() {
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait().await;
        }
    });
    Ok(())
}
