//! `wait`: when are the agents where somebody wants them? Decided here from states as they come; asking the
//! hosts is [`wait`]'s part.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::reach::reach;
use super::registry::{Known, Registry};
use super::status::on_disk;
use crate::error::{Error, Kind, Result};
use crate::model::{AgentState, SessionId, SessionStatus};
use crate::ssh::Ask;

/// What is waited for.
#[derive(Debug, Clone)]
pub struct Goal {
    /// One agent there is enough.
    pub any: bool,
    /// Words of [`AgentState::word`].
    pub states: Vec<String>,
}

/// One agent and where it was when the wait was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arrived {
    pub session: SessionId,
    pub agent: u32,
    #[serde(flatten)]
    pub state: AgentState,
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
}

#[derive(Debug, Default)]
struct Heard {
    /// The agents that count; `None` for all.
    wanted: Option<BTreeSet<u32>>,
    /// `None` until the session was first heard of.
    agents: Option<BTreeMap<u32, AgentState>>,
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
        Self { goal, sessions }
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
                    (a.number, state)
                })
                .collect(),
        );
    }

    /// Whether the wait is over.
    pub fn verdict(&self) -> Option<Verdict> {
        let mut there = Vec::new();
        let mut never = Vec::new();
        let mut open = false;
        for (session, heard) in &self.sessions {
            let Some(agents) = &heard.agents else {
                open = true;
                continue;
            };
            for (agent, state) in agents {
                let arrived = Arrived {
                    session: session.clone(),
                    agent: *agent,
                    state: *state,
                };
                if self.goal.states.iter().any(|s| s == state.word()) {
                    there.push(arrived);
                } else if state.is_over() {
                    never.push(arrived);
                } else {
                    open = true;
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
    let mut listened = BTreeSet::new();
    for (known, _) in targets {
        if listened.insert(known.id.clone()) {
            tasks.spawn(listen(registry.clone(), known, ask.clone(), send.clone()));
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
                Some(Ok((status, over))) => waiting.heard(&status, over),
                Some(Err(e)) => return Err(e),
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

/// Tells what one host says until it says no more; then what it left behind.
async fn listen(registry: Registry, mut known: Known, ask: Arc<dyn Ask>, send: mpsc::Sender<Told>) {
    let mut pause = Duration::from_millis(100);
    loop {
        if !known.live {
            let told = on_disk(&known, &ask).await.map(|status| (status, true));
            let _ = send.send(told).await;
            return;
        }
        let watch = async {
            reach(&known, ask.clone())
                .await?
                .control()
                .await?
                .watch()
                .await
        };
        match watch.await {
            Ok(mut watch) => {
                while let Ok(status) = watch.next().await {
                    pause = Duration::from_millis(100);
                    registry.ledger().saw(&status, crate::model::now_ms());
                    if send.send(Ok((status, false))).await.is_err() {
                        return;
                    }
                }
            }
            Err(e) if e.kind != Kind::Connection => {
                let _ = send.send(Err(e)).await;
                return;
            }
            Err(_) => {}
        }
        // Lost, not over, unless its directory or its machine says so.
        match refreshed(&registry, &known, &ask).await {
            Ok(Some(now)) => known = now,
            Ok(None) => {}
            Err(e) => {
                let _ = send.send(Err(e)).await;
                return;
            }
        }
        if known.live {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }
}

/// The session as it is known now; asks an `ssh` machine whether its host still runs.
async fn refreshed(
    registry: &Registry,
    known: &Known,
    ask: &Arc<dyn Ask>,
) -> Result<Option<Known>> {
    let mut now = registry.resolve(known.id.as_str())?;
    if now.dir.is_none()
        && let Ok(status) = on_disk(&now, ask).await
        && status.ended.is_some()
    {
        registry.ledger().saw(&status, crate::model::now_ms());
        now.live = false;
        now.last = Some(status);
    }
    Ok(Some(now))
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::status;
    use super::*;

    fn waiting(any: bool, states: &[&str], agent: Option<u32>) -> Waiting {
        let goal = Goal {
            any,
            states: states.iter().map(|s| (*s).to_owned()).collect(),
        };
        Waiting::new(
            goal,
            [("session-abc234".parse().expect("a good id"), agent)],
        )
    }

    #[test]
    fn all_waits_for_each_and_any_for_one() {
        let exited = AgentState::Exited { code: 0 };
        let half = status("session-abc234", &[exited, AgentState::Working]);
        let mut all = waiting(false, &["done", "exited"], None);
        assert_eq!(all.verdict(), None, "not heard of yet");
        all.heard(&half, false);
        assert_eq!(all.verdict(), None);
        all.heard(
            &status("session-abc234", &[exited, AgentState::Done]),
            false,
        );
        assert!(matches!(all.verdict(), Some(Verdict::There(a)) if a.len() == 2));
        let mut any = waiting(true, &["exited"], None);
        any.heard(&half, false);
        assert!(matches!(any.verdict(), Some(Verdict::There(a)) if a[0].agent == 1));
    }

    #[test]
    fn what_can_never_be_is_said_at_once() {
        let exited = AgentState::Exited { code: 3 };
        let mut blocked = waiting(false, &["blocked"], None);
        blocked.heard(
            &status("session-abc234", &[exited, AgentState::Working]),
            false,
        );
        assert!(matches!(blocked.verdict(), Some(Verdict::Never(a)) if a[0].agent == 1));
        let mut other = waiting(false, &["blocked"], Some(2));
        other.heard(
            &status("session-abc234", &[exited, AgentState::Working]),
            false,
        );
        assert_eq!(other.verdict(), None);
        other.heard(
            &status("session-abc234", &[exited, AgentState::Working]),
            true,
        );
        assert!(
            matches!(other.verdict(), Some(Verdict::Never(a)) if a[0].state == AgentState::Lost)
        );
    }
}
