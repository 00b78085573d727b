//! From a session that is known to a stream to its host: always over SSH, to this machine's own sessions too.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Mutex;

use super::control::{ByteStream, Control};
use super::registry::Known;
use crate::error::{Error, Result};
use crate::model::SessionId;
use crate::proto::Mux;
use crate::provision::{BoxFuture, PinnedLogin, Ran, Remote, live_endpoint, quote};
use crate::ssh::{
    Ask, Connection, Flow, HostTrust, Overrides, Resolved, SshError, SshErrorKind, resolve,
};

/// The most bytes of a command's output that are kept.
const OUTPUT: u64 = 4 << 20;

/// An SSH connection to a session's machine and the way to its host's socket. Clones share the connection.
#[derive(Clone)]
pub struct HostConn {
    session: String,
    /// `None` for a session that another machine started here: its host has no SSH server, and its socket is
    /// at hand.
    connection: Option<Connection>,
    socket: String,
    /// Succeeds where the host lives.
    alive_command: Option<String>,
    bridge_command: String,
    /// Once a server has forbidden streams to sockets: all streams through one command's stdio.
    bridge: Arc<Mutex<Option<Mux>>>,
}

/// Opens an SSH connection to a session's machine, with the pinned key where it is this one.
///
/// # Errors
/// What SSH says; for this machine also that the session's host is not running.
pub async fn connect(known: &Known, ask: Arc<dyn Ask>) -> Result<Connection> {
    connect_with(known, ask, Flow::Credited).await
}

/// As [`connect`], for transfers: one that is not read makes the others on this connection wait.
///
/// # Errors
/// As [`connect`].
pub async fn connect_bulk(known: &Known, ask: Arc<dyn Ask>) -> Result<Connection> {
    connect_with(known, ask, Flow::Bulk).await
}

async fn connect_with(known: &Known, ask: Arc<dyn Ask>, flow: Flow) -> Result<Connection> {
    match (pinned(known)?, &known.ssh) {
        (Some(login), _) => Ok(dial_pinned(&login, ask, flow).await?),
        (None, Some(place)) => dial(&place.destination, ask, flow).await,
        (None, None) => Err(Error::internal(format!("{} is nowhere", known.id))),
    }
}

/// How to log in to a session's machine where its server is known by its key alone; `None` where ssh's own
/// configuration says how.
///
/// # Errors
/// For this machine: the session's host is not running, or has no SSH server.
pub fn pinned(known: &Known) -> Result<Option<PinnedLogin>> {
    if let Some(place) = &known.ssh {
        return Ok(place.login.clone());
    }
    let Some(dir) = &known.dir else {
        return Ok(None);
    };
    let Some(endpoint) = live_endpoint(dir) else {
        let mut dead = known.clone();
        dead.live = false;
        return Err(dead
            .must_live()
            .err()
            .unwrap_or_else(|| Error::internal("a dead host lives")));
    };
    let (Some(port), Some(host_key), Some(user)) =
        (endpoint.port, endpoint.host_key, endpoint.user)
    else {
        return Err(Error::connection(format!(
            "the host of {} has no SSH server of its own",
            known.label()
        ))
        .hint(format!(
            "{} started it on this machine, which is where you are",
            known
                .spec()
                .map_or_else(|| "somebody".to_owned(), |s| s.owner)
        )));
    };
    Ok(Some(PinnedLogin {
        address: "127.0.0.1".to_owned(),
        port,
        user,
        host_key,
        identity: dir.client_key(),
    }))
}

/// Opens an SSH connection to a server whose key is known beforehand.
///
/// # Errors
/// What SSH says; another key is refused.
pub async fn dial_pinned(
    login: &PinnedLogin,
    ask: Arc<dyn Ask>,
    flow: Flow,
) -> std::result::Result<Connection, SshError> {
    let identity = login.identity.clone();
    let resolved = Resolved::direct(&login.address, login.port, &login.user, identity);
    let trust = HostTrust::Pinned(login.host_key.clone());
    Connection::open_with(&resolved, &trust, ask, flow).await
}

/// Opens an SSH connection as `ssh DESTINATION` would.
///
/// # Errors
/// What SSH says.
pub async fn dial(destination: &str, ask: Arc<dyn Ask>, flow: Flow) -> Result<Connection> {
    let resolved = resolve(destination, &Overrides::default()).await?;
    Ok(Connection::open_with(&resolved, &HostTrust::KnownHosts, ask, flow).await?)
}

/// Opens the way to a session's host. Says nothing to it yet.
///
/// # Errors
/// It is over, or its machine cannot be reached.
pub async fn reach(known: &Known, ask: Arc<dyn Ask>) -> Result<HostConn> {
    reach_with(known, ask, Flow::Credited).await
}

async fn reach_with(known: &Known, ask: Arc<dyn Ask>, flow: Flow) -> Result<HostConn> {
    known.must_live()?;
    if let (None, Some(dir)) = (&known.ssh, &known.dir)
        && live_endpoint(dir).is_some_and(|e| e.port.is_none())
    {
        return HostConn::new(known, None);
    }
    let connection = connect_with(known, ask, flow).await?;
    HostConn::new(known, Some(connection))
}

/// The ways to sessions' hosts, each opened once and shared by all that is asked of it.
pub struct Hosts {
    ask: Arc<dyn Ask>,
    flow: Flow,
    open: Mutex<HashMap<SessionId, HostConn>>,
}

impl Hosts {
    /// `Bulk` where what is read may be printed slowly: then its sender waits.
    pub fn new(ask: Arc<dyn Ask>, flow: Flow) -> Self {
        Self {
            ask,
            flow,
            open: Mutex::default(),
        }
    }

    /// One that is open already.
    pub async fn put(&self, id: SessionId, host: HostConn) {
        self.open.lock().await.insert(id, host);
    }

    /// The one to this session, where it is open already and meant for several streams.
    pub async fn open(&self, id: &SessionId) -> Option<HostConn> {
        self.open.lock().await.get(id).cloned()
    }

    /// [`reach`], over the connection there is.
    ///
    /// # Errors
    /// As [`reach`].
    pub async fn reach(&self, known: &Known) -> Result<HostConn> {
        let mut open = self.open.lock().await;
        if let Some(host) = open.get(&known.id).filter(|h| !h.is_closed()) {
            return Ok(host.clone());
        }
        let host = reach_with(known, self.ask.clone(), self.flow).await?;
        open.insert(known.id.clone(), host.clone());
        Ok(host)
    }

    /// Who can be asked.
    pub fn ask(&self) -> Arc<dyn Ask> {
        self.ask.clone()
    }
}

impl HostConn {
    /// The way to a session's host over a connection that is there already.
    ///
    /// # Errors
    /// A local session whose endpoint is gone.
    pub fn over(known: &Known, connection: Connection) -> Result<Self> {
        Self::new(known, Some(connection))
    }

    fn new(known: &Known, connection: Option<Connection>) -> Result<Self> {
        let (socket, dir, binary) = match (&known.ssh, &known.dir) {
            (Some(place), _) => (
                place.socket.clone(),
                place.dir.clone(),
                place.binary.clone(),
            ),
            (None, Some(dir)) => {
                let endpoint = live_endpoint(dir).ok_or_else(|| {
                    Error::connection(format!("the host of {} has just ended", known.label()))
                        .hint(format!("run `remote logs {}` for its output", known.id))
                })?;
                let binary = std::env::current_exe().unwrap_or_else(|_| "remote".into());
                (
                    endpoint.socket.display().to_string(),
                    dir.path().display().to_string(),
                    binary.display().to_string(),
                )
            }
            (None, None) => return Err(Error::internal(format!("{} is nowhere", known.id))),
        };
        Ok(Self {
            session: known.label(),
            connection,
            socket,
            alive_command: known
                .ssh
                .is_some()
                .then(|| format!("{} host endpoint {}", quote(&binary), known.id)),
            bridge_command: format!("{} host bridge --dir {}", quote(&binary), quote(&dir)),
            bridge: Arc::default(),
        })
    }

    /// A stream to the host's socket.
    ///
    /// # Errors
    /// The host does not listen, or the connection is lost.
    pub async fn stream(&self) -> Result<Box<dyn ByteStream>> {
        let mut bridge = self.bridge.lock().await;
        if let Some(mux) = bridge.as_ref().filter(|m| !m.is_closed()) {
            return Ok(Box::new(mux.open()?));
        }
        let Some(connection) = &self.connection else {
            let stream = UnixStream::connect(&self.socket).await;
            return Ok(Box::new(stream.map_err(|e| self.dead(e))?));
        };
        match connection.streamlocal(&self.socket).await {
            Ok(channel) => Ok(Box::new(channel)),
            Err(e)
                if e.kind == SshErrorKind::NotThere
                    && self.is_alive(connection).await == Some(false) =>
            {
                Err(self.dead(e))
            }
            // OpenSSH says the same of what it forbids as of a socket that nobody listens on.
            Err(e) if matches!(e.kind, SshErrorKind::Prohibited | SshErrorKind::NotThere) => {
                let exec = connection.exec(&self.bridge_command, None).await?;
                let mux = Mux::new(tokio::io::join(exec.stdout, exec.stdin));
                let stream = mux.open()?;
                *bridge = Some(mux);
                Ok(Box::new(stream))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// A control stream, hellos exchanged.
    ///
    /// # Errors
    /// As for [`HostConn::stream`], and another major protocol version.
    pub async fn control(&self) -> Result<Control> {
        Control::open(self.stream().await?, &self.session).await
    }

    /// Whether its machine says that the host runs; `None` where it could not be asked, which says nothing.
    async fn is_alive(&self, connection: &Connection) -> Option<bool> {
        match &self.alive_command {
            Some(command) => run(connection, command, tokio::io::empty())
                .await
                .ok()
                .map(|ran| ran.status == 0),
            None => Some(false),
        }
    }

    fn dead(&self, why: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::connection(format!("the host of {} is not running", self.session))
            .because(NoHost(Box::new(why)))
            .hint("run `remote logs` for its output, `remote restart` to start it again, or `remote prune`")
    }

    fn is_closed(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_closed)
    }

    /// The connection underneath, where there is one.
    pub fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }
}

/// Whether an error means that the machine answers but no host listens there any more.
pub fn host_is_dead(error: &Error) -> bool {
    let source = error.source.as_deref();
    source.is_some_and(|s| s.is::<NoHost>())
}

/// Marks the error of a machine that answers, and where no host listens.
#[derive(Debug)]
struct NoHost(Box<dyn std::error::Error + Send + Sync>);

impl std::fmt::Display for NoHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for NoHost {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// Runs a command to its end, both outputs collected.
///
/// # Errors
/// The connection is lost.
pub async fn run(
    connection: &Connection,
    command: &str,
    mut stdin: impl AsyncRead + Unpin,
) -> Result<Ran> {
    let mut exec = connection.exec(command, None).await?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    {
        let mut input = exec.stdin;
        let feed = async {
            // A command that fails early does not read it all; its status says more than the broken pipe.
            let _ = tokio::io::copy(&mut stdin, &mut input).await;
            let _ = input.shutdown().await;
        };
        let mut out = (&mut exec.stdout).take(OUTPUT);
        let mut err = (&mut exec.stderr).take(OUTPUT);
        let (_, out, err) = tokio::join!(
            feed,
            out.read_to_end(&mut stdout),
            err.read_to_end(&mut stderr)
        );
        out?;
        err?;
    }
    Ok(Ran {
        status: exec.control.wait().await?.code(),
        stdout,
        stderr,
    })
}

/// A connection as providers see it.
pub struct OverSsh {
    destination: String,
    connection: Connection,
}

impl OverSsh {
    pub fn new(destination: &str, connection: Connection) -> Self {
        Self {
            destination: destination.to_owned(),
            connection,
        }
    }
}

impl Remote for OverSsh {
    fn run<'a>(
        &'a self,
        command: &'a str,
        stdin: Box<dyn AsyncRead + Send + Unpin>,
    ) -> BoxFuture<'a, std::io::Result<Ran>> {
        Box::pin(async move {
            run(&self.connection, command, stdin)
                .await
                .map_err(std::io::Error::other)
        })
    }

    fn destination(&self) -> &str {
        &self.destination
    }
}
