//! A host replaces its own binary while its agents run: this process execs the new one with the terminals
//! and the lock left open, and all that is known in a file. Its clients reconnect and see at most a repaint.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;

use super::agent::{Command, Handed};
use super::checks::Turns;
use super::handed;
use super::hub::{Hub, Secrets};
use super::list::Check;
use super::lock::Lock;
use crate::config::SessionDir;
use crate::model::Millis;
use crate::mux::{ignore_broken_pipes, set_inherited};
use crate::proto::{ErrorCode, PROTOCOL, Version, WireError};

/// For the new binary to say what it is.
const CHECK: Duration = Duration::from_secs(10);
/// Its answer is a line.
const ANSWER_MAX: u64 = 64 * 1024;
/// For the agents to tell everything.
const TELL: Duration = Duration::from_secs(10);
/// The first protocol whose hosts know of secrets: an earlier one would store what they are to hide.
const KNOWS_SECRETS: Version = Version { major: 1, minor: 3 };
/// For the last replies to reach their clients.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// The host between two binaries. Fields are only ever added, with a default.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// The lock's descriptor.
    pub lock: i32,
    /// Where the embedded SSH server listened.
    #[serde(default)]
    pub port: Option<u16>,
    pub started: Millis,
    pub agents: Vec<Handed>,
    /// What is known of each agent's work.
    #[serde(default)]
    pub turns: BTreeMap<u32, Turns>,
    /// A pipe that holds what the host is to do about news: no file may.
    #[serde(default)]
    pub rules: Option<i32>,
    #[serde(default)]
    pub secrets: Secrets,
}

fn refusal(path: &Path, why: &str) -> WireError {
    let path = path.display();
    WireError::new(
        ErrorCode::BadRequest,
        format!("{path} cannot take this session over: {why}"),
    )
    .hint("the session goes on with the binary it has")
}

/// Whether `path` is a `remote` that can take over: its version. To be asked before the order goes to the
/// main loop, which has clocks to keep.
///
/// # Errors
/// Why it is none, for the client.
pub async fn verify(hub: &Hub, path: &str) -> std::result::Result<String, WireError> {
    let path = Path::new(path);
    let check = tokio::time::timeout(CHECK, check(hub, path))
        .await
        .unwrap_or_else(|_| Err("it does not answer".to_owned()))
        .map_err(|why| refusal(path, &why))?;
    if check.protocol.major != PROTOCOL.major {
        let theirs = check.protocol;
        let why = format!("it speaks protocol {theirs}, this session {PROTOCOL}");
        return Err(refusal(path, &why));
    }
    if check.protocol < KNOWS_SECRETS && hub.has_secrets() {
        return Err(refusal(path, "it knows nothing of secrets"));
    }
    Ok(check.version)
}

async fn check(hub: &Hub, path: &Path) -> std::result::Result<Check, String> {
    if !path.is_absolute() {
        return Err("an absolute path is needed".to_owned());
    }
    let mut command = tokio::process::Command::new(path);
    command
        .args(["host", "check"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = hub
        .gate
        .pass(|| command.spawn())
        .map_err(|e| e.to_string())?;
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // One byte more than allowed tells that there is more; it is not waited for.
        let mut stdout = stdout.take(ANSWER_MAX + 1);
        let read = stdout.read_to_end(&mut answer).await;
        read.map_err(|e| e.to_string())?;
    }
    if answer.len() as u64 > ANSWER_MAX {
        return Err("its answer to `host check` does not end".to_owned());
    }
    let status = child.wait().await.map_err(|e| e.to_string())?;
    if !status.success() {
        return Err(format!("`{} host check` failed: {status}", path.display()));
    }
    serde_json::from_slice(&answer)
        .map_err(|e| format!("its answer to `host check` cannot be read: {e}"))
}

/// See [`Hub::freeze`].
struct Frozen<'a>(&'a Hub);

impl<'a> Frozen<'a> {
    fn new(hub: &'a Hub) -> Self {
        hub.freeze(true);
        Self(hub)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.freeze(false);
    }
}

/// Replaces this process's binary by the one at `path`, which is `version` as [`verify`] said. Comes back only
/// if that failed: everything goes on as it was then. `done` is told before the exec, for nothing can be after it.
pub async fn upgrade(
    hub: &Hub,
    dir: &SessionDir,
    lock: &Lock,
    port: Option<u16>,
    to: (&str, &str),
    done: oneshot::Sender<std::result::Result<(), WireError>>,
) {
    let (path, version) = (Path::new(to.0), to.1);
    let refuse = |why: &str| refusal(path, why);
    let _frozen = Frozen::new(hub);
    let mut backs = Vec::new();
    let told = tokio::time::timeout(TELL, hand_over(hub, &mut backs)).await;
    let Ok(agents) = told else {
        return drop(done.send(Err(refuse("an agent is too busy"))));
    };
    let mut kept = vec![lock.number()];
    kept.extend(agents.iter().filter_map(|a| a.fd));
    let rules = hub.hand_rules();
    let rules_fd = rules.as_ref().map(AsRawFd::as_raw_fd);
    kept.extend(rules_fd);
    let state = State {
        lock: lock.number(),
        port,
        started: hub.started,
        agents,
        turns: hub.hand_turns(),
        rules: rules_fd,
        secrets: hub.secrets(),
    };
    let saved = hub.save_spec();
    let handed = match saved.and_then(|()| handed::write(dir, &state)) {
        Ok(handed) => handed,
        Err(e) => {
            let why = format!("its state cannot be written: {e}");
            return drop(done.send(Err(refuse(&why))));
        }
    };
    kept.extend(handed.number());
    tracing::info!("becoming remote {version} at {}", path.display());
    let _ = done.send(Ok(()));
    tokio::time::sleep(LAST_WORDS).await;
    // A deadline or name that was set meanwhile.
    if let Err(e) = hub.save_spec() {
        tracing::warn!("session.json cannot be written: {e}");
    }
    // What happened since the main loop wrote last.
    if let Err(e) = hub.save_events() {
        tracing::warn!("events.jsonl cannot be written: {e}");
    }
    // From here on nothing is started: it would inherit what is to survive the exec.
    hub.gate.close(true);
    let error = match inherit(&kept, true) {
        Ok(()) => std::process::Command::new(path)
            .args(["host", "run", "--dir"])
            .arg(dir.path())
            .arg("--handover")
            .arg(&handed.path)
            .exec(),
        Err(e) => e,
    };
    // Still here: the agents go on when `backs` is dropped.
    ignore_broken_pipes();
    let _ = inherit(&kept, false);
    hub.gate.close(false);
    drop(handed);
    hub.warn(format!("the upgrade to {} failed: {error}", path.display()));
    drop((backs, rules));
}

/// Stops every agent and has it tell everything; each goes on when its end of `backs` is dropped.
async fn hand_over(hub: &Hub, backs: &mut Vec<oneshot::Sender<()>>) -> Vec<Handed> {
    let mut agents = Vec::new();
    for agent in hub.agents() {
        let (tell, told) = oneshot::channel();
        let (back, wait) = oneshot::channel();
        let command = Command::HandOver {
            done: tell,
            back: wait,
        };
        backs.push(back);
        if agent.send(command).await.is_ok()
            && let Ok(handed) = told.await
        {
            agents.push(handed);
        }
    }
    agents
}

fn inherit(descriptors: &[i32], inherit: bool) -> std::io::Result<()> {
    descriptors
        .iter()
        .try_for_each(|fd| set_inherited(*fd, inherit))
}
