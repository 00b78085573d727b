//! Following what agents write, until they end: one agent's bytes as they are, several agents' lines, and
//! of full-screen programs, which have no lines, the states.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::history::{Begin, History, shown};
use super::reach::Hosts;
use super::registry::{Known, Registry};
use super::status::newest;
use crate::error::{Error, Kind, Result};
use crate::model::{AgentState, AgentStatus, Check, CheckState, SessionStatus};
use crate::mux::Plain;

/// How long a host may take from its agents' end to having written that down.
const SETTLE: Duration = Duration::from_secs(3);

/// What there is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// An agent's own bytes.
    Bytes(Bytes),
    /// A line of an agent's output, without its end.
    Line { agent: u32, text: String },
    /// A full-screen program's state, and each other one that it comes to.
    State { agent: u32, state: AgentState },
}

/// How agents' output is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Bytes, for one agent.
    Raw,
    /// Lines; states for full-screen programs.
    Lines,
}

/// What is followed.
#[derive(Clone)]
pub struct Following {
    pub registry: Registry,
    pub known: Known,
    pub hosts: Arc<Hosts>,
}

impl Following {
    /// Sends what the agents write to `send` until they have all ended, or nobody takes it.
    ///
    /// # Errors
    /// An agent's history can no longer be had.
    pub async fn run(
        &self,
        agents: &[u32],
        begin: Begin,
        form: Form,
        send: mpsc::Sender<Shown>,
    ) -> Result<()> {
        let mut tasks = JoinSet::new();
        let (found, mut finds) = mpsc::unbounded_channel();
        for agent in agents.iter().copied() {
            let (this, send, found) = (self.clone(), send.clone(), found.clone());
            tasks.spawn(async move { this.agent(agent, begin, form, send, found).await });
        }
        drop(found);
        let states = async {
            match form {
                Form::Raw => std::future::pending().await,
                Form::Lines => self.states(agents, &send, &mut finds).await,
            }
        };
        let all = async {
            let mut outcome = Ok(());
            while let Some(ended) = tasks.join_next().await {
                let ended = ended.unwrap_or_else(|e| {
                    Err(Error::internal("following an agent failed").because(e))
                });
                if outcome.is_ok() {
                    outcome = ended;
                }
            }
            outcome
        };
        tokio::select! {
            outcome = all => outcome,
            () = states => Ok(()),
        }
    }

    async fn agent(
        &self,
        agent: u32,
        begin: Begin,
        form: Form,
        send: mpsc::Sender<Shown>,
        found: mpsc::UnboundedSender<u32>,
    ) -> Result<()> {
        let mut history =
            History::open(&self.registry, &self.known, &self.hosts, agent, begin, true).await?;
        let mut plain = Plain::new();
        let mut lines = Vec::new();
        // Told once: from then on there are states in place of lines.
        let mut found = Some(found);
        while let Some(record) = history.next().await? {
            let Some(bytes) = shown(&record) else {
                continue;
            };
            if form == Form::Raw {
                if send.send(Shown::Bytes(bytes.clone())).await.is_err() {
                    return Ok(());
                }
                continue;
            }
            plain.feed(bytes, &mut lines);
            lines.truncate(plain.written());
            if !forward(agent, &mut lines, &send).await {
                return Ok(());
            }
            if plain.full_screen()
                && let Some(found) = found.take()
            {
                // Nobody listens where the host could not be asked for its states.
                let _ = found.send(agent);
            }
        }
        if form == Form::Lines {
            lines.extend(plain.finish().filter(|_| !plain.full_screen()));
            forward(agent, &mut lines, &send).await;
        }
        Ok(())
    }

    /// Tells the states of full-screen programs as they change. Never returns: the agents' ends do.
    async fn states(
        &self,
        agents: &[u32],
        send: &mpsc::Sender<Shown>,
        finds: &mut mpsc::UnboundedReceiver<u32>,
    ) {
        let mut changes = Changes::default();
        let watch = async {
            self.hosts
                .reach(&self.known)
                .await?
                .control()
                .await?
                .watch()
                .await
        };
        if let Ok(mut watch) = watch.await {
            let mut newest: Option<SessionStatus> = None;
            loop {
                tokio::select! {
                    next = watch.next() => match next {
                        Ok(status) => newest = Some(status),
                        Err(_) => break,
                    },
                    Some(agent) = finds.recv() => {
                        changes.drawn.insert(agent);
                    }
                }
                let Some(status) = &newest else { continue };
                for (agent, state) in changes.of(status, agents) {
                    if send.send(Shown::State { agent, state }).await.is_err() {
                        return;
                    }
                }
            }
        }
        std::future::pending().await
    }

    /// The session's state once those agents are over: what the summary is made from.
    ///
    /// # Errors
    /// Nothing can be had of it.
    pub async fn outcome(&self, agents: &[u32]) -> Result<SessionStatus> {
        let over = |status: &SessionStatus| {
            let mut asked = status.agents.iter().filter(|a| agents.contains(&a.number));
            status.ended.is_some() || asked.all(|a| a.state.is_over())
        };
        let settled = async {
            loop {
                let known = self.registry.known(&self.known.id)?;
                let status = match newest(&self.registry, &known, &self.hosts).await {
                    Ok(status) => status,
                    // It may be ending right now, between its socket and its last word.
                    Err(e) if e.kind == Kind::Connection => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        continue;
                    }
                    Err(e) => return Err(e),
                };
                if over(&status) || !known.live {
                    return Ok(status);
                }
                self.until(&known, &over).await;
            }
        };
        match tokio::time::timeout(SETTLE, settled).await {
            Ok(outcome) => outcome,
            Err(_) => newest(&self.registry, &self.known, &self.hosts).await,
        }
    }

    /// Waits until none of their checks runs.
    ///
    /// # Errors
    /// Nothing can be had of the session.
    pub async fn checked(&self, agents: &[u32]) -> Result<SessionStatus> {
        let over =
            |status: &SessionStatus| status.ended.is_some() || checking(status, agents).is_empty();
        let mut pause = Duration::from_millis(20);
        loop {
            let known = self.registry.resolve(self.known.id.as_str())?;
            match newest(&self.registry, &known, &self.hosts).await {
                Ok(status) if over(&status) || !known.live => return Ok(status),
                Ok(_) => self.until(&known, &over).await,
                Err(e) if e.kind == Kind::Connection => {}
                Err(e) => return Err(e),
            }
            // What is lost comes back, or is written down, in a moment.
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    async fn until(&self, known: &Known, over: &impl Fn(&SessionStatus) -> bool) {
        let watch = async {
            self.hosts
                .reach(known)
                .await?
                .control()
                .await?
                .watch()
                .await
        };
        if let Ok(mut watch) = watch.await {
            while let Ok(status) = watch.next().await {
                if over(&status) {
                    return;
                }
            }
        }
    }
}

/// Hands lines on. False when nobody takes them.
async fn forward(agent: u32, lines: &mut Vec<String>, send: &mpsc::Sender<Shown>) -> bool {
    for text in lines.drain(..) {
        if send.send(Shown::Line { agent, text }).await.is_err() {
            return false;
        }
    }
    true
}

/// Which full-screen agents' states are news.
#[derive(Debug, Default)]
struct Changes {
    told: BTreeMap<u32, AgentState>,
    /// Those whose output moves about the screen, though not on the alternate one.
    drawn: BTreeSet<u32>,
}

impl Changes {
    fn of(&mut self, status: &SessionStatus, agents: &[u32]) -> Vec<(u32, AgentState)> {
        let mut news = Vec::new();
        for agent in &status.agents {
            if (agent.full_screen || self.drawn.contains(&agent.number))
                && agents.contains(&agent.number)
                && self.told.insert(agent.number, agent.state) != Some(agent.state)
            {
                news.push((agent.number, agent.state));
            }
        }
        news
    }
}

/// Those of the agents whose work is being checked.
pub fn checking(status: &SessionStatus, agents: &[u32]) -> Vec<u32> {
    let running = |a: &&AgentStatus| a.check.as_ref().is_some_and(Check::is_running);
    let asked = status.agents.iter().filter(|a| agents.contains(&a.number));
    asked.filter(running).map(|a| a.number).collect()
}

/// The exit status of a session's agents: the first that failed, in their order. A lost agent counts as 1, and so
/// does work that was checked and not found good.
pub fn exit_status(status: &SessionStatus, agents: &[u32]) -> u8 {
    let mut asked: Vec<_> = status
        .agents
        .iter()
        .filter(|a| agents.contains(&a.number))
        .collect();
    asked.sort_by_key(|a| a.number);
    asked
        .iter()
        .map(|a| match a.state {
            AgentState::Exited { code } => u8::try_from(code & 0xff).unwrap_or(1),
            AgentState::Lost => 1,
            _ => 0,
        })
        .chain(asked.iter().map(|a| {
            let good = |c: &Check| c.state == CheckState::Passed || c.is_running();
            u8::from(!a.check.as_ref().is_none_or(good))
        }))
        .find(|code| *code != 0)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::status;
    use super::*;

    #[test]
    fn the_first_failure_is_the_exit_status() {
        let exited = |code| AgentState::Exited { code };
        let all = status(
            "session-abc234",
            &[exited(0), exited(3), exited(137), AgentState::Lost],
        );
        assert_eq!(exit_status(&all, &[1]), 0);
        assert_eq!(exit_status(&all, &[1, 2, 3]), 3);
        assert_eq!(exit_status(&all, &[3]), 137);
        assert_eq!(exit_status(&all, &[4]), 1);
        assert_eq!(exit_status(&all, &[9]), 0);
    }

    #[test]
    fn only_full_screen_programs_states_are_told_and_only_once() {
        let mut now = status(
            "session-abc234",
            &[AgentState::Working, AgentState::Working],
        );
        now.agents[0].full_screen = true;
        let mut changes = Changes::default();
        assert_eq!(changes.of(&now, &[1, 2]), [(1, AgentState::Working)]);
        assert_eq!(changes.of(&now, &[1, 2]), []);
        now.agents[0].state = AgentState::Done;
        assert_eq!(changes.of(&now, &[2]), []);
        assert_eq!(changes.of(&now, &[1]), [(1, AgentState::Done)]);
        changes.drawn.insert(2);
        assert_eq!(changes.of(&now, &[1, 2]), [(2, AgentState::Working)]);
    }
}
