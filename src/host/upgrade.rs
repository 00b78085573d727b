//! A host replaces its own binary while its agents run: this process execs the new one with the terminals
//! and the lock left open, and all that is known in a file. Its clients reconnect and see at most a repaint.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::agent::{Command, Handed};
use super::files;
use super::hub::Hub;
use super::list::Check;
use super::lock::Lock;
use crate::config::SessionDir;
use crate::error::Result;
use crate::model::Millis;
use crate::proto::{ErrorCode, PROTOCOL, WireError};

/// For the new binary to say what it is.
const CHECK: Duration = Duration::from_secs(10);
/// For an agent to tell everything.
const TELL: Duration = Duration::from_secs(10);
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
}

fn file(dir: &SessionDir) -> PathBuf {
    dir.path().join("upgrade.json")
}

/// Reads what the earlier binary left, once.
///
/// # Errors
/// It is not there or damaged.
pub fn load(path: &Path) -> Result<State> {
    let state = files::read_json(path);
    let _ = std::fs::remove_file(path);
    state
}

/// Whether `path` is a `remote` that can take over.
async fn verify(path: &Path) -> std::result::Result<Check, String> {
    if !path.is_absolute() {
        return Err("an absolute path is needed".to_owned());
    }
    let run = tokio::process::Command::new(path)
        .args(["host", "check"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(CHECK, run)
        .await
        .map_err(|_| "it does not answer".to_owned())?
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!(
            "`{} host check` failed: {}",
            path.display(),
            output.status
        ));
    }
    let check: Check = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("its answer to `host check` cannot be read: {e}"))?;
    if check.protocol.major != PROTOCOL.major {
        return Err(format!(
            "it speaks protocol {}, this session {PROTOCOL}",
            check.protocol
        ));
    }
    Ok(check)
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

/// Replaces this process's binary by the one at `path`. Comes back only if that failed: everything goes on as
/// it was then. `done` is told before the exec, for nothing can be after it.
pub async fn upgrade(
    hub: &Hub,
    dir: &SessionDir,
    lock: &Lock,
    port: Option<u16>,
    path: &str,
    done: oneshot::Sender<std::result::Result<(), WireError>>,
) {
    let path = PathBuf::from(path);
    let refuse = |why: String| {
        WireError::new(
            ErrorCode::BadRequest,
            format!("{} cannot take this session over: {why}", path.display()),
        )
        .hint("the session goes on with the binary it has")
    };
    let check = match verify(&path).await {
        Ok(check) => check,
        Err(why) => return drop(done.send(Err(refuse(why)))),
    };
    let _frozen = Frozen::new(hub);
    let mut backs = Vec::new();
    let mut agents = Vec::new();
    for agent in hub.agents() {
        let (tell, told) = oneshot::channel();
        let (back, wait) = oneshot::channel();
        let command = Command::HandOver {
            done: tell,
            back: wait,
        };
        let handed = match agent.send(command).await {
            Ok(()) => tokio::time::timeout(TELL, told).await,
            Err(_) => continue,
        };
        match handed {
            Ok(Ok(Ok(handed))) => agents.push(handed),
            Ok(Ok(Err(why))) => return drop(done.send(Err(refuse(why)))),
            Ok(Err(_)) => continue,
            Err(_) => return drop(done.send(Err(refuse("an agent is too busy".to_owned())))),
        }
        backs.push(back);
    }
    let state_file = file(dir);
    let saved = lock.hand_over().and_then(|lock| {
        let state = State {
            lock,
            port,
            started: hub.started,
            agents,
        };
        hub.save_spec()?;
        files::write_json_often(&state_file, &state)
    });
    if let Err(e) = saved {
        lock.take_back();
        return drop(done.send(Err(refuse(format!("its state cannot be written: {e}")))));
    }
    tracing::info!("becoming remote {} at {}", check.version, path.display());
    let _ = done.send(Ok(()));
    tokio::time::sleep(LAST_WORDS).await;
    // A deadline or name that was set meanwhile.
    if let Err(e) = hub.save_spec() {
        tracing::warn!("session.json cannot be written: {e}");
    }
    let error = std::process::Command::new(&path)
        .args(["host", "run", "--dir"])
        .arg(dir.path())
        .arg("--handover")
        .arg(&state_file)
        .exec();
    // Still here: the agents go on when `backs` is dropped.
    lock.take_back();
    let _ = std::fs::remove_file(&state_file);
    hub.warn(format!("the upgrade to {} failed: {error}", path.display()));
    drop(backs);
}
