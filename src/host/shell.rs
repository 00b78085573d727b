//! A shell command that the host runs as an agent would be run: as its user, in its directory and environment, and
//! found with it at the session's end. What it prints is kept like an agent's history, and may be followed.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::hub::{Hub, Written};
use crate::model::{AgentSpec, DEFAULT_SIZE, HistoryKind, now_ms};
use crate::mux::{History, HistoryLimits};
use crate::secret::redact::{Redactor, Stream};

/// Of what a command prints. The oldest goes first: its end is what tells.
const LIMITS: HistoryLimits = HistoryLimits {
    segment: 1 << 20,
    total: 16 << 20,
};
const CHUNK: usize = 64 * 1024;
/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// What its children print after the command's own end still belongs to it, if it comes within this.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What is to be run.
pub struct Shell<'a> {
    pub hub: &'a Hub,
    pub agent: &'a AgentSpec,
    pub line: &'a str,
    pub limit: Option<Duration>,
    /// What it leaves running is ended with it: a server that its next run would find on its port.
    pub alone: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ran {
    /// A signal's death is 128 + signal.
    Exited(i32),
    TooLong,
    /// The session ends.
    Ending,
    NotStarted(String),
}

/// Its process group, killed when this is dropped: nobody waits for it any more.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, signal);
        }
    }

    /// What is left in it stays.
    fn gone(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

impl Shell<'_> {
    /// Runs it to its end, or to the session's; what it prints goes into the history in `dir`. Dropped, it kills it.
    pub async fn run(&self, dir: &Path, written: &watch::Sender<Written>) -> Ran {
        let ran = self.logged(dir, written).await;
        written.send_modify(|w| w.over = true);
        ran
    }

    async fn logged(&self, dir: &Path, written: &watch::Sender<Written>) -> Ran {
        let mut log = match Log::open(self.hub, dir, written) {
            Ok(log) => log,
            Err(why) => return Ran::NotStarted(why),
        };
        let (mut child, mut output) = match self.start() {
            Ok(started) => started,
            Err(why) => {
                log.add(format!("remote: {why}\n").as_bytes());
                return Ran::NotStarted(why);
            }
        };
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        let mut group = Group(pid.and_then(Pid::from_raw));
        let limit = async {
            match self.limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            // What was begun in the instant in which the session ended is ended too.
            biased;
            () = self.hub.ending() => Err(Ran::Ending),
            status = followed(&mut child, &mut output, &mut log) => Ok(status),
            () = limit => Err(Ran::TooLong),
        };
        match ended {
            Ok(Ok(status)) => {
                if self.alone {
                    group.signal(Signal::TERM);
                }
                let rest = async { while let Ok(1..) = log.take(&mut output).await {} };
                let _ = tokio::time::timeout(LAST_WORDS, rest).await;
                if !self.alone {
                    group.gone();
                }
                Ran::Exited(code(status))
            }
            Ok(Err(e)) => Ran::NotStarted(e.to_string()),
            Err(why) => {
                group.signal(match why {
                    Ran::Ending => Signal::HUP,
                    _ => Signal::TERM,
                });
                let rest = followed(&mut child, &mut output, &mut log);
                // What is left in its group is killed with it.
                let _ = tokio::time::timeout(GRACE, rest).await;
                why
            }
        }
    }

    fn start(&self) -> Result<(Child, pipe::Receiver), String> {
        let (hub, agent) = (self.hub, self.agent);
        if hub.is_ending() {
            return Err("the session is ending".to_owned());
        }
        let env = hub.environment(agent)?;
        let argv = ["/bin/sh", "-c", self.line].map(str::to_owned);
        let argv = match &hub.rented {
            Some(rented) => rented.argv(&argv, &env, &agent.cwd, agent.number)?,
            None => argv.to_vec(),
        };
        let (program, args) = argv.split_first().ok_or("there is nothing to run")?;
        if !agent.cwd.is_dir() {
            return Err(format!("{} is no directory", agent.cwd.display()));
        }
        let start = || {
            let (read, write) = std::io::pipe()?;
            let child = Command::new(program)
                .args(args)
                .env_clear()
                .envs(&env)
                .current_dir(&agent.cwd)
                .stdin(Stdio::null())
                .stdout(write.try_clone()?)
                .stderr(write)
                .process_group(0)
                .spawn()?;
            Ok((child, pipe::Receiver::from_owned_fd(read.into())?))
        };
        hub.gate.pass(start).map_err(|e| e.to_string())
    }
}

/// Until the command's own end; what its children still print is another matter.
async fn followed(
    child: &mut Child,
    output: &mut pipe::Receiver,
    log: &mut Log<'_>,
) -> std::io::Result<ExitStatus> {
    let mut open = true;
    loop {
        tokio::select! {
            status = child.wait() => return status,
            taken = log.take(output), if open => open = matches!(taken, Ok(1..)),
        }
    }
}

fn code(status: ExitStatus) -> i32 {
    let signal = || status.signal().map(|s| 128_i32.saturating_add(s));
    status.code().or_else(signal).unwrap_or(255)
}

/// What a command prints, as it would come out of a terminal.
struct Log<'a> {
    history: History,
    written: &'a watch::Sender<Written>,
    redactors: watch::Receiver<Arc<Redactor>>,
    stream: Stream,
    buf: BytesMut,
    last: u8,
}

impl<'a> Log<'a> {
    fn open(hub: &Hub, dir: &Path, written: &'a watch::Sender<Written>) -> Result<Self, String> {
        let history = History::open(dir, LIMITS).map_err(|e| e.to_string())?;
        Ok(Self {
            history,
            written,
            redactors: hub.redactors(),
            stream: Stream::default(),
            buf: BytesMut::with_capacity(CHUNK),
            last: 0,
        })
    }

    /// Takes what there is; 0 at its end. Cancel-safe.
    async fn take(&mut self, output: &mut pipe::Receiver) -> std::io::Result<usize> {
        self.buf.reserve(CHUNK);
        let n = output.read_buf(&mut self.buf).await?;
        let bytes = self.buf.split();
        self.add(&bytes);
        Ok(n)
    }

    fn add(&mut self, bytes: &[u8]) {
        let redactor = self.redactors.borrow().clone();
        let settled = self.stream.push(&redactor, bytes);
        self.store(&settled);
    }

    fn store(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut text = Vec::with_capacity(bytes.len() + bytes.len() / 16);
        for byte in bytes {
            if *byte == b'\n' && self.last != b'\r' {
                text.push(b'\r');
            }
            text.push(*byte);
            self.last = *byte;
        }
        let blank = || (DEFAULT_SIZE, Vec::new());
        self.history
            .append(HistoryKind::Output, &text, now_ms(), blank);
        let end = self.history.offset();
        self.written.send_modify(|w| w.end = end);
    }
}

impl Drop for Log<'_> {
    fn drop(&mut self) {
        let rest = self.stream.finish();
        self.store(&rest);
    }
}
