//! Lending this device's SSH agent to a session's agents, for as long as somebody here is attached or follows. What
//! passes is decided here, not there: lists of keys and signatures, and each signature is written down.

mod confirm;
mod log;
mod message;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use confirm::Confirm;
use log::Signed;
use message::{FAILURE, LIST, SIGNED, Wish, comment, fingerprint, purpose};

use super::control::Asked;
use super::reach::{HostConn, Hosts};
use super::registry::Known;
use crate::error::{Error, Kind, Result};
use crate::model::{SessionId, now_ms};

/// As OpenSSH's agent has it.
const LONGEST: usize = 256 << 10;
/// Connections of a session's programs at a time; a host has no more.
const CONNECTIONS: usize = 64;
/// After a stream was lost over a connection that lives.
const AGAIN: Duration = Duration::from_secs(1);

/// What is lent, to which session, and who is asked.
pub struct Lending {
    session: SessionId,
    /// Of this device's SSH agent.
    socket: PathBuf,
    /// `None`: every signature is given.
    confirm: Option<Confirm>,
    log: PathBuf,
}

impl Lending {
    pub fn new(
        session: &SessionId,
        socket: PathBuf,
        confirm: Option<Confirm>,
        state: &Path,
    ) -> Self {
        Self {
            session: session.clone(),
            socket,
            confirm,
            log: log::file(state),
        }
    }

    /// Over the connection that an attachment has, whichever that is at the time, until it is over; or until the host
    /// wants none: why.
    pub async fn attached(
        self: Arc<Self>,
        mut now: watch::Receiver<Option<HostConn>>,
    ) -> Option<Error> {
        loop {
            let host = now.borrow_and_update().clone();
            let over = async {
                match host {
                    Some(host) => self.clone().over(&host).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                why = over => {
                    if why.is_some() {
                        return why;
                    }
                    tokio::time::sleep(AGAIN).await;
                }
                changed = now.changed() => if changed.is_err() {
                    return None;
                },
            }
        }
    }

    /// Over the way that is followed.
    pub async fn following(self: Arc<Self>, hosts: Arc<Hosts>, known: Known) -> Option<Error> {
        loop {
            match hosts.reach(&known).await {
                Ok(host) => {
                    let why = self.clone().over(&host).await;
                    if why.is_some() {
                        return why;
                    }
                }
                Err(e) if e.kind == Kind::User => return Some(e),
                Err(_) => {}
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Until the stream is lost; why, where it is no use to try again.
    async fn over(self: Arc<Self>, host: &HostConn) -> Option<Error> {
        match self.serve(host).await {
            Err(e) if e.kind == Kind::User => Some(e),
            Ok(()) | Err(_) => None,
        }
    }

    async fn serve(self: Arc<Self>, host: &HostConn) -> Result<()> {
        let mut lent = host.control().await?.lend().await?;
        let binding = host.connection().and_then(|c| c.agent_binding());
        let (answers, mut answered) = mpsc::channel(CONNECTIONS);
        // Dropped with all that is under way.
        let mut tasks = JoinSet::new();
        let mut open = HashMap::new();
        loop {
            tokio::select! {
                asked = lent.next() => match asked? {
                    Asked::Message { conn, agent, message } => {
                        if open.len() >= CONNECTIONS && !open.contains_key(&conn) {
                            lent.answer(conn, &[FAILURE]).await?;
                            continue;
                        }
                        let (send, _) = open.entry(conn).or_insert_with(|| {
                            let (send, asked) = mpsc::channel(1);
                            let served = self.clone().connection(conn, binding.clone(), asked, answers.clone());
                            (send, tasks.spawn(served))
                        });
                        // One at a time: there is room, or the host does not keep to it.
                        let _ = send.try_send((agent, message));
                    }
                    Asked::Closed { conn } => if let Some((_, task)) = open.remove(&conn) {
                        task.abort();
                    },
                },
                Some((conn, message)) = answered.recv() => lent.answer(conn, &message).await?,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            }
        }
    }

    async fn connection(
        self: Arc<Self>,
        conn: u64,
        binding: Option<Vec<u8>>,
        mut asked: mpsc::Receiver<(u32, Vec<u8>)>,
        answers: mpsc::Sender<(u64, Vec<u8>)>,
    ) {
        let mut local = None;
        while let Some((agent, message)) = asked.recv().await {
            let answer = self
                .answer(&mut local, binding.as_deref(), agent, &message)
                .await;
            let answer = answer.unwrap_or_else(|| vec![FAILURE]);
            if answers.send((conn, answer)).await.is_err() {
                return;
            }
        }
    }

    /// One message's answer; `None` is a refusal.
    async fn answer(
        &self,
        local: &mut Option<UnixStream>,
        binding: Option<&[u8]>,
        agent: u32,
        message: &[u8],
    ) -> Option<Vec<u8>> {
        let wish = Wish::of(message);
        if wish == Wish::Other {
            tracing::info!(
                "agent {agent} of {} asked for what is not lent",
                self.session
            );
            return None;
        }
        let mut stream = match local.take() {
            Some(stream) => stream,
            None => {
                let mut stream = UnixStream::connect(&self.socket).await.ok()?;
                if let Some(binding) = binding {
                    // That it is asked from afar: some keys are for here only. Old agents do not know it.
                    exchange(&mut stream, binding).await?;
                }
                stream
            }
        };
        let answer = match wish {
            Wish::Sign { key, data } => {
                let list = exchange(&mut stream, &[LIST]).await?;
                let comment = comment(&list, key).unwrap_or_default();
                self.sign(&mut stream, agent, (key, &comment), data, message)
                    .await
            }
            _ => exchange(&mut stream, message).await,
        };
        *local = Some(stream);
        answer
    }

    async fn sign(
        &self,
        stream: &mut UnixStream,
        agent: u32,
        (key, comment): (&[u8], &str),
        data: &[u8],
        message: &[u8],
    ) -> Option<Vec<u8>> {
        let (key, purpose) = (fingerprint(key), purpose(data));
        let line = |outcome| Signed {
            at: now_ms(),
            session: &self.session,
            agent,
            key: &key,
            comment,
            purpose: &purpose,
            outcome,
        };
        if let Some(confirm) = &self.confirm {
            let question = format!(
                "{}/{agent} wants {purpose} by your key {comment} ({key}). Allow it, and all it signs until you leave?",
                self.session
            );
            if !confirm.allows(&key, &question).await {
                let _ = log::write(&self.log, &line("denied"));
                return None;
            }
        }
        let answer = exchange(stream, message).await?;
        if answer.first() == Some(&SIGNED) {
            log::write(&self.log, &line("signed")).ok()?;
        }
        Some(answer)
    }
}

/// A message to the SSH agent here, and its answer.
async fn exchange(stream: &mut UnixStream, message: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(message.len()).ok()?;
    stream.write_all(&length.to_be_bytes()).await.ok()?;
    stream.write_all(message).await.ok()?;
    let length = stream.read_u32().await.ok()? as usize;
    if !(1..=LONGEST).contains(&length) {
        return None;
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await.ok()?;
    Some(answer)
}
