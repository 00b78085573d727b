//! One notice on its way: a webhook is tried again for a while, a command has its time.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::host::hub::Hub;
use crate::model::{HostWay, News, SessionStatus, shown_url};
use crate::notice::{PostError, environment, payload, post};

/// Between two tries.
const AGAIN: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(15),
    Duration::from_secs(30),
];
/// A command that takes longer is killed.
const LIMIT: Duration = Duration::from_secs(60);

/// What is to be told.
#[derive(Debug)]
pub(super) struct Job {
    json: String,
    env: Vec<(String, String)>,
}

impl Job {
    pub(super) fn new(status: &SessionStatus, news: &News) -> Self {
        Self {
            json: payload(status, news).to_string(),
            env: environment(status, news),
        }
    }
}

/// Tells it.
///
/// # Errors
/// What the session's status is to say of it.
pub(super) async fn deliver(hub: &Hub, way: &HostWay, job: &Job) -> Result<(), String> {
    match way {
        HostWay::Webhook { url } => webhook(url, &job.json)
            .await
            .map_err(|why| format!("the webhook {} was not told: {why}", shown_url(url))),
        HostWay::Command { command } => run(hub, command, job)
            .await
            .map_err(|why| format!("a notice's command has failed: {why}")),
        HostWay::Unknown => Ok(()),
    }
}

async fn webhook(url: &str, json: &str) -> Result<(), PostError> {
    let mut pauses = AGAIN.iter();
    loop {
        match (post(url, json.to_owned()).await, pauses.next()) {
            (Err(PostError::Passing(_)), Some(pause)) => tokio::time::sleep(*pause).await,
            (outcome, _) => return outcome,
        }
    }
}

async fn run(hub: &Hub, line: &str, job: &Job) -> Result<(), String> {
    let mut child = start(hub, line, job).map_err(|e| e.to_string())?;
    let group = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let status = tokio::time::timeout(LIMIT, child.wait()).await;
    match status {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(status.to_string()),
        Ok(Err(e)) => Err(e.to_string()),
        Err(_) => {
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait().await;
            Err(format!("it took over {} s", LIMIT.as_secs()))
        }
    }
}

/// In the agents' home and environment; on a rented machine as their user, for the host is root there.
fn start(hub: &Hub, line: &str, job: &Job) -> io::Result<tokio::process::Child> {
    let mut argv: Vec<String> = ["/bin/sh", "-c", line].map(str::to_owned).to_vec();
    if let Some(rented) = &hub.rented {
        argv = rented.line(&argv, "");
    }
    let home = hub.env.get("HOME").map(PathBuf::from);
    let home = home.filter(|h| h.is_dir()).unwrap_or_else(|| "/".into());
    let (program, args) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = tokio::process::Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(&hub.env)
        .envs(job.env.iter().map(|(k, v)| (k, v)))
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    hub.gate.pass(|| command.spawn())
}
