//! A control stream to a session's host: questions and their answers, its state as it changes, an agent's
//! history as it grows.

mod founds;
mod lent;

use bytes::{Bytes, BytesMut};
pub use founds::{Founds, Next};
pub use lent::Asked;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, Result};
use crate::model::{AgentSpec, LogRecord, Millis, SessionEvent, SessionStatus};
use crate::proto::{
    Conn, ErrorCode, Event, FrameError, Op, Outcome, Request, ToClient, ToHost, WireError,
};

/// Any way to a host's socket.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}

/// A control stream.
pub struct Control {
    conn: Conn<Box<dyn ByteStream>, ToClient, ToHost>,
    next: u32,
    session: String,
}

/// What happened in a session, as its host tells or has written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    pub events: Vec<SessionEvent>,
    /// The host's clock: there is no other event up to then.
    pub now: Millis,
}

/// A session's state, whenever it changes.
pub struct Watch(Control);

/// The records of one agent's history, in order.
pub struct Logs {
    control: Control,
    request: u32,
    buf: BytesMut,
    over: bool,
}

impl Control {
    /// Says hello on a fresh stream. `session` is for error messages.
    ///
    /// # Errors
    /// Another major protocol version, or whatever the stream gives.
    pub async fn open(stream: Box<dyn ByteStream>, session: &str) -> Result<Self> {
        let conn = Conn::client(stream, &super::who())
            .await
            .map_err(|e| wire_error(session, e))?;
        Ok(Self {
            conn,
            next: 0,
            session: session.to_owned(),
        })
    }

    /// What the host said of itself: `remote 0.1.0`.
    pub fn software(&self) -> &str {
        &self.conn.peer.software
    }

    /// Whether the host knows what this minor version of the protocol has brought.
    pub fn knows(&self, minor: u16) -> bool {
        self.conn.peer.protocol.minor >= minor
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The host's refusal, with its hint; a lost connection; an answer this version does not know.
    pub async fn ask(&mut self, op: Op) -> Result<Outcome> {
        let id = self.request(op).await?;
        loop {
            if let ToClient::Reply(reply) = self.receive().await?
                && reply.id == id
            {
                return match reply.outcome {
                    Outcome::Failed { error } => Err(refusal(error)),
                    Outcome::Unknown => Err(self.newer()),
                    outcome => Ok(outcome),
                };
            }
        }
    }

    /// [`Op::Status`].
    ///
    /// # Errors
    /// As for [`Control::ask`].
    pub async fn status(&mut self) -> Result<SessionStatus> {
        match self.ask(Op::Status).await? {
            Outcome::Status { status } => Ok(*status),
            _ => Err(self.newer()),
        }
    }

    /// [`Op::Events`]; `None` from a host that keeps none.
    ///
    /// # Errors
    /// As for [`Control::ask`].
    pub async fn events(&mut self, since: Millis) -> Result<Option<Happened>> {
        if self.conn.peer.protocol.minor < 3 {
            return Ok(None);
        }
        match self.ask(Op::Events { since }).await? {
            Outcome::Events { events, now } => Ok(Some(Happened { events, now })),
            _ => Err(self.newer()),
        }
    }

    /// Follows the session's state; the first one comes at once.
    ///
    /// # Errors
    /// As for [`Control::ask`].
    pub async fn watch(mut self) -> Result<Watch> {
        // The reply is not awaited: the first event may come before it, and must not be missed.
        self.request(Op::Watch).await?;
        Ok(Watch(self))
    }

    /// An agent's history from byte `offset`, or its last `tail` bytes; with `follow` until the agent ends.
    ///
    /// # Errors
    /// As for [`Control::ask`].
    pub async fn logs(
        self,
        agent: u32,
        check: Option<u32>,
        offset: u64,
        tail: Option<u64>,
        follow: bool,
    ) -> Result<Logs> {
        let op = Op::Logs {
            agent,
            offset,
            tail,
            follow,
            check,
        };
        self.records(op).await
    }

    /// A command that is run before the agents: what it prints, as it comes. It ends with this.
    ///
    /// # Errors
    /// As for [`Control::ask`]; it fails with the records.
    pub async fn setup(self, agent: AgentSpec, command: String) -> Result<Logs> {
        self.must_know(3, "setup")?;
        self.records(Op::Setup { agent, command }).await
    }

    /// That the host knows what came with a minor version.
    ///
    /// # Errors
    /// It does not.
    pub fn must_know(&self, minor: u16, what: &str) -> Result<()> {
        if self.conn.peer.protocol.minor >= minor {
            return Ok(());
        }
        Err(Error::user(format!(
            "the host of {} ({}) does not know {what} yet",
            self.session, self.conn.peer.software
        ))
        .hint("run `remote host upgrade SESSION` to bring its host to this version"))
    }

    async fn records(mut self, op: Op) -> Result<Logs> {
        let request = self.request(op).await?;
        Ok(Logs {
            control: self,
            request,
            buf: BytesMut::new(),
            over: false,
        })
    }

    async fn request(&mut self, op: Op) -> Result<u32> {
        self.next = self.next.wrapping_add(1);
        let id = self.next;
        self.conn
            .sender
            .send(&ToHost::Request(Request { id, op }))
            .await
            .map_err(|e| wire_error(&self.session, e))?;
        Ok(id)
    }

    async fn receive(&mut self) -> Result<ToClient> {
        loop {
            let message = self
                .conn
                .receiver
                .next()
                .await
                .and_then(|m| m.ok_or(FrameError::Closed))
                .map_err(|e| wire_error(&self.session, e))?;
            match message {
                ToClient::Ping(nonce) => self
                    .conn
                    .sender
                    .send(&ToHost::Pong(nonce))
                    .await
                    .map_err(|e| wire_error(&self.session, e))?,
                other => return Ok(other),
            }
        }
    }

    fn newer(&self) -> Error {
        Error::connection(format!(
            "{} gave an answer that this version does not know (it runs {})",
            self.session, self.conn.peer.software
        ))
        .hint("update `remote` here")
    }
}

impl Watch {
    /// The next state. Cancel-safe.
    ///
    /// # Errors
    /// The connection is lost, which is also how a session's end looks from here.
    pub async fn next(&mut self) -> Result<SessionStatus> {
        loop {
            match self.0.receive().await? {
                ToClient::Event(Event::Status { status }) => return Ok(*status),
                ToClient::Reply(reply) => {
                    if let Outcome::Failed { error } = reply.outcome {
                        return Err(refusal(error));
                    }
                }
                _ => {}
            }
        }
    }
}

impl Logs {
    /// The next record; `None` after the last. Cancel-safe.
    ///
    /// # Errors
    /// The host's refusal, damaged history, or a lost connection.
    pub async fn next(&mut self) -> Result<Option<LogRecord>> {
        loop {
            if let Some(record) = take_record(&mut self.buf)? {
                return Ok(Some(record));
            }
            if self.over {
                return Ok(None);
            }
            match self.control.receive().await? {
                ToClient::Data { request, bytes } if request == self.request => {
                    self.buf.extend_from_slice(&bytes);
                }
                ToClient::Reply(reply) if reply.id == self.request => {
                    if let Outcome::Failed { error } = reply.outcome {
                        return Err(refusal(error));
                    }
                    self.over = true;
                }
                _ => {}
            }
        }
    }
}

/// Takes one whole record off the front, where it is there.
///
/// # Errors
/// A length that no record has.
pub fn take_record(buf: &mut BytesMut) -> Result<Option<LogRecord>> {
    if buf.is_empty() {
        return Ok(None);
    }
    let mut bytes: Bytes = buf.split().freeze();
    let record = LogRecord::decode(&mut bytes);
    // What is left is the only handle to its memory, so that no byte is copied here.
    *buf = bytes
        .try_into_mut()
        .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    record.map_err(|e| Error::connection(e.to_string()))
}

fn refusal(error: WireError) -> Error {
    let unsupported = error.code == ErrorCode::Unsupported && error.hint.is_none();
    let error = Error::from(error);
    if unsupported {
        error.hint("run `remote host upgrade SESSION` to bring its host to this version")
    } else {
        error
    }
}

fn wire_error(session: &str, error: FrameError) -> Error {
    match error {
        FrameError::Closed | FrameError::Truncated | FrameError::Io(_) => {
            Error::connection(format!("the connection to {session} was lost")).because(error)
        }
        FrameError::Version { .. } => Error::connection(format!("{session}: {error}")),
        other => {
            Error::connection(format!("{session} said what cannot be understood")).because(other)
        }
    }
}

#[cfg(test)]
mod tests;
