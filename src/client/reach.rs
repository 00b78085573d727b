//! From a session that is known to a stream to its host: always over SSH, to this machine's own sessions too.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::sync::Mutex;

use super::connect::connect_with;
use super::control::{ByteStream, Control};
use super::dial::run;
use super::limits::Limits;
use super::registry::Known;
use crate::error::{Error, Result};
use crate::model::SessionId;
use crate::proto::Mux;
use crate::provision::{live_endpoint, quote};
use crate::ssh::{Ask, Connection, Flow, SshErrorKind};

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

/// Opens the way to a session's host. Says nothing to it yet.
///
/// # Errors
/// It is over, or its machine cannot be reached.
pub async fn reach(known: &Known, ask: Arc<dyn Ask>) -> Result<HostConn> {
    reach_with(known, ask, Flow::Credited, Limits::default()).await
}

/// As [`reach`], for who does not wait longer than that for an answer, or knows the way.
///
/// # Errors
/// As [`reach`].
pub async fn reach_within(known: &Known, ask: Arc<dyn Ask>, limits: Limits) -> Result<HostConn> {
    reach_with(known, ask, Flow::Credited, limits).await
}

async fn reach_with(
    known: &Known,
    ask: Arc<dyn Ask>,
    flow: Flow,
    limits: Limits,
) -> Result<HostConn> {
    known.must_live()?;
    if let (None, Some(dir)) = (&known.ssh, &known.dir)
        && live_endpoint(dir).is_some_and(|e| e.port.is_none())
    {
        return HostConn::new(known, None);
    }
    let connection = connect_with(known, ask, flow, limits).await?;
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
        let host = reach_with(known, self.ask.clone(), self.flow, Limits::default()).await?;
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
