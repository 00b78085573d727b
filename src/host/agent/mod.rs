//! One agent, one task: it owns the PTY, the screen, the history and the streams of whoever is attached, so
//! that nothing about one agent waits for another, and a key's way to the program and back crosses no task.

mod clients;
mod commands;
#[cfg(test)]
mod corpus;
mod echoes;
mod handover;
mod kept;
mod output;
mod process;
mod pump;
mod question;
mod start;
mod taken;
mod warning;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, Sleep};

use super::attachment::Scene;
use super::fitting::{LONGEST as LONGEST_TOLD, clip};
use super::hub::{Hub, Report, Written};
use super::state::Belief;
use crate::model::{AgentSpec, AgentState, AgentStatus, HistoryKind, Millis, Size, now_ms};
use crate::proto::{AgentEnded, Attach, Question, WireError};
use clients::{Clients, Event, Stream};
use output::Output;
use process::Process;

pub use handover::Handed;
pub use start::{adopt, revive, start};
pub use taken::Answered;

/// News of a state goes out at once; a title or a byte count may wait.
const TITLE_INTERVAL: Duration = Duration::from_millis(250);
const BYTES_INTERVAL: Duration = Duration::from_secs(1);
/// A client that keeps up but has so much pending gets a turn: no longer than this.
const TURN: Duration = Duration::from_millis(50);
const SCRATCH: usize = 4096;
/// Frames to one client before anything else is looked at.
const ROUNDS: usize = 8;
/// With nothing to wait for, the timer rings after this all the same.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What is asked of an agent.
pub enum Command {
    /// A client's stream, which is the agent's from here on; `gone` is dropped when it ends.
    Attach {
        conn: Box<Stream>,
        attach: Box<Attach>,
        scrollback: Bytes,
        gone: oneshot::Sender<()>,
    },
    Restart {
        fresh: bool,
        done: oneshot::Sender<Result<AgentStatus, WireError>>,
    },
    Send {
        text: String,
        keys: Vec<String>,
        done: oneshot::Sender<Result<(), WireError>>,
    },
    Screen {
        done: oneshot::Sender<Vec<String>>,
    },
    Question {
        done: oneshot::Sender<Box<Question>>,
    },
    /// Types, if that is still the question; with `watch` the reply waits for what becomes of it.
    Answer {
        hash: String,
        text: String,
        keys: Vec<String>,
        watch: bool,
        done: oneshot::Sender<Result<Answered, WireError>>,
    },
    Notify {
        state: AgentState,
        message: Option<String>,
        progress: Option<u8>,
    },
    /// For whoever is attached.
    Notice(String),
    /// Its processes used the CPU.
    Cpu,
    /// Stop and tell everything; go on when `back` resolves (it does only if the new binary did not start).
    HandOver {
        done: oneshot::Sender<Handed>,
        back: oneshot::Receiver<()>,
    },
    /// The session is over: let the clients have the rest, then end.
    Finish,
}

struct Agent {
    hub: Arc<Hub>,
    spec: AgentSpec,
    commands: mpsc::Receiver<Command>,
    children: watch::Receiver<u64>,
    written: watch::Sender<Written>,
    process: Process,
    output: Output,
    clients: Clients,
    belief: Belief,
    size: Size,
    base: Instant,
    /// The state last told, and when anything was.
    told: Option<(AgentState, Millis)>,
    told_at: Duration,
    told_bytes: u64,
    told_title: String,
    told_failing: bool,
    passed: Option<Arc<Passed>>,
    /// What its hook said last: the history has a mark where that changes.
    hooked: Option<(AgentState, Option<String>)>,
    /// An answer that was typed, until it is known whether it was taken.
    given: Option<taken::Given>,
    /// Something changed that `status` shows: tell now.
    news: bool,
    turn: Option<Duration>,
    last_ping: Duration,
    finishing: Option<Duration>,
}

/// What a terminal that shows states is told of one.
#[derive(Debug, PartialEq, Eq)]
struct Passed {
    state: AgentState,
    message: Option<String>,
    progress: Option<u8>,
}

enum Happened {
    Command(Option<Command>),
    Client(usize, Event),
    Wrote(std::io::Result<usize>),
    Read(std::io::Result<usize>),
    Child,
    Time,
}

impl Agent {
    fn now(&self) -> Duration {
        self.base.elapsed()
    }

    fn scene(&self) -> Scene {
        Scene {
            end: self.output.end(),
            start: self.output.ring.start(),
            size: self.size,
            over: !self.process.is_live(),
        }
    }

    /// Until the session ends.
    async fn run(mut self) {
        let mut scratch = vec![0; SCRATCH].into_boxed_slice();
        let mut batch = BytesMut::new();
        let mut armed = Instant::now();
        let sleep = tokio::time::sleep_until(armed);
        tokio::pin!(sleep);
        self.process.look(self.now());
        loop {
            let now = self.now();
            self.check_exit(now);
            let pumped = self.pump_all(now).await;
            self.output.tell_written(&self.written);
            let told = self.tell(now);
            let given = self.watch_answer(now);
            if self.finished(now) {
                return;
            }
            let paused = self.takes_turns(now);
            let wake = earliest(now, [pumped, told, given, self.time_wake(now), paused]);
            arm(sleep.as_mut(), &mut armed, self.base + wake);
            let happened = self
                .wait(sleep.as_mut(), &mut scratch, &mut batch, paused.is_some())
                .await;
            if !self.handle(happened, &mut batch).await {
                return;
            }
        }
    }

    /// Pumps as long as the sockets take it at once, but lets the program and the others have their turn.
    async fn pump_all(&mut self, now: Duration) -> Option<Duration> {
        for _ in 0..ROUNDS {
            let wake = self.pump(now);
            if !self.clients.flush_now().await {
                return wake;
            }
        }
        Some(now)
    }

    async fn wait(
        &mut self,
        sleep: std::pin::Pin<&mut Sleep>,
        scratch: &mut [u8],
        batch: &mut BytesMut,
        paused: bool,
    ) -> Happened {
        let Self {
            commands,
            clients,
            process,
            children,
            ..
        } = self;
        tokio::select! {
            command = commands.recv() => Happened::Command(command),
            wrote = process.write_some(), if process.has_typed() => Happened::Wrote(wrote),
            (index, event) = clients.event() => Happened::Client(index, event),
            read = process.read(scratch, batch), if process.readable() && !paused => Happened::Read(read),
            Ok(()) = children.changed(), if process.is_live() => Happened::Child,
            () = sleep => Happened::Time,
        }
    }

    /// False when the agent is to end.
    async fn handle(&mut self, happened: Happened, batch: &mut BytesMut) -> bool {
        let now = self.now();
        match happened {
            Happened::Command(Some(command)) => self.command(command, now).await,
            Happened::Command(None) => return false,
            Happened::Client(index, event) => self.client(index, event, now),
            Happened::Wrote(result) => {
                self.process.wrote(result);
                self.type_waiting(now);
            }
            Happened::Read(Ok(n)) if n > 0 => {
                let bytes = batch.split().freeze();
                self.process.spoke(now);
                self.ingest(&bytes);
            }
            Happened::Read(result) => {
                if let Err(e) = result {
                    tracing::warn!("agent {}: its terminal: {e}", self.spec.number);
                }
                self.process.closed(now);
                self.process.look(now);
            }
            Happened::Child => self.process.look(now),
            Happened::Time => {}
        }
        true
    }

    /// Output goes to the screen, the history and the ring; what it asks is answered.
    fn ingest(&mut self, bytes: &Bytes) {
        let now = now_ms();
        let keep = self.clients.need_bytes(now);
        let terminal = self.clients.terminal();
        self.belief.output(now);
        let answers = self
            .output
            .ingest(bytes, now, &terminal, keep, &mut self.belief);
        if !answers.is_empty() {
            self.process.answer(&answers);
        }
    }

    /// The program is over, and all its output is in.
    fn check_exit(&mut self, now: Duration) {
        let at = now_ms();
        let Some(code) = self.process.take_exit(now, at) else {
            return;
        };
        self.process.cut = self.hub.is_ending();
        // Nobody reads it any more.
        self.type_waiting(now);
        self.output.finish(at);
        self.output.mark(&format!("exited({code})"), at);
        self.belief.over(AgentState::Exited { code }, None, at);
        tracing::info!("agent {} exited({code})", self.spec.number);
        self.news = true;
    }

    /// The terminal takes the size of whoever has it.
    fn fit(&mut self) {
        let Some(size) = self.clients.wanted_size() else {
            return;
        };
        if size == self.size {
            return;
        }
        self.size = size;
        if let Some(pty) = self.process.pty()
            && let Err(e) = pty.resize(size)
        {
            tracing::warn!("agent {}: resize: {e}", self.spec.number);
        }
        self.output.resize(size);
        self.refit_all();
        self.news = true;
    }

    /// A client that keeps up gets a turn before the program goes on; until when.
    fn takes_turns(&mut self, now: Duration) -> Option<Duration> {
        let scene = self.scene();
        let wanted = self
            .clients
            .iter()
            .any(|c| c.attachment.wants_a_turn(scene, now));
        if !wanted {
            self.turn = None;
            return None;
        }
        let until = self.turn.get_or_insert(now).saturating_add(TURN);
        (now < until).then_some(until)
    }

    /// Tells the session what `status` shows, where it changed; when to look again.
    fn tell(&mut self, now: Duration) -> Option<Duration> {
        let at = now_ms();
        let look = self.output.look(at, &mut self.belief);
        let look = look.map(|t| now.saturating_add(Duration::from_millis(t.saturating_sub(at))));
        let told = self.tell_changes(now, at);
        [look, told].into_iter().flatten().min()
    }

    fn tell_changes(&mut self, now: Duration, at: Millis) -> Option<Duration> {
        let (state, _, evidence) = self.belief.conclude(at);
        let state = (state, self.belief.activity());
        let since = now.saturating_sub(self.told_at);
        let fresh = self.told.map(|(s, _)| s) != Some(state.0)
            || self.output.failing() != self.told_failing;
        // Two questions may follow each other in one state.
        let words = self
            .passed
            .as_ref()
            .is_some_and(|p| (&p.message, p.progress) != (&evidence.message, evidence.progress));
        let words = words || self.output.title() != self.told_title;
        let title = words && since >= TITLE_INTERVAL;
        let bytes = self.output.end() != self.told_bytes || self.told.map(|t| t.1) != Some(state.1);
        if self.news || fresh || title || (bytes && since >= BYTES_INTERVAL) {
            let wake = self.news || fresh || title;
            self.news = false;
            self.told = Some(state);
            self.told_at = now;
            self.told_bytes = self.output.end();
            self.told_title = self.output.title().to_owned();
            self.told_failing = self.output.failing();
            let over = !self.process.is_live();
            let report = self.report(at);
            let evidence = &report.status.evidence;
            self.passed = Some(Arc::new(Passed {
                state: report.status.state,
                message: evidence.message.clone(),
                progress: evidence.progress,
            }));
            self.hub.publish(self.spec.number, report, wake);
            let changed = self.written.borrow().over != over;
            if changed {
                self.written.send_modify(|w| w.over = over);
            }
            return None;
        }
        if words {
            return Some(self.told_at.saturating_add(TITLE_INTERVAL));
        }
        bytes.then(|| self.told_at.saturating_add(BYTES_INTERVAL))
    }

    fn status(&mut self, at: Millis) -> AgentStatus {
        let (state, since, mut evidence) = self.belief.conclude(at);
        evidence.message = evidence.message.map(|m| self.output.redacted(m));
        let title = super::state::clean(self.output.title()).unwrap_or_default();
        AgentStatus {
            number: self.spec.number,
            name: self.spec.name.clone(),
            argv: self
                .spec
                .argv
                .iter()
                .map(|a| clip(a, LONGEST_TOLD))
                .collect(),
            task: clip(&self.spec.task, LONGEST_TOLD),
            state,
            since,
            evidence,
            title: self.output.redacted(title),
            pid: self.process.pid(),
            size: self.size,
            started: self.process.started,
            ended: self.process.ended,
            bytes: self.output.end(),
            full_screen: self.output.full_screen(),
            // The hub has these.
            check: None,
            work: None,
            push: None,
            cut: self.process.cut,
        }
    }

    fn report(&mut self, at: Millis) -> Report {
        Report {
            status: self.status(at),
            attached: self.clients.attached(self.spec.number),
            warning: self.output.warning(),
            activity: self.belief.activity(),
        }
    }

    fn ended(&self) -> AgentEnded {
        let mut belief = self.belief.clone();
        AgentEnded {
            state: belief.conclude(now_ms()).0,
            session_over: self.hub.ends_with(self.spec.number),
        }
    }

    /// When time alone changes something.
    fn time_wake(&self, now: Duration) -> Option<Duration> {
        let at = now_ms();
        let state = self
            .belief
            .next_change(at)
            .map(|t| now.saturating_add(Duration::from_millis(t.saturating_sub(at))));
        [state, self.process.wake(), self.finishing]
            .into_iter()
            .flatten()
            .min()
    }

    /// The session is over and every client has all it is to get (or takes too long).
    fn finished(&mut self, now: Duration) -> bool {
        let Some(until) = self.finishing else {
            return false;
        };
        let scene = self.scene();
        let done = self
            .clients
            .iter()
            .all(|c| c.conn.is_none() || (c.queued() == 0 && c.attachment.has_all(scene)));
        if done || now >= until {
            self.output.finish(now_ms());
            self.output.sync();
            return true;
        }
        false
    }

    fn mark_size(&mut self, size: Size) {
        let mut cells = [0; 4];
        let (cols, rows) = cells.split_at_mut(2);
        cols.copy_from_slice(&size.cols.to_be_bytes());
        rows.copy_from_slice(&size.rows.to_be_bytes());
        self.output.record(HistoryKind::Size, &cells, now_ms());
    }
}

/// When to look again, of all the reasons to; never long in the past, which would be at once and forever.
fn earliest<const N: usize>(now: Duration, wakes: [Option<Duration>; N]) -> Duration {
    let latest = now.saturating_add(LONGEST);
    wakes.into_iter().flatten().fold(latest, Duration::min)
}

/// Sets the timer where it would ring too late; one that rings too early is harmless, and moving it at each
/// key would cost more.
fn arm(sleep: std::pin::Pin<&mut Sleep>, armed: &mut Instant, wanted: Instant) {
    if wanted < *armed || sleep.is_elapsed() {
        *armed = wanted;
        sleep.reset(wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_has_run_for_days_sleeps() {
        let days = LONGEST * 3;
        assert_eq!(earliest(days, [None, None]), days + LONGEST);
        let soon = days + TURN;
        assert_eq!(earliest(days, [Some(soon), None]), soon);
    }
}
