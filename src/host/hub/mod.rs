//! What a session's parts share: its specification, what each agent last reported of itself, and the ways to
//! reach them. Everything here is short and synchronous under one lock; nobody waits while holding it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};

mod agents;
mod budget;
mod checks;
mod inner;
mod news;
mod pushes;
mod secrets;
mod session;

use super::ends::{self, AgentFacts, Facts};
use super::journal::Journal;
use super::lenders::Lenders;
use super::rented::Rented;
use crate::config::SessionDir;
use crate::model::{Load, Millis, SessionId, SessionSpec, SessionStatus, now_ms};
use crate::notice::Desk;
use crate::proto::{ErrorCode, WireError};
use crate::secret::redact::Redactor;
use crate::ssh::server::Gate;

/// Percent of a work volume, from which on `status` warns.
const NEARLY_FULL: u64 = 90;
/// Older than this, nobody is told how busy the machine was.
const STALE: Millis = 60_000;
use inner::Inner;
pub use inner::{Order, Report, Written};
pub use secrets::Secrets;

/// See the module.
#[derive(Debug)]
pub struct Hub {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
    /// As watchers were told of it last.
    load: watch::Sender<Option<Load>>,
    children: watch::Sender<u64>,
    redactors: watch::Sender<Arc<Redactor>>,
    orders: mpsc::Sender<Order>,
    pub id: SessionId,
    pub dir: SessionDir,
    pub agent_socket: std::path::PathBuf,
    pub env: BTreeMap<String, String>,
    pub started: Millis,
    pub version: &'static str,
    /// Whatever the host starts is started through it.
    pub gate: Arc<Gate>,
    /// Held while a setup runs.
    pub setting_up: tokio::sync::Mutex<()>,
    /// Held while what agents made is collected.
    pub collecting: tokio::sync::Mutex<()>,
    /// What this host is besides, on a rented machine.
    pub rented: Option<Rented>,
    /// Clients that lend their SSH agents.
    pub lenders: Lenders,
    revived: bool,
}

impl Hub {
    /// A hub without agents. `revived`: they ran under a host that died.
    pub fn new(
        spec: SessionSpec,
        dir: SessionDir,
        agent_socket: std::path::PathBuf,
        env: BTreeMap<String, String>,
        started: Millis,
        revived: bool,
    ) -> (Self, mpsc::Receiver<Order>) {
        let (orders, receive) = mpsc::channel(16);
        let hub = Self {
            id: spec.id.clone(),
            inner: Mutex::new(Inner {
                spec,
                agents: BTreeMap::new(),
                detached: Some(now_ms()),
                ending: false,
                ended: None,
                warnings: Vec::new(),
                journal: Journal::open(&dir.events()),
                notice: None,
                seen: None,
                holds: 0,
                spec_changed: false,
                frozen: false,
                turns: BTreeMap::new(),
                logs: BTreeMap::new(),
                desk: Desk::default(),
                rules: (0, Arc::new([])),
                pushes: BTreeMap::new(),
                secrets: Secrets::default(),
                volume: None,
                load: None,
            }),
            changed: watch::Sender::new(0),
            load: watch::Sender::new(None),
            children: watch::Sender::new(0),
            redactors: watch::Sender::default(),
            orders,
            dir,
            agent_socket,
            env,
            started,
            version: env!("CARGO_PKG_VERSION"),
            gate: Arc::default(),
            setting_up: tokio::sync::Mutex::default(),
            collecting: tokio::sync::Mutex::default(),
            rented: None,
            lenders: Lenders::default(),
            revived,
        };
        (hub, receive)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Wakes at each change of what [`Hub::status`] says.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Wakes when the machine is another bit as busy; that alone is no reason to write anything down.
    pub fn loads(&self) -> watch::Receiver<Option<Load>> {
        self.load.subscribe()
    }

    /// Wakes when a child of the host has ended.
    pub fn children(&self) -> watch::Receiver<u64> {
        self.children.subscribe()
    }

    pub fn child_ended(&self) {
        self.children.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// # Errors
    /// The main loop is gone.
    pub async fn order(&self, order: Order) -> Result<(), WireError> {
        self.orders
            .send(order)
            .await
            .map_err(|_| WireError::new(ErrorCode::Ending, "the session is ending"))
    }

    /// The session as it is now.
    pub fn status(&self, now: Millis) -> SessionStatus {
        let inner = self.lock();
        let facts = inner.agent_facts();
        let ends = if inner.ended.is_some() {
            Vec::new()
        } else {
            ends::coming(&self.facts(&inner, &facts, now))
        };
        let mut warnings = inner.warnings.clone();
        for (number, entry) in &inner.agents {
            if let Some(warning) = &entry.report.warning {
                warnings.push(format!("agent {number}: {warning}"));
            }
        }
        if let Some(used) = inner.volume.filter(|v| v.percent() >= NEARLY_FULL) {
            warnings.push(format!("the work volume is nearly full: {used}"));
        }
        SessionStatus {
            spec: inner.spec.clone(),
            agents: inner
                .agents
                .values()
                .map(|e| inner.whole(&e.report.status))
                .collect(),
            attached: inner
                .agents
                .values()
                .flat_map(|e| e.report.attached.iter().cloned())
                .collect(),
            ends,
            ended: inner.ended.clone(),
            warnings,
            news: inner.desk.news(),
            volume: inner.volume,
            load: inner.load.filter(|l| now.saturating_sub(l.at) < STALE),
            now,
            version: self.version.to_owned(),
        }
    }

    fn facts<'a>(&self, inner: &Inner, agents: &'a [AgentFacts], now: Millis) -> Facts<'a> {
        inner.facts(agents, now, self.started, self.revived)
    }

    /// Lets the ends be judged by what is now.
    pub fn judge<T>(&self, now: Millis, judge: impl FnOnce(&Facts<'_>) -> T) -> T {
        let inner = self.lock();
        let facts = inner.agent_facts();
        judge(&self.facts(&inner, &facts, now))
    }

    /// An agent tells of itself. Wakes watchers only where `wake`: its byte count alone is no news.
    pub fn publish(&self, number: u32, report: Report, wake: bool) {
        {
            let mut inner = self.lock();
            // In the same instant: a session must not end between its last agent's end and the check of its work.
            let (state, since) = (report.status.state, report.status.since);
            inner.turns(number, self.revived).saw(state, since);
            inner.push_saw(number, state, since);
            inner.saw(&report.status);
            let Inner {
                agents, journal, ..
            } = &mut *inner;
            if let Some(entry) = agents.get_mut(&number) {
                journal.agent(number, Some(&entry.report), &report, now_ms());
                entry.report = report;
            }
            let attached = inner.agents.values().any(|e| !e.report.attached.is_empty());
            match (attached, inner.detached) {
                (true, _) => inner.detached = None,
                (false, None) => inner.detached = Some(now_ms()),
                (false, Some(_)) => {}
            }
        }
        if wake {
            self.touch();
        }
    }
}

#[cfg(test)]
mod tests;
