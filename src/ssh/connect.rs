//! Opening a connection (stream, handshake with the host's key judged, authentication) and what it is
//! good for afterwards: channels.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use russh::client::{self, Handle, Msg};
use tokio::io::BufReader;

use russh::{Disconnect, Preferred, SshId, cipher, kex};

use super::Ask;
use super::agent;
use super::auth;
use super::channel::{Channel, Flow};
use super::client::{ClientHandler, Registry};
use super::error::{SshError, SshErrorKind};
use super::exec::{self, Exec, PtyRequest};
use super::forward::RemoteForward;
use super::guard::{Guarded, Switch};
use super::proxy::{Dialled, dial, time_limit};
use super::resolve::Resolved;
use super::trust::{HostTrust, Judge};

/// The window of a channel. More is slower: it only grows queues.
pub(super) const WINDOW: u32 = 2 << 20;
/// Read at once from a connection.
pub(super) const READ_AHEAD: usize = 64 << 10;
/// Where the configuration says nothing: a peer that is gone is noticed after a minute of silence.
const ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How long a connection that nobody holds any more may take to end.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// An authenticated connection. Clones share it; it ends when the last clone and the last channel are
/// dropped.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub handle: Handle<ClientHandler>,
    pub registry: Arc<Registry>,
    pub runtime: tokio::runtime::Handle,
    pub flow: Flow,
    /// For messages.
    pub place: String,
    resolved: Resolved,
    trust: HostTrust,
    switch: Arc<Switch>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let (registry, switch) = (Arc::clone(&self.registry), Arc::clone(&self.switch));
        self.runtime.spawn(async move {
            let _ = tokio::time::timeout(CLOSE_TIME, registry.gone()).await;
            switch.cut();
        });
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("place", &self.inner.place)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// What tells an SSH agent that its questions come over this connection: a message of its protocol. `None` where
    /// the key exchange gave nothing to prove it with.
    pub fn agent_binding(&self) -> Option<Vec<u8>> {
        self.inner
            .handle
            .agent_session_binding()
            .map(agent::forwarded)
    }

    /// Connects and authenticates, for streams with credit of their own ([`Flow::Credited`]).
    ///
    /// # Errors
    /// Of every kind; [`SshError::retry`] says whether to try again.
    pub async fn open(
        r: &Resolved,
        trust: &HostTrust,
        ask: Arc<dyn Ask>,
    ) -> Result<Self, SshError> {
        Self::open_with(r, trust, ask, Flow::Credited).await
    }

    /// Connects and authenticates.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub async fn open_with(
        r: &Resolved,
        trust: &HostTrust,
        ask: Arc<dyn Ask>,
        flow: Flow,
    ) -> Result<Self, SshError> {
        let judge = Arc::new(Judge::new(r, trust, Arc::clone(&ask))?);
        let dialled = dial(r, &ask).await?;
        let config = Arc::new(config(r, &judge, flow, dialled.loopback));
        let registry = Arc::new(Registry::new(flow.limit()));
        let handler = ClientHandler {
            judge: Arc::clone(&judge),
            registry: Arc::clone(&registry),
            ask: Arc::clone(&ask),
        };
        let (mut handle, switch) = handshake(r, config, dialled, handler, &judge).await?;
        let passwords = !judge.doubtful.load(Ordering::Acquire);
        if let Err(e) = auth::authenticate(&mut handle, r, &ask, passwords, &registry).await {
            switch.cut();
            return Err(e);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                handle,
                registry,
                runtime: tokio::runtime::Handle::current(),
                flow,
                place: r.place(),
                resolved: r.clone(),
                trust: trust.clone(),
                switch,
            }),
        })
    }

    /// Another connection to the same place, for one transfer: its back-pressure stalls nothing else.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub async fn bulk(&self, ask: Arc<dyn Ask>) -> Result<Self, SshError> {
        Self::open_with(&self.inner.resolved, &self.inner.trust, ask, Flow::Bulk).await
    }

    /// What this connection was opened with.
    pub fn resolved(&self) -> &Resolved {
        &self.inner.resolved
    }

    /// A stream to a Unix socket on the other side (`direct-streamlocal@openssh.com`).
    ///
    /// # Errors
    /// `Prohibited` where the server forbids it, `NotThere` where nobody listens on the socket.
    pub async fn streamlocal(&self, path: &str) -> Result<Channel, SshError> {
        let owned = path.to_owned();
        self.channel(path, move |i| async move {
            i.handle.channel_open_direct_streamlocal(owned).await
        })
        .await
    }

    /// A stream to a TCP port, as seen from the other side.
    ///
    /// # Errors
    /// As [`Connection::streamlocal`].
    pub async fn tcpip(&self, host: &str, port: u16) -> Result<Channel, SshError> {
        let owned = host.to_owned();
        let open = move |i: Arc<Inner>| async move {
            i.handle
                .channel_open_direct_tcpip(owned, u32::from(port), "127.0.0.1", 0)
                .await
        };
        self.channel(&format!("{host}:{port}"), open).await
    }

    /// Runs a command, by the login shell of the other side.
    ///
    /// # Errors
    /// `Prohibited` where the server refuses the command or the terminal.
    pub async fn exec(&self, command: &str, pty: Option<PtyRequest>) -> Result<Exec, SshError> {
        let channel = self.session().await?;
        exec::start(
            channel,
            Arc::clone(&self.inner),
            Some(command),
            pty.as_ref(),
        )
        .await
    }

    /// Starts the login shell.
    ///
    /// # Errors
    /// As [`Connection::exec`].
    pub async fn shell(&self, pty: Option<PtyRequest>) -> Result<Exec, SshError> {
        let channel = self.session().await?;
        exec::start(channel, Arc::clone(&self.inner), None, pty.as_ref()).await
    }

    /// Has the server listen on `bind:port` (0: any) and hand its connections to us.
    ///
    /// # Errors
    /// `Prohibited` where it will not.
    pub async fn remote_forward(&self, bind: &str, port: u16) -> Result<RemoteForward, SshError> {
        RemoteForward::open(Arc::clone(&self.inner), bind, port).await
    }

    /// Whether the connection is known to be gone.
    pub fn is_closed(&self) -> bool {
        self.inner.handle.is_closed() || self.inner.registry.why_gone().is_some()
    }

    /// Resolves when the connection is gone, with the reason.
    pub async fn closed(&self) -> String {
        self.inner.registry.gone().await;
        self.inner.registry.why_gone().unwrap_or_default()
    }

    /// Says goodbye and ends the connection under all its channels.
    pub async fn close(&self) {
        let goodbye = async {
            let _ = self
                .inner
                .handle
                .disconnect(Disconnect::ByApplication, "", "")
                .await;
            self.inner.registry.gone().await;
        };
        let _ = tokio::time::timeout(CLOSE_TIME, goodbye).await;
        self.inner.switch.cut();
    }

    async fn session(&self) -> Result<russh::Channel<Msg>, SshError> {
        let open = |i: Arc<Inner>| async move { i.handle.channel_open_session().await };
        self.raw("a session", open).await
    }

    async fn channel<F, T>(&self, what: &str, open: F) -> Result<Channel, SshError>
    where
        F: FnOnce(Arc<Inner>) -> T,
        T: Future<Output = Result<russh::Channel<Msg>, russh::Error>> + Send + 'static,
    {
        let channel = self.raw(what, open).await?;
        Ok(Channel::new(channel, Arc::clone(&self.inner)))
    }

    /// Opens in a task of its own: where the caller gives up in between, the channel that then opens
    /// is closed instead of forgotten.
    async fn raw<F, T>(&self, what: &str, open: F) -> Result<russh::Channel<Msg>, SshError>
    where
        F: FnOnce(Arc<Inner>) -> T,
        T: Future<Output = Result<russh::Channel<Msg>, russh::Error>> + Send + 'static,
    {
        let (tell, told) = tokio::sync::oneshot::channel();
        let opening = open(Arc::clone(&self.inner));
        self.inner.runtime.spawn(async move {
            if let Err(Ok(unwanted)) = tell.send(opening.await) {
                let _ = unwanted.close().await;
            }
        });
        match told.await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(e)) => Err(self.refused(what, e)),
            Err(_) => Err(self.refused(what, russh::Error::Disconnect)),
        }
    }

    fn refused(&self, what: &str, e: russh::Error) -> SshError {
        let place = &self.inner.place;
        let e = SshError::from(e);
        let message = match e.kind {
            SshErrorKind::Prohibited => format!("{place} forbids {what}"),
            SshErrorKind::NotThere => format!("{place} reaches nothing at {what}, or forbids it"),
            _ => match self.inner.registry.why_gone() {
                Some(why) => format!("the connection to {place} is gone: {why}"),
                None => format!("the connection to {place} is gone"),
            },
        };
        SshError { message, ..e }
    }
}

/// The key exchange, within the time the host has; the time a person takes to answer does not count.
async fn handshake(
    r: &Resolved,
    config: Arc<client::Config>,
    dialled: Dialled,
    handler: ClientHandler,
    judge: &Judge,
) -> Result<(Handle<ClientHandler>, Arc<Switch>), SshError> {
    // russh reads a packet's length, then its body, then nothing: three system calls for one.
    let stream = BufReader::with_capacity(READ_AHEAD, dialled.stream);
    let (stream, switch) = Guarded::new(stream);
    let connecting = client::connect_stream(config, stream, handler);
    tokio::pin!(connecting);
    let limit = time_limit(r);
    let result = loop {
        tokio::select! {
            result = &mut connecting => break result,
            () = tokio::time::sleep(limit) => {
                if !judge.asking.load(Ordering::Acquire) {
                    switch.cut();
                    let what = format!("{}{} does not answer as an SSH server within {limit:?}", r.place(), dialled.through);
                    return Err(SshError::new(SshErrorKind::Timeout, what));
                }
            }
        }
    };
    match result {
        Ok(handle) => Ok((handle, switch)),
        Err(e) => {
            switch.cut();
            Err(hung_up(r, &dialled.through, e))
        }
    }
}

/// An end before the handshake was through: the server's limits on connections, or the proxy's failure.
fn hung_up(r: &Resolved, through: &str, e: SshError) -> SshError {
    let place = r.place();
    if e.kind == SshErrorKind::Protocol {
        return SshError {
            message: format!("{} with {place}", e.message),
            ..e
        };
    }
    if e.kind != SshErrorKind::Lost {
        return e;
    }
    if through.is_empty() {
        let what = format!("{place} hung up before the handshake was through");
        return SshError { kind: SshErrorKind::Busy, message: what, ..e }
            .hint("it may limit connections (MaxStartups, PerSourcePenalties in its sshd_config): wait a little");
    }
    SshError {
        kind: SshErrorKind::Unreachable,
        message: format!("{place} cannot be reached{through}"),
        ..e
    }
}

fn config(r: &Resolved, judge: &Judge, flow: Flow, loopback: bool) -> client::Config {
    let (key, certificates) = judge.algorithms();
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!(
            "SSH-2.0-remote_",
            env!("CARGO_PKG_VERSION")
        ))),
        window_size: WINDOW,
        channel_buffer_size: flow.queue(),
        keepalive_interval: Some(r.alive_interval.unwrap_or(ALIVE_INTERVAL)),
        keepalive_max: r.alive_count.max(1),
        nodelay: true,
        preferred: Preferred {
            key: Cow::Owned(key),
            host_key_certificates: Cow::Owned(certificates),
            kex: kex_order(loopback),
            cipher: cipher_order(),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
}

/// GCM first where the processor has AES: a third quicker than chacha20 there, and slower elsewhere.
pub(super) fn cipher_order() -> Cow<'static, [cipher::Name]> {
    const GCM: &[cipher::Name] = &[
        cipher::AES_128_GCM,
        cipher::AES_256_GCM,
        cipher::CHACHA20_POLY1305,
        cipher::AES_256_CTR,
        cipher::AES_192_CTR,
        cipher::AES_128_CTR,
    ];
    const CHACHA: &[cipher::Name] = &[
        cipher::CHACHA20_POLY1305,
        cipher::AES_128_GCM,
        cipher::AES_256_GCM,
        cipher::AES_256_CTR,
        cipher::AES_192_CTR,
        cipher::AES_128_CTR,
    ];
    #[cfg(target_arch = "x86_64")]
    let aes = std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    let aes = std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let aes = false;
    Cow::Borrowed(if aes { GCM } else { CHACHA })
}

/// Nothing on loopback is recorded for a quantum computer to read: the quicker exchange goes first.
pub(super) fn kex_order(loopback: bool) -> Cow<'static, [kex::Name]> {
    if !loopback {
        return Preferred::DEFAULT.kex;
    }
    let mut names = Preferred::DEFAULT.kex.into_owned();
    names.sort_by_key(|name| *name != kex::CURVE25519);
    Cow::Owned(names)
}
