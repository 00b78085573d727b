//! A host as a unit of its machine's systemd, on a rented machine: it has a cgroup of its own, comes back
//! after a crash or a reboot, and wraps up before the machine powers off.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::ProvisionError;
use super::local::live_endpoint;
use crate::config::SessionDir;

const REMOTE_ROOT: &str = "/usr/local/sbin/remote-root";
/// Between two looks whether it listens.
const PAUSE: Duration = Duration::from_millis(15);
const LOG_LINES: &str = "12";

/// Whether this machine's services are systemd's.
pub fn has_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Starts the host on `dir`, and returns when it listens.
///
/// # Errors
/// It was not started, or does not listen within `limit`: with what systemd knows of it.
pub async fn start(dir: &SessionDir, binary: &Path, limit: Duration) -> Result<(), ProvisionError> {
    let output = Command::new(REMOTE_ROOT)
        .arg("start")
        .args([dir.path(), binary])
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(ProvisionError::io("run", REMOTE_ROOT))?;
    if !output.status.success() {
        return Err(ProvisionError::Start {
            why: format!("its unit was not started ({})", output.status),
            log: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    let listens = async {
        while live_endpoint(dir).is_none() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    if tokio::time::timeout(limit, listens).await.is_ok() {
        return Ok(());
    }
    Err(ProvisionError::Start {
        why: format!("it did not listen within {} s", limit.as_secs()),
        log: said(dir).await,
    })
}

/// Ends it for good, so that it is not started again.
pub async fn stop(dir: &SessionDir) {
    let _ = systemctl(&["disable", "--now", &name(dir)]).await;
}

fn name(dir: &SessionDir) -> String {
    let session = dir.path().file_name().unwrap_or_default();
    format!("remote-host@{}", session.to_string_lossy())
}

async fn said(dir: &SessionDir) -> String {
    let words = [
        "status",
        "--no-pager",
        "--full",
        "-n",
        LOG_LINES,
        &name(dir),
    ];
    systemctl(&words).await.unwrap_or_default()
}

async fn systemctl(words: &[&str]) -> Option<String> {
    let run = Command::new("systemctl")
        .args(words)
        .stdin(Stdio::null())
        .output();
    let output = run.await.ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
