//! How an agent comes to be: from its specification, from a dead host's directory, or from the binary that
//! this one replaced.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::clients::Clients;
use super::handover::Handed;
use super::output::Output;
use super::process::Process;
use super::{Agent, Command};
use crate::host::hub::{Hub, Written};
use crate::host::scrollback;
use crate::host::state::Belief;
use crate::host::state::rules::Book;
use crate::model::{AgentSpec, AgentState, AgentStatus, Millis, Size, now_ms};
use crate::mux::{Pty, Screen, SpawnRequest};

/// Commands that wait for a busy agent.
const QUEUE: usize = 64;
/// What a dead host's agents last showed is looked for in this much of their history.
const LAST_SCREEN: u64 = 64 * 1024;

/// Starts an agent that the hub has reserved. One that cannot be started is there all the same, `exited(127)`.
pub async fn start(hub: &Arc<Hub>, spec: AgentSpec) {
    let now = now_ms();
    let size = spec.size.clamped();
    let started = spawn(hub, &spec, &spec.argv, size);
    let mut agent = build(hub, spec, Screen::new(size), size);
    agent.belief.spawned(now);
    match started {
        Ok(pty) => {
            tracing::info!(
                "agent {} started as process {}",
                agent.spec.number,
                pty.pid()
            );
            agent.process = Process::running(pty, now, &[]);
            agent.output.mark("started", now);
        }
        Err(why) => agent.failed_to_start(&why, now),
    }
    launch(agent, now);
}

/// Shows an agent of a host that died: its history, and that it is lost.
pub fn revive(hub: &Arc<Hub>, spec: AgentSpec, last: Option<&AgentStatus>) {
    let now = now_ms();
    let size = last.map_or(spec.size, |l| l.size).clamped();
    let screen = scrollback::replay(&hub.dir.agent(spec.number), LAST_SCREEN)
        .unwrap_or_else(|_| Screen::new(size));
    let mut agent = build(hub, spec, screen, size);
    agent.size = agent.output.screen.size();
    let (started, ended) = last.map_or((now, None), |l| (l.started, l.ended));
    agent.belief.spawned(started);
    if let Some(last) = last {
        hub.recall(last);
    }
    match last.filter(|l| l.state.is_over()) {
        Some(last) => {
            let (message, at) = (last.evidence.message.as_deref(), last.since);
            agent.belief.over(last.state, message, at);
            agent.process = Process::over(started, ended);
            agent.process.cut = last.cut;
        }
        None => {
            agent.output.mark("lost: its host died", now);
            agent
                .belief
                .over(AgentState::Lost, Some("its host died"), now);
            agent.process = Process::over(started, Some(now));
        }
    }
    launch(agent, now);
}

/// Takes over a running agent from the binary that this one replaced.
///
/// # Errors
/// Its terminal is not open any more.
pub fn adopt(hub: &Arc<Hub>, spec: AgentSpec, handed: Handed) -> Result<(), String> {
    let now = now_ms();
    let size = handed.size;
    let mut screen = Screen::new(size);
    screen.feed(&handed.screen.0);
    let mut agent = build(hub, spec, screen, size);
    agent.output.full_screen_before(handed.full_screen);
    agent.output.catch_up(&handed.behind.0, now);
    agent.take_over(handed)?;
    launch(agent, now);
    Ok(())
}

fn build(hub: &Arc<Hub>, spec: AgentSpec, screen: Screen, size: Size) -> Agent {
    let book = Book::of(&spec.name, &spec.argv);
    let dir = hub.dir.agent(spec.number);
    let output = Output::open(&dir, screen, book, hub.redactors());
    let end = output.end();
    // Replaced by `launch`, which makes the two ends the hub keeps.
    let (_, commands) = mpsc::channel(1);
    Agent {
        children: hub.children(),
        hub: hub.clone(),
        spec,
        commands,
        written: watch::Sender::new(Written { end, over: false }),
        process: Process::default(),
        output,
        clients: Clients::default(),
        belief: Belief::default(),
        size,
        base: Instant::now(),
        told: None,
        told_at: std::time::Duration::ZERO,
        told_bytes: 0,
        told_title: String::new(),
        told_failing: false,
        passed: None,
        hooked: None,
        given: None,
        news: true,
        turn: None,
        last_ping: std::time::Duration::ZERO,
        finishing: None,
    }
}

fn launch(mut agent: Agent, now: Millis) {
    let (send, commands) = mpsc::channel::<Command>(QUEUE);
    agent.commands = commands;
    let over = !agent.process.is_live();
    agent.written.send_modify(|w| w.over = over);
    let report = agent.report(now);
    let (hub, number) = (agent.hub.clone(), agent.spec.number);
    hub.add(number, send, agent.written.subscribe(), report);
    tokio::spawn(agent.run());
}

/// A program in a new PTY.
///
/// # Errors
/// Why not, for people.
pub(super) fn spawn(
    hub: &Hub,
    spec: &AgentSpec,
    asked: &[String],
    size: Size,
) -> Result<Pty, String> {
    let env = hub.environment(spec)?;
    let become_agent = hub.rented.as_ref();
    let become_agent = become_agent.map(|r| r.argv(asked, &env, &spec.cwd, spec.number));
    let argv = become_agent.transpose()?;
    let request = SpawnRequest {
        argv: argv.as_deref().unwrap_or(asked),
        env: &env,
        cwd: &spec.cwd,
        size,
    };
    let start = || Pty::spawn(&request).map_err(std::io::Error::other);
    hub.gate.pass(start).map_err(|e| e.to_string())
}

impl Agent {
    /// It could not be started: said in its state and on its screen.
    pub(super) fn failed_to_start(&mut self, why: &str, now: Millis) {
        tracing::warn!("agent {} did not start: {why}", self.spec.number);
        self.ingest(&format!("remote: {why}\r\n").into_bytes().into());
        self.belief
            .over(AgentState::Exited { code: 127 }, Some(why), now);
        self.process = Process::over(now, Some(now));
        self.news = true;
    }
}
