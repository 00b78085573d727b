//! The hub's side of the agents: which there are, the ways to reach them, and what the wrap-up finds them by.

use std::collections::HashMap;

use tokio::sync::{mpsc, watch};

use super::inner::Entry;
use super::{Hub, Report, Written};
use crate::host::agent::Command;
use crate::host::wrapup::Target;
use crate::model::{AgentSpec, AgentStatus, now_ms};
use crate::proto::{ErrorCode, WireError};

impl Hub {
    /// The commands' way to an agent.
    ///
    /// # Errors
    /// There is none of that number.
    pub fn agent(&self, number: u32) -> Result<mpsc::Sender<Command>, WireError> {
        let inner = self.lock();
        let found = inner.agents.get(&number).map(|e| e.commands.clone());
        found.ok_or_else(|| {
            let known: Vec<String> = inner.agents.keys().map(u32::to_string).collect();
            WireError::new(
                ErrorCode::NoSuchAgent,
                format!("{} has no agent {number}", self.id),
            )
            .hint(format!("its agents are {}", known.join(", ")))
        })
    }

    /// How far its history has got.
    pub fn written(&self, number: u32) -> Option<watch::Receiver<Written>> {
        self.lock().agents.get(&number).map(|e| e.written.clone())
    }

    pub fn agent_status(&self, number: u32) -> Option<AgentStatus> {
        let inner = self.lock();
        let entry = inner.agents.get(&number)?;
        Some(inner.whole(&entry.report.status))
    }

    /// Every agent's commands' way.
    pub fn agents(&self) -> Vec<mpsc::Sender<Command>> {
        let inner = self.lock();
        inner.agents.values().map(|e| e.commands.clone()).collect()
    }

    /// The agent whose first process leads the process session `pid`.
    pub fn led_by(&self, pid: u32) -> Option<u32> {
        let inner = self.lock();
        let mut agents = inner.agents.iter();
        agents
            .find(|(_, e)| e.report.status.pid == Some(pid))
            .map(|(number, _)| *number)
    }

    /// The live agents' first processes; `only` one of them, or all.
    pub fn targets(&self, only: Option<u32>) -> Vec<Target> {
        let inner = self.lock();
        inner
            .agents
            .iter()
            .filter(|(number, e)| {
                only.is_none_or(|n| n == **number) && !e.report.status.state.is_over()
            })
            .filter_map(|(agent, e)| {
                Some(Target {
                    agent: *agent,
                    pid: Some(e.report.status.pid?),
                })
            })
            .collect()
    }

    /// Every agent, those that are over too: what they left behind ends with the session. And one that is
    /// reserved but not here yet: it may be starting now.
    pub fn all_targets(&self) -> Vec<Target> {
        let inner = self.lock();
        let target = |spec: &AgentSpec| Target {
            agent: spec.number,
            pid: inner
                .agents
                .get(&spec.number)
                .and_then(|e| e.report.status.pid),
        };
        inner.spec.agents.iter().map(target).collect()
    }

    /// Takes an agent in. `number` 0 becomes the next free one; the specification is kept with the session.
    ///
    /// # Errors
    /// The session is ending, or the number is taken.
    pub fn reserve(&self, spec: &mut AgentSpec) -> Result<(), WireError> {
        let mut inner = self.lock();
        if inner.ending {
            return Err(WireError::new(
                ErrorCode::Ending,
                format!("{} is ending", self.id),
            ));
        }
        if inner.frozen {
            return Err(WireError::new(
                ErrorCode::Upgrading,
                format!("{} is being upgraded", self.id),
            )
            .hint("do it again in a moment"));
        }
        if spec.number == 0 {
            let last = inner.spec.agents.iter().map(|a| a.number).max();
            spec.number = last.unwrap_or(0).saturating_add(1);
        }
        if inner.spec.agents.iter().any(|a| a.number == spec.number) {
            return Err(WireError::new(
                ErrorCode::BadRequest,
                format!("{} has an agent {} already", self.id, spec.number),
            ));
        }
        inner.spec.agents.push(spec.clone());
        inner.spec_changed = true;
        Ok(())
    }

    /// The agent of a specification that is kept runs now.
    pub fn add(
        &self,
        number: u32,
        commands: mpsc::Sender<Command>,
        written: watch::Receiver<Written>,
        report: Report,
    ) {
        let entry = Entry {
            commands,
            written,
            report,
        };
        {
            let mut inner = self.lock();
            inner.journal.agent(number, None, &entry.report, now_ms());
            let (state, since) = (entry.report.status.state, entry.report.status.since);
            inner.turns(number, self.revived).saw(state, since);
            inner.push_saw(number, state, since);
            inner.saw(&entry.report.status);
            inner.agents.insert(number, entry);
        }
        self.touch();
    }

    /// Tells each live agent whether its processes used the CPU; `busy` are sessions' leaders.
    pub fn tell_cpu(&self, busy: &[u32]) {
        let mut to = HashMap::new();
        for entry in self.lock().agents.values() {
            if let Some(pid) = entry.report.status.pid {
                to.insert(pid, entry.commands.clone());
            }
        }
        for pid in busy {
            if let Some(agent) = to.get(pid) {
                let _ = agent.try_send(Command::Cpu);
            }
        }
    }

    /// The session does not end with its agents until the guard is dropped.
    pub fn hold(&self) -> Hold<'_> {
        let mut inner = self.lock();
        inner.holds = inner.holds.saturating_add(1);
        Hold(self)
    }
}

/// See [`Hub::hold`].
#[derive(Debug)]
pub struct Hold<'a>(&'a Hub);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        {
            let mut inner = self.0.lock();
            inner.holds = inner.holds.saturating_sub(1);
        }
        self.0.touch();
    }
}
