//! The SSH server of a `local` session: loopback only, one user, the given keys only. It runs commands
//! and shells, opens the session's own sockets, and forwards loopback ports; so that `local` is reached
//! over the same path as a machine far away, and by a stock `ssh` too.

mod bridge;
mod forward;
mod gate;
mod handler;
mod policy;
mod session;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use russh::keys::{PrivateKey, PublicKey};
use russh::server::{self, Handle};
use russh::{Disconnect, MethodKind, MethodSet, Preferred, Sig, SshId, compression};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::BoxFuture;
use super::connect::{READ_AHEAD, WINDOW, cipher_order, kex_order};
use super::guard::{Guarded, Switch};
use crate::model::Size;
pub use gate::Gate;
use handler::ServerHandler;

/// What the server serves, and to whom.
pub struct Config {
    pub host_key: PrivateKey,
    /// The keys that are let in.
    pub authorized: Vec<PublicKey>,
    /// The one user name that is let in.
    pub user: String,
    /// Unix sockets that may be opened (`direct-streamlocal@openssh.com`), by their exact path.
    pub sockets: Vec<PathBuf>,
    /// The whole environment of commands and shells, `SHELL` included.
    pub env: BTreeMap<String, String>,
    pub cwd: PathBuf,
    /// Gives terminals; without it, requests for one are refused.
    pub pty: Option<Arc<dyn SpawnPty>>,
    /// Every command and shell is started through it.
    pub gate: Arc<Gate>,
}

/// Starts programs in terminals.
pub trait SpawnPty: Send + Sync {
    /// Starts `argv` with exactly this environment.
    ///
    /// # Errors
    /// The program cannot be started.
    fn spawn(
        &self,
        argv: &[String],
        env: &BTreeMap<String, String>,
        cwd: &Path,
        size: Size,
    ) -> io::Result<Box<dyn PtyProcess>>;
}

/// A program in its terminal. Reads, writes and the wait go on side by side.
pub trait PtyProcess: Send + Sync {
    /// Its output; 0 at the end.
    fn read<'a>(&'a self, buf: &'a mut [u8]) -> BoxFuture<'a, io::Result<usize>>;
    fn write<'a>(&'a self, buf: &'a [u8]) -> BoxFuture<'a, io::Result<usize>>;
    /// # Errors
    /// The terminal is gone.
    fn resize(&self, size: Size) -> io::Result<()>;
    /// Sends a signal, by number, to its process group.
    fn signal(&self, number: i32);
    /// Its exit code, 128 + the signal where one ended it.
    fn wait(&self) -> BoxFuture<'_, i32>;
}

/// Connections that have not logged in after this long are dropped. On loopback, with keys: no person types.
const LOGIN_TIME: Duration = Duration::from_secs(10);
/// Connections in all; when a further one comes, the oldest that has not logged in makes room for it.
const CONNECTIONS_MAX: usize = if cfg!(test) { 32 } else { 512 };
/// How long the end of all connections may take at shutdown.
const SHUTDOWN_TIME: Duration = Duration::from_secs(1);

/// Serves until `shutdown` resolves, then ends every connection and what runs in it.
///
/// # Errors
/// The listener fails, or is not on a loopback address.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    if !listener.local_addr()?.ip().is_loopback() {
        return Err(io::Error::other(
            "the SSH server listens on loopback addresses only",
        ));
    }
    let russh_config = Arc::new(russh_config(&config.host_key));
    let config = Arc::new(config);
    let mut connections = JoinSet::new();
    let mut waiting = Waiting::default();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let full = connections.len() >= CONNECTIONS_MAX;
                    if !peer.ip().is_loopback() || (full && !waiting.drop_oldest()) {
                        tracing::warn!("refused a connection from {peer}");
                        continue;
                    }
                    let _ = stream.set_nodelay(true);
                    let stream = BufReader::with_capacity(READ_AHEAD, stream);
                    let (stream, switch) = Guarded::new(stream);
                    let logged_in = Arc::new(AtomicBool::new(false));
                    waiting.add(&switch, logged_in.clone());
                    let handler = ServerHandler::new(Arc::clone(&config), logged_in.clone());
                    let door = Door { switch, logged_in, stopped: stopped.clone() };
                    connections.spawn(connection(stream, Arc::clone(&russh_config), handler, door));
                }
                Err(e) => {
                    // Out of descriptors, or a peer that is gone already: the next one may do.
                    tracing::warn!("accept: {e}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    stop.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(SHUTDOWN_TIME, all).await;
    Ok(())
}

/// Connections that have not logged in, the oldest first.
#[derive(Default)]
struct Waiting(VecDeque<(Weak<Switch>, Arc<AtomicBool>)>);

impl Waiting {
    fn add(&mut self, switch: &Arc<Switch>, logged_in: Arc<AtomicBool>) {
        self.0
            .retain(|(switch, logged_in)| waits(switch, logged_in));
        self.0.push_back((Arc::downgrade(switch), logged_in));
    }

    /// Whether there was one to drop.
    fn drop_oldest(&mut self) -> bool {
        while let Some((switch, logged_in)) = self.0.pop_front() {
            if let Some(switch) = switch.upgrade()
                && !logged_in.load(Ordering::Acquire)
            {
                switch.cut();
                return true;
            }
        }
        false
    }
}

fn waits(switch: &Weak<Switch>, logged_in: &AtomicBool) -> bool {
    switch.strong_count() > 0 && !logged_in.load(Ordering::Acquire)
}

/// What decides that a connection ends.
struct Door {
    switch: Arc<Switch>,
    logged_in: Arc<AtomicBool>,
    stopped: tokio::sync::watch::Receiver<bool>,
}

async fn connection(
    stream: Guarded<BufReader<TcpStream>>,
    russh_config: Arc<server::Config>,
    handler: ServerHandler,
    door: Door,
) {
    let Door {
        switch,
        logged_in,
        mut stopped,
    } = door;
    let login_by = tokio::time::Instant::now() + LOGIN_TIME;
    let begun = server::run_stream(russh_config, stream, handler);
    let mut running = match tokio::time::timeout_at(login_by, begun).await {
        Ok(Ok(running)) => running,
        Ok(Err(e)) => return tracing::debug!("a connection ended before it began: {e}"),
        Err(_) => return switch.cut(),
    };
    let handle = running.handle();
    tokio::select! {
        ended = &mut running => {
            if let Err(e) = ended {
                tracing::debug!("a connection ended: {e}");
            }
            return;
        }
        () = idle_login(login_by, &logged_in) => tracing::debug!("nobody logged in"),
        _ = stopped.wait_for(|stop| *stop) => {}
    }
    let _ = tokio::time::timeout(SHUTDOWN_TIME / 2, goodbye(handle, running)).await;
    switch.cut();
}

async fn idle_login(by: tokio::time::Instant, logged_in: &AtomicBool) {
    tokio::time::sleep_until(by).await;
    if logged_in.load(Ordering::Acquire) {
        std::future::pending::<()>().await;
    }
}

async fn goodbye(handle: Handle, running: server::RunningSession<ServerHandler>) {
    let _ = handle
        .disconnect(Disconnect::ByApplication, String::new(), String::new())
        .await;
    let _ = running.await;
}

fn russh_config(host_key: &PrivateKey) -> server::Config {
    server::Config {
        server_id: SshId::Standard(Cow::Borrowed(concat!(
            "SSH-2.0-remote_",
            env!("CARGO_PKG_VERSION")
        ))),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        // Nothing can be guessed here: keys are not passwords.
        auth_rejection_time: Duration::from_millis(5),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![host_key.clone()],
        window_size: WINDOW,
        // A slow program behind one channel stalls its connection only after this many messages.
        channel_buffer_size: 512,
        max_auth_attempts: 20,
        inactivity_timeout: None,
        keepalive_interval: Some(Duration::from_secs(15)),
        keepalive_max: 3,
        nodelay: true,
        preferred: Preferred {
            kex: kex_order(true),
            cipher: cipher_order(),
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        ..server::Config::default()
    }
}

const SIGNALS: &[(&str, i32)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
];

/// A signal's number on Linux, by its name without `SIG`.
pub(super) fn signal_number(name: &str) -> Option<i32> {
    SIGNALS
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, number)| *number)
}

pub(super) fn signal_named(name: &str) -> Sig {
    match name {
        "ABRT" => Sig::ABRT,
        "ALRM" => Sig::ALRM,
        "FPE" => Sig::FPE,
        "HUP" => Sig::HUP,
        "ILL" => Sig::ILL,
        "INT" => Sig::INT,
        "KILL" => Sig::KILL,
        "PIPE" => Sig::PIPE,
        "QUIT" => Sig::QUIT,
        "SEGV" => Sig::SEGV,
        "TERM" => Sig::TERM,
        "USR1" => Sig::USR1,
        other => Sig::Custom(other.to_owned()),
    }
}

fn signal_name(number: i32) -> String {
    let known = SIGNALS.iter().find(|(_, n)| *n == number);
    known.map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
}
