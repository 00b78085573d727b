//! The person's keys while `status --watch` draws, and what their terminal shows of agents' states itself
//! (OSC 7501), where it says that it does.

use std::collections::BTreeMap;

use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::cli::Ui;
use crate::cli::terminal::{self, RawGuard};
use crate::client::attach::{Facts, STATES_QUESTION};
use crate::client::status::{Presence, Report};
use crate::model::{AgentState, Terminal};
use crate::mux::psp;

/// The terminal that is drawn on, read too.
pub struct Keys {
    _guard: RawGuard,
    input: Box<dyn AsyncRead + Send + Unpin>,
    facts: Facts,
    told: BTreeMap<String, Vec<u8>>,
}

impl Keys {
    /// `None` where there is no terminal to read, or one that knows no sequences, or somebody else has it: a
    /// job in the background.
    pub fn open(ui: &Ui) -> Option<Self> {
        let ours = tcgetpgrp(std::io::stdin()).is_ok_and(|group| group == getpgrp());
        let plain = std::env::var("TERM").is_ok_and(|term| !matches!(term.as_str(), "" | "dumb"));
        if !ours || !plain || !ui.in_is_terminal() || !ui.redraws_out() {
            return None;
        }
        let keys = Self {
            _guard: RawGuard::enter_keys().ok()?,
            input: terminal::input().ok()?,
            facts: Facts::new(Terminal::default()),
            told: BTreeMap::new(),
        };
        ui.raw(STATES_QUESTION).ok()?;
        Some(keys)
    }

    /// Waits for something to be read: whether the person wants to leave. Cancel-safe.
    pub async fn next(&mut self) -> bool {
        let mut buf = [0; 256];
        match self.input.read(&mut buf).await {
            Ok(n) if n > 0 => {
                let typed = self.facts.feed(buf.get(..n).unwrap_or_default());
                typed.contains(&b'q')
            }
            // The terminal is gone.
            _ => true,
        }
    }

    /// What tells the terminal the states that changed, each agent's under its own name.
    pub fn states<'a>(&mut self, reports: impl IntoIterator<Item = &'a Report>) -> Vec<u8> {
        let mut out = Vec::new();
        if self.facts.terminal().program_status != Some(true) {
            return out;
        }
        for report in reports {
            let live = report.presence == Presence::Live;
            for agent in report.status.iter().flat_map(|s| &s.agents) {
                let id = format!("{}/{}", report.session, agent.number);
                // Nothing is known of one that cannot be asked.
                let state = if live || agent.state.is_over() {
                    agent.state
                } else {
                    AgentState::Unknown
                };
                let said = Some(&agent.evidence).filter(|_| state == agent.state);
                let message = said.and_then(|e| e.message.as_deref());
                let report = psp::encode(&id, state, message, said.and_then(|e| e.progress));
                if self.told.get(&id) != Some(&report) {
                    out.extend(&report);
                    self.told.insert(id, report);
                }
            }
        }
        out
    }

    /// What takes all that was told back: nobody keeps it true from here on.
    pub fn forget(&mut self) -> Vec<u8> {
        let told = std::mem::take(&mut self.told);
        told.keys()
            .flat_map(|id| psp::encode(id, AgentState::Unknown, None, None))
            .collect()
    }
}
