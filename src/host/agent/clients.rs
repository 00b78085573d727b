//! The clients attached to one agent: their streams, polled by the agent's own task so that a key and its
//! echo cross no other, and who among them has the terminal's size.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use super::super::attachment::Attachment;
use super::Passed;
use super::echoes::Echoes;
use crate::model::{AttachedClient, Millis, Size, Terminal};
use crate::mux::Drawn;
use crate::proto::{AttachmentId, Conn, FrameError, Notice, ToClient, ToHost};

/// How long an attachment without a stream is remembered.
const MEMORY_MS: Millis = 24 * 3_600_000;
/// How long the bytes it may resume from are kept in memory.
pub const RESUME_MS: Millis = 10 * 60_000;
const REMEMBERED: usize = 256;
/// Answers that wait for one client's socket; output waits elsewhere.
const QUEUED_MAX: usize = 2 << 20;
/// Input of one client that waits for the program to take what came before it. A client has at most half of
/// that on its way unacknowledged, so that only one that breaks this rule is ever left unread.
const WAITING_MAX: usize = 128 * 1024;
/// Input is acknowledged with the next output, or after this.
pub const ACK_AFTER: Duration = Duration::from_millis(10);

pub type Stream = Conn<UnixStream, ToHost, ToClient>;

/// One attachment with its stream, if it has one now.
pub struct Client {
    pub attachment: Attachment,
    pub conn: Option<Box<Stream>>,
    pub drawn: Option<Drawn>,
    /// An acknowledgement of input is owed since then.
    pub ack: Option<Duration>,
    /// Which input is answered, where it wants to know.
    pub echoes: Option<Echoes>,
    /// What its terminal was told of the agent's state.
    pub told: Option<Arc<Passed>>,
    /// Input by its number that the program has no room for yet, and its bytes in all.
    waiting: VecDeque<(u64, Bytes)>,
    waiting_bytes: usize,
    /// Dropped with the stream: somebody counts streams.
    gone: Option<oneshot::Sender<()>>,
}

/// What a stream did.
#[derive(Debug)]
pub enum Event {
    Message(ToHost),
    /// All that was queued went out.
    Flushed,
    Gone(Option<FrameError>),
}

impl Client {
    pub fn new(attachment: Attachment) -> Self {
        Self {
            attachment,
            conn: None,
            drawn: None,
            ack: None,
            echoes: None,
            told: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            gone: None,
        }
    }

    /// Bytes that wait for the stream's socket.
    pub fn queued(&self) -> usize {
        self.conn.as_ref().map_or(0, |c| c.sender.queued())
    }

    /// Puts a message on its way.
    pub fn queue(&mut self, message: &ToClient) {
        if let Some(conn) = &mut self.conn
            && let Err(e) = conn.sender.queue(message)
        {
            tracing::warn!("a message could not be sent: {e}");
        }
    }

    /// It asks and asks and reads no answer.
    pub fn is_stuffed(&self) -> bool {
        self.queued() > QUEUED_MAX
    }

    /// Keeps input until the program has room. None of it is acknowledged, so a client whose stream ends
    /// meanwhile sends it again over the next one.
    pub fn wait_with(&mut self, number: u64, bytes: Bytes) {
        self.waiting_bytes = self.waiting_bytes.saturating_add(bytes.len().max(1));
        self.waiting.push_back((number, bytes));
    }

    /// Input of its waits: what comes after it waits too.
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The first input that waits.
    pub fn next_waiting(&mut self) -> Option<(u64, Bytes)> {
        let (number, bytes) = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes.len().max(1));
        Some((number, bytes))
    }

    /// So much of its input waits that its stream is not read.
    pub fn is_held(&self) -> bool {
        self.waiting_bytes >= WAITING_MAX
    }

    pub fn notice(&mut self, text: &str, fatal: bool) {
        self.queue(&ToClient::Notice(Notice {
            text: text.to_owned(),
            fatal,
        }));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let held = self.is_held();
        let Some(conn) = &mut self.conn else {
            return Poll::Pending;
        };
        if conn.sender.queued() > 0 {
            match pin!(conn.sender.flush()).poll(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Event::Flushed),
                Poll::Ready(Err(e)) => return Poll::Ready(Event::Gone(Some(e))),
                Poll::Pending => {}
            }
        }
        if held {
            return Poll::Pending;
        }
        pin!(conn.receiver.next())
            .poll(cx)
            .map(|received| match received {
                Ok(Some(message)) => Event::Message(message),
                Ok(None) => Event::Gone(None),
                Err(e) => Event::Gone(Some(e)),
            })
    }

    fn open(&mut self, conn: Box<Stream>, gone: oneshot::Sender<()>) {
        self.conn = Some(conn);
        self.gone = Some(gone);
        self.ack = None;
        self.echoes = None;
        self.drawn = None;
        self.told = None;
    }

    fn close(&mut self, now: Millis) {
        self.attachment.disconnect(now);
        self.conn = None;
        self.gone = None;
        self.drawn = None;
        self.ack = None;
        self.waiting.clear();
        self.waiting_bytes = 0;
    }
}

/// All attachments of one agent, also those that are remembered only.
#[derive(Default)]
pub struct Clients {
    list: Vec<Client>,
    typed: u64,
    /// Who is looked at first the next time.
    turn: usize,
}

impl Clients {
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.list.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.list.iter_mut()
    }

    pub fn get(&mut self, index: usize) -> Option<&mut Client> {
        self.list.get_mut(index)
    }

    /// Waits for the next thing that any stream does; each has its turn to be looked at first. A client whose
    /// input waits for the program is read no further than its share. Cancel-safe.
    pub async fn event(&mut self) -> (usize, Event) {
        let Self { list, turn, .. } = self;
        poll_fn(|cx| {
            let first = if *turn < list.len() { *turn } else { 0 };
            let (before, after) = list.split_at_mut(first);
            let after = after.iter_mut().zip(first..);
            for (client, index) in after.chain(before.iter_mut().zip(0..)) {
                if let Poll::Ready(event) = client.poll(cx) {
                    *turn = index.saturating_add(1);
                    return Poll::Ready((index, event));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Writes what the sockets take now, without waiting for any; whether some client has room again.
    pub async fn flush_now(&mut self) -> bool {
        poll_fn(|cx| {
            let mut emptied = false;
            for client in &mut self.list {
                if let Some(conn) = &mut client.conn
                    && conn.sender.queued() > 0
                {
                    let _ = pin!(conn.sender.flush()).poll(cx);
                    emptied |= conn.sender.queued() == 0;
                }
            }
            Poll::Ready(emptied)
        })
        .await
    }

    /// Takes a stream in; an older one of the same attachment ends at once. Returns its index.
    pub async fn open(
        &mut self,
        id: AttachmentId,
        conn: Box<Stream>,
        gone: oneshot::Sender<()>,
        now: Millis,
    ) -> usize {
        let known = self.list.iter().position(|c| c.attachment.id == id);
        let index = match known {
            Some(index) => {
                if let Some(old) = self.list.get_mut(index)
                    && old.conn.is_some()
                {
                    old.notice(
                        "this terminal has attached again over another connection",
                        true,
                    );
                    self.flush_now().await;
                    self.close(index, now);
                }
                index
            }
            None => {
                self.forget(now);
                self.list.push(Client::new(Attachment::new(id, 0, now)));
                self.list.len() - 1
            }
        };
        if let Some(client) = self.list.get_mut(index) {
            client.open(conn, gone);
        }
        index
    }

    /// The stream of a client is over; the attachment is remembered.
    pub fn close(&mut self, index: usize, now: Millis) {
        if let Some(client) = self.list.get_mut(index) {
            client.close(now);
        }
    }

    /// The client wished to leave.
    pub fn remove(&mut self, index: usize) {
        if index < self.list.len() {
            self.list.remove(index);
        }
    }

    /// Takes an attachment back that an earlier binary of this host knew.
    pub fn remember(&mut self, attachment: Attachment) {
        self.typed = self.typed.max(attachment.typed);
        self.list.push(Client::new(attachment));
    }

    fn forget(&mut self, now: Millis) {
        let old = |c: &Client, within: Millis| {
            c.attachment
                .left
                .is_some_and(|l| now.saturating_sub(l) > within)
        };
        self.list.retain(|c| !old(c, MEMORY_MS));
        while self.list.iter().filter(|c| c.conn.is_none()).count() >= REMEMBERED {
            let oldest = (0..self.list.len())
                .filter(|i| self.list.get(*i).is_some_and(|c| c.conn.is_none()))
                .min_by_key(|i| self.list.get(*i).and_then(|c| c.attachment.left));
            match oldest {
                Some(index) => drop(self.list.remove(index)),
                None => return,
            }
        }
    }

    /// Somebody types: the terminal's size is theirs.
    pub fn note_typed(&mut self, index: usize) {
        self.typed = self.typed.saturating_add(1);
        let typed = self.typed;
        if let Some(client) = self.list.get_mut(index) {
            client.attachment.typed = typed;
        }
    }

    /// Whose size the terminal has: of those who may type, who typed last, or who came first.
    pub fn owner(&self) -> Option<usize> {
        let mut best: Option<(usize, u64)> = None;
        for (index, client) in self.list.iter().enumerate() {
            let a = &client.attachment;
            if client.conn.is_some() && !a.read_only && best.is_none_or(|(_, t)| a.typed > t) {
                best = Some((index, a.typed));
            }
        }
        best.map(|(index, _)| index)
    }

    /// The size that the owner has.
    pub fn wanted_size(&self) -> Option<Size> {
        let owner = self.list.get(self.owner()?)?;
        Some(owner.attachment.size)
    }

    /// The terminal that queries are answered from.
    pub fn terminal(&self) -> Terminal {
        self.owner()
            .and_then(|i| self.list.get(i))
            .map(|c| c.attachment.terminal.clone())
            .unwrap_or_default()
    }

    /// Somebody is here, or may come back for the bytes since: output is worth keeping in memory.
    pub fn need_bytes(&self, now: Millis) -> bool {
        self.list.iter().any(|c| {
            c.conn.is_some()
                || c.attachment
                    .left
                    .is_some_and(|l| now.saturating_sub(l) < RESUME_MS)
        })
    }

    /// For the session's status.
    pub fn attached(&self, agent: u32) -> Vec<AttachedClient> {
        self.list
            .iter()
            .filter(|c| c.conn.is_some())
            .map(|c| AttachedClient {
                agent,
                since: c.attachment.since,
                size: c.attachment.size,
                read_only: c.attachment.read_only,
                who: c.attachment.who.clone(),
            })
            .collect()
    }
}
