//! One pattern in the histories of many agents, side by side: searched by their hosts where these can, else read
//! from there, or from the directories of sessions that are over.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::control::Next;
use super::history::{Begin, History};
use super::reach::Hosts;
use super::registry::{Known, Registry};
use super::status::newest;
use crate::error::{Error, Kind, Result};
use crate::model::{Found, Search, Searched};
use crate::mux::Seeker;

/// The protocol's minor version that may know searches.
const SINCE: u16 = 3;
/// Records between two looks whether anybody else is to have a turn.
const TURN: u32 = 64;

/// The sessions that are searched where none is named: live ones wherever they are, ended ones whose history is on
/// this machine.
///
/// # Errors
/// The sessions' directory cannot be read.
pub fn sessions(registry: &Registry) -> Result<Vec<Known>> {
    let mut all = registry.all(true)?;
    all.retain(|known| known.live || known.dir.is_some());
    Ok(all)
}

/// A session with the agents it has by now, as its host says; as far as is known where there is nobody to ask.
///
/// # Errors
/// Its machine cannot be reached.
pub async fn with_agents(registry: &Registry, known: Known, hosts: &Hosts) -> Result<Known> {
    if !known.live && !known.agents().is_empty() {
        return Ok(known);
    }
    match newest(registry, &known, hosts).await {
        Ok(status) => Ok(Known {
            last: Some(status),
            ..known
        }),
        Err(e) if e.kind == Kind::Connection && known.dir.is_none() => Err(e),
        Err(_) => Ok(known),
    }
}

/// The agents of a session that have written anything: one that never ran has no history.
pub fn with_history(known: &Known) -> Vec<u32> {
    let silent = |n: u32| {
        let told = known.last.iter().flat_map(|l| &l.agents);
        let mut told = told.filter(|a| a.number == n);
        told.next().is_some_and(|a| a.bytes == 0)
    };
    let missing = |n: u32| match &known.dir {
        Some(dir) => !dir.agent(n).is_dir(),
        None => known.live && silent(n),
    };
    let mut agents = known.agents();
    agents.retain(|n| !missing(*n));
    agents
}

/// Looks through one agent's history; what is found goes to `found`, in order. An end of the receiver ends it.
///
/// # Errors
/// The pattern is none, or the history cannot be had.
pub async fn search(
    registry: &Registry,
    known: &Known,
    agent: u32,
    hosts: &Arc<Hosts>,
    search: &Search,
    found: &mpsc::Sender<Found>,
) -> Result<Searched> {
    if known.live
        && let Some(searched) = by_host(known, agent, hosts, search, found).await?
    {
        return Ok(searched);
    }
    let mut seeker = Seeker::new(search).map_err(|e| Error::user(e.to_string()))?;
    let begin = Begin::Offset(0);
    let mut history = History::open(registry, known, hosts, agent, begin, false).await?;
    let mut lines = Vec::new();
    let mut turn = 0_u32;
    while let Some(record) = history.next().await? {
        let more = seeker.record(&record, &mut lines);
        for line in std::mem::take(&mut lines) {
            if found.send(line).await.is_err() {
                return Ok(Searched::default());
            }
        }
        if !more {
            break;
        }
        turn = (turn + 1) % TURN;
        if turn == 0 {
            // A history on this machine is read without a wait: Ctrl-C and other agents have their turn here.
            tokio::task::yield_now().await;
        }
    }
    let searched = seeker.finish(&mut lines);
    for line in lines {
        let _ = found.send(line).await;
    }
    Ok(searched)
}

/// By the host itself; `None` where it cannot, and nothing was found yet.
async fn by_host(
    known: &Known,
    agent: u32,
    hosts: &Arc<Hosts>,
    search: &Search,
    found: &mpsc::Sender<Found>,
) -> Result<Option<Searched>> {
    let control = async { hosts.reach(known).await?.control().await };
    let control = match control.await {
        Ok(control) => control,
        // It has ended between the look and the dial: its directory is read.
        Err(e) if e.kind == Kind::Connection && known.dir.is_some() => return Ok(None),
        Err(e) => return Err(e),
    };
    if !control.knows(SINCE) {
        return Ok(None);
    }
    let mut founds = control.grep(agent, search.clone()).await?;
    loop {
        match founds.next().await? {
            Next::Found(line) => {
                if found.send(line).await.is_err() {
                    return Ok(Some(Searched::default()));
                }
            }
            Next::Over(searched) => return Ok(Some(searched)),
            Next::Unknown => return Ok(None),
        }
    }
}
