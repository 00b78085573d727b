//! What a session's parts share: its specification, what each agent last reported of itself, and the ways to
//! reach them. Everything here is short and synchronous under one lock; nobody waits while holding it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};

mod inner;

use super::agent::Command;
use super::ends::{self, AgentFacts, Facts};
use super::wrapup::Target;
use crate::config::SessionDir;
use crate::model::{
    AgentSpec, AgentStatus, Ended, Millis, SessionId, SessionSpec, SessionStatus, now_ms,
};
use crate::proto::{ErrorCode, WireError};
use crate::ssh::server::Gate;
use inner::{Entry, Inner};
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
        inner.agents.get(&number).map(|e| e.report.status.clone())
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

    /// No new agents while the host's binary is replaced, or again.
    pub fn freeze(&self, frozen: bool) {
        self.lock().frozen = frozen;
    }

    /// Writes the specification if it changed; what cannot be written is written the next time.
    ///
    /// # Errors
    /// The file system's.
    pub fn save_spec(&self) -> std::io::Result<()> {
        let spec = {
            let mut inner = self.lock();
            if !std::mem::take(&mut inner.spec_changed) {
                return Ok(());
            }
            inner.spec.clone()
        };
        let written = super::files::write_json(&self.dir.spec(), &spec);
        if written.is_err() {
            self.lock().spec_changed = true;
        }
        written
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
        self.lock().agents.insert(number, entry);
        self.touch();
    }

    pub fn extend(&self, deadline: Millis) {
        {
            let mut inner = self.lock();
            inner.spec.ends.deadline = Some(deadline);
            inner.spec_changed = true;
            inner.notice = None;
        }
        self.touch();
    }

    pub fn rename(&self, name: &str) {
        {
            let mut inner = self.lock();
            inner.spec.name = (!name.is_empty()).then(|| name.to_owned());
            inner.spec_changed = true;
        }
        self.touch();
    }

    /// What is wrong but not fatal, shown by `status`.
    pub fn warn(&self, warning: impl Into<String>) {
        let warning = warning.into();
        tracing::warn!("{warning}");
        {
            let mut inner = self.lock();
            if !inner.warnings.contains(&warning) {
                inner.warnings.push(warning);
            }
        }
        self.touch();
    }

    /// An end that nears: told to whoever is attached now, and to hooks that ask.
    pub fn notice(&self, text: &str) {
        self.lock().notice = Some(text.to_owned());
        for agent in self.agents() {
            let _ = agent.try_send(Command::Notice(text.to_owned()));
        }
        self.touch();
    }

    pub fn last_notice(&self) -> Option<String> {
        self.lock().notice.clone()
    }

    /// No new agents from here on.
    pub fn set_ending(&self) {
        self.lock().ending = true;
        self.touch();
    }

    pub fn is_ending(&self) -> bool {
        self.lock().ending
    }

    pub fn set_ended(&self, ended: Ended) {
        self.lock().ended = Some(ended);
        self.touch();
    }

    /// Somebody attaches or follows: they get to see what there is before a session with nothing left to do ends.
    pub fn seen(&self) {
        self.lock().seen.get_or_insert_with(now_ms);
    }

    /// The session does not end with its agents until the guard is dropped.
    pub fn hold(&self) -> Hold<'_> {
        let mut inner = self.lock();
        inner.holds = inner.holds.saturating_add(1);
        Hold(self)
    }

    pub fn spec(&self) -> SessionSpec {
        self.lock().spec.clone()
    }

    /// The session ends if agent `number` does: it is the last one.
    pub fn ends_with(&self, number: u32) -> bool {
        let inner = self.lock();
        inner.ending
            || (inner.spec.provider != "ec2"
                && !inner.spec.ends.keep
                && inner.holds == 0
                && inner
                    .agents
                    .iter()
                    .all(|(n, e)| *n == number || e.report.status.state.is_over()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Ends, Size};

    fn hub(dir: &std::path::Path) -> Hub {
        let spec = SessionSpec {
            id: "session-abc234".parse().expect("a name"),
            name: None,
            task: String::new(),
            provider: "ssh".to_owned(),
            owner: String::new(),
            created: 1,
            ends: Ends::default(),
            agents: Vec::new(),
            price_microusd_per_hour: 0,
        };
        let (dir, socket) = (SessionDir::new(dir), dir.join("agent.sock"));
        Hub::new(spec, dir, socket, BTreeMap::new(), 1, false).0
    }

    fn agent() -> AgentSpec {
        AgentSpec {
            number: 0,
            name: String::new(),
            argv: vec!["true".to_owned()],
            resume: Vec::new(),
            env: BTreeMap::new(),
            cwd: "/".into(),
            size: Size { cols: 80, rows: 24 },
            task: String::new(),
        }
    }

    #[test]
    fn an_agent_that_is_starting_ends_with_the_session_too() {
        let hub = hub(std::path::Path::new("/nowhere"));
        hub.reserve(&mut agent()).expect("reserved");
        assert_eq!(hub.all_targets().len(), 1);
        hub.freeze(true);
        assert!(hub.reserve(&mut agent()).is_err());
        hub.freeze(false);
        hub.reserve(&mut agent()).expect("again");
    }

    #[test]
    fn a_specification_that_could_not_be_written_is_written_later() {
        let dir = tempfile::tempdir().expect("a directory");
        let inner = dir.path().join("later");
        let hub = hub(&inner);
        hub.extend(99);
        assert!(hub.save_spec().is_err());
        std::fs::create_dir(&inner).expect("made");
        hub.save_spec().expect("written");
        let saved: SessionSpec = crate::host::files::read_json(&hub.dir.spec()).expect("readable");
        assert_eq!(saved.ends.deadline, Some(99));
    }
}
