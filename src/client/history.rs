//! One agent's history, wherever it can be had: from the live host, from a dead one's directory, or from
//! that directory on another machine. A reader that follows goes from the first to the others by itself.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::connect::connect_bulk;
use super::control::{Logs, take_record};
use super::reach::Hosts;
use super::registry::{Known, Registry};
use super::repo::failed;
use crate::config::SessionDir;
use crate::error::{Error, Kind, Result};
use crate::model::{HistoryKind, LogRecord};
use crate::mux::HistoryReader;
use crate::provision::quote;
use crate::ssh::ExecControl;

/// How often a lost connection to a live host is made anew without a byte of progress.
const TRIES: u32 = 5;
const CHUNK: usize = 64 * 1024;
/// Of what a machine says of a failure.
const SAID: u64 = 16 << 10;

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    Offset(u64),
    /// The last so many bytes.
    Tail(u64),
}

/// Which log of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// What an agent wrote.
    Agent(u32),
    /// What a run of its check printed.
    Check(u32, u32),
    /// What setup printed.
    Setup,
}

impl From<u32> for Log {
    fn from(agent: u32) -> Self {
        Self::Agent(agent)
    }
}

impl Log {
    /// As the wire has it: the agent, 0 for none, and the check.
    fn numbers(self) -> (u32, Option<u32>) {
        match self {
            Self::Agent(agent) => (agent, None),
            Self::Check(agent, run) => (agent, Some(run)),
            Self::Setup => (0, None),
        }
    }

    /// Where it lies.
    pub fn dir(self, session: &SessionDir) -> PathBuf {
        match self {
            Self::Agent(agent) => session.agent(agent),
            Self::Check(agent, run) => session.check(agent, run),
            Self::Setup => session.setup(),
        }
    }

    /// Of a session that has none, `what` it is called.
    pub fn missing(self, what: &str) -> Error {
        match self {
            Self::Agent(agent) => Error::user(format!("{what} has no agent {agent}")),
            Self::Check(agent, run) => Error::user(format!("{what}/{agent} has no check {run}")),
            Self::Setup => Error::user(format!("no setup was run in {what}")),
        }
    }
}

enum Source {
    Live(Box<Logs>),
    Disk(Box<HistoryReader>),
    Elsewhere(Box<Stream>),
}

/// Records that come as plain bytes.
struct Stream {
    stdout: Box<dyn AsyncRead + Send + Unpin>,
    stderr: Box<dyn AsyncRead + Send + Unpin>,
    control: ExecControl,
    buf: BytesMut,
    /// Held for as long as its channel is read.
    _connection: crate::ssh::Connection,
}

/// A reader of one agent's history.
pub struct History {
    registry: Registry,
    known: Known,
    hosts: Arc<Hosts>,
    log: Log,
    follow: bool,
    source: Source,
    /// The agent byte that comes next; `None` before the first record of a tail.
    at: Option<u64>,
    tries: u32,
}

impl History {
    /// Opens it; with `follow` it ends with the agent, else where the history ends now.
    ///
    /// # Errors
    /// Neither the host nor its directory can be read, or there is no such agent.
    pub async fn open(
        registry: &Registry,
        known: &Known,
        hosts: &Arc<Hosts>,
        log: impl Into<Log>,
        begin: Begin,
        follow: bool,
    ) -> Result<Self> {
        let log = log.into();
        let (known, source) = open(registry, known, hosts, log, begin, follow).await?;
        Ok(Self {
            registry: registry.clone(),
            known,
            hosts: hosts.clone(),
            log,
            follow,
            source,
            at: match begin {
                Begin::Offset(offset) => Some(offset),
                Begin::Tail(_) => None,
            },
            tries: 0,
        })
    }

    /// The next record; `None` after the last one. No byte comes twice.
    ///
    /// # Errors
    /// The history is damaged, or its machine cannot be reached any more.
    pub async fn next(&mut self) -> Result<Option<LogRecord>> {
        loop {
            let next = match &mut self.source {
                Source::Live(logs) => logs.next().await,
                Source::Disk(reader) => reader.next_record().map_err(Error::from),
                Source::Elsewhere(stream) => stream.next().await,
            };
            match next {
                Ok(Some(record)) => {
                    if let Some(record) = self.fresh(record) {
                        return Ok(Some(record));
                    }
                }
                Ok(None) => return Ok(None),
                Err(e) if e.kind == Kind::Connection && self.tries < TRIES => {
                    self.tries += 1;
                    self.reopen(e).await?;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// What of a record was not seen yet.
    fn fresh(&mut self, mut record: LogRecord) -> Option<LogRecord> {
        if record.kind != HistoryKind::Output {
            let seen = self.at.is_some_and(|at| record.offset < at);
            return (!seen).then_some(record);
        }
        let end = record
            .offset
            .saturating_add(u64::try_from(record.bytes.len()).unwrap_or(u64::MAX));
        let at = self.at.unwrap_or(record.offset);
        if end <= at {
            return None;
        }
        if let Ok(skip) = usize::try_from(at.saturating_sub(record.offset))
            && skip > 0
        {
            record.bytes = record.bytes.slice(skip.min(record.bytes.len())..);
            record.offset = at;
        }
        self.at = Some(end);
        self.tries = 0;
        Some(record)
    }

    /// The host is gone or the connection is: goes on where it was, from whatever is there now.
    async fn reopen(&mut self, lost: Error) -> Result<()> {
        let known = self.registry.known(&self.known.id)?;
        let begin = self.at.map_or(Begin::Tail(0), Begin::Offset);
        let (known, source) = open(
            &self.registry,
            &known,
            &self.hosts,
            self.log,
            begin,
            self.follow,
        )
        .await
        .map_err(|_| lost)?;
        self.known = known;
        self.source = source;
        Ok(())
    }
}

async fn open(
    registry: &Registry,
    known: &Known,
    hosts: &Arc<Hosts>,
    log: Log,
    begin: Begin,
    follow: bool,
) -> Result<(Known, Source)> {
    let mut known = known.clone();
    if known.live {
        match live(&known, hosts, log, begin, follow).await {
            Ok(logs) => return Ok((known, Source::Live(Box::new(logs)))),
            Err(e) if e.kind != Kind::Connection => return Err(e),
            Err(e) => {
                // It may have ended between the look and the dial.
                known = registry.known(&known.id)?;
                if known.live && known.dir.is_some() {
                    return Err(e);
                }
            }
        }
    }
    let source = match (&known.dir, &known.ssh) {
        (Some(_), _) => Source::Disk(Box::new(disk(&known, log, begin)?)),
        (None, Some(_)) => Source::Elsewhere(Box::new(elsewhere(&known, hosts, log, begin).await?)),
        (None, None) => return Err(Error::internal(format!("{} is nowhere", known.id))),
    };
    Ok((known, source))
}

async fn live(
    known: &Known,
    hosts: &Arc<Hosts>,
    log: Log,
    begin: Begin,
    follow: bool,
) -> Result<Logs> {
    let control = hosts.reach(known).await?.control().await?;
    let (agent, check) = log.numbers();
    if check.is_some() {
        control.must_know(3, "an agent's checks")?;
    }
    match begin {
        Begin::Offset(offset) => control.logs(agent, check, offset, None, follow).await,
        Begin::Tail(bytes) => control.logs(agent, check, 0, Some(bytes), follow).await,
    }
}

fn disk(known: &Known, log: Log, begin: Begin) -> Result<HistoryReader> {
    let session = known.dir.as_ref();
    let dir = log.dir(session.ok_or_else(|| Error::internal("no directory"))?);
    if !dir.is_dir() {
        return Err(log.missing(&known.label()).hint(format!(
            "run `remote status {}` to see its agents",
            known.id
        )));
    }
    read_dir(&dir, begin)
}

/// Opens an agent's history in its directory on this machine.
///
/// # Errors
/// It cannot be read.
pub fn read_dir(dir: &std::path::Path, begin: Begin) -> Result<HistoryReader> {
    let mut reader = HistoryReader::open(dir)?;
    match begin {
        Begin::Offset(0) => {}
        Begin::Offset(offset) => reader.seek(offset)?,
        Begin::Tail(bytes) => reader.seek_tail(bytes)?,
    }
    Ok(reader)
}

async fn elsewhere(known: &Known, hosts: &Arc<Hosts>, log: Log, begin: Begin) -> Result<Stream> {
    let place = known
        .ssh
        .as_ref()
        .ok_or_else(|| Error::internal("no place"))?;
    let connection = connect_bulk(known, hosts.ask()).await?;
    let from = match begin {
        Begin::Offset(offset) => format!("--offset {offset}"),
        Begin::Tail(bytes) => format!("--tail {bytes}"),
    };
    let (agent, check) = log.numbers();
    let check = check.map_or_else(String::new, |run| format!(" --check {run}"));
    let command = format!(
        "{} host logs --dir {} {agent} {from}{check}",
        quote(&place.binary),
        quote(&place.dir)
    );
    let exec = connection.exec(&command, None).await?;
    Ok(Stream {
        stdout: Box::new(exec.stdout),
        stderr: Box::new(exec.stderr),
        control: exec.control,
        buf: BytesMut::new(),
        _connection: connection,
    })
}

impl Stream {
    async fn next(&mut self) -> Result<Option<LogRecord>> {
        loop {
            if let Some(record) = take_record(&mut self.buf)? {
                return Ok(Some(record));
            }
            self.buf.reserve(CHUNK);
            if self.stdout.read_buf(&mut self.buf).await? == 0 {
                return self.ended().await.map(|()| None);
            }
        }
    }
}

impl Stream {
    /// Whether that was all, or why there is no more.
    async fn ended(&mut self) -> Result<()> {
        let mut said = Vec::new();
        (&mut self.stderr).take(SAID).read_to_end(&mut said).await?;
        match self.control.wait().await?.code() {
            0 => Ok(()),
            status => Err(failed(status, &String::from_utf8_lossy(&said))),
        }
    }
}

/// The bytes of a record that go to a terminal: its output; none of marks and sizes.
pub fn shown(record: &LogRecord) -> Option<&Bytes> {
    (record.kind == HistoryKind::Output).then_some(&record.bytes)
}
