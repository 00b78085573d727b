//! `wait`: when are the agents where somebody wants them? Decided here from states as they come; asking the
//! hosts is [`wait`]'s part.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::control::Watch;
use super::limits::Limits;
use super::reach::reach_within;
use super::registry::{Known, Registry};
use super::status::on_disk;
use crate::error::{Error, Kind, Result};
use crate::model::{AgentState, Check, SessionId, SessionStatus, now_ms};
use crate::ssh::Ask;

/// So many are dialled at a time; once there, all of them are listened to.
const ABREAST: usize = 16;
/// A machine that does not answer for so long is tried again later.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is waited for.
#[derive(Debug, Clone)]
pub struct Goal {
    /// One agent there is enough.
    pub any: bool,
    /// Words of [`AgentState::word`].
    pub states: Vec<String>,
    /// And no check of its work runs.
    pub checked: bool,
}

/// One agent and where it was when the wait was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arrived {
    pub session: SessionId,
    pub agent: u32,
    #[serde(flatten)]
    pub state: AgentState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
}

/// How a wait ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They are where they should be.
    There(Vec<Arrived>),
    /// These are over and will never be.
    Never(Vec<Arrived>),
}

/// The states of all that is waited for.
#[derive(Debug)]
pub struct Waiting {
    goal: Goal,
    sessions: BTreeMap<SessionId, Heard>,
    /// Of these nothing more will be heard, and there are others.
    deaf: BTreeSet<SessionId>,
}

#[derive(Debug, Default)]
struct Heard {
    /// The agents that count; `None` for all.
    wanted: Option<BTreeSet<u32>>,
    /// `None` until the session was first heard of.
    agents: Option<BTreeMap<u32, (AgentState, Option<Check>)>>,
}

impl Waiting {
    /// Each target is a session and one of its agents, or all.
    pub fn new(goal: Goal, targets: impl IntoIterator<Item = (SessionId, Option<u32>)>) -> Self {
        let mut sessions: BTreeMap<SessionId, Heard> = BTreeMap::new();
        for (id, agent) in targets {
            let fresh = || Heard {
                wanted: Some(BTreeSet::new()),
                agents: None,
            };
            let heard = sessions.entry(id).or_insert_with(fresh);
            match (agent, &mut heard.wanted) {
                (Some(agent), Some(wanted)) => drop(wanted.insert(agent)),
                _ => heard.wanted = None,
            }
        }
        Self {
            goal,
            sessions,
            deaf: BTreeSet::new(),
        }
    }

    /// What a session's host says. `over`: nothing more will come from it, so what still ran is lost.
    pub fn heard(&mut self, status: &SessionStatus, over: bool) {
        let Some(heard) = self.sessions.get_mut(&status.spec.id) else {
            return;
        };
        let wanted = heard.wanted.as_ref();
        heard.agents = Some(
            status
                .agents
                .iter()
                .filter(|a| wanted.is_none_or(|w| w.contains(&a.number)))
                .map(|a| {
                    let state = match a.state {
                        state if over && !state.is_over() => AgentState::Lost,
                        state => state,
                    };
                    let check = a.check.clone().filter(|c| !over || !c.is_running());
                    (a.number, (state, check))
                })
                .collect(),
        );
    }

    /// An agent that is waited for and that its host knows nothing of.
    fn missing(&self, status: &SessionStatus) -> Option<u32> {
        let wanted = self.sessions.get(&status.spec.id)?.wanted.as_ref()?;
        let there = |n: &&u32| status.agents.iter().any(|a| a.number == **n);
        wanted.iter().find(|n| !there(n)).copied()
    }

    /// A session that cannot be heard: whether others can, and one of them is enough.
    fn goes_on_without(&mut self, session: SessionId) -> bool {
        self.deaf.insert(session);
        self.goal.any && self.deaf.len() < self.sessions.len()
    }

    /// Whether the wait is over.
    pub fn verdict(&self) -> Option<Verdict> {
        let mut there = Vec::new();
        let mut never = Vec::new();
        let mut open = false;
        for (session, heard) in &self.sessions {
            let Some(agents) = &heard.agents else {
                open |= !self.deaf.contains(session);
                continue;
            };
            for (agent, (state, check)) in agents {
                let arrived = Arrived {
                    session: session.clone(),
                    agent: *agent,
                    state: *state,
                    check: check.clone(),
                };
                let checking = check.as_ref().is_some_and(Check::is_running);
                if self.goal.checked && checking {
                    open = true;
                } else if self.goal.states.iter().any(|s| s == state.word()) {
                    there.push(arrived);
                } else if state.is_over() {
                    never.push(arrived);
                } else {
                    open |= !self.deaf.contains(session);
                }
            }
        }
        if self.goal.any && !there.is_empty() {
            return Some(Verdict::There(there));
        }
        if !self.goal.any && !never.is_empty() {
            return Some(Verdict::Never(never));
        }
        match (open, never.is_empty()) {
            (true, _) => None,
            (false, true) => Some(Verdict::There(there)),
            (false, false) => Some(Verdict::Never(never)),
        }
    }
}

/// Asks the hosts of `targets` until the goal is met.
///
/// # Errors
/// [`Kind::Timeout`] after `timeout`; an agent that is over and can never get there.
pub async fn wait(
    registry: &Registry,
    targets: Vec<(Known, Option<u32>)>,
    goal: Goal,
    timeout: Option<Duration>,
    ask: Arc<dyn Ask>,
) -> Result<Vec<Arrived>> {
    let words = match goal.states.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    };
    let ids = targets.iter().map(|(k, agent)| (k.id.clone(), *agent));
    let mut waiting = Waiting::new(goal, ids);
    let (send, mut heard) = mpsc::channel(16);
    let mut tasks = JoinSet::new();
    let turns = Arc::new(Semaphore::new(ABREAST));
    let mut listened = BTreeSet::new();
    for (known, _) in targets {
        if listened.insert(known.id.clone()) {
            let ear = Ear {
                registry: registry.clone(),
                ask: ask.clone(),
                turns: turns.clone(),
            };
            let send = send.clone();
            tasks.spawn(async move {
                let id = known.id.clone();
                ear.listen(known, move |told| {
                    let (send, id) = (send.clone(), id.clone());
                    async move { send.send((id, told)).await.is_ok() }
                })
                .await;
            });
        }
    }
    drop(send);
    let deadline = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(deadline);
    loop {
        match waiting.verdict() {
            Some(Verdict::There(arrived)) => return Ok(arrived),
            Some(Verdict::Never(lost)) => {
                let lost: Vec<String> = lost
                    .iter()
                    .map(|a| format!("{}/{} is {}", a.session, a.agent, a.state))
                    .collect();
                return Err(Error::user(format!(
                    "{}, so it will never be {words}",
                    lost.join(", ")
                ))
                .hint("run `remote status --all` to see all agents' states"));
            }
            None => {}
        }
        tokio::select! {
            told = heard.recv() => match told {
                Some((id, Ok((status, over)))) => match waiting.missing(&status) {
                    None => waiting.heard(&status, over),
                    Some(agent) => return Err(Error::user(format!("{id} has no agent {agent}"))
                        .hint(format!("run `remote status {id}` to see its agents"))),
                },
                Some((id, Err(e))) => match waiting.goes_on_without(id.clone()) {
                    true => ask.tell(&format!("{id} cannot be heard ({e}); the others are waited for.")),
                    false => return Err(e),
                },
                None => return Err(Error::connection("no session can be heard of any more")
                    .hint("run `remote status --all` to see what became of them")),
            },
            () = &mut deadline => {
                let timeout = humantime::format_duration(timeout.unwrap_or_default());
                return Err(Error::new(Kind::Timeout, format!("not yet {words} after {timeout}"))
                    .hint("run `remote status` to see the agents' states"));
            }
        }
    }
}

type Told = Result<(SessionStatus, bool)>;

/// How hosts are listened to.
struct Ear {
    registry: Registry,
    ask: Arc<dyn Ask>,
    turns: Arc<Semaphore>,
}

impl Ear {
    /// Tells what one host says until it says no more, then what it left behind; or until nobody wants to know.
    async fn listen<F: Future<Output = bool>>(&self, mut known: Known, tell: impl Fn(Told) -> F) {
        let mut pause = Duration::from_millis(100);
        loop {
            if !known.live {
                let told = on_disk(&known, &self.ask).await;
                tell(told.map(|status| (status, true))).await;
                return;
            }
            match self.watch(&known).await {
                Ok(mut watch) => {
                    while let Ok(status) = watch.next().await {
                        pause = Duration::from_millis(100);
                        self.registry.ledger().saw(&status, now_ms());
                        if !tell(Ok((status, false))).await {
                            return;
                        }
                    }
                }
                Err(e) if e.kind != Kind::Connection => {
                    tell(Err(e)).await;
                    return;
                }
                Err(_) => {}
            }
            // Lost, not over, unless its directory or its machine says so.
            match self.refreshed(&known).await {
                Ok(now) => known = now,
                Err(e) => {
                    tell(Err(e)).await;
                    return;
                }
            }
            if known.live {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }

    /// A stream of its states. Only getting there takes a turn: one that hangs there is not waited for by the others
    /// for long.
    async fn watch(&self, known: &Known) -> Result<Watch> {
        let _turn = self.turns.acquire().await;
        let limits = Limits {
            answer: Some(PATIENCE),
            ..Limits::default()
        };
        let control = reach_within(known, self.ask.clone(), limits).await?;
        control.control().await?.watch().await
    }

    /// The session as it is known now; asks an `ssh` machine whether its host still runs.
    async fn refreshed(&self, known: &Known) -> Result<Known> {
        let mut now = self.registry.known(&known.id)?;
        if now.dir.is_none()
            && let Ok(status) = on_disk(&now, &self.ask).await
            && status.ended.is_some()
        {
            self.registry.ledger().saw(&status, now_ms());
            now.live = false;
            now.last = Some(status);
        }
        Ok(now)
    }
}

#[cfg(test)]
mod tests;
