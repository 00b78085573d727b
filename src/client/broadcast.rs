//! Typing into many agents at once, over many machines side by side: first all hosts are heard, so that a person can
//! see whom it concerns; then each gets it, over the connection it was heard over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::control::Control;
use super::limits::Limits;
use super::reach::reach_within;
use super::registry::Known;
use crate::error::{Error, Result};
use crate::model::{AgentState, AgentStatus, SessionId};
use crate::proto::{Key, Op};
use crate::ssh::Ask;

/// A machine that says nothing for so long is told nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many machines are spoken to at a time.
const ABREAST: usize = 32;

/// What is typed.
#[derive(Debug, Clone, Default)]
pub struct Typing {
    pub text: String,
    pub keys: Vec<Key>,
    /// Only into agents in one of these states, still when it is typed; empty for any.
    pub states: Vec<String>,
}

impl Typing {
    fn is_for(&self, state: AgentState) -> bool {
        self.states.is_empty() || self.states.iter().any(|s| s == state.word())
    }
}

/// A session that was heard, and those of its agents that it concerns.
pub struct Heard {
    pub known: Known,
    pub agents: Vec<AgentStatus>,
    control: Control,
}

/// What came of one agent, or of a session that was not heard.
#[derive(Debug)]
pub struct Outcome {
    pub session: SessionId,
    pub label: String,
    pub agent: Option<u32>,
    pub state: Option<AgentState>,
    pub sent: Result<()>,
}

impl Outcome {
    fn deaf(known: &Known, agent: Option<u32>, why: Error) -> Self {
        Self {
            session: known.id.clone(),
            label: known.label(),
            agent,
            state: None,
            sent: Err(why),
        }
    }
}

/// Hears all sessions that are named; with no agent named, `only` one of a session's is meant, or all that live.
pub async fn hear(
    targets: Vec<(Known, Option<u32>)>,
    typing: &Typing,
    only: bool,
    ask: &Arc<dyn Ask>,
) -> (Vec<Heard>, Vec<Outcome>) {
    let mut wanted: BTreeMap<SessionId, (Known, Wanted)> = BTreeMap::new();
    let mut order = Vec::new();
    for (known, agent) in targets {
        let (_, wanted) = wanted.entry(known.id.clone()).or_insert_with(|| {
            order.push(known.id.clone());
            (known, Wanted::default())
        });
        match agent {
            Some(agent) => drop(wanted.named.insert(agent)),
            None => wanted.whole = true,
        }
    }
    let turns = Arc::new(Semaphore::new(ABREAST));
    let mut tasks = JoinSet::new();
    for (known, wanted) in wanted.into_values() {
        let (typing, ask, turns) = (typing.clone(), ask.clone(), turns.clone());
        tasks.spawn(async move {
            let _turn = turns.acquire_owned().await;
            let asked = tokio::time::timeout(PATIENCE, status(&known, ask)).await;
            let asked = asked.unwrap_or_else(|_| {
                let why = format!("no answer in {} s", PATIENCE.as_secs());
                Err(Error::connection(why))
            });
            let (control, agents) = match asked {
                Ok(asked) => asked,
                Err(why) => return (None, vec![Outcome::deaf(&known, None, why)]),
            };
            let (agents, refused) = wanted.of(&known, agents, &typing, only);
            let heard = (!agents.is_empty()).then_some(Heard {
                known,
                agents,
                control,
            });
            (heard, refused)
        });
    }
    let (mut heard, mut deaf) = (Vec::new(), Vec::new());
    for (one, refused) in tasks.join_all().await {
        heard.extend(one);
        deaf.extend(refused);
    }
    let place = |id: &SessionId| order.iter().position(|o| o == id);
    heard.sort_by_key(|h| place(&h.known.id));
    deaf.sort_by_key(|o| (place(&o.session), o.agent));
    (heard, deaf)
}

async fn status(known: &Known, ask: Arc<dyn Ask>) -> Result<(Control, Vec<AgentStatus>)> {
    let limits = Limits {
        answer: Some(PATIENCE),
        ..Limits::default()
    };
    let mut control = reach_within(known, ask, limits).await?.control().await?;
    let status = control.status().await?;
    Ok((control, status.agents))
}

/// Which of a session's agents are meant.
#[derive(Debug, Default)]
struct Wanted {
    named: BTreeSet<u32>,
    whole: bool,
}

impl Wanted {
    fn of(
        &self,
        known: &Known,
        agents: Vec<AgentStatus>,
        typing: &Typing,
        only: bool,
    ) -> (Vec<AgentStatus>, Vec<Outcome>) {
        let (mut meant, mut refused) = (Vec::new(), Vec::new());
        let refuse = |agent, why: String| Outcome::deaf(known, agent, Error::user(why));
        let count = agents.len();
        if self.whole && only && count > 1 {
            let why = format!("it has {count} agents: name one, as {}/1", known.id);
            return (meant, vec![refuse(None, why)]);
        }
        for number in &self.named {
            if !agents.iter().any(|a| a.number == *number) {
                refused.push(refuse(Some(*number), "there is no such agent".to_owned()));
            }
        }
        for agent in agents {
            let named = self.named.contains(&agent.number);
            if agent.state.is_over() && (named || (self.whole && only)) {
                let why = format!("it is {}", agent.state);
                refused.push(refuse(Some(agent.number), why));
            } else if (named || self.whole) && !agent.state.is_over() && typing.is_for(agent.state)
            {
                meant.push(agent);
            }
        }
        (meant, refused)
    }
}

/// Types into all of them, and tells what came of each.
pub async fn send(heard: Vec<Heard>, typing: &Typing) -> Vec<Outcome> {
    let mut tasks = JoinSet::new();
    for (place, mut one) in heard.into_iter().enumerate() {
        let typing = typing.clone();
        tasks.spawn(async move {
            let mut outcomes = Vec::new();
            for agent in std::mem::take(&mut one.agents) {
                let sent = tokio::time::timeout(PATIENCE, one.send(&agent, &typing)).await;
                let sent = sent.unwrap_or_else(|_| {
                    let why = "no answer: whether it has arrived is not known";
                    Err(Error::connection(why))
                });
                outcomes.push(Outcome {
                    session: one.known.id.clone(),
                    label: one.known.label(),
                    agent: Some(agent.number),
                    state: Some(agent.state),
                    sent,
                });
            }
            (place, outcomes)
        });
    }
    let mut all = tasks.join_all().await;
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().flat_map(|(_, outcomes)| outcomes).collect()
}

impl Heard {
    async fn send(&mut self, agent: &AgentStatus, typing: &Typing) -> Result<()> {
        if !typing.states.is_empty() {
            // A person may have taken their time to say yes.
            let now = self.control.status().await?.agents;
            let now = now.into_iter().find(|a| a.number == agent.number);
            let state = now.map_or(AgentState::Lost, |a| a.state);
            if !typing.is_for(state) {
                return Err(Error::user(format!("left alone: it is {state} now")));
            }
        }
        let op = Op::Send {
            agent: agent.number,
            text: typing.text.clone(),
            keys: typing.keys.clone(),
        };
        self.control.ask(op).await.map(drop)
    }
}
