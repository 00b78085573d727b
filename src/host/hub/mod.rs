//! What a session's parts share: its specification, what each agent last reported of itself, and the ways to
//! reach them. Everything here is short and synchronous under one lock; nobody waits while holding it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};

mod agents;
mod inner;
mod session;

use super::ends::{self, AgentFacts, Facts};
use super::rented::Rented;
use crate::config::SessionDir;
use crate::model::{Millis, SessionId, SessionSpec, SessionStatus, now_ms};
use crate::proto::{ErrorCode, WireError};
use crate::ssh::server::Gate;
use inner::Inner;
pub use inner::{Order, Report, Written};

/// See the module.
#[derive(Debug)]
pub struct Hub {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
    children: watch::Sender<u64>,
    orders: mpsc::Sender<Order>,
    pub id: SessionId,
    pub dir: SessionDir,
    pub agent_socket: std::path::PathBuf,
    pub env: BTreeMap<String, String>,
    pub started: Millis,
    pub version: &'static str,
    /// Whatever the host starts is started through it.
    pub gate: Arc<Gate>,
    /// What this host is besides, on a rented machine.
    pub rented: Option<Rented>,
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
                notice: None,
                seen: None,
                holds: 0,
                spec_changed: false,
                frozen: false,
            }),
            changed: watch::Sender::new(0),
            children: watch::Sender::new(0),
            orders,
            dir,
            agent_socket,
            env,
            started,
            version: env!("CARGO_PKG_VERSION"),
            gate: Arc::default(),
            rented: None,
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
        SessionStatus {
            spec: inner.spec.clone(),
            agents: inner
                .agents
                .values()
                .map(|e| e.report.status.clone())
                .collect(),
            attached: inner
                .agents
                .values()
                .flat_map(|e| e.report.attached.iter().cloned())
                .collect(),
            ends,
            ended: inner.ended.clone(),
            warnings,
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
            if let Some(entry) = inner.agents.get_mut(&number) {
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
