//! One agent's history, wherever it can be had: from the live host, from a dead one's directory, or from
//! that directory on another machine. A reader that follows goes from the first to the others by itself.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::control::{Logs, take_record};
use super::reach::{Hosts, connect_bulk};
use super::registry::{Known, Registry};
use crate::error::{Error, Kind, Result};
use crate::model::{HistoryKind, LogRecord};
use crate::mux::HistoryReader;
use crate::provision::quote;

/// How often a lost connection to a live host is made anew without a byte of progress.
const TRIES: u32 = 5;
const CHUNK: usize = 64 * 1024;

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    Offset(u64),
    /// The last so many bytes.
    Tail(u64),
}

enum Source {
    Live(Box<Logs>),
    Disk(Box<HistoryReader>),
    Elsewhere(Box<Stream>),
}

/// Records that come as plain bytes.
struct Stream {
    stdout: Box<dyn AsyncRead + Send + Unpin>,
    buf: BytesMut,
    /// Held for as long as its channel is read.
    _connection: crate::ssh::Connection,
}

/// A reader of one agent's history.
pub struct History {
    registry: Registry,
    known: Known,
    hosts: Arc<Hosts>,
    agent: u32,
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
        agent: u32,
        begin: Begin,
        follow: bool,
    ) -> Result<Self> {
        let (known, source) = open(registry, known, hosts, agent, begin, follow).await?;
        Ok(Self {
            registry: registry.clone(),
            known,
            hosts: hosts.clone(),
            agent,
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
        let known = self.registry.resolve(self.known.id.as_str())?;
        let begin = self.at.map_or(Begin::Tail(0), Begin::Offset);
        let (known, source) = open(
            &self.registry,
            &known,
            &self.hosts,
            self.agent,
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
    agent: u32,
    begin: Begin,
    follow: bool,
) -> Result<(Known, Source)> {
    let mut known = known.clone();
    if known.live {
        match live(&known, hosts, agent, begin, follow).await {
            Ok(logs) => return Ok((known, Source::Live(Box::new(logs)))),
            Err(e) if e.kind != Kind::Connection => return Err(e),
            Err(e) => {
                // It may have ended between the look and the dial.
                known = registry.resolve(known.id.as_str())?;
                if known.live && known.dir.is_some() {
                    return Err(e);
                }
            }
        }
    }
    let source = match (&known.dir, &known.ssh) {
        (Some(_), _) => Source::Disk(Box::new(disk(&known, agent, begin)?)),
        (None, Some(_)) => {
            Source::Elsewhere(Box::new(elsewhere(&known, hosts, agent, begin).await?))
        }
        (None, None) => return Err(Error::internal(format!("{} is nowhere", known.id))),
    };
    Ok((known, source))
}

async fn live(
    known: &Known,
    hosts: &Arc<Hosts>,
    agent: u32,
    begin: Begin,
    follow: bool,
) -> Result<Logs> {
    let control = hosts.reach(known).await?.control().await?;
    match begin {
        Begin::Offset(offset) => control.logs(agent, offset, None, follow).await,
        Begin::Tail(bytes) => control.logs(agent, 0, Some(bytes), follow).await,
    }
}

fn disk(known: &Known, agent: u32, begin: Begin) -> Result<HistoryReader> {
    let dir = known
        .dir
        .as_ref()
        .ok_or_else(|| Error::internal("no directory"))?
        .agent(agent);
    if !dir.is_dir() {
        return Err(
            Error::user(format!("{} has no agent {agent}", known.label())).hint(format!(
                "run `remote status {}` to see its agents",
                known.id
            )),
        );
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

async fn elsewhere(known: &Known, hosts: &Arc<Hosts>, agent: u32, begin: Begin) -> Result<Stream> {
    let place = known
        .ssh
        .as_ref()
        .ok_or_else(|| Error::internal("no place"))?;
    let connection = connect_bulk(known, hosts.ask()).await?;
    let from = match begin {
        Begin::Offset(offset) => format!("--offset {offset}"),
        Begin::Tail(bytes) => format!("--tail {bytes}"),
    };
    let command = format!(
        "{} host logs --dir {} {agent} {from}",
        quote(&place.binary),
        quote(&place.dir)
    );
    let exec = connection.exec(&command, None).await?;
    Ok(Stream {
        stdout: Box::new(exec.stdout),
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
                return Ok(None);
            }
        }
    }
}

/// The bytes of a record that go to a terminal: its output; none of marks and sizes.
pub fn shown(record: &LogRecord) -> Option<&Bytes> {
    (record.kind == HistoryKind::Output).then_some(&record.bytes)
}
