//! A command of the person's own that the host runs when an end of the session nears, for agents whose hooks
//! ask the host nothing by themselves: a `remote host notify` hears of it only the next time it is run.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

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
    let mut env = hub.environment(spec).map_err(io::Error::other)?;
    env.insert(WARNING.to_owned(), warning.to_owned());
    let argv = ["/bin/sh", "-c", line].map(str::to_owned);
    // On a rented machine the host is root, and the line an agent's.
    let argv = match &hub.rented {
        Some(rented) => rented.line(&argv, ""),
        None => argv.to_vec(),
    };
    let (program, args) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = tokio::process::Command::new(program);
    command
        .args(args)
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
