//! Our side of a russh client session: it asks the judge about the host's key, counts what each channel
//! holds unread, and wakes everybody when the connection is gone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use russh::client::{self, ChannelOpenHandle, DisconnectReason, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{ChannelId, ChannelOpenFailure};
use tokio::sync::{Notify, mpsc, watch};

use super::error::SshError;
use super::trust::Judge;
use super::{Ask, lock};

/// What a queued message costs besides its bytes.
const OVERHEAD: i64 = 128;

/// What one channel holds, and whether it still lives.
#[derive(Debug, Default)]
pub struct Meter {
    /// Bytes queued and not yet read. May dip below zero: a reader can be quicker than the counting.
    held: AtomicI64,
    /// Messages of data that russh holds for us.
    queued: AtomicI64,
    overflow: AtomicBool,
    closed: AtomicBool,
    wakers: Mutex<[Option<Waker>; 2]>,
    over: Notify,
}

/// Which side of a channel waits.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    Read,
    Write,
}

impl Meter {
    fn add(&self, bytes: usize) -> i64 {
        self.queued.fetch_add(1, Ordering::AcqRel);
        let n = cost(bytes);
        self.held.fetch_add(n, Ordering::AcqRel).saturating_add(n)
    }

    /// A message of this length was read.
    pub fn read(&self, bytes: usize) {
        self.held.fetch_sub(cost(bytes), Ordering::AcqRel);
    }

    /// A message of data was taken from russh.
    pub fn taken(&self) {
        self.queued.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether all that russh held was taken. A receiver that is pending says less: tokio makes it so
    /// now and then, for others to have their turn.
    pub fn empty(&self) -> bool {
        self.queued.load(Ordering::Acquire) <= 0
    }

    pub fn overflowed(&self) -> bool {
        self.overflow.load(Ordering::Acquire)
    }

    pub fn closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Remembers who waits, so that the channel's end wakes it. russh would wake neither a writer that
    /// waits for window nor, once we closed the channel, its reader.
    pub fn park(&self, side: Side, waker: &Waker) {
        let mut wakers = lock(&self.wakers);
        let [read, write] = &mut *wakers;
        let slot = match side {
            Side::Read => read,
            Side::Write => write,
        };
        match slot {
            Some(w) if w.will_wake(waker) => {}
            _ => *slot = Some(waker.clone()),
        }
    }

    /// Resolves once nothing more comes because we closed the channel. For one waiter.
    pub async fn over(&self) {
        self.over.notified().await;
    }

    /// Ends [`Meter::over`].
    pub fn end(&self) {
        self.over.notify_one();
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let wakers = std::mem::take(&mut *lock(&self.wakers));
        for waker in wakers.into_iter().flatten() {
            waker.wake();
        }
    }
}

fn cost(bytes: usize) -> i64 {
    i64::try_from(bytes)
        .unwrap_or(i64::MAX / 2)
        .saturating_add(OVERHEAD)
}

/// A connection that came in on a forwarded port, not yet accepted as a [`Channel`](super::Channel).
pub struct Incoming {
    pub channel: russh::Channel<Msg>,
    pub from: String,
}

/// What the session's task and the rest share.
pub struct Registry {
    channels: Mutex<HashMap<ChannelId, Arc<Meter>>>,
    forwards: Mutex<HashMap<u32, mpsc::UnboundedSender<Incoming>>>,
    /// `Some(why)` once the connection is gone.
    gone: watch::Sender<Option<String>>,
    /// The most one channel may hold unread.
    limit: i64,
}

impl Registry {
    pub fn new(limit: i64) -> Self {
        Self {
            channels: Mutex::default(),
            forwards: Mutex::default(),
            gone: watch::Sender::new(None),
            limit,
        }
    }

    pub fn meter(&self, id: ChannelId) -> Arc<Meter> {
        Arc::clone(lock(&self.channels).entry(id).or_default())
    }

    fn existing(&self, id: ChannelId) -> Option<Arc<Meter>> {
        lock(&self.channels).get(&id).cloned()
    }

    pub fn forget(&self, id: ChannelId) {
        lock(&self.channels).remove(&id);
    }

    /// Connections to this port of the server's go to `sender`. Port 0 stands for one that is being
    /// asked for and whose number is not known yet.
    pub fn forward(&self, port: u32, sender: mpsc::UnboundedSender<Incoming>) {
        lock(&self.forwards).insert(port, sender);
    }

    pub fn unforward(&self, port: u32) {
        lock(&self.forwards).remove(&port);
    }

    pub fn why_gone(&self) -> Option<String> {
        self.gone.borrow().clone()
    }

    /// Resolves when the connection is gone.
    pub async fn gone(&self) {
        let mut gone = self.gone.subscribe();
        // The sender lives in self: this cannot fail.
        let _ = gone.wait_for(Option::is_some).await;
    }

    fn lose(&self, why: &str) {
        self.gone.send_if_modified(|gone| {
            let first = gone.is_none();
            if first {
                *gone = Some(why.to_owned());
            }
            first
        });
        for (_, meter) in lock(&self.channels).drain() {
            meter.close();
        }
        lock(&self.forwards).clear();
    }
}

/// The handler that russh calls.
pub struct ClientHandler {
    pub judge: Arc<Judge>,
    pub registry: Arc<Registry>,
    pub ask: Arc<dyn Ask>,
}

impl Drop for ClientHandler {
    fn drop(&mut self) {
        self.registry.lose("the connection was closed");
    }
}

impl ClientHandler {
    fn count(&self, id: ChannelId, bytes: usize, session: &mut Session) -> Result<(), SshError> {
        let Some(meter) = self.registry.existing(id) else {
            return Ok(());
        };
        if meter.add(bytes) > self.registry.limit && !meter.overflow.swap(true, Ordering::AcqRel) {
            session.close(id)?;
            meter.close();
            meter.end();
        }
        Ok(())
    }
}

impl client::Handler for ClientHandler {
    type Error = SshError;

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), SshError> {
        for line in banner.lines() {
            // A banner is written by a stranger: nothing in it may steer the terminal.
            let clean: String = line
                .chars()
                .filter(|c| !c.is_control() || *c == '\t')
                .collect();
            self.ask.tell(&clean);
        }
        Ok(())
    }

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, SshError> {
        self.judge.check(shown).await.map(|()| true)
    }

    async fn channel_open_confirmation(
        &mut self,
        id: ChannelId,
        _: u32,
        _: u32,
        _: &mut Session,
    ) -> Result<(), SshError> {
        self.registry.meter(id);
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], s: &mut Session) -> Result<(), SshError> {
        self.count(id, data.len(), s)
    }

    async fn extended_data(
        &mut self,
        id: ChannelId,
        _: u32,
        data: &[u8],
        s: &mut Session,
    ) -> Result<(), SshError> {
        self.count(id, data.len(), s)
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), SshError> {
        // Stays in the table until its owner forgets it: it may not have met its owner yet.
        if let Some(meter) = self.registry.existing(id) {
            meter.close();
        }
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        channel: russh::Channel<Msg>,
        _: &str,
        port: u32,
        from: &str,
        from_port: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), SshError> {
        let target = {
            let forwards = lock(&self.registry.forwards);
            forwards.get(&port).or_else(|| forwards.get(&0)).cloned()
        };
        match target {
            Some(target) => {
                let from = format!("{from}:{from_port}");
                self.registry.meter(channel.id());
                reply.accept().await;
                let _ = target.send(Incoming { channel, from });
            }
            None => {
                reply
                    .reject(ChannelOpenFailure::AdministrativelyProhibited)
                    .await
            }
        }
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: russh::Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), SshError> {
        reply
            .reject(ChannelOpenFailure::AdministrativelyProhibited)
            .await;
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: russh::Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), SshError> {
        reply
            .reject(ChannelOpenFailure::AdministrativelyProhibited)
            .await;
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: russh::Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), SshError> {
        reply
            .reject(ChannelOpenFailure::AdministrativelyProhibited)
            .await;
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: russh::Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), SshError> {
        reply
            .reject(ChannelOpenFailure::AdministrativelyProhibited)
            .await;
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: russh::Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), SshError> {
        reply
            .reject(ChannelOpenFailure::AdministrativelyProhibited)
            .await;
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: russh::Channel<Msg>,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), SshError> {
        reply
            .reject(ChannelOpenFailure::AdministrativelyProhibited)
            .await;
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<SshError>) -> Result<(), SshError> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                self.registry
                    .lose(&format!("the server hung up: {}", info.message));
                Ok(())
            }
            DisconnectReason::Error(e) => {
                self.registry.lose(&e.message);
                Err(e)
            }
        }
    }
}
