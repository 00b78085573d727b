//! What agents have made, counted; and what they have not committed becomes a commit in the repository's store: when
//! one of them is done, and at the session's end. A program of its own does it, as whoever the files belong to, so
//! that a repository that is odd or huge cannot hold up or take down the host.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use super::hub::Hub;
use crate::config::{MachineFile, SessionDir};
use crate::model::{SessionSpec, Work};
use crate::repo::{Collected, find_record};

/// A machine that is taken back has two minutes in all.
const LIMIT: Duration = Duration::from_secs(20);

/// What came of it.
#[derive(Debug, Default)]
pub struct Counted {
    pub work: BTreeMap<u32, Work>,
    /// What could not be collected, for people.
    pub warnings: Vec<String>,
}

/// Where the files of the workspace lie that a session works on, as its directory tells.
pub fn workspace_of(dir: &SessionDir) -> Option<PathBuf> {
    let spec: SessionSpec = super::files::read_json(&dir.spec()).ok()?;
    spec.workspace.map(|w| w.dir)
}

/// Collects from one agent, or all. Nothing where the session has no repository.
pub async fn collect(hub: &Hub, only: Option<u32>) -> Counted {
    let root = match &hub.rented {
        Some(_) => Some(MachineFile::repositories()),
        // On its workspace, or beside the sessions' directories.
        None => match workspace_of(&hub.dir) {
            Some(dir) => Some(dir.join("repo")),
            None => hub
                .dir
                .path()
                .parent()
                .and_then(|p| Some(p.parent()?.join("repo"))),
        },
    };
    if root.is_none_or(|root| find_record(&root, &hub.id).is_none()) {
        return Counted::default();
    }
    let failed = |why: String| Counted {
        warnings: vec![format!(
            "what agents have not committed was not collected: {why}"
        )],
        ..Counted::default()
    };
    // Two at once would move the same refs. Waiting for the other one takes none of our time.
    let _turn = hub.collecting.lock().await;
    match tokio::time::timeout(LIMIT, run(hub, only)).await {
        Err(_) => failed(format!("it took longer than {} s", LIMIT.as_secs())),
        Ok(Err(e)) => failed(e.to_string()),
        Ok(Ok(output)) if !output.status.success() => {
            failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
        Ok(Ok(output)) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let read = |line: &str| serde_json::from_str::<Option<Collected>>(line).ok();
            match text.lines().rev().find_map(read) {
                Some(collected) => collected.map(counted).unwrap_or_default(),
                None => failed("its answer cannot be read".to_owned()),
            }
        }
    }
}

async fn run(hub: &Hub, only: Option<u32>) -> io::Result<Output> {
    let program = std::env::current_exe().ok().filter(|p| p.exists());
    let program = program.unwrap_or_else(|| "/proc/self/exe".into());
    let mut command = Command::new(program);
    command
        .args(["host", "repo", "collect", hub.id.as_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(number) = only {
        command.args(["--agent", &number.to_string()]);
    }
    let child = hub.gate.pass(|| command.spawn())?;
    child.wait_with_output().await
}

fn counted(collected: Collected) -> Counted {
    let work = collected.agents.iter();
    Counted {
        work: work.filter_map(|r| Some((r.number, r.work?))).collect(),
        warnings: collected.warnings,
    }
}
