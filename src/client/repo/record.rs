//! What this machine has fetched of sessions: one small file each. By it results are known to be safe without
//! asking, and a branch that the person has removed is not made again.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::bring::Tell;
use crate::config::Paths;
use crate::error::{Context, Error, Result};
use crate::model::{Millis, SessionId, SessionStatus};
use crate::provision::{Survives, write_whole};
use crate::repo::{Oid, Repository};

/// One session's results here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub session: SessionId,
    /// The repository they came to.
    pub repository: PathBuf,
    pub at: Millis,
    /// By agent: refs on its machine, and where they were when all of it was verified here.
    pub agents: BTreeMap<u32, BTreeMap<String, Oid>>,
    /// All that all agents had made by then is here.
    pub safe: bool,
    /// And they had all ended before: when each had been started. Nothing came after, unless one was started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Starts>,
}

/// When each agent was started, by number.
pub type Starts = BTreeMap<u32, Millis>;

/// The agents' starts, where there are agents and all have ended.
pub fn all_over(status: &SessionStatus) -> Option<Starts> {
    let agents = &status.agents;
    let over = !agents.is_empty() && agents.iter().all(|a| a.state.is_over());
    over.then(|| starts(status))
}

/// The agents' starts.
pub fn starts(status: &SessionStatus) -> Starts {
    status
        .agents
        .iter()
        .map(|a| (a.number, a.started))
        .collect()
}

/// The directory of them.
#[derive(Debug, Clone)]
pub struct Pulls(PathBuf);

impl Pulls {
    pub fn new(paths: &Paths) -> Self {
        Self(paths.state.join("pulls"))
    }

    /// One pulls into a repository at a time: two would be in the way of each other's refs. Held until it is dropped.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub async fn turn(&self, here: &Repository, tell: &dyn Tell) -> Result<File> {
        let file = self.0.join(format!("{}.lock", here.store_name()));
        let open = || -> std::io::Result<File> {
            std::fs::create_dir_all(&self.0)?;
            File::create(&file)
        };
        let failed = || format!("cannot lock {}", file.display());
        let held = open().context(failed())?;
        if held.try_lock().is_ok() {
            return Ok(held);
        }
        tell.waits("another pull");
        let wait = tokio::task::spawn_blocking(move || held.lock().map(|()| held)).await;
        let held = wait.map_err(|e| Error::internal("a lock was not waited for").because(e))?;
        held.context(failed())
    }

    pub fn get(&self, session: &SessionId) -> Option<Seen> {
        let text = std::fs::read(self.0.join(format!("{session}.json"))).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// More work is done in a session: what is here is not all any more.
    ///
    /// # Errors
    /// As [`Pulls::put`].
    pub fn goes_on(&self, session: &SessionId) -> Result<()> {
        match self.get(session) {
            Some(seen) if seen.over.is_some() => self.put(&Seen { over: None, ..seen }),
            _ => Ok(()),
        }
    }

    /// Writes it, on the disk when this returns.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn put(&self, seen: &Seen) -> Result<()> {
        let file = self.0.join(format!("{}.json", seen.session));
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&self.0)?;
            write_whole(&file, &serde_json::to_vec_pretty(seen)?, Survives::PowerCut)
        };
        write().context(format!("cannot write {}", file.display()))
    }
}
