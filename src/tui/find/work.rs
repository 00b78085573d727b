//! The search itself, in a task of its own: all sessions side by side.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::{Hit, LAST, Results, lock};
use crate::client::grep::{self, sessions, with_agents, with_history};
use crate::client::reach::Hosts;
use crate::client::{Known, Registry};
use crate::model::{Search, SessionId};
use crate::ssh::{Flow, Nobody};

/// Found and not looked at yet.
const QUEUE: usize = 64;
/// More of a line is on no screen, in bytes.
const WIDEST: usize = 4096;

/// Where is searched, and the ways there, kept from one search to the next.
#[derive(Clone)]
pub(super) struct Work {
    registry: Registry,
    ways: Arc<Mutex<HashMap<SessionId, Arc<Hosts>>>>,
}

impl Work {
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            ways: Arc::default(),
        }
    }

    /// The way to a session: one for each, so that none waits for another's.
    fn hosts(&self, session: &SessionId) -> Arc<Hosts> {
        let mut ways = self.ways.lock().unwrap_or_else(|e| e.into_inner());
        let new = || Arc::new(Hosts::new(Arc::new(Nobody), Flow::Bulk));
        ways.entry(session.clone()).or_insert_with(new).clone()
    }
}

/// Searches all; what is found is in `results` at once, and `dirty` told.
pub(super) async fn search(
    work: Work,
    wanted: Search,
    results: Arc<Mutex<Results>>,
    dirty: Arc<Notify>,
) {
    let all = match sessions(&work.registry) {
        Ok(all) => all,
        Err(e) => {
            lock(&results).failed.push(e.to_string());
            Vec::new()
        }
    };
    lock(&results).left = Some(all.len());
    let mut tasks = JoinSet::new();
    for known in all {
        let (work, wanted) = (work.clone(), wanted.clone());
        let (results, dirty) = (results.clone(), dirty.clone());
        tasks.spawn(async move {
            let label = known.id.short().to_owned();
            let done = session(&work, known, &wanted, &results, &dirty).await;
            let mut results = lock(&results);
            if let Err(e) = done {
                results.failed.push(format!("{label}: {e}"));
            }
            results.left = results.left.map(|left| left.saturating_sub(1));
            drop(results);
            dirty.notify_one();
        });
    }
    dirty.notify_one();
    while tasks.join_next().await.is_some() {}
}

async fn session(
    work: &Work,
    known: Known,
    wanted: &Search,
    results: &Mutex<Results>,
    dirty: &Notify,
) -> crate::error::Result<()> {
    let hosts = work.hosts(&known.id);
    let known = with_agents(&work.registry, known, &hosts).await?;
    for agent in with_history(&known) {
        let (send, mut found) = mpsc::channel(QUEUE);
        let looking = async {
            let send = send;
            grep::search(&work.registry, &known, agent, &hosts, wanted, &send).await
        };
        let taking = async {
            let mut most = LAST;
            while let Some(mut found) = found.recv().await {
                // A host that tells more than it was asked for is not listened to.
                if most == 0 {
                    break;
                }
                most -= 1;
                found.cut(WIDEST);
                lock(results).add(Hit {
                    session: known.id.clone(),
                    agent,
                    found,
                });
                dirty.notify_one();
            }
        };
        let (searched, ()) = tokio::join!(looking, taking);
        searched?;
    }
    Ok(())
}
